// The boxes of the stream (ISO/IEC 14496-12, and -15 for avcC). Pure.

const TIMESCALE = 90000;
/** Bytes of fields before the boxes in a box. @type {Record<string, number>} */
const FIELDS = { stsd: 8, avc1: 78 }; // 8.5.2, 12.1.3
const AAC_SAMPLES = 1024; // a frame
export const AAC = 'mp4a.40.2';

const viewOf = bytes => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

export const firstType = bytes => String.fromCharCode(...bytes.subarray(4, 8));

/**
 * The boxes one behind the other (4.2), with their content's place. Ends at one that is cut.
 * @param {Uint8Array} bytes
 */
export function* boxes(bytes, start = 0, end = bytes.length) {
	const view = viewOf(bytes);
	while (start + 8 <= end) {
		let size = view.getUint32(start), header = 8;
		if (size === 1 && start + 16 <= end) { // largesize
			size = view.getUint32(start + 8) * 2 ** 32 + view.getUint32(start + 12);
			header = 16;
		} else if (size === 0) { // to the end
			size = end - start;
		}
		if (size < header || start + size > end) return;
		yield { type: firstType(bytes.subarray(start)), begin: start + header, end: start + size };
		start += size;
	}
}

/** The first box at a path such as 'moov/trak'. @param {Uint8Array} bytes */
export function find(bytes, path) {
	let found = { type: '', begin: 0, end: bytes.length };
	for (const type of path.split('/')) {
		const from = found.begin + (FIELDS[found.type] ?? 0);
		const inner = [...boxes(bytes, from, found.end)].find(box => box.type === type);
		if (!inner) throw new Error(`no ${path} in the stream`);
		found = inner;
	}
	return found;
}

// The sound's, in an init segment that has it: the second.
function soundTrack(bytes) {
	const { begin, end } = find(bytes, 'moov');
	return [...boxes(bytes, begin, end)].filter(({ type }) => type === 'trak')[1];
}

/**
 * Reads an init segment: the video's codec string, avcC and quarter turns clockwise, and the sound's samples a second, 0 if there is none.
 * @param {Uint8Array} bytes
 */
export function readInit(bytes) {
	const avcC = find(bytes, 'moov/trak/mdia/minf/stbl/stsd/avc1/avcC'), description = bytes.slice(avcC.begin, avcC.end);
	const view = viewOf(bytes), matrix = matrixAt(bytes), track = soundTrack(bytes), sound = track && bytes.subarray(track.begin);
	return {
		codec: 'avc1.' + [1, 2, 3].map(i => (description[i] + 256).toString(16).slice(1)).join(''),
		description,
		turn: Math.atan2(view.getInt32(matrix + 4), view.getInt32(matrix)) / Math.PI * 2, // of its b and a
		sound: sound ? viewOf(sound).getUint32(find(sound, 'mdia/mdhd').begin + 20) : 0, // version 1
	};
}

// Of the tkhd (8.3.2, version 0).
const matrixAt = bytes => find(bytes, 'moov/trak/tkhd').begin + 40;

/** Takes the turn out of an init segment. @param {Uint8Array} bytes */
export function straighten(bytes) {
	const matrix = matrixAt(bytes);
	bytes.fill(0, matrix, matrix + 32);
	bytes[matrix + 1] = bytes[matrix + 17] = 1; // 16.16
}

/** Takes the sound out of an init segment. @param {Uint8Array} bytes */
export function mute(bytes) {
	const track = soundTrack(bytes);
	if (track) bytes.set([102, 114, 101, 101], track.begin - 4); // a box that is "free"
}

/** Tells a fragment of sound from a picture: by its track_ID (8.8.7). @param {Uint8Array} bytes */
export const isSound = bytes => viewOf(bytes).getUint32(find(bytes, 'moof/traf/tfhd').begin + 4) > 1;

// 8.8.12, version 1
function timeOf(bytes, timescale) {
	const view = viewOf(bytes), tfdt = find(bytes, 'moof/traf/tfdt').begin;
	return (view.getUint32(tfdt + 4) * 2 ** 32 + view.getUint32(tfdt + 8)) / timescale;
}

/** Reads a fragment of sound: its time in seconds, its length in samples. @param {Uint8Array} bytes */
export const readSound = (bytes, rate) => ({
	time: timeOf(bytes, rate),
	length: AAC_SAMPLES * viewOf(bytes).getUint32(find(bytes, 'moof/traf/trun').begin + 4),
});

/** Reads a fragment of one frame; times in seconds. @param {Uint8Array} bytes */
export function readFragment(bytes) {
	const view = viewOf(bytes), time = timeOf(bytes, TIMESCALE), trun = find(bytes, 'moof/traf/trun').begin;
	const { begin, end } = find(bytes, 'mdat');
	return {
		time,
		// 8.8.8, with data_offset, first_sample_flags, sample_duration
		key: !(view.getUint32(trun + 12) & 0x10000), // sample_is_non_sync_sample
		step: view.getUint32(trun + 16) / TIMESCALE,
		data: bytes.subarray(begin, end),
		bytes,
	};
}

/** Has recovery points (H.264, D.2.8) promise a picture at once, as Chromium wants. @param {Uint8Array} data */
export function promiseAtOnce(data) {
	for (let nal = 4; nal < data.length; nal += viewOf(data).getUint32(nal - 4) + 4) {
		if (data[nal] === 6 && data[nal + 1] === 6) data.fill(0, nal + 3, nal + 3 + data[nal + 2])[nal + 3] = 0xc4;
	}
}

/** Cuts the start of a stream into whole init segments and fragments, and the rest. @param {Uint8Array} bytes */
export function cut(bytes) {
	/** @type {Uint8Array[]} */
	const whole = [];
	let begin = 0;
	for (const { type, end } of boxes(bytes)) {
		if (type !== 'moov' && type !== 'mdat') continue;
		whole.push(bytes.slice(begin, end));
		begin = end;
	}
	return { whole, rest: bytes.slice(begin) };
}

/** @param {Uint8Array[]} parts */
export function join(parts) {
	const all = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
	parts.reduce((at, part) => (all.set(part, at), at + part.length), 0);
	return all;
}
