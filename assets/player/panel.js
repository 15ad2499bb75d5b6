// All around the picture: its state in words, buttons, keys, fingers, numbers.

import { byId } from './view.js';

/** @import { Session, View } from './contract.js' */

/** @param {Session} session @param {View} view @param {boolean} bare without controls */
export function createPanel(session, view, bare) {
	const root = document.documentElement, state = byId('state'), numbers = byId('numbers'), playButton = byId('play');
	const { stage, video } = view;

	function render() {
		const [word, text] = session.describe();
		root.dataset.state = word;
		if (state.textContent !== text) state.textContent = text;
		playButton.hidden = word !== 'blocked' && word !== 'paused';
		if (!numbers.hidden) renderNumbers();
	}

	function renderNumbers() {
		const lines = Object.entries(session.stats()).map(([name, value]) => {
			const text = Number(value) % 1 ? Number(value).toFixed(1) : value ?? 'unknown';
			return `${name.replace('_', ' ')}: ${text}\n`;
		});
		const size = view.size().join('x');
		numbers.textContent = lines.join('') + `size: ${size}\nkeys: the first letters; + − 0 zoom; arrows move`;
	}

	function fullScreen() {
		if (document.fullscreenElement) document.exitFullscreen();
		else if (root.requestFullscreen) root.requestFullscreen();
		else video['webkitEnterFullscreen'](); // iPhone
	}

	async function pictureInPicture() {
		if (document.pictureInPictureElement) return document.exitPictureInPicture();
		if (session.leaveCanvas()) {
			await new Promise(loaded => video.addEventListener('loadeddata', loaded, { once: true }));
		}
		video.requestPictureInPicture();
	}

	/** @type {Record<string, () => unknown>} The first letter is the key. Gives whether it is on, if it can be. */
	const actions = {
		Pause: session.pause,
		Full: fullScreen,
		Window: pictureInPicture,
		Save: view.save,
		Turn: view.turn,
		Mirror: view.mirror,
		Grid: () => view.toggleLines('grid'),
		Centre: () => view.toggleLines('cross'),
		Edges: view.toggleEdges,
		Info() {
			numbers.hidden = !numbers.hidden;
			return !numbers.hidden;
		},
	};

	const keys = {
		'+': () => view.zoom(1.25),
		'-': () => view.zoom(0.8),
		0: () => view.zoom(0),
		ArrowLeft: () => view.move(40, 0),
		ArrowRight: () => view.move(-40, 0),
		ArrowUp: () => view.move(0, 40),
		ArrowDown: () => view.move(0, -40),
	};

	function addButtons() {
		if (!document.pictureInPictureEnabled) delete actions.Window;
		for (const title in actions) {
			const button = byId('bar').appendChild(document.createElement('button')), key = title[0].toLowerCase();
			button.textContent = title;
			button.title = 'Key: ' + key;
			button.onclick = keys[key] = () => {
				const on = actions[title]();
				if (typeof on === 'boolean') button.setAttribute('aria-pressed', String(on));
			};
		}
	}

	function onKey(event) {
		const act = !event.ctrlKey && !event.metaKey && !event.altKey && keys[event.key];
		if (!act) return;
		event.preventDefault();
		act();
	}

	function addFingers() {
		/** @type {Map<number, PointerEvent>} The last event of each. */
		const fingers = new Map();
		stage.onpointerdown = event => fingers.set(event.pointerId, event);
		stage.onpointerup = stage.onpointercancel = stage.onpointerleave = event => fingers.delete(event.pointerId);
		stage.onpointermove = event => {
			const last = fingers.get(event.pointerId);
			if (!last) return;
			fingers.set(event.pointerId, event);
			view.move((event.clientX - last.clientX) / fingers.size, (event.clientY - last.clientY) / fingers.size);
			const other = [...fingers.values()].find(finger => finger.pointerId !== event.pointerId);
			if (!other) return;
			const apart = finger => Math.hypot(finger.clientX - other.clientX, finger.clientY - other.clientY);
			const middle = [(event.clientX + other.clientX) / 2, (event.clientY + other.clientY) / 2];
			view.zoom(apart(event) / apart(last), ...middle);
		};
		stage.addEventListener('wheel', event => {
			event.preventDefault();
			view.zoom(2 ** (-event.deltaY / 400), event.clientX, event.clientY);
		}, { passive: false });
	}

	playButton.onclick = session.resume;
	if (bare) {
		root.classList.add('bare');
	} else {
		addButtons();
		addEventListener('keydown', onKey);
		addFingers();
	}
	return { render };
}
