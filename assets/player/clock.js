// How late the picture is, by the server's clock. Pure.

import { quantile } from './numbers.js';

const MAX_AGES = 30;
const DRIFT = 0.0002; // of two clocks, at most: a quick echo is worth less, the older it is

/** @returns {import('./contract.js').Clock} */
export function createClock() {
	/** @type {{ trip_ms: number, ahead_ms: number, at_ms: number } | undefined} The server's clock is ahead of ours. */
	let best; // echo
	let ages = []; // of the newest pictures, ms
	let zero_ms; // the server's time at media time 0
	let quickest_s = Infinity, late_s = 0, arrived_ms = 0; // from media time to arrival, from any common zero

	return {
		restart() {
			ages = [];
			zero_ms = undefined;
			quickest_s = Infinity;
			late_s = 0;
		},

		onArrival(time_s, now) {
			const trip_s = now / 1000 - time_s;
			quickest_s = Math.min(quickest_s + (now - arrived_ms) / 1000 * DRIFT, trip_s);
			arrived_ms = now;
			late_s = trip_s - quickest_s;
		},

		late_s: () => late_s,

		onSkipped() {
			ages = [];
		},

		onEcho(sent_ms, received_us, now) {
			const trip_ms = now - sent_ms, ahead_ms = received_us / 1000 - sent_ms - trip_ms / 2;
			const drift_ms = best ? (now - best.at_ms) * DRIFT : 0;
			// Each is wrong by half its trip at most. If both can't be right, it is another clock.
			const isOther = best && Math.abs(ahead_ms - best.ahead_ms) > (trip_ms + best.trip_ms) / 2 + drift_ms;
			if (isOther) ages = [];
			if (!best || isOther || trip_ms <= best.trip_ms + drift_ms) best = { trip_ms, ahead_ms, at_ms: now };
		},

		onCapture(captured_us, media_90k) {
			zero_ms = captured_us / 1000 - media_90k / 90;
		},

		onShown(time_s = -1, when_ms) {
			if (zero_ms === undefined || !best || time_s < 0) return;
			ages = [...ages, when_ms + best.ahead_ms - zero_ms - 1000 * time_s].slice(-MAX_AGES);
		},

		latency: () => ages.length ? Math.round(quantile(ages)) : null,
	};
}
