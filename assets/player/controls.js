// The tab of the camera's controls: brightness, exposure, focus and what else it has.

import { createScore } from './info.js';
import { button, copyButton, fill, icon, make, onRelease, setText } from './make.js';
import { ask, createPost, reasonOf } from './server.js';

/** @import { Control, Session } from './contract.js' */

// What people look for.
const FIRST = /exposure|focus|white_balance|gain|iso_|power_line/;

/** A value that it has in the config, or of its own. @param {Control} control */
const usual = control => control.config ?? control.default;

/** `onOffer` is told whether there are any. @param {Session} session @param {(so: boolean) => void} onOffer */
export function createControls(session, onOffer) {
	const why = make('p', { className: 'why' }), said = make('p', { role: 'status' });
	const set = make('fieldset', { 'aria-label': words.tabs.controls });
	const keep = button('save', words.keep, () => store('keep'));
	const forget = button('close', words.forget, () => store('forget'));
	const tools = make('div', { className: 'choices' }, keep, forget, copyButton(words.copyConfig, asConfig));
	const posts = createPost('controls', show, error => say(error));
	/** @type {Map<string, { control: Control, update: (control: Control) => void, refuse: (text: string) => void }>} */
	let rows = new Map();
	let held = ''; // the one that is dragged, or typed into
	let restarts = false;

	function say(error) {
		said.textContent = fill(words.failed, reasonOf(error));
	}

	function show(answer) {
		/** @type {Control[]} */
		const controls = answer.controls;
		restarts = answer.restarts;
		if (controls.map(it => it.name).join() !== [...rows.keys()].join()) build(controls);
		for (const control of controls) update(control);
		for (const [name, text] of Object.entries(answer.refused ?? {})) rows.get(name)?.refuse(text);
		set.disabled = !answer.writable;
		setText(why, answer.why || (restarts ? words.restarts : ''));
		tools.hidden = !answer.writable;
		keep.hidden = !answer.can_keep;
		forget.hidden = !answer.can_keep || controls.every(it => it.kept == null);
		said.textContent = '';
		onOffer(controls.length > 0);
	}

	function update(part) {
		const row = rows.get(part.name);
		if (!row) return;
		Object.assign(row.control, part);
		// It is not pulled back by its own echo, nor by what others change.
		if (held !== part.name && !posts.isPending(part.name)) row.update(row.control);
	}

	// What came meanwhile is shown then.
	function release() {
		const row = rows.get(held);
		held = '';
		if (row) update(row.control);
	}

	/** @param {Control[]} controls */
	function build(controls) {
		/** @type {Map<string, HTMLElement[]>} */
		const groups = new Map([[words.firstControls, []]]);
		rows = new Map();
		for (const control of controls) {
			const title = FIRST.test(control.name) ? words.firstControls : control.class, row = createRow({ ...control });
			rows.set(control.name, row);
			groups.set(title, [...groups.get(title) ?? [], row.element]);
		}
		const filled = [...groups].filter(([, members]) => members.length);
		set.replaceChildren(...filled.map(([title, members], at) =>
			make('details', { open: at === 0 }, make('summary', {}, title), ...members)));
	}

	const change = (name, value) => {
		rows.get(name)?.refuse('');
		posts.post({ [name]: value });
	};

	// ---- A row

	/** @param {Control} control */
	function createRow(control) {
		const { name, type } = control, id = 'control-' + name, note = make('p', { id: id + '-note', className: 'note' });
		const back = make('button', { type: 'button', className: 'back', onclick: () => change(name, null) }, icon('turn'));
		const field = (FIELDS[type] ?? FIELDS.text)(control, id);
		field.input.setAttribute('aria-describedby', note.id);
		const label = type === 'button' ? '' : make('label', { htmlFor: id }, control.label);
		let refusal = '';

		function tell(control) {
			const { active, locked, read_only } = control;
			setText(note, refusal || (!active ? words.inactive : locked ? words.locked : read_only ? words.readOnly
				: control.kept == null ? '' : fill(words.keptAs, nameOf(control, control.kept))));
		}

		const element = make('div', { className: 'control ' + type }, label, ...field.parts, back, note);
		element.addEventListener('input', () => held = name);
		element.addEventListener('change', release);
		element.addEventListener('focusout', release);
		return {
			control, element,

			update(control) {
				const isFixed = !control.active || control.locked || control.read_only;
				for (const part of element.querySelectorAll('input, select, button')) part.disabled = isFixed;
				field.set(control.value);
				const to = usual(control);
				back.hidden = isFixed || type === 'button' || to == null || String(to) === String(control.value);
				back.title = fill(words.backTo, control.label, nameOf(control, to));
				tell(control);
			},

			refuse(text) {
				refusal = text && fill(words.refused, text);
				tell(control);
			},
		};
	}

	const nameOf = ({ menu, type }, value) =>
		menu?.find(it => it.value === value)?.label ?? (type === 'bool' ? words.switches[Number(value)] : value);

	/**
	 * What a control is set by.
	 * @type {Record<string, (control: Control, id: string) => { input: HTMLElement, parts: any[], set: (value: any) => void }>}
	 */
	const FIELDS = {
		int({ name, label, min, max, step, ...control }, id) {
			const number = make('input', { type: 'number', min, max, step, id });
			number.onchange = () => number.value && change(name, number.valueAsNumber);
			// Of more than that a slider has no place for each, nor a number for all.
			if (typeof min === 'string' || typeof max === 'string' || max - min > 2 ** 31) {
				const text = make('input', { id, className: 'wide', inputMode: 'numeric', onchange: () => change(name, text.value) });
				return { input: text, parts: [text], set: value => text.value = value };
			}
			const slider = make('input', { type: 'range', min, max, step, 'aria-label': label });
			const mark = make('i'), to = usual(/** @type {Control} */ (control));
			mark.hidden = to == null;
			mark.style.setProperty('--at', String((Number(to) - min) / (max - min)));
			const score = name === 'motion_threshold' && createScore(slider, value => update({ name, value }));
			slider.oninput = () => {
				set(slider.value);
				if (!restarts) change(name, slider.valueAsNumber);
			};
			slider.onchange = () => change(name, slider.valueAsNumber);
			onRelease(slider, release);
			const set = value => {
				slider.value = number.value = value;
				if (score) score.mark();
			};
			return { input: number, parts: [number, score ? score.element : make('div', { className: 'slider' }, mark, slider)], set };
		},

		bool({ name }, id) {
			const box = make('input', { type: 'checkbox', id, onchange: () => change(name, Number(box.checked)) });
			return { input: box, parts: [box], set: value => box.checked = Boolean(value) };
		},

		menu({ name, menu = [] }, id) {
			const select = make('select', { id, onchange: () => change(name, Number(select.value)) },
				...menu.map(({ value, label }) => make('option', { value }, label)));
			return { input: select, parts: [select], set: value => select.value = value };
		},

		button({ name, label }, id) {
			const push = make('button', { type: 'button', id, onclick: () => change(name, 1) }, label);
			return { input: push, parts: [push], set() {} };
		},

		text({ name }, id) {
			const text = make('input', { id, className: 'wide', onchange: () => change(name, text.value) });
			return { input: text, parts: [text], set: value => text.value = value };
		},
	};
	FIELDS.intmenu = FIELDS.menu;

	// ---- What is kept

	async function store(what) {
		try {
			show(await ask('controls/' + what, {}));
			said.textContent = what === 'keep' ? words.kept : words.forgotten;
		} catch (error) {
			say(error);
		}
	}

	/** What differs from the config, as lines for it. */
	function asConfig() {
		const all = [...rows.values()].map(row => row.control);
		const own = all.filter(it =>
			it.type !== 'button' && !it.read_only && it.active && String(it.value) !== String(usual(it)));
		return own.map(it => `${it.name} = ${it.value}\n`).join('');
	}

	session.onMessage('controls', ({ values }) => {
		for (const [name, part] of Object.entries(values)) update({ name, ...part });
	});

	return {
		panel: make('div', { className: 'controls' }, why, set, tools, said),
		show,

		async open() {
			await ask('controls').then(show, say);
		},
	};
}
