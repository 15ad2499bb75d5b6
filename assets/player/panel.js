// All around the picture: its state in words, buttons, keys, the drawer.

import { createControls } from './controls.js';
import { createDrawer } from './drawer.js';
import { addFingers } from './fingers.js';
import { createInfo } from './info.js';
import { button, byId, fill, icon, make, setText } from './make.js';
import { createMove } from './move.js';
import { AAC } from './mp4.js';
import { ask } from './server.js';
import { createShare } from './share.js';
import { createSound } from './sound.js';

/** @import { Session, View } from './contract.js' */

const LEARN_MS = 5000; // for which an answer is new enough
const IDLE_MS = 4000; // until the buttons fade
const KEYS = {
	pause: 'p', mute: 'm', save: 's', full: 'f', turn: 't', mirror: 'h', grid: 'g', centre: 'c', edges: 'e', window: 'w',
	picture: 'r', controls: 'o', move: 'v', link: 'l', info: 'i',
};

/** It was opened by a view link. */
const isLink = () => /\/t\/[^/]{20,}/.test(location.pathname);
const age = s => s < 60 ? `${Math.round(s)} s` : s < 3600 ? `${Math.round(s / 60)} min` : `${Math.round(s / 3600)} h`;

/** @param {Session} session @param {View} view @param {boolean} bare without controls */
export function createPanel(session, view, bare) {
	const root = document.documentElement, state = byId('state'), play = byId('play'), zoom = byId('zoom');
	const message = byId('message'), ageLine = byId('age'), logIn = byId('login');
	const { video } = view;
	let name = '', title = '', wasLive = false, learntAt = -Infinity;

	function render() {
		const { word, label, text, age_s, moves } = session.describe();
		root.dataset.state = word;
		root.toggleAttribute('data-moves', moves);
		setText(state, label);
		setText(message, text);
		setText(ageLine, age_s > 1 ? fill(words.age, age(age_s)) : '');
		play.hidden = word !== 'blocked' && word !== 'paused';
		logIn.hidden = text !== words.messages[401];
		if (bare) return;
		const isPaused = word === 'paused';
		relabel('pause', isPaused ? 'play' : 'pause');
		relabel('mute', video.muted ? 'unmute' : 'mute');
		sound.element.hidden = buttons.mute.hidden || video.muted;
		info.sample();
		const isLive = word === 'live';
		if (isLive && !wasLive) {
			if (performance.now() - learntAt > LEARN_MS) learn();
			else learnWho(); // it was not open yet
		}
		wasLive = isLive;
	}

	// ---- What the buttons do

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

	/** @type {Record<string, () => unknown>} Each gives whether it is on, if it can be. */
	const actions = {
		pause: session.pause,
		mute() {
			if (!buttons.mute.hidden) session.setSound(video.muted);
		},
		save: () => view.save(name || 'camera'),
		full: fullScreen,
		turn: view.turn,
		mirror: view.mirror,
		grid: () => view.grid(),
		centre: view.cross,
		edges: view.toggleEdges,
		window: pictureInPicture,
	};
	const inBar = ['pause', 'mute', 'save', 'full'];

	const keys = {
		'+': () => view.zoom(1.25),
		'=': () => view.zoom(1.25),
		'-': () => view.zoom(0.8),
		0: () => view.zoom(0),
		' ': session.pause,
		ArrowLeft: () => view.move(40, 0),
		ArrowRight: () => view.move(-40, 0),
		ArrowUp: () => view.move(0, 40),
		ArrowDown: () => view.move(0, -40),
		Escape: () => drawer.open() && closeDrawer(),
	};
	const keyTexts = () => [...Object.entries(KEYS).map(([name, key]) => [key, words.actions[name] ?? words.tabs[name]]),
		['+ − 0', words.zoomKeys], [words.arrows, words.moveKeys]];

	/** @type {Record<string, HTMLElement>} */
	const buttons = {};
	const titled = (name, word) => fill(words.key, word, KEYS[name]);

	function addButton(name, word, act) {
		buttons[name] = button(name, word, act, { title: titled(name, word) });
		keys[KEYS[name]] = act;
		return buttons[name];
	}

	function relabel(name, other) {
		const [svg, text] = buttons[name].children;
		if (text.textContent === words.actions[other]) return;
		text.textContent = words.actions[other];
		buttons[name].title = titled(name, words.actions[other]);
		svg.replaceWith(icon(other));
	}

	function press(name, on) {
		if (typeof on !== 'boolean') return;
		buttons[name].setAttribute('aria-pressed', String(on));
		if (name === 'turn') setText(buttons.turn.lastChild, on ? `${90 * view.look().turn}°` : words.actions.turn);
	}

	const addAction = name => addButton(name, words.actions[name], async () => press(name, await actions[name]()));

	// ---- The drawer

	const info = createInfo(session, view, keyTexts()), share = createShare(), sound = createSound(session, view);
	const controls = createControls(session, so => offer('controls', so));
	const move = createMove(session, so => offer('move', so));
	const tabs = { picture: { panel: make('div', { className: 'choices' }) }, controls, move, link: share, info };

	function onDrawer(name) {
		root.classList.toggle('open', !!name);
		for (const tab in tabs) buttons[tab].setAttribute('aria-expanded', String(tab === name));
	}

	const drawer = createDrawer(tabs, onDrawer);

	function toggle(name) {
		if (drawer.open() === name) closeDrawer();
		else if (!buttons[name].hidden) drawer.open(name);
	}

	function closeDrawer() {
		const name = drawer.open();
		drawer.close();
		buttons[name].focus();
		// A narrow screen has no room for each of them.
		if (document.activeElement !== buttons[name]) buttons.pause.focus();
	}

	function offer(name, so) {
		drawer.offer(name, so);
		buttons[name].hidden = !so;
	}

	// ---- Who looks, at what

	function learn() {
		learntAt = performance.now();
		learnWho();
		ask('controls').then(controls.show, error => onNone('controls', error));
		ask('ptz').then(move.show, error => onNone('move', error));
	}

	async function learnWho() {
		try {
			const status = await ask('status');
			const { source, codecs, recorder } = status.cameras[0];
			name = status.cameras[0].name;
			buttons.mute.hidden = !codecs?.includes(AAC);
			const isNamed = location.pathname.endsWith(`/${name}/`), start = isNamed ? '../' : './';
			const { cameras } = isNamed ? await ask('../status') : status;
			// The only camera, to which the config gives no name, is known by its own as soon as it is open.
			title = name === 'camera0' && cameras.length < 2 ? source : name;
			setText(byId('name'), title || name);
			document.title = fill(words.title, title || name);
			Object.assign(byId('back'), { href: start, hidden: cameras.length < 2 });
			byId('past').hidden = !recorder || isLink();
			showUser(status);
			share.learn(status);
			offer('link', status.login && !isLink());
		} catch {
			learntAt = -Infinity; // It comes again with the picture.
		}
	}

	// A server that has no such thing says 404; one that does not answer may have it.
	function onNone(name, error) {
		if (error.status === 404) offer(name, false);
	}

	function showUser({ user, login }) {
		const about = user && { title: fill(words.loggedInAs, user) };
		const act = about ? button('out', words.logOut, logOut, about) : login && make('a', { href: 'login' }, words.logIn);
		byId('user').replaceChildren(...act && !isLink() ? [act] : []);
	}

	async function logOut() {
		// Who takes a page is sent to the login page, without the browser's own dialog.
		await fetch('logout', { method: 'POST', headers: { Accept: 'text/html' } });
		sessionStorage.clear();
		location.reload();
	}

	// ---- Keys, and buttons that fade

	function onKey(event) {
		if (event.ctrlKey || event.metaKey || event.altKey) return;
		const { key, target } = event, act = keys[key.length > 1 ? key : key.toLowerCase()];
		const isField = target.closest('input, select, textarea' + (key === ' ' ? ', button, a, summary' : ''));
		if (!isField && move.onKey(event)) return event.preventDefault();
		if (!act || isField && key !== 'Escape') return;
		event.preventDefault();
		act();
	}

	let idleTimer = 0;
	function wake() {
		root.classList.remove('idle');
		clearTimeout(idleTimer);
		idleTimer = setTimeout(() => root.classList.add('idle'), IDLE_MS);
	}

	function begin() {
		if (!document.pictureInPictureEnabled) delete actions.window;
		for (const name in actions) (inBar.includes(name) ? byId('bar') : tabs.picture.panel).append(addAction(name));
		buttons.mute.hidden = true;
		buttons.mute.after(sound.element);
		for (const name in tabs) byId('bar').append(addButton(name, words.tabs[name], () => toggle(name)));
		onDrawer('');
		byId('bar').setAttribute('aria-label', words.player);
		const { turn, flip, grid } = view.look();
		press('turn', turn > 0);
		press('mirror', flip < 0);
		press('grid', view.grid(grid));
		offer('picture', true);
		offer('info', true);
		for (const name of ['controls', 'move', 'link']) offer(name, false);
		byId('back').append(icon('back'), make('span', {}, words.cameras));
		byId('past').append(icon('past'), make('span', {}, words.recordings));
		zoom.onclick = () => view.zoom(0);
		view.onZoom = scale => {
			zoom.hidden = scale === 1;
			setText(zoom, `${scale.toFixed(1)}×`);
			zoom.title = fill(words.resetZoom, scale.toFixed(1));
		};
		document.onfullscreenchange = () => relabel('full', document.fullscreenElement ? 'small' : 'full');
		addEventListener('keydown', onKey);
		for (const type of ['pointermove', 'pointerdown', 'keydown', 'focusin']) addEventListener(type, wake);
		wake();
		addFingers(view, move.onZoom);
		learn();
	}

	play.append(icon('play'));
	play.title = words.actions.play;
	play.onclick = session.resume;
	setText(logIn, words.logIn);
	if (bare) root.classList.add('bare');
	else begin();
	return { render };
}
