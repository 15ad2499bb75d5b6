import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClock } from '../../assets/player/clock.js';

/** A clock that knows the server's: ahead by so much, with media time 0 at `zero_ms` of ours. */
function informed(ahead_ms, zero_ms = 1000) {
	const clock = createClock();
	clock.onEcho(0, (ahead_ms + 5) * 1000, 10);
	clock.onCapture((zero_ms + ahead_ms) * 1000 + 2e6, 180000);
	return clock;
}

test('nothing is known without an echo, a capture time and a picture', () => {
	const clock = createClock();
	assert.equal(clock.latency(), null);
	clock.onShown(1, 1000);
	assert.equal(clock.latency(), null);
	clock.onEcho(0, 5000, 10);
	clock.onShown(1, 1000);
	assert.equal(clock.latency(), null);
	clock.onCapture(1e6, 0);
	assert.equal(clock.latency(), null);
	clock.onShown(undefined, 1000);
	clock.onShown(-1, 1000);
	assert.equal(clock.latency(), null);
	clock.onShown(0, 1100);
	assert.equal(clock.latency(), 100);
});

test('a picture is as old as its capture was long ago, whatever the server’s clock says', () => {
	for (const ahead of [0, 123456, -5000]) {
		const clock = informed(ahead);
		clock.onShown(2, 3080);
		assert.equal(clock.latency(), 80);
	}
});

test('the quickest echo is believed, for as long as it takes two clocks to drift apart', () => {
	const clock = informed(500);
	clock.onEcho(100, 900 * 1000, 500); // slow, and 200 ms off
	clock.onShown(0, 1040);
	assert.equal(clock.latency(), 40);
	// However late all that came after it, as behind a proxy that holds seconds of the stream.
	for (let i = 1; i < 60; i++) clock.onEcho(1000 * i, (1000 * i + 500 + 5) * 1000, 1000 * i + 20000);
	clock.onShown(0, 1040);
	assert.equal(clock.latency(), 40);
	// One of 40 ms, after 150 s at 0.2 ms/s.
	clock.onEcho(150000, (150000 + 520 + 20) * 1000, 150040);
	clock.restart();
	clock.onCapture(1520 * 1000, 0);
	clock.onShown(0, 1000);
	assert.equal(clock.latency(), 0);
});

test('a server that began anew has another clock, which is believed at once', () => {
	const clock = informed(5e9); // up for 58 days
	clock.onShown(0, 1100);
	clock.restart();
	clock.onEcho(20000, (7000 + 300) * 1000, 20600); // rebooted 7 s ago
	clock.onCapture((7300 + 1000) * 1000, 0);
	clock.onShown(0, 21350);
	assert.equal(clock.latency(), 350 - 300);
});

test('pictures that were late do not count after a skip', () => {
	const clock = informed(0);
	for (let i = 0; i < 30; i++) clock.onShown(0, 6000);
	assert.equal(clock.latency(), 5000);
	clock.onSkipped();
	assert.equal(clock.latency(), null);
	clock.onShown(0, 1050);
	assert.equal(clock.latency(), 50);
});

test('how late fragments arrive is judged by the quickest of their link', () => {
	const clock = createClock();
	assert.equal(clock.late_s(), 0);
	for (const [time_s, now] of [[100, 5000], [101, 5100], [102, 5200]]) clock.onArrival(time_s, now); // what was there before
	assert.equal(clock.late_s(), 0);
	clock.onArrival(103, 8200);
	assert.equal(Math.round(clock.late_s() * 100), 200);
	clock.onArrival(105, 8200); // it caught up
	assert.equal(Math.round(clock.late_s() * 100), 0);
	clock.restart();
	clock.onArrival(0, 9000);
	assert.equal(clock.late_s(), 0);
	// Clocks that drift apart are no delay.
	for (let s = 0; s < 1e5; s++) clock.onArrival(s * 0.9999, 9000 + 1000 * s);
	assert.ok(clock.late_s() < 0.01);
});

test('the median of the newest pictures counts', () => {
	const clock = informed(0);
	for (let i = 0; i < 100; i++) clock.onShown(i, 1000 + 1000 * i + 900);
	assert.equal(clock.latency(), 900);
	for (let i = 0; i < 16; i++) clock.onShown(i, 1000 + 1000 * i + 50);
	assert.equal(clock.latency(), 50);
});

test('a new link has another media time, on the same clock', () => {
	const clock = informed(0);
	clock.onShown(0, 1100);
	clock.restart();
	assert.equal(clock.latency(), null);
	clock.onShown(0, 1100);
	assert.equal(clock.latency(), null);
	clock.onCapture(5000 * 1000, 0);
	clock.onShown(0, 5030);
	assert.equal(clock.latency(), 30);
});
