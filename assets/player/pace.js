// How fast a <video> plays to stay with the data, and when it jumps there. Pure.

const ALONE = {
	margin_s: 0.01, // left to play when the next frame comes
	step_s: 0.005, // added each time that it was too little
	start_s: 0, // more at a jump
	far_s: 0.25, // an excess to jump over
	memory: 25, // judgements for which what was added lasts
	settle_ms: 1000, // from one change to the next
	fast: 1.1, // the rate that plays off an excess
};
// Chromium plays no sound before it has 0.2 s of it. Then it takes about 0.1 s ahead, and some 0.05 s more at another speed. What it
// misses is heard, as is each change of speed.
const WITH_SOUND = { margin_s: 0.15, step_s: 0.03, start_s: 0.2, far_s: 0.5, memory: 80, settle_ms: 3000, fast: 1.05 };
const JUMPING = { ...WITH_SOUND, margin_s: 0.1, start_s: 0, fast: 1 };
const MAX_MARGIN_S = 0.3;
const SEEK_AGAIN_MS = 1000;
const SEEK_MS = 400; // for which a seek counts as new
// Pictures that are off by more are brought back by another speed, which costs no data: for SHAKE_MS, and not again for CALM_MS.
const LATE_MS = 12, SHAKE = 0.95, SHAKE_MS = 400, CALM_MS = 9000;

/**
 * `slop_s` beyond the margin are tolerated. `jumps`: it plays at one speed, with sound from the first.
 * @returns {import('./contract.js').Pace}
 */
export function createPace(slop_s, withSound = false, jumps = false) {
	const { margin_s, step_s, start_s, far_s, memory, settle_ms, fast } = jumps ? JUMPING : withSound ? WITH_SOUND : ALONE;
	let margin = margin_s;
	let least = Infinity, judgeAt = 0; // left to play since the last change; when to judge it
	let seekedAt = 0; // on this link
	let isLate = false; // so that it jumps

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
		},

		hasBegun: () => seekedAt > 0,

		onStarved() {
			margin = Math.min(margin + step_s, MAX_MARGIN_S);
		},

		// The least excess since the last change is played off in one go.
		rate(left, rate, now, late_ms = 0) {
			least = Math.min(least, left);
			if (now < judgeAt) return rate;
			const excess = least - margin;
			margin += (margin_s - margin) / memory; // a bad minute is forgotten in the next
			const slow = rate > 1 || excess < slop_s;
			isLate = jumps && !slow;
			const shakes = slow && rate === 1 && Math.abs(late_ms) > LATE_MS, calm_ms = rate < 1 ? CALM_MS : settle_ms;
			// Or never, before it has jumped.
			judgeAfter(shakes ? SHAKE_MS : slow ? calm_ms : 1000 * excess / (fast - 1), now);
			return shakes ? SHAKE : slow ? 1 : fast;
		},

		mustSeek([start, end], at, step, starved, now) {
			const behind = end - at - step - margin;
			if (!seekedAt || isLate || behind < -1) return true;
			// Before the newest range lies what the camera or the network lost.
			if (at < start - 0.01 && (starved || behind > far_s)) return true;
			return behind > far_s && now > seekedAt + SEEK_AGAIN_MS;
		},

		seek([start, end], at, step, now) {
			seekedAt = now;
			isLate = false;
			const to = Math.max(start, end - step - margin - start_s);
			return at < start || Math.abs(to - at) > slop_s ? to : null;
		},

		hasJustSought: now => now < seekedAt + SEEK_MS,
	};
}
