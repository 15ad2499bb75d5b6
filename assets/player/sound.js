// The sound's volume, and how loud it is now.

import { make } from './make.js';
import { firstType, join } from './mp4.js';

/** @import { Session, View } from './contract.js' */

const MEASURE_MS = 200;
const LEAST_DB = -60;

/** @param {Session} session @param {View} view */
export function createSound(session, view) {
	const { volume } = view.look(), level = make('meter', { min: LEAST_DB, max: 0, value: LEAST_DB, 'aria-label': words.level });
	const slider = make('input', { type: 'range', min: 0, max: 1, step: 'any', value: volume, 'aria-label': words.volume });
	/** @type {Uint8Array[]} An init segment, and what came since the level was measured. */
	let parts = [];
	let measuredAt = 0;

	slider.oninput = () => view.hear({ volume: slider.valueAsNumber });

	// By decoding it once more: what listens to a <video> takes it away from the loudspeaker, or delays it.
	if ('OfflineAudioContext' in window) session.onMessage('sound', bytes => { // not in old Safaris
		if (firstType(bytes) === 'ftyp') parts = [];
		parts.push(bytes);
		const now = performance.now();
		if (now - measuredAt < MEASURE_MS || parts.length < 2) return;
		measuredAt = now;
		const decoder = new OfflineAudioContext(1, 1, 48000), all = join(parts);
		parts.length = 1;
		decoder.decodeAudioData(all.buffer).then(sound => {
			const peak = sound.getChannelData(0).reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
			level.value = Math.max(LEAST_DB, 20 * Math.log10(peak));
		}, () => {});
	});

	return { element: make('div', { id: 'volume', role: 'group', 'aria-label': words.volume }, slider, level) };
}
