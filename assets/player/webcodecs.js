// An engine: fragments onto a <canvas>, by WebCodecs, shown as soon as decoded.

import { readInit } from './mp4.js';

/** @import { Engine, Host } from './contract.js' */

const MAX_QUEUE = 60; // frames that wait for the decoder

/** @param {Host} host @returns {Engine} */
export function webcodecs(host) {
	const canvas = document.createElement('canvas');
	canvas.width = 0; // no picture yet
	const pen = /** @type {any} */ (canvas.getContext('2d', { alpha: false }));
	let turn = 0, waitsForKey = false;
	/** @type {VideoFrame | null} */
	let latest = null;
	let timestamp; // of the newest

	// Of all that come before a drawing, the last is drawn.
	function output(frame) {
		if (latest) latest.close();
		else requestAnimationFrame(draw);
		latest = frame;
		timestamp = frame.timestamp;
	}

	function draw() {
		if (!latest) return;
		const { displayWidth: wide, displayHeight: high } = latest;
		const [width, height] = turn % 2 ? [high, wide] : [wide, high];
		if (canvas.width !== width || canvas.height !== height) {
			Object.assign(canvas, { width, height });
			host.view.layout();
		}
		pen.setTransform(1, 0, 0, 1, width / 2, height / 2);
		pen.rotate(turn * Math.PI / 2);
		pen.drawImage(latest, -wide / 2, -high / 2, wide, high);
		latest.close();
		latest = null;
		host.onShown(timestamp / 1e6, performance.now() + 16); // a refresh later
	}

	function decode({ time, key, data }) {
		if (decoder.state !== 'configured') return; // the engine or its link has ended meanwhile
		// A decoder that can't keep up goes on with the next key frame.
		waitsForKey = !key && (waitsForKey || decoder.decodeQueueSize > MAX_QUEUE);
		if (waitsForKey) host.counters.skipped++;
		else decoder.decode(new EncodedVideoChunk({ type: key ? 'key' : 'delta', timestamp: time * 1e6, data }));
	}

	const decoder = new VideoDecoder({ output, error: error => host.onBroken(error.message) });
	return {
		picture: canvas,
		step: 0,
		position: () => timestamp,
		begin: () => decoder.reset(),
		init(bytes) {
			const { codec, description, turn: quarters } = readInit(bytes);
			decoder.configure({ codec, description, optimizeForLatency: true });
			turn = quarters;
			waitsForKey = true;
		},
		fragment: frame => host.hold(frame.time, () => decode(frame)),
		stop() {
			if (decoder.state !== 'closed') decoder.close();
		},
	};
}
