import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ALONE, BESIDE, WITHIN, createPace } from '../../assets/player/pace.js';

const STEP = 1 / 30;

/** A pace that has jumped at 1000 ms. */
function begun() {
	const pace = createPace(0.015, ALONE);
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
	const pace = createPace(0.015, ALONE);
	assert.equal(pace.hasBegun(), false);
	assert.equal(pace.mustSeek([0, 1], 0.95, STEP, false, 500), true);
	assert.ok(Math.abs(pace.seek([0, 1], 0, STEP, 500) - (1 - STEP - 0.01)) < 1e-9);
	assert.equal(pace.hasBegun(), true);
	pace.begin();
	assert.equal(pace.hasBegun(), false);
});

test('it does not jump to where it is, nor before the data', () => {
	const pace = createPace(0.015, ALONE);
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

test('with sound in it, it begins where the browser has some of it, and plays the rest off', () => {
	const pace = createPace(0.015, WITHIN), to = pace.seek([0, 1], 0, STEP, 1000);
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

test('with sound beside it, pictures that are early or late come to it by another speed, once', () => {
	for (const [late_ms, left, rate, for_ms] of [[370, 0.5, 1.2, 1000], [-60, 0.1, 0.8, 300], [200, 0.06, 1.2, 200]]) {
		const pace = createPace(0.015, BESIDE);
		assert.ok(Math.abs(1 - STEP - 0.06 - pace.seek([0, 1], 0, STEP, 1000)) < 1e-9);
		pace.normal(1000);
		assert.equal(pace.rate(left, 1, 1900, late_ms), 1);
		assert.equal(pace.rate(left, 1, 2034, late_ms), rate);
		assert.equal(pace.rate(left, rate, 2034 + for_ms - 20, late_ms), rate);
		assert.equal(pace.rate(left, rate, 2034 + for_ms + 20, late_ms), 1);
		// What a refresh makes of it is left alone for a while then.
		assert.equal(pace.rate(left, 1, 5000, 13), 1);
		assert.equal(pace.rate(left, 1, 7000, -13), 1);
		let now = 9000;
		for (let i = 0; i < 30; i++) pace.rate(left, 1, now += 1100, 0);
		assert.equal(pace.rate(left, 1, now + 1100, 13), 1.2);
	}
});

test('with sound beside it, pictures are right at 9 ms, and what is not there is not played off', () => {
	const pace = createPace(0.015, BESIDE);
	pace.seek([0, 1], 0, STEP, 1000);
	pace.normal(1000);
	assert.equal(pace.rate(0.1, 1, 3000, 9), 1);
	assert.equal(pace.rate(0.02, 1, 5000, 100), 1);
	assert.equal(pace.rate(0.1, 1, 7000, 11), 1.2);
	// Without any to go by, it is what is left to play that counts.
	const alone = createPace(0.015, BESIDE);
	alone.seek([0, 1], 0, STEP, 1000);
	alone.normal(1000);
	assert.equal(alone.rate(0.07, 1, 3000), 1);
	assert.equal(alone.rate(0.1, 1, 5000), 1.2);
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
