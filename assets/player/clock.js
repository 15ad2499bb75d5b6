// @ts-check
// How late the picture is, by the server's clock. Pure.

const MAX_ECHOES = 15;
const MAX_AGES = 30;

/** @returns {import('./contract.js').Clock} */
export function createClock() {
	let echoes = []; // round trips, and by how much the server's clock is ahead of ours
	let ages = []; // of the newest pictures, ms
	let zero_ms; // the server's time at media time 0

	return {
		restart() {
			ages = [];
			zero_ms = undefined;
		},

		onEcho(sent_ms, received_us, now) {
			const trip_ms = now - sent_ms;
			echoes = [...echoes, { trip_ms, ahead_ms: received_us / 1000 - sent_ms - trip_ms / 2 }].slice(-MAX_ECHOES);
		},

		onCapture(captured_us, media_90k) {
			zero_ms = captured_us / 1000 - media_90k / 90;
		},

		onShown(time_s = -1, when_ms) {
			if (zero_ms === undefined || !echoes.length || time_s < 0) return;
			// The quickest echo is the most exact.
			const { ahead_ms } = echoes.reduce((best, echo) => echo.trip_ms < best.trip_ms ? echo : best);
			ages = [...ages, when_ms + ahead_ms - zero_ms - 1000 * time_s].slice(-MAX_AGES);
		},

		latency: () => ages.length ? Math.round([...ages].sort((a, b) => a - b)[ages.length >> 1]) : null,
	};
}
