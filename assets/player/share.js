// The tab of view links: makes one for others, and ends them all.

import { button, copyButton, fill, make } from './make.js';
import { ask, reasonOf } from './server.js';

/** @import { Status } from './contract.js' */

export function createShare() {
	const panel = make('div'), said = make('p', { role: 'status' });
	const times = Object.entries(words.linkTimes).map(([value, word]) => make('option', { value }, word));
	const time = make('select', {}, ...times);
	const found = make('div', { className: 'found' });
	time.value = '86400';
	const form = make('form', { onsubmit: makeLink }, make('label', {}, words.linkHolds, time),
		make('button', { className: 'main' }, words.makeLink));
	const end = button('close', words.endLinks, endLinks, { onblur: calm });
	let sure = false;

	async function makeLink(event) {
		event.preventDefault();
		try {
			const seconds = Number(time.value), { path, expires } = await ask('links', seconds ? { seconds } : {});
			const address = new URL(path, document.baseURI).href;
			found.replaceChildren(make('label', {}, words.newLink, make('input', { readOnly: true, value: address })),
				copyButton(words.copy, () => address));
			const until = expires && new Date(expires * 1000).toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' });
			said.textContent = until ? fill(words.linkEnds, until) : words.linkEndless;
		} catch (error) {
			said.textContent = fill(words.failed, reasonOf(error));
		}
	}

	// All of them end at once, so it asks again.
	async function endLinks() {
		if (!sure) return askAgain();
		calm();
		try {
			await ask('links/end', {});
			found.replaceChildren();
			said.textContent = words.linksEnded;
		} catch (error) {
			said.textContent = fill(words.failed, reasonOf(error));
		}
	}

	const label = end.querySelector('span');
	function askAgain() {
		sure = true;
		label.textContent = words.endLinksSure;
	}

	function calm() {
		sure = false;
		label.textContent = words.endLinks;
	}

	return {
		panel,

		/** Shows what this viewer may. @param {Status} status */
		learn({ user, role }) {
			const not = user ? fill(words.linkNot, user, role) : words.linkLogIn;
			panel.replaceChildren(make('p', {}, words.linkAbout));
			panel.append(...role === 'admin' ? [form, found, said, end] : [make('p', {}, not)]);
		},
	};
}
