import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PATHS, createPaths, retryDelay } from '../../assets/player/paths.js';

const yes = { can: () => true }, no = { can: () => false };

test('the first that the browser can is taken', () => {
	assert.equal(createPaths({ a: no, b: yes, c: yes }, null).choose(), 'b');
	assert.equal(createPaths({ a: yes, b: yes }, null).choose(), 'a');
});

test('the last one is taken whether the browser can or not', () => {
	assert.equal(createPaths({ a: no, b: no }, null).choose(), 'b');
});

test('a camera of JPEG pictures is for some of them', () => {
	const jpeg = { jpeg: true, can: () => true };
	assert.equal(createPaths({ a: jpeg, b: yes, c: jpeg }, null).choose(true), 'a');
	assert.equal(createPaths({ a: yes, b: jpeg }, null).choose(true), 'b');
	assert.equal(createPaths({ a: yes, b: jpeg }, null).choose(false), 'a');
	assert.deepEqual(Object.keys(PATHS).filter(name => PATHS[name].jpeg), ['webcodecs', 'ws', 'mjpeg']);
});

test('one that is asked for is taken alone, if there is such a one', () => {
	const paths = createPaths({ a: yes, b: no }, 'b');
	assert.equal(paths.choose(), 'b');
	paths.skip('not here');
	assert.equal(paths.isExhausted(), true);
	for (const name of ['x', '', 'toString', null]) assert.equal(createPaths({ a: yes, b: yes }, name).choose(), 'a');
});

test('the third failure without a picture is one too many', () => {
	const paths = createPaths({ a: yes, b: yes }, null);
	assert.equal(paths.choose(), 'a');
	assert.deepEqual([paths.strike(), paths.strike(), paths.strike()], [false, false, true]);
	paths.skip('no WebSocket gets through');
	assert.equal(paths.choose(), 'b');
	assert.deepEqual([paths.strike(), paths.strike(), paths.strike()], [false, false, true]);
});

test('a picture, and a server that is away, wipe the failures out', () => {
	const paths = createPaths({ a: yes }, null);
	for (let i = 0; i < 10; i++) {
		assert.equal(paths.strike() || paths.strike(), false);
		paths.forgive();
	}
});

test('reasons are told once each', () => {
	const paths = createPaths({ a: yes, b: yes, c: yes }, null);
	for (const why of ['no decoder', 'no decoder', 'no picture comes']) {
		paths.choose();
		paths.skip(why);
	}
	assert.deepEqual(paths.reasons(), ['no decoder', 'no picture comes']);
	assert.equal(paths.isExhausted(), true);
	paths.restart();
	assert.equal(paths.isExhausted(), false);
	assert.equal(paths.choose(), 'a');
});

test('each path says whether the browser can, so that any of them may be the next', () => {
	assert.deepEqual(Object.keys(PATHS), ['webcodecs', 'ws', 'fetch', 'hls', 'video', 'mjpeg']);
	for (const [name, { can, link }] of Object.entries(PATHS)) {
		assert.equal(typeof can, 'function', name);
		assert.equal(typeof link, 'function', name);
	}
	// A browser without Media Source Extensions and HLS.
	const paths = createPaths({ ...PATHS, webcodecs: no, ws: no, fetch: no, hls: no }, null);
	assert.equal(paths.choose(), 'video');
});

test('the first tries come soon, later ones seldom, none in step with others', () => {
	assert.equal(retryDelay(0, 0.5), 200);
	assert.equal(retryDelay(2000, 0.5), 700);
	assert.equal(retryDelay(30000, 0.5), 1200);
	assert.equal(retryDelay(60000, 0.5), 8000);
	assert.equal(retryDelay(0, 0), 150);
	assert.equal(retryDelay(0, 1), 250);
});
