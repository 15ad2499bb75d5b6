// The paths: each is a link, and mostly an engine. Which one is taken, and when the next.

import { fetchLink, socketLink, tagLink } from './links.js';
import { isWebKit, mse, mediaSource } from './mse.js';
import { webcodecs } from './webcodecs.js';

/** @import { Path, Paths } from './contract.js' */

const MAX_STRIKES = 2; // failures in a row that may be chance

/**
 * The best comes first. `jpeg`: those for a camera of JPEG pictures; a WebSocket says what it is.
 * @type {Record<string, Path>}
 */
export const PATHS = {
	// The least late, but secure origins only; WebKit draws slowly.
	webcodecs: { link: socketLink, engine: webcodecs, jpeg: true, can: () => !isWebKit() && 'VideoDecoder' in window },
	ws: { link: socketLink, engine: mse, jpeg: true, can: mediaSource },
	fetch: { link: fetchLink, engine: mse, can: mediaSource },
	hls: {
		link: host => tagLink(host, 'stream.m3u8', host.view.video),
		can: () => document.createElement('video').canPlayType('application/vnd.apple.mpegurl'),
	},
	video: { link: host => tagLink(host, 'stream.mp4', host.view.video), can: () => true },
	mjpeg: { link: host => tagLink(host, 'stream.mjpeg', host.view.image), jpeg: true, can: () => true },
};

/** `wanted`: the only one to take, if it is in the table. @returns {Paths} */
export function createPaths(table, wanted) {
	const names = Object.keys(table), all = wanted && names.includes(wanted) ? [wanted] : names;
	const reasons = new Set();
	let left = all, chosen = '', strikes = 0;

	return {
		reasons: () => [...reasons],
		isExhausted: () => !left.length,

		choose(jpeg) {
			chosen = left.find(name => (!jpeg || table[name].jpeg) && table[name].can()) ?? left[left.length - 1];
			return chosen;
		},

		forgive() {
			strikes = 0;
		},

		strike() {
			strikes++;
			return strikes > MAX_STRIKES;
		},

		skip(why) {
			reasons.add(why);
			strikes = 0;
			left = left.filter((name, at) => at > left.indexOf(chosen) || name !== chosen && table[name].can());
		},

		restart() {
			left = all;
		},
	};
}

/** Before the next try. `random` (0 to 1) keeps browsers from coming all at once. */
export const retryDelay = (away_ms, random) =>
	Math.min(200 + away_ms / 4, away_ms < 60000 ? 1200 : 8000) * (0.75 + random / 2);
