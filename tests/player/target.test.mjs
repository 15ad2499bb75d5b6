import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTarget } from '../../assets/player/target.js';

const PIECE = 40; // ms

/** Feeds so many pieces that can be heard at this zero, and gives what the last one is told. */
function feed(target, zero, many, from = 0) {
	let told = NaN;
	for (let i = 0; i < many; i++) told = target.onSound(zero, from + i * PIECE);
	return told;
}

test('nothing is known before some pieces have come, and then a bit more than they need', () => {
	const target = createTarget();
	assert.ok(Number.isNaN(feed(target, 100, 7)));
	assert.equal(target.onSound(90, 300), 108);
	assert.equal(target.time(), 108);
	target.begin();
	assert.ok(Number.isNaN(target.time()));
	assert.ok(Number.isNaN(target.onSound(100, 1000)));
});

test('pictures are late by what showed in the last moments', () => {
	const target = createTarget();
	assert.equal(target.behind(0), undefined);
	target.onShown(500, 0);
	assert.equal(target.behind(0), undefined, 'no sound yet');
	feed(target, 100, 8);
	for (const [zero, at] of [[128, 900], [118, 1000], [119, 1100]]) target.onShown(zero, at);
	assert.equal(target.behind(1200), 11);
	assert.equal(target.behind(1750), 11, 'the middle of two is the later one');
	assert.equal(target.behind(1801), undefined);
});

test('it rises at once with sound that comes later, by steps', () => {
	const target = createTarget();
	feed(target, 100, 100);
	assert.equal(feed(target, 107, 100, 4000), 108, 'that is what is to spare');
	assert.equal(feed(target, 130, 100, 8000), 138);
	const late = createTarget();
	feed(late, 100, 100);
	assert.equal(feed(late, 2000, 50, 4000), 308, 'at most so much in 2 s');
});

test('it sinks slowly, unless it is far too late', () => {
	const target = createTarget(), seen = [];
	feed(target, 150, 100);
	for (let now = 4000; now < 16_000; now += PIECE) {
		const told = target.onSound(100, now);
		if (told !== seen.at(-1)) seen.push(told);
	}
	assert.deepEqual(seen, [158, 142, 126, 110]);
	const far = createTarget();
	feed(far, 400, 100);
	assert.equal(feed(far, 100, 200, 4000), 108);
});

test('what a new link brings of the past does not count', () => {
	const target = createTarget();
	let told = NaN;
	for (let age = 1000; age >= 0; age -= PIECE) told = target.onSound(100 + age, 1000);
	for (let i = 0; i < 8; i++) told = target.onSound(100, 1000 + i * PIECE);
	assert.ok(told <= 148, String(told));
	told = NaN;
	const live = createTarget();
	for (let age = 4000; age > 0; age -= PIECE) told = live.onSound(100 + age, 1000);
	assert.ok(Number.isNaN(told));
});

test('it stays where it waits for pictures that are far later', () => {
	const target = createTarget(), seen = new Set();
	for (let now = 0; now < 60_000; now += PIECE) {
		target.onShown(258, now);
		const told = target.onSound(100, now);
		if (now > 12_000) seen.add(told);
	}
	assert.ok(Math.min(...seen) >= 242 && Math.max(...seen) <= 258, [...seen].join(' '));
});

test('it waits for pictures that stay late, and does not leave them behind again', () => {
	const target = createTarget();
	let told = NaN;
	for (let now = 0; now < 10_000; now += PIECE) {
		target.onShown(150, now);
		told = target.onSound(100, now);
	}
	assert.equal(told, 150);
	for (let now = 10_000; now < 20_000; now += PIECE) {
		target.onShown(158, now);
		told = target.onSound(100, now);
	}
	assert.equal(told, 150);
});
