// @ts-check
// The page of what a camera recorded: a day, hour by hour. What is pressed plays at once, and what comes behind it follows.
import { AAC, readInit } from './player/mp4.js';
import { Refusal, ask, reasonOf } from './player/server.js';
import { byId, fill, make, setText } from './player/make.js';

const HOUR_S = 3600;
/** So long are the day and the slash that a name begins with. */
const DAY = 11;
/** So much is loaded beyond what is shown, and kept behind it. */
const AHEAD_S = 20, BEHIND_S = 60;
/** A gap that is no longer is passed over: sound and picture of a file don't end as one. */
const GAP_S = 0.4;
/** What is dragged over less is pressed. */
const DRAGGED_PX = 10;

/** `start` is Unix time, `begin` counts from midnight. @typedef {{ name: string, start: number, begin: number, seconds: number, events: number[][], buttons: HTMLElement[] }} Recording */
/** @typedef {{ url: string, mapBytes: number, offset: number, begin: number, seconds: number, bytes: number, at: number }} Segment */

const video = /** @type {HTMLVideoElement} */ (byId('video'));
const days = /** @type {HTMLSelectElement} */ (byId('day'));
const save = /** @type {HTMLAnchorElement} */ (byId('save'));
const remove = byId('delete'), hours = byId('hours');

/** @type {Recording[]} */
let recordings = [];
/** Of the day: what can be loaded, on one line of time without gaps. @type {Promise<Segment[]> | undefined} */
let playlist;
let isLoaded = false;
/** @type {Recording | undefined} */
let shown;
/** The lines of the hours. @type {Map<number, HTMLElement>} */
const lines = new Map();
/** Where a clip that is cut out begins and ends, counted from midnight. @type {number[] | undefined} */
let chosen;
/** From where keys choose it. @type {HTMLElement | undefined} */
let anchor;
let isDragged = false;
/** The own one. @type {string | undefined} */
let role;

const two = number => String(number).padStart(2, '0');
const clock = s => [s / HOUR_S, s / 60 % 60, s % 60].map(part => two(Math.floor(part))).join(':');
const tell = text => setText(byId('now'), text);
const fail = error => tell(reasonOf(error));
const url = recording => 'recordings/' + recording.name;

/** Offers what lies between two Unix times as a file that every player can jump in. @param {number} from @param {number} to @param {string} name */
function offer(from, to, name) {
	save.href = `clip.mp4?from=${from.toFixed(3)}&to=${to.toFixed(3)}`;
	save.download = name;
	save.hidden = false;
}

/** Reads the playlist of a day (RFC 8216). @param {string} text @returns {Segment[]} */
function parse(text) {
	const segments = [];
	let map = 0, total = 0, offset = 0, seconds = 0, range = [0, 0];
	for (const line of text.split('\n')) {
		const [, name, value] = /^#(?:EXT-X-)?([A-Z-]+):(.*)/.exec(line) ?? [];
		if (name === 'MAP') [map, offset] = [parseInt(value.split('BYTERANGE="')[1]), total];
		else if (name === 'EXTINF') seconds = parseFloat(value);
		else if (name === 'BYTERANGE') range = value.split('@').map(Number);
		else if (line && line[0] !== '#') {
			segments.push({ url: line.replace('_event', ''), mapBytes: map, offset, begin: total, seconds, bytes: range[0], at: range[1] });
			total += seconds;
		}
	}
	return segments;
}

const load = () => playlist ??= fetch(`recordings.m3u8?day=${days.value}`).then(answer => answer.text()).then(parse);

async function part(url, at, bytes) {
	const answer = await fetch(url, { headers: { Range: `bytes=${at}-${at + bytes - 1}` } });
	if (!answer.ok) throw new Error(url);
	return new Uint8Array(await answer.arrayBuffer());
}

/** What is in an init segment; that of JPEG pictures no browser plays. */
function read(init) {
	try {
		return readInit(init);
	} catch {
		throw new Refusal(501, words.jpegRecordings);
	}
}

/** Appends, or removes, and waits until that is done. @param {SourceBuffer} buffer */
const change = (buffer, act) => new Promise((resolve, reject) => {
	buffer.onupdateend = resolve;
	buffer.onerror = reject;
	act();
});

/** Shows segments by Media Source, from wherever the video is sought to. @param {Segment[]} segments */
function feed(segments) {
	const Source = window['ManagedMediaSource'] ?? MediaSource, source = new Source();
	video.disableRemotePlayback = true; // else Safari has no Media Source on phones
	video.src = URL.createObjectURL(source);
	/** @type {SourceBuffer} */
	let buffer;
	/** @type {Segment | undefined} */
	let last;
	let isBusy = false;

	async function append(segment) {
		if (last?.url !== segment.url) {
			const init = await part(segment.url, 0, segment.mapBytes);
			const { codec, sound } = read(init), type = `video/mp4; codecs="${codec}${sound ? ',' + AAC : ''}"`;
			if (buffer) buffer.changeType(type);
			else buffer = source.addSourceBuffer(type);
			buffer.timestampOffset = segment.offset;
			await change(buffer, () => buffer.appendBuffer(init));
		}
		const bytes = await part(segment.url, segment.at, segment.bytes);
		await change(buffer, () => buffer.appendBuffer(bytes));
		last = segment;
		const old = video.currentTime - BEHIND_S;
		if (buffer.buffered.length && buffer.buffered.start(0) < old) await change(buffer, () => buffer.remove(0, old));
	}

	/** What is to be loaded next. */
	function next() {
		let end = video.currentTime;
		const ranges = buffer ? buffer.buffered : video.buffered;
		for (let n = 0; n < ranges.length; n++) {
			if (ranges.start(n) <= end + GAP_S && ranges.end(n) > end) end = ranges.end(n);
		}
		if (end > video.currentTime + AHEAD_S) return;
		// Sound may end some milliseconds before the picture.
		return segments.find(it => it.begin + it.seconds > end + GAP_S);
	}

	async function pump() {
		if (isBusy || source.readyState === 'closed') return;
		isBusy = true;
		try {
			for (let segment = next(); segment && video.src; segment = next()) {
				if (segment === last) break; // It has less than it says.
				await append(segment);
			}
		} catch (error) {
			// Another day was chosen meanwhile.
			if (source.readyState !== 'closed') fail(error);
		}
		isBusy = false;
	}

	source.onsourceopen = () => {
		const { begin, seconds } = segments[segments.length - 1];
		source.duration = begin + seconds;
		pump();
	};
	video.ontimeupdate = video.onseeking = () => {
		show();
		pump();
	};
	video.onwaiting = () => {
		for (let n = 0; n < video.buffered.length; n++) {
			const ahead = video.buffered.start(n) - video.currentTime;
			if (ahead > 0 && ahead <= GAP_S) video.currentTime += ahead;
		}
	};
}

/** Plays from so many seconds after a recording's begin. @param {Recording} recording */
async function play(recording, seconds) {
	try {
		const segments = await load(), isNew = !isLoaded;
		const first = segments.find(segment => segment.url === url(recording));
		if (!first) return;
		isLoaded = true;
		seen(recording);
		if (isNew && ('MediaSource' in window || 'ManagedMediaSource' in window)) {
			feed(segments);
		} else if (isNew) {
			video.src = `recordings.m3u8?day=${days.value}`;
			video.ontimeupdate = show;
		}
		video.currentTime = first.begin + seconds;
		await video.play();
	} catch (error) {
		// Another one was pressed meanwhile, or the list took so long that the browser wants the video's own button pressed.
		if (error.name !== 'AbortError' && error.name !== 'NotAllowedError') fail(error);
	}
}

/** Tells what is seen. */
async function show() {
	const segments = await load(), time = video.currentTime;
	const segment = segments.find(segment => segment.begin + segment.seconds > time);
	const recording = recordings.find(it => url(it) === segment?.url);
	if (!recording || !segment) return;
	seen(recording);
	if (!chosen) tell(clock(recording.begin + time - segment.offset));
}

/** @param {Recording} recording */
function seen(recording) {
	if (recording === shown) return;
	shown?.buttons.forEach(button => button.removeAttribute('aria-current'));
	recording.buttons.forEach(button => button.setAttribute('aria-current', 'true'));
	shown = recording;
	if (!chosen) offerShown();
}

function offerShown() {
	if (!shown) return;
	const { name, start, seconds } = shown;
	// The times are cut off: that much later is in no other recording.
	offer(start + 0.001, start + seconds, `${name.slice(0, DAY - 1)} ${name.slice(DAY)}`);
	remove.hidden = role !== 'admin';
}

/** Draws pieces from one time to another one, one in each hour that is touched. @param {(at: number, seconds: number) => HTMLElement} piece */
function draw(begin, end, piece) {
	for (let at = begin; at < end;) {
		const hour = Math.floor(at / HOUR_S), to = Math.min(end, (hour + 1) * HOUR_S), { style } = piece(at, to - at);
		style.left = at % HOUR_S / HOUR_S * 100 + '%';
		style.width = (to - at) / HOUR_S * 100 + '%';
		at = to;
	}
}

/** Lays pieces over what is drawn. @param {string} tag */
const cover = (tag, begin, end) => draw(begin, end, at => {
	const piece = make(tag);
	lines.get(Math.floor(at / HOUR_S))?.append(piece);
	return piece;
});

/** The line of the hour of that time. */
function lineOf(at) {
	const hour = Math.floor(at / HOUR_S);
	const line = lines.get(hour) ?? make('div');
	if (!lines.has(hour)) {
		hours.append(make('span', {}, two(hour % 24)), line);
		lines.set(hour, line);
	}
	return line;
}

/** @param {Recording} recording */
const drawRecording = recording => draw(recording.begin, recording.begin + recording.seconds, (at, seconds) => {
	const happened = recording.events.some(([from, to]) => recording.begin + to > at && recording.begin + from < at + seconds);
	const button = make('button', {
		type: 'button', tabIndex: -1,
		'aria-label': fill(words.recorded, clock(at), Math.ceil(seconds / 60)) + (happened ? words.happened : ''),
		onclick: event => {
			choose();
			play(recording, at - recording.begin + (event.detail ? seconds * event.offsetX / button.offsetWidth : 0));
		},
	});
	lineOf(at).append(button);
	recording.buttons.push(button);
	return button;
});

/** Unix time of a time of the day, by the recording in which it is, or which is before it. */
function unix(time) {
	const { start, begin } = recordings.filter(it => it.begin <= time).pop() ?? recordings[0];
	return start + time - begin;
}

/** Offers a clip, an hour at most, or without times what is shown. */
function choose(...times) {
	document.querySelectorAll('mark').forEach(mark => mark.remove());
	chosen = times.length ? times.sort((a, b) => a - b) : undefined;
	if (!chosen) return offerShown();
	const [from, last] = chosen, to = Math.min(last, from + HOUR_S);
	cover('mark', from, to);
	// Of two recordings, each begins within another fraction of a second, which makes an hour longer; and times are rounded.
	const start = unix(from);
	offer(start, Math.min(unix(to), start + HOUR_S - 0.002), `${days.value} ${clock(from).replace(/:/g, '-')}.mp4`);
	remove.hidden = true;
	tell(fill(words.clip, clock(from), clock(to)));
}

/** Shows the day that is chosen. */
async function list() {
	const listed = await ask(`recordings?day=${days.value}`);
	playlist = shown = undefined;
	isLoaded = false;
	video.ontimeupdate = video.onseeking = null;
	video.removeAttribute('src');
	video.load();
	save.hidden = remove.hidden = true;
	hours.replaceChildren();
	lines.clear();
	chosen = anchor = undefined;
	// Behind them are time-lapses, which the link has. A recording gets another name when something happens in it, perhaps before its playlist
	// is asked for, and is found by both.
	recordings = listed.filter(({ name }) => name < 't').map(({ name, start, seconds, events }) => {
		const [hours, minutes, s] = name.slice(DAY).split('-').map(part => parseInt(part));
		return { name: name.replace('_event', ''), start, begin: hours * HOUR_S + minutes * 60 + s, seconds, events, buttons: [] };
	});
	recordings.forEach(drawRecording);
	for (const { begin, seconds, events } of recordings) {
		for (const [from, to] of events) cover('i', begin + from, begin + Math.min(to, seconds));
	}
	const first = recordings[0]?.buttons[0], lapse = /** @type {HTMLAnchorElement} */ (byId('lapse'));
	lapse.href = `clip.mp4?day=${days.value}`;
	lapse.download = `${days.value}.mp4`;
	lapse.hidden = false;
	if (first) first.tabIndex = 0;
	tell(first ? words.pressToPlay : words.noRecordings);
}

/** The time of day where a pointer is. @param {PointerEvent} event */
function timeAt({ clientX, clientY }) {
	for (const [hour, line] of lines) {
		const { left, width, bottom } = line.getBoundingClientRect();
		if (clientY < bottom) return (hour + Math.max(0, Math.min(0.9999, (clientX - left) / width))) * HOUR_S;
	}
}

// What is dragged over becomes a clip.
hours.onpointerdown = down => {
	if (!down.isPrimary || down.button) return;
	const from = timeAt(down);
	isDragged = false;
	hours.onpointermove = event => {
		if (!event.buttons) return;
		isDragged ||= Math.hypot(event.clientX - down.clientX, event.clientY - down.clientY) > DRAGGED_PX;
		const to = timeAt(event);
		if (isDragged && from !== undefined && to !== undefined) choose(from, to);
	};
};
// What was dragged is not pressed as well.
hours.addEventListener('click', event => {
	if (isDragged && event.detail) event.stopPropagation();
}, { capture: true });

// One of the buttons is reached by Tab, the others from it; with Shift, they become a clip.
hours.onkeydown = event => {
	const buttons = recordings.flatMap(recording => recording.buttons), at = buttons.indexOf(/** @type {any} */ (event.target));
	const to = { ArrowLeft: at - 1, ArrowUp: at - 1, ArrowRight: at + 1, ArrowDown: at + 1, Home: 0, End: buttons.length - 1 }[event.key];
	const button = to === undefined ? undefined : buttons[to];
	if (!button) return;
	event.preventDefault();
	if (event.shiftKey) {
		const all = [anchor ??= buttons[at], button].flatMap(it => recordings.filter(({ buttons }) => buttons.includes(it)));
		choose(Math.min(...all.map(it => it.begin)), Math.max(...all.map(it => it.begin + it.seconds)));
	} else {
		anchor = undefined;
	}
	buttons[at].tabIndex = -1;
	button.tabIndex = 0;
	button.focus();
};

remove.onclick = () => {
	if (!shown || !confirm(fill(words.deleteRecording, shown.name))) return;
	ask(url(shown) + '?delete', {}).then(list).catch(fail);
};

days.onchange = () => list().catch(fail);

ask('status').then(status => {
	role = status.role;
	if (!chosen) offerShown();
}, fail);

ask('recordings/days').then(names => {
	days.replaceChildren(...names.reverse().map(name => make('option', {}, name)));
	return names.length ? list() : tell(words.noRecordings);
}).catch(fail);
