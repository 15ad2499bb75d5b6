// Makes what the page consists of.

export const byId = id => /** @type {HTMLElement} */ (document.getElementById(id));

/** Puts values where the # are. @param {string} text */
export const fill = (text, ...values) => text.replace(/#/g, () => String(values.shift()));

/** @typedef {string | Node} Content */

/**
 * Makes an element. Names with a dash, and roles, are attributes; the others properties.
 * @param {string} tag @param {Content[]} content
 */
export function make(tag, properties = {}, ...content) {
	/** @type {any} */
	const element = document.createElement(tag);
	for (const [name, value] of Object.entries(properties)) {
		if (name === 'role' || name.includes('-')) element.setAttribute(name, value);
		else element[name] = value;
	}
	element.append(...content);
	return element;
}

/** One of the icons in index.html. */
export function icon(name) {
	const [svg, use] = ['svg', 'use'].map(tag => document.createElementNS('http://www.w3.org/2000/svg', tag));
	svg.setAttribute('aria-hidden', 'true');
	svg.setAttribute('viewBox', '0 0 24 24');
	use.setAttribute('href', '#i-' + name);
	svg.append(use);
	return svg;
}

/** A button with an icon and a word. */
export const button = (name, word, onclick, properties = {}) =>
	make('button', { type: 'button', onclick, ...properties }, icon(name), make('span', {}, word));

export function setText(element, text) {
	if (element.textContent !== text) element.textContent = text;
}

/** Tells when nobody holds a slider any more, whether its value has changed or not. */
export function onRelease(slider, act) {
	for (const type of ['pointerup', 'pointercancel', 'keyup', 'blur', 'change']) slider.addEventListener(type, act);
}

/** A button that copies a text. `textOf` gives it. */
export function copyButton(word, textOf) {
	const copied = make('span', { role: 'status' });
	const copy = button('copy', word, async () => {
		const text = textOf();
		try {
			await navigator.clipboard.writeText(text);
		} catch { // It is for secure origins alone.
			const field = make('textarea', { value: text });
			copy.after(field);
			field.select();
			document.execCommand('copy');
			field.remove();
			copy.focus();
		}
		copied.textContent = words.copied;
		setTimeout(() => copied.textContent = '', 2000);
	});
	return make('span', { className: 'copy' }, copy, copied);
}
