// The sound's volume, and how loud it is now.

import { make } from './make.js';

/** @import { Session, View } from './contract.js' */

const LEAST_DB = -60;

/** @param {Session} session @param {View} view */
export function createSound(session, view) {
	const { volume } = view.look(), level = make('meter', { min: LEAST_DB, max: 0, value: LEAST_DB, 'aria-label': words.level });
	const slider = make('input', { type: 'range', min: 0, max: 1, step: 'any', value: volume, 'aria-label': words.volume });
	slider.oninput = () => view.hear({ volume: slider.valueAsNumber });

	session.onMessage('peak', peak => level.value = Math.max(LEAST_DB, 20 * Math.log10(peak)));

	return { element: make('div', { id: 'volume', role: 'group', 'aria-label': words.volume }, slider, level) };
}
