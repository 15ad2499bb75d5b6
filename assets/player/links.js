// The links: they bring the stream.

import { cut, join } from './mp4.js';

/** @import { Host, Link } from './contract.js' */

// What nobody hears is not sent.
const query = host => host.view.look().sound ? '' : 'audio=0';

/** @param {Host} host @returns {Link} */
export function socketLink(host) {
	const socket = new WebSocket(new URL('ws?' + query(host), document.baseURI).href.replace(/^http/, 'ws'));
	socket.binaryType = 'arraybuffer';
	let unopened = true;
	socket.onopen = () => {
		unopened = false;
		host.sendLag();
	};
	socket.onmessage = ({ data }) => {
		if (data.byteLength) host.onData(new Uint8Array(data));
		else host.onMessage(JSON.parse(data));
	};
	socket.onclose = () => host.onEnd('no WebSocket gets through', { unopened });
	return {
		send(message) {
			if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
		},
		close() {
			socket.onmessage = socket.onclose = null;
			socket.close();
		},
	};
}

// Has an answer read. Then the link has ended, unless it was closed.
async function readAnswer(host, address, closed, why, read) {
	let full = false;
	try {
		const answer = await fetch(address, { cache: 'no-store', signal: closed });
		full = answer.status === 503;
		if (!answer.ok) why = (await answer.text()).trim();
		else if (answer.body) await read(answer.body);
	} catch (error) {
		why = error.message;
	}
	if (!closed.aborted) host.onEnd(why, { full });
}

/** @param {Host} host @returns {Link} */
export function fetchLink(host) {
	const quit = new AbortController(), closed = quit.signal;
	// In the camera's media time, of which /status tells.
	readAnswer(host, 'stream.mp4?times=camera&' + query(host), closed, 'the stream ended', async body => {
		const reader = body.getReader();
		for (let rest = new Uint8Array(), piece; !(piece = await reader.read()).done;) {
			const data = cut(join([rest, piece.value]));
			for (const segment of data.whole) {
				if (!closed.aborted) host.onData(segment);
			}
			rest = data.rest;
		}
	});
	return { close: () => quit.abort() };
}

/** A <video> or <img> that loads an address by itself. @param {Host} host @returns {Link} */
export function tagLink(host, address, tag) {
	const quit = new AbortController(), { view } = host, { video } = view, plays = tag === video;
	let least = Infinity; // seconds behind the clock, from any common zero
	tag.onerror = () => readAnswer(host, address, quit.signal, `it does not play ${address}`, body => body.cancel());
	tag.onended = () => host.onEnd('the stream ended');
	tag.onload = tag.onplaying = () => {
		view.layout();
		host.onShown();
	};
	tag.src = address + '?' + Date.now(); // past what browsers kept
	view.show(tag);
	if (plays) host.play();
	return {
		close() {
			view.keepStill();
			quit.abort();
			tag.onerror = tag.onended = tag.onload = tag.onplaying = null;
			tag.removeAttribute('src');
			if (plays) video.load();
		},
		// A plain <video> that fell behind stays so until loaded anew.
		isBehind() {
			const lag = performance.now() / 1000 - video.currentTime;
			if (address === 'stream.mp4' && video.currentTime) least = Math.min(least, lag);
			return lag > least + 3 && !video.paused;
		},
	};
}
