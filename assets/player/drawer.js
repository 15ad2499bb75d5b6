// The drawer beside the picture, with its tabs.

import { byId, button, make } from './make.js';

/** @import { Tab } from './contract.js' */

/** `onChange` is told which tab is open, or ''. @param {Record<string, Tab>} tabs */
export function createDrawer(tabs, onChange) {
	const drawer = byId('drawer'), names = Object.keys(tabs);
	const list = make('div', { role: 'tablist', 'aria-label': words.drawer });
	const close = button('close', words.close, () => show(''), { className: 'close' });
	/** @type {Record<string, HTMLElement>} */
	const buttons = {};
	const offered = new Set();
	let open = '';

	for (const name of names) {
		const onClick = ({ detail }) => {
			if (open !== name) show(name);
			// By a pointer: the keys are the panel's then, if it has some. Arrows of who came by key change tabs.
			if (detail) tabs[name].focus?.focus();
		};
		buttons[name] = button(name, words.tabs[name], onClick, {
			role: 'tab', id: 'tab-' + name, 'aria-controls': 'panel-' + name, hidden: true,
		});
		list.append(buttons[name]);
		Object.assign(tabs[name].panel, { id: 'panel-' + name, tabIndex: 0, hidden: true });
		tabs[name].panel.setAttribute('role', 'tabpanel');
		tabs[name].panel.setAttribute('aria-labelledby', 'tab-' + name);
	}
	drawer.append(make('div', { className: 'tabs' }, list, close), ...names.map(name => tabs[name].panel));

	list.onkeydown = event => {
		const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
		if (!step) return;
		event.stopPropagation();
		const all = names.filter(name => offered.has(name));
		show(all[(all.indexOf(open) + step + all.length) % all.length]);
		buttons[open].focus();
	};

	/** Opens a tab, or with '' the drawer closes. */
	function show(name) {
		if (open) tabs[open].close?.();
		open = name;
		drawer.hidden = !name;
		for (const each of names) {
			const isOpen = each === name;
			tabs[each].panel.hidden = !isOpen;
			buttons[each].setAttribute('aria-selected', String(isOpen));
			buttons[each].tabIndex = isOpen ? 0 : -1;
		}
		if (name) tabs[name].open?.();
		onChange(name);
	}

	return {
		/** Opens a tab, if one is named, and gives it the focus. Gives which one is open. */
		open(name = '') {
			if (name) {
				show(name);
				(tabs[name].focus ?? buttons[name]).focus();
			}
			return open;
		},

		close: () => show(''),

		/** Whether there is something behind a tab. */
		offer(name, so) {
			if (so) offered.add(name);
			else offered.delete(name);
			buttons[name].hidden = !so;
			if (!so && open === name) show('');
		},
	};
}
