import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stretch } from '../../assets/player/heard.js';

const sine = Float32Array.from({ length: 3072 }, (_, i) => Math.sin(i * 2 * Math.PI * 1000 / 48000));

test('a piece in step is what was decoded', () => {
	assert.deepEqual(stretch(sine, 1022, 2048, 2048), sine.slice(1022, 3070));
});

test('one that is stretched is the same sound, and the next goes on where it ends', () => {
	for (const many of [1014, 1034]) {
		const first = stretch(sine, 1022, 1024, many), second = stretch(sine, 2046, 1024, 1024);
		assert.equal(first.length, many);
		first.forEach((value, i) => {
			const right = Math.sin((1022 + i * 1024 / many) * 2 * Math.PI * 1000 / 48000);
			assert.ok(Math.abs(value - right) < 0.001, `${i} of ${many}: ${value}, not ${right}`);
		});
		assert.ok(Math.abs(second[0] - sine[2046]) < 1e-6);
	}
});
