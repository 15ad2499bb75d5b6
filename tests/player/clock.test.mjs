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

test('the quickest of the newest echoes is believed', () => {
	const clock = informed(500);
	clock.onEcho(100, 900 * 1000, 500); // slow, and 200 ms off
	clock.onShown(0, 1040);
	assert.equal(clock.latency(), 40);
	// After so many newer ones the quick one is forgotten.
	for (let i = 0; i < 15; i++) clock.onEcho(0, 620 * 1000, 40);
	clock.restart();
	clock.onCapture(1500 * 1000, 0);
	clock.onShown(0, 1000);
	assert.equal(clock.latency(), 100);
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
