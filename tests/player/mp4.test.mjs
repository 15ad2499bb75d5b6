import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { boxes, cut, find, firstType, isSound, join, mute, promiseAtOnce, readFragment, readInit, readSound,
	straighten } from '../../assets/player/mp4.js';

const seed = name => new Uint8Array(readFileSync(new URL(`../../fuzz/seeds/fmp4_walk/${name}`, import.meta.url)));
/** The program's own test picture: an init segment and two fragments. */
const stream = seed('test_picture');

const text = string => [...string].map(letter => letter.charCodeAt(0));
const u32 = number => [number >>> 24, number >>> 16 & 255, number >>> 8 & 255, number & 255];
const box = (type, ...content) => {
	const bytes = content.flat();
	return [...u32(8 + bytes.length), ...text(type), ...bytes];
};
const types = (bytes, ...range) => [...boxes(bytes, ...range)].map(({ type }) => type);

/** A fragment of one frame; `before` stands before the tfdt. */
function fragment({ track = 1, time = [0, 0], flags = 0, duration = 3000, payload = [], before = [] } = {}) {
	return new Uint8Array([
		...box('moof', box('mfhd', u32(0), u32(1)), box('traf', box('tfhd', u32(0x20000), u32(track)), before,
			box('tfdt', u32(0x1000000), u32(time[0]), u32(time[1])),
			box('trun', u32(0x305), u32(1), u32(100), u32(flags), u32(duration), u32(payload.length)))),
		...box('mdat', payload),
	]);
}

test('boxes stand one behind the other', () => {
	assert.deepEqual(types(stream), ['ftyp', 'moov', 'moof', 'mdat', 'moof', 'mdat']);
	const { begin, end } = find(stream, 'moov');
	assert.deepEqual(types(stream, begin, end), ['mvhd', 'trak', 'mvex']);
	assert.equal(firstType(stream), 'ftyp');
});

test('a box may have a size of 64 bits, or reach to the end', () => {
	const bytes = seed('sizes'), all = [...boxes(bytes)];
	assert.deepEqual(all.map(({ type, begin, end }) => [type, end - begin]), [['free', 8], ['mdat', 10]]);
	assert.equal(String.fromCharCode(...bytes.subarray(all[1].begin, all[1].end)), 'to the end');
});

test('a box that is cut, or smaller than its header, ends the walk', () => {
	const one = box('free', [1, 2, 3]);
	for (let length = 0; length < one.length; length++) {
		assert.deepEqual(types(new Uint8Array([...one, ...one.slice(0, length)])), ['free'], `${length} bytes`);
	}
	for (const size of [2, 7]) assert.deepEqual(types(new Uint8Array([...one, ...u32(size), ...text('free')])), ['free']);
	assert.deepEqual(types(new Uint8Array([...u32(1), ...text('free'), ...u32(0), ...u32(15)])), []);
	assert.deepEqual(types(new Uint8Array([...u32(1), ...text('free'), ...u32(0xffffffff), ...u32(0xffffffff)])), []);
});

test('a box inside another does not reach beyond it', () => {
	const bytes = new Uint8Array([...box('moov', u32(100), text('trak')), ...new Array(100).fill(0)]);
	assert.throws(() => find(bytes, 'moov/trak'), /no moov\/trak/);
});

test('the init segment says codec, avcC and turn', () => {
	const { codec, description, turn } = readInit(stream);
	assert.match(codec, /^avc1\.[0-9a-f]{6}$/);
	assert.equal(description[0], 1, 'configurationVersion');
	assert.equal(codec.slice(5), Buffer.from(description.subarray(1, 4)).toString('hex'));
	const { begin, end } = find(stream, 'moov/trak/mdia/minf/stbl/stsd/avc1/avcC');
	assert.equal(description.length, end - begin);
	assert.equal(turn, 0);
});

/** The same with a track of sound: as much of it as is looked at. */
function withSound() {
	const { begin, end } = find(stream, 'moov'), empty = new Array(16).fill(0);
	const track = new Uint8Array(box('trak', box('mdia', box('mdhd', u32(0x1000000), empty, u32(48_000)))));
	const both = join([stream.slice(0, end), track]);
	both.set(u32(end - begin + 8 + track.length), begin - 8);
	return both;
}

test('a second track is the sound, and a fragment says of which it is', () => {
	assert.equal(readInit(stream).sound, 0);
	assert.deepEqual(readInit(withSound()), { ...readInit(stream), sound: 48_000 });
	assert.equal(isSound(fragment()), false);
	assert.equal(isSound(fragment({ track: 2 })), true);
});

test('the sound is taken out of an init segment that has it', () => {
	const bytes = withSound(), size = bytes.length, same = stream.slice();
	mute(bytes);
	const { begin, end } = find(bytes, 'moov');
	assert.deepEqual(types(bytes, begin, end), ['mvhd', 'trak', 'mvex', 'free']);
	assert.equal(bytes.length, size);
	assert.deepEqual(readInit(bytes), readInit(stream));
	mute(same);
	assert.deepEqual(same, stream);
});

test('a fragment of sound says its time and length', () => {
	assert.deepEqual(readSound(fragment({ track: 2, time: [0, 24_000] }), 48_000), { time: 0.5, length: 1024 });
});

test('the matrix says the turn, and straightening takes it out', () => {
	const one = [0, 1, 0, 0], minus = [255, 255, 0, 0], zero = u32(0);
	const turns = [[one, zero, 0], [zero, one, 1], [minus, zero, 2], [zero, minus, -1]];
	for (const [a, b, expected] of turns) {
		const init = stream.slice(), at = find(init, 'moov/trak/tkhd').begin + 40;
		init.set([...a, ...b], at);
		assert.equal(readInit(init).turn, expected);
		straighten(init);
		assert.equal(readInit(init).turn, 0);
		// The rest of the matrix, and all else, is as it was.
		assert.deepEqual(init, stream);
	}
});

test('a fragment says its time, whether it is a key frame, and how long it lasts', () => {
	const bytes = fragment({ time: [0, 90000], duration: 1500, payload: [1, 2, 3] }), found = readFragment(bytes);
	assert.deepEqual({ ...found, data: [...found.data] }, { time: 1, step: 1 / 60, key: true, data: [1, 2, 3], bytes });
	assert.equal(readFragment(fragment({ flags: 0x01010000 })).key, false);
	assert.equal(readFragment(fragment({ time: [1, 0] })).time, 2 ** 32 / 90000);
	assert.equal(readFragment(fragment({ time: [0, 0xffffffff] })).time, 0xffffffff / 90000);
});

test('what looks like a box in a payload or another box is none', () => {
	const decoy = box('tfdt', u32(0x1000000), u32(7), u32(7)), other = box('trun', u32(0), u32(0), u32(0), u32(0), u32(0));
	const before = box('free', decoy, other), payload = box('mdat', decoy);
	const found = readFragment(fragment({ before, time: [0, 9000], payload }));
	assert.equal(found.time, 0.1);
	assert.equal(found.data.length, 8 + decoy.length);
});

test('what is not there is named', () => {
	assert.throws(() => readFragment(stream.subarray(0, 32)), /no moof\/traf\/tfdt in the stream/);
	assert.throws(() => readInit(stream.subarray(0, 32)), /no moov\/trak\/mdia/);
});

test('a stream is cut at the same places wherever it arrived in pieces', () => {
	const bytes = join([stream, fragment({ payload: box('moov') }), fragment({ payload: [9] })]);
	const expected = cut(bytes).whole.map(part => part.length);
	assert.equal(expected.length, 5);
	assert.equal(expected.reduce((sum, length) => sum + length, 0), bytes.length);
	for (let size = 1; size < 100; size++) {
		let rest = new Uint8Array();
		const found = [];
		for (let at = 0; at < bytes.length; at += size) {
			const data = cut(join([rest, bytes.slice(at, at + size)]));
			found.push(...data.whole);
			rest = data.rest;
		}
		assert.deepEqual(found.map(part => part.length), expected, `by ${size}`);
		assert.equal(rest.length, 0);
		assert.deepEqual(join(found), bytes);
	}
});

test('parts are joined in order', () => {
	assert.deepEqual(join([]), new Uint8Array());
	assert.deepEqual(join([new Uint8Array([1]), new Uint8Array(), new Uint8Array([2, 3])]), new Uint8Array([1, 2, 3]));
});

test('a recovery point that takes frames is one that takes none', () => {
	const nals = (...all) => Uint8Array.from(all.flatMap(nal => [0, 0, 0, nal.length, ...nal]));
	const other = [6, 5, 2, 9, 9, 0x80], slice = [0x41, 6, 2, 9, 9];
	const data = nals(other, [6, 6, 2, 0x0c, 0x40, 0x80], slice);
	promiseAtOnce(data);
	assert.deepEqual(data, nals(other, [6, 6, 2, 0xc4, 0, 0x80], slice));
});
