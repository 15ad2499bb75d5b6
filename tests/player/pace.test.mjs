import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPace } from '../../assets/player/pace.js';

const STEP = 1 / 30;

/** A pace that has jumped at 1000 ms. */
function begun() {
	const pace = createPace(0.015);
	pace.seek([0, 1], 0, STEP, 1000);
	pace.normal(1000);
	return pace;
}

/** Frames with so much left to play, each 33 ms, from `now` to `until`; gives the rate. */
function play(pace, left, rate, now, until) {
	for (; now < until; now += 33) rate = pace.rate(left, rate, now);
	return rate;
}

test('a new link jumps to the newest picture, less one frame and the margin', () => {
	const pace = createPace(0.015);
	assert.equal(pace.hasBegun(), false);
	assert.equal(pace.mustSeek([0, 1], 0.95, STEP, false, 500), true);
	assert.ok(Math.abs(pace.seek([0, 1], 0, STEP, 500) - (1 - STEP - 0.01)) < 1e-9);
	assert.equal(pace.hasBegun(), true);
	pace.begin();
	assert.equal(pace.hasBegun(), false);
});

test('it does not jump to where it is, nor before the data', () => {
	const pace = createPace(0.015);
	assert.equal(pace.seek([0, 1], 1 - STEP - 0.02, STEP, 500), null);
	assert.equal(pace.seek([5, 5.01], 5.005, STEP, 500), null);
	assert.equal(pace.seek([5, 5.01], 4.999, STEP, 500), 5);
});

test('a picture that is near is left alone, one that is far is not', () => {
	const pace = begun(), now = 5000;
	assert.equal(pace.mustSeek([0, 10], 9.9, STEP, false, now), false);
	assert.equal(pace.mustSeek([0, 10], 9.75, STEP, false, now), false);
	assert.equal(pace.mustSeek([0, 10], 9.6, STEP, false, now), true);
	// Ahead of all data, as after a server's restart.
	assert.equal(pace.mustSeek([0, 10], 10.5, STEP, false, now), false);
	assert.equal(pace.mustSeek([0, 10], 11, STEP, false, now), true);
});

test('it does not jump again at once', () => {
	const pace = begun();
	assert.equal(pace.mustSeek([0, 10], 9, STEP, false, 1900), false);
	assert.equal(pace.mustSeek([0, 10], 9, STEP, false, 2001), true);
	assert.equal(pace.hasJustSought(1300), true);
	assert.equal(pace.hasJustSought(1400), false);
});

test('a hole is jumped over when the picture stands before it', () => {
	const pace = begun(), range = [9.9, 10];
	assert.equal(pace.mustSeek(range, 9.8, STEP, false, 1100), false);
	assert.equal(pace.mustSeek(range, 9.8, STEP, true, 1100), true);
	assert.equal(pace.mustSeek(range, 9.6, STEP, false, 1100), true);
	assert.equal(pace.mustSeek(range, 9.9, STEP, true, 1100), false);
});

test('what is too much is played off in one go, and no more', () => {
	const pace = begun();
	assert.equal(play(pace, 0.1, 1, 1000, 2000), 1);
	const rate = play(pace, 0.1, 1, 2000, 2034);
	assert.equal(rate, 1.1);
	// 90 ms at a tenth more: 900 ms.
	assert.equal(play(pace, 0.05, rate, 2033, 2033 + 850), 1.1);
	assert.equal(play(pace, 0.02, rate, 2900, 3000), 1);
	assert.equal(play(pace, 0.02, 1, 3000, 6000), 1);
});

test('the least that was left counts', () => {
	const pace = begun();
	pace.rate(0.012, 1, 1500);
	assert.equal(play(pace, 0.2, 1, 1533, 2100), 1);
});

test('with sound it begins where the browser has some of it, and plays the rest off', () => {
	const pace = createPace(0.015, true), to = pace.seek([0, 1], 0, STEP, 1000);
	assert.ok(Math.abs(1 - STEP - 0.15 - 0.2 - to) < 1e-9, String(to));
	assert.equal(pace.mustSeek([0, 10], 9.4, STEP, false, 5000), false);
	assert.equal(pace.mustSeek([0, 10], 9.3, STEP, false, 5000), true);
	pace.normal(1000);
	assert.equal(play(pace, 0.35, 1, 1000, 4000), 1);
	assert.equal(play(pace, 0.35, 1, 4000, 4034), 1.05);
	// What was too little once is so again.
	pace.onStarved();
	play(pace, 0.15, 1, 7000, 37_000);
	const margin = 1 - STEP - 0.2 - pace.seek([0, 1], 0, STEP, 1000);
	assert.ok(margin > 0.175 && margin < 0.18, String(margin));
});

test('pictures that are not with their sound are brought back by a moment of another speed, now and then', () => {
	const pace = createPace(0.03, true), off = 20;
	pace.seek([0, 1], 0, STEP, 1000);
	pace.normal(1000);
	const speeds = [];
	for (let now = 1000, rate = 1; now < 31_000; now += 20) {
		const next = pace.rate(0.15, rate, now, off);
		if (next !== rate) speeds.push([next, now]);
		rate = next;
	}
	assert.deepEqual(speeds.slice(0, 4), [[0.95, 4000], [1, 4400], [0.95, 13_400], [1, 13_800]]);
	// What is near enough, or is played off anyway, is not.
	for (const [left, late_ms, rate] of [[0.15, -10, 1], [0.3, 20, 1.05]]) {
		const pace = createPace(0.03, true);
		pace.seek([0, 1], 0, STEP, 1000);
		pace.normal(1000);
		assert.equal(pace.rate(left, 1, 4000, late_ms), rate);
	}
});

test('with sound of one speed it jumps over what is too much, once', () => {
	const pace = createPace(0.1, true, true), range = [0, 1], late = 1 - STEP - 0.1 - 0.15;
	const to = pace.seek(range, 0, STEP, 1000);
	assert.ok(Math.abs(1 - STEP - 0.1 - to) < 1e-9, String(to));
	pace.normal(1000);
	assert.equal(play(pace, 0.25, 1, 1000, 4000), 1);
	assert.equal(pace.mustSeek(range, late, STEP, false, 4000), false);
	assert.equal(play(pace, 0.25, 1, 4000, 4034), 1);
	assert.equal(pace.mustSeek(range, late, STEP, false, 4034), true);
	assert.ok(Math.abs(pace.seek(range, late, STEP, 4034) - to) < 1e-9);
	assert.equal(pace.mustSeek(range, to, STEP, false, 4067), false);
});

test('the margin grows when the picture starves, to a limit, and shrinks again', () => {
	const target = pace => 1 - STEP - pace.seek([0, 1], 0, STEP, 1000);
	const pace = begun();
	pace.onStarved();
	assert.ok(Math.abs(target(pace) - 0.015) < 1e-9);
	for (let i = 0; i < 100; i++) pace.onStarved();
	assert.ok(Math.abs(target(pace) - 0.3) < 1e-9);
	play(pace, 0.3, 1, 2000, 300_000);
	const after = target(pace);
	assert.ok(after > 0.01 && after < 0.011, String(after));
});
