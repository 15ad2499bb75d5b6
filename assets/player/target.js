// When media time 0 is to be heard and seen, where sound is played beside the pictures: as soon as the sound can be. Pure.

import { quantile } from './numbers.js';

const SPARE_MS = 8; // by which sound is there before its time
const JUDGE_MS = 2000;
const RAISE_MS = 200, LOWER_MS = 16; // in that time, at most ...
const FAR_MS = 100; // ... unless it is too late by more
const FRESH_MS = 700; // for which what was shown counts
const FEW = 8, MANY = 100; // pieces of sound
const LATE_MS = 20, PATIENCE = 3; // judgements after which it waits for late pictures
const OLD_MS = 50; // by which the first pieces of a link come late: the server sends a whole group

/** @returns {import('./contract.js').Target} */
export function createTarget() {
	let target = NaN;
	let shown = [], ready = [];
	let judgeAt = 0, late = 0; // judgements in a row
	let waits = false; // for pictures

	const self = {
		begin() {
			target = NaN;
			shown = [];
			ready = [];
			late = 0;
			waits = false;
		},

		behind(now) {
			shown = shown.filter(({ at }) => at > now - FRESH_MS);
			const behind = quantile(shown.map(({ zero }) => zero)) - target;
			return Number.isNaN(behind) ? undefined : behind;
		},

		onShown(zero, now) {
			shown.push({ zero, at: now });
		},

		onSound(zero, now) {
			const isNew = Number.isNaN(target);
			if (isNew && zero < ready[0] - OLD_MS) ready = [];
			ready = [...ready, zero].slice(-MANY);
			if (ready.length < FEW || !isNew && now <= judgeAt) return target;
			judgeAt = now + JUDGE_MS;
			const soonest = quantile(ready, 0.95) + SPARE_MS;
			if (isNew) return target = soonest;
			const excess = target - soonest, behind = self.behind(now) ?? 0;
			late = behind > LATE_MS ? late + 1 : 0;
			waits = late > PATIENCE || waits && behind > -SPARE_MS;
			if (excess < -SPARE_MS) target += Math.min(-excess, RAISE_MS);
			else if (late > PATIENCE) target += behind;
			else if (excess > FAR_MS && !waits) target = soonest;
			else if (excess > SPARE_MS && behind < (waits ? SPARE_MS : LATE_MS)) target -= Math.min(excess, LOWER_MS);
			return target;
		},

		time: () => target,
	};
	return self;
}
