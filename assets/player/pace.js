// How fast a <video> plays to stay with the data, and when it jumps there. Pure.

export const ALONE = {
	margin_s: 0.01, // left to play when the next frame comes
	step_s: 0.005, // added each time that it was too little
	start_s: 0, // more at a jump
	far_s: 0.25, // an excess to jump over
	memory: 25, // judgements for which what was added lasts
	settle_ms: 1000, // from one change to the next
	fast: 1.1, // the rate that plays off an excess
};
// With sound in it: what is missed is heard, as is each change of speed.
export const WITHIN = { margin_s: 0.15, step_s: 0.03, start_s: 0.2, far_s: 0.5, memory: 80, settle_ms: 3000, fast: 1.05 };
// With sound beside it, which the pictures follow.
export const BESIDE = { ...ALONE, margin_s: 0.06, far_s: 1, fast: 1.2 };
const LEAST_S = 0.02; // left to play, however late the pictures are
const MAX_MS = 1000; // of another speed
// By which they may be off. Each correction allows more for a while, as pictures show only at a refresh and would go to and fro.
const LATE_S = 0.01, MORE_S = 0.004, MOST_S = 0.018, LESS_S = 0.0002;
const MAX_MARGIN_S = 0.3;
const SEEK_AGAIN_MS = 1000;
const SEEK_MS = 400; // for which a seek counts as new

/**
 * `slop_s` beyond the margin are tolerated.
 * @returns {import('./contract.js').Pace}
 */
export function createPace(slop_s, manner) {
	const { margin_s, step_s, start_s, far_s, memory, settle_ms, fast } = manner;
	let margin = margin_s;
	let least = Infinity, judgeAt = 0; // left to play since the last change; when to judge it
	let seekedAt = 0; // on this link
	let late_s = LATE_S;

	function judgeAfter(ms, now) {
		least = Infinity;
		judgeAt = now + ms;
	}

	return {
		normal(now) {
			judgeAfter(settle_ms, now);
			return 1;
		},

		begin() {
			seekedAt = 0;
			late_s = LATE_S;
		},

		hasBegun: () => seekedAt > 0,

		onStarved() {
			margin = Math.min(margin + step_s, MAX_MARGIN_S);
		},

		// The least excess since the last change is played off in one go.
		rate(left, rate, now, late_ms) {
			least = Math.min(least, left);
			if (now < judgeAt) return rate;
			const isLed = late_ms !== undefined, excess = isLed ? Math.min(late_ms / 1000, least - LEAST_S) : least - margin;
			margin += (margin_s - margin) / memory; // a bad minute is forgotten in the next
			const isEarly = isLed && late_ms < -1000 * late_s, isRight = rate !== 1 || !isEarly && excess < (isLed ? late_s : slop_s);
			if (isLed) late_s = isRight ? Math.max(late_s - LESS_S, LATE_S) : Math.min(late_s + MORE_S, MOST_S);
			judgeAfter(isRight ? settle_ms : Math.min(MAX_MS, 1000 * Math.abs(excess) / (fast - 1)), now);
			return isRight ? 1 : isEarly ? 2 - fast : fast;
		},

		mustSeek([start, end], at, step, starved, now) {
			const behind = end - at - step - margin;
			if (!seekedAt || behind < -1) return true;
			// Before the newest range lies what the camera or the network lost.
			if (at < start - 0.01 && (starved || behind > far_s)) return true;
			return behind > far_s && now > seekedAt + SEEK_AGAIN_MS;
		},

		seek([start, end], at, step, now) {
			seekedAt = now;
			const to = Math.max(start, end - step - margin - start_s);
			return at < start || Math.abs(to - at) > slop_s ? to : null;
		},

		hasJustSought: now => now < seekedAt + SEEK_MS,
	};
}
