// The tab that turns the camera: held buttons and keys, sliders, presets.

import { fill, icon, make, onRelease, setText } from './make.js';
import { ask, createPost, reasonOf } from './server.js';

/** @import { Ptz, Session } from './contract.js' */

const RENEW_MS = 200; // while held; the server stops what is not renewed
const STEPS = { pan: 1, tilt: 1, zoom: 5 }; // degrees, and percent
const QUICK = 5; // times, with Shift

/** Direction by key, and by button. @type {Record<string, [string, number]>} */
const KEYS = { ArrowLeft: ['pan', -1], ArrowRight: ['pan', 1], ArrowUp: ['tilt', 1], ArrowDown: ['tilt', -1] };

/** `onOffer` is told whether it moves at all. @param {Session} session @param {(so: boolean) => void} onOffer */
export function createMove(session, onOffer) {
	const why = make('p', { className: 'why' }), said = make('p', { role: 'status' });
	const pad = make('div', { className: 'pad' }), sliders = make('div'), places = make('div', { className: 'choices' });
	const set = make('fieldset', { 'aria-label': words.tabs.move }, pad, sliders, places);
	const posts = createPost('ptz', show, error => said.textContent = fill(words.failed, reasonOf(error)));
	/** @type {Ptz} */
	let ptz = { state: 'none', reason: '', moving: false, axes: {}, presets: [], writable: false, why: '' };
	/** @type {Record<string, { slider: HTMLInputElement, number: HTMLElement }>} */
	let fields = {};
	let built = '', held = '', isOpen = false;
	let timer = 0;
	/** @type {[string, number] | null} */
	let holding = null;

	function show(part) {
		ptz = { ...ptz, ...part };
		const { axes, state, writable, presets } = ptz;
		const limits = Object.entries(axes).map(([name, { kind, min, max }]) => [name, kind, min, max]);
		const shape = JSON.stringify([limits, presets]);
		if (built !== shape) build();
		built = shape;
		set.disabled = !writable || state !== 'ready';
		setText(why, !writable ? ptz.why : state === 'ready' ? '' : ptz.reason);
		for (const name in fields) {
			const { slider, number } = fields[name], { value } = axes[name];
			setText(number, value == null ? '?' : format(name, value));
			if (held !== name && !posts.isPending(name) && value != null) slider.value = String(value);
		}
		const clamped = part.clamped?.map(name => words.axes[name]).join(', ');
		setText(said, clamped ? fill(words.clamped, clamped) : '');
		onOffer(state !== 'none');
	}

	const format = (name, value) => Math.round(value * 10) / 10 + (name === 'zoom' ? ' %' : '°');

	function build() {
		const { axes } = ptz, has = Object.values(axes);
		pad.replaceChildren(
			...Object.entries(KEYS).filter(([, [axis]]) => axes[axis]).map(([key, way]) => holdButton(key, 'back', way)),
			make('button', { type: 'button', className: 'Home', title: words.home,
				onclick: () => posts.post({ home: true }) }, icon('home')),
			...axes.zoom ? [holdButton('Out', 'out-zoom', ['zoom', -1]), holdButton('In', 'in-zoom', ['zoom', 1])] : []);
		fields = {};
		sliders.replaceChildren(...Object.keys(axes).filter(name => axes[name].kind === 'absolute').map(createSlider));
		places.replaceChildren(...ptz.presets.map(preset =>
			make('button', { type: 'button', onclick: () => posts.post({ preset }) }, preset)));
		pad.hidden = !has.length;
	}

	function createSlider(name) {
		const { min, max, step, home } = ptz.axes[name], number = make('output'), mark = make('i');
		const slider = make('input', { type: 'range', min, max, step: step || 'any' });
		mark.style.setProperty('--at', String((home - min) / (max - min)));
		slider.value = String(home);
		slider.oninput = () => {
			held = name;
			setText(number, format(name, slider.valueAsNumber));
			posts.post({ [name]: slider.valueAsNumber });
		};
		onRelease(slider, () => held = '');
		fields[name] = { slider, number };
		return make('label', { className: 'control' }, make('span', {}, words.axes[name]), number,
			make('div', { className: 'slider' }, mark, slider));
	}

	// ---- Held

	/** @param {[string, number]} way */
	function holdButton(name, picture, way) {
		const push = make('button', { type: 'button', className: name, title: words.ways[name] }, icon(picture));
		push.onpointerdown = event => {
			push.setPointerCapture(event.pointerId);
			begin(way, event.shiftKey);
		};
		push.onpointerup = push.onpointercancel = push.onblur = end;
		push.oncontextmenu = event => event.preventDefault(); // of a long touch
		// By a screen reader, or a key: once.
		push.onclick = event => {
			if (event.detail) return;
			begin(way, false);
			end();
		};
		return push;
	}

	function begin(way, quick) {
		end();
		holding = way;
		const go = () => send(way, quick);
		go();
		timer = setInterval(go, RENEW_MS);
	}

	/** @param {[string, number]} way */
	function send([name, sign], quick) {
		const axis = ptz.axes[name];
		if (axis.kind === 'speed') posts.post({ [name + '_speed']: sign });
		else posts.post({ [name + '_by']: sign * Math.max(axis.step || 0, STEPS[name]) * (quick ? QUICK : 1) });
	}

	function end() {
		clearInterval(timer);
		if (holding && ptz.axes[holding[0]]?.kind === 'speed') posts.post({ [holding[0] + '_speed']: 0 });
		holding = null;
	}

	addEventListener('blur', end);
	addEventListener('keyup', end);
	document.addEventListener('visibilitychange', end);
	session.onMessage('ptz', show);

	const panel = make('div', { className: 'move' }, why, set, said);
	return {
		panel,
		show,
		focus: panel,

		async open() {
			isOpen = true;
			await ask('ptz').then(show, error => said.textContent = fill(words.failed, reasonOf(error)));
		},

		close() {
			isOpen = false;
			end();
		},

		/** Gives whether the key moves the camera. @param {KeyboardEvent} event */
		onKey({ key, repeat, shiftKey }) {
			const way = KEYS[key];
			if (!isOpen || set.disabled || !way || !ptz.axes[way[0]]) return false;
			if (!repeat) begin(way, shiftKey);
			return true;
		},

		/** Gives whether the camera zooms. */
		onZoom(by) {
			if (!isOpen || set.disabled || !ptz.axes.zoom) return false;
			send(['zoom', Math.sign(by)], false);
			return true;
		},
	};
}
