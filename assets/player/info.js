// The tab of numbers: how late and how much, the addresses for other programs, the keys.

import { copyButton, fill, make, setText } from './make.js';
import { ask } from './server.js';

/** @import { Session, Status, View } from './contract.js' */

const SECONDS = 60; // in a graph
const POLL_MS = 3000;
const SCORE_MS = 1000;
const OCTAVES = 10; // from the bottom to the top of a graph of scores, which shows their logarithms

export const rate = bps => bps < 1e6 ? `${Math.round(bps / 1000)} kbit/s` : `${(bps / 1e6).toFixed(1)} Mbit/s`;

/**
 * A line over the last minute. `read` puts a value in words; `least` is at the top, if no value is greater.
 * @param {string} name @param {(value: number) => string} read
 */
function createGraph(name, read, least = 1) {
	/** @type {(number | null)[]} */
	const values = Array(SECONDS).fill(null);
	const namespace = 'http://www.w3.org/2000/svg';
	const [svg, line] = ['svg', 'path'].map(tag => document.createElementNS(namespace, tag));
	const now = make('b'), most = make('span');
	svg.setAttribute('viewBox', `0 0 ${SECONDS - 1} 20`);
	svg.setAttribute('preserveAspectRatio', 'none');
	svg.setAttribute('role', 'img');
	svg.append(line);

	return {
		element: make('figure', {}, make('figcaption', {}, name, now, most), svg),
		svg,

		add(value) {
			values.push(value);
			values.shift();
		},

		/** Draws what was added, or all of these instead. */
		draw(all = values) {
			const known = all.flatMap(value => value ?? []), highest = Math.max(0, ...known), top = Math.max(least, highest);
			const last = all[SECONDS - 1];
			let path = '', isOn = false;
			all.forEach((value, at) => {
				if (value !== null) path += `${isOn ? 'L' : 'M'}${at} ${(19.5 - 19 * value / top).toFixed(1)}`;
				isOn = value !== null;
			});
			line.setAttribute('d', path);
			setText(now, last === null ? words.unknown : read(last));
			const topText = known.length ? read(highest) : words.unknown;
			setText(most, known.length ? '≤ ' + topText : '');
			svg.setAttribute('aria-label', fill(words.lastMinute, name, now.textContent, topText));
		},
	};
}

/**
 * `slider` is the threshold's own, for keys; it lies on the graph unseen. `onThreshold` is told what it is at the server.
 * @param {HTMLInputElement} slider @param {(threshold: number) => void} onThreshold
 */
export function createScore(slider, onThreshold) {
	const graph = createGraph(words.score, value => (2 ** value - 1).toFixed(1), OCTAVES);
	const plot = make('div', { className: 'score' }, graph.svg, make('i'), slider), why = make('p');
	const element = make('div', { className: 'wide' }, graph.element, why);
	graph.element.append(plot);
	graph.draw();

	/** @param {any} camera As /status has it. */
	function show({ motion, state, reason }) {
		const text = state !== 'live' ? reason || words.states[state]
			: motion.why || motion.state === 'learning' && words.learning || '';
		setText(why, text);
		graph.element.hidden = !!text;
		graph.draw(motion.last_minute.map(score => score === null ? score : Math.log2(1 + score)));
		onThreshold(motion.threshold);
	}

	const tell = type => slider.dispatchEvent(new Event(type, { bubbles: true }));

	plot.onpointerdown = plot.onpointermove = ({ button, pointerId, clientY }) => {
		// It is -1 where one only moves.
		if (!button && !slider.matches(':disabled')) plot.setPointerCapture(pointerId);
		if (!plot.hasPointerCapture(pointerId)) return;
		const { bottom, height } = plot.getBoundingClientRect();
		slider.value = String(2 ** ((bottom - clientY) / height * OCTAVES) - 1);
		tell('input');
	};
	plot.onlostpointercapture = () => tell('change'); // at its end, or where the browser takes the finger to scroll

	const timer = setInterval(async () => {
		if (!element.isConnected) clearInterval(timer);
		else if (element.offsetParent) await ask('status').then(({ cameras: [camera] }) => show(camera)).catch(() => {});
	}, SCORE_MS);

	return {
		element,

		/** Has the line where the threshold is. */
		mark: () => plot.style.setProperty('--at', String(Math.log2(1 + Number(slider.value)) / OCTAVES)),
	};
}

/**
 * The addresses for the programs of `words.programs`, in their order; empty for one that has none. `page`: that of the camera.
 * @param {Status} status @param {URL} page
 */
export function addressesFor({ cameras: [{ name, codec }], rtsp_port, onvif }, page) {
	const isJpeg = codec === 'mjpeg', at = address => new URL(address, page).href;
	const stream = at(isJpeg ? 'stream.mjpeg' : 'stream.m3u8'), snapshot = at(isJpeg ? 'snapshot.jpg' : 'snapshot.mp4');
	const [, token] = page.pathname.match(/\/t\/([^/]{20,})/) ?? [];
	const rtsp = rtsp_port ? `rtsp://${page.hostname}:${rtsp_port}/${name}${token ? '?token=' + token : ''}` : '';
	// Home Assistant plays no JPEG pictures from RTSP.
	return [at('./'), at('./?bare'), isJpeg ? stream : at('stream.mp4'), !isJpeg && rtsp || stream, rtsp,
		onvif && !token ? page.host : '', stream, snapshot, `curl -O ${snapshot}`];
}

/** `keys`: what they do. @param {Session} session @param {View} view @param {string[][]} keys */
export function createInfo(session, view, keys) {
	const delay = createGraph(words.delay, ms => `${Math.round(ms)} ms`), bitrate = createGraph(words.bitrate, rate);
	const facts = make('dl'), addresses = make('ul');
	/** @type {Record<string, HTMLElement>} */
	const values = {};
	let camera, listed = '';
	let timer = 0, sampledAt = 0, bytes = 0;

	for (const name in words.facts) {
		values[name] = make('dd');
		facts.append(make('div', {}, make('dt', {}, words.facts[name]), values[name]));
	}

	/** Takes a value into the graphs, once a second. */
	function sample() {
		const now = performance.now(), elapsed_s = (now - sampledAt) / 1000;
		if (elapsed_s < 0.95) return;
		const stats = session.stats(), grown = Number(stats.bytes) - bytes;
		delay.add(stats.state === 'live' ? stats.latency_ms : null);
		// A tag does not tell what it loads.
		bitrate.add(stats.bytes ? grown * 8 / elapsed_s : camera?.bitrate_bps ?? null);
		bytes = Number(stats.bytes);
		sampledAt = now;
		if (timer) render(stats);
	}

	function render(stats) {
		const account = session.describe(), size = view.size();
		delay.draw();
		bitrate.draw();
		const all = {
			...stats,
			state: account.label,
			reason: account.reason || camera?.reason,
			size: size[0] ? size.join(' × ') : '',
			fps: camera && fill(words.perSecond, Math.round(camera.fps * 10) / 10),
			codec: camera && words.codecs[camera.codec],
			mic: camera?.mic || camera?.mic_why,
			path: words.paths[stats.path],
			viewers: camera?.clients.length,
		};
		for (const name in values) setText(values[name], String(all[name] || (all[name] === 0 ? 0 : words.unknown)));
		for (const name of ['reason', 'mic']) values[name].parentElement?.toggleAttribute('hidden', !all[name]);
	}

	async function poll() {
		try {
			const status = await ask('status');
			camera = status.cameras[0];
			list(addressesFor(status, new URL(document.baseURI)));
		} catch {} // The state says so.
	}

	function list(all) {
		if (listed === (listed = String(all))) return;
		addresses.replaceChildren(...all.flatMap((address, at) => address ? make('li', {},
			// What is no address is for copying alone.
			make('span', {}, words.programs[at], make('a', /^\w+:\/\//.test(address) ? { href: address } : {}, address)),
			copyButton(words.copy, () => address)) : []));
	}

	return {
		sample,

		panel: make('div', { className: 'info' }, delay.element, bitrate.element, facts,
			make('h2', {}, words.connect), addresses,
			make('h2', {}, words.keys),
			make('dl', {}, ...keys.map(([key, what]) =>
				make('div', {}, make('dt', {}, make('kbd', {}, key)), make('dd', {}, what))))),

		open() {
			timer = setInterval(poll, POLL_MS);
			poll();
			render(session.stats());
		},

		close() {
			clearInterval(timer);
			timer = 0;
		},
	};
}
