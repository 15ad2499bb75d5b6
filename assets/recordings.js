// @ts-check
// The page of what a camera recorded: a day, hour by hour. What is pressed plays at once, and what comes behind it follows.
import { readInit } from './player/mp4.js';
import { ask, reasonOf } from './player/server.js';
import { byId, fill, make, setText } from './player/make.js';

const HOUR_S = 3600;
/** So long are the day and the slash that a name begins with. */
const DAY = 11;
/** So much is loaded beyond what is shown, and kept behind it. */
const AHEAD_S = 20, BEHIND_S = 60;
/** A gap that is no longer is passed over: sound and picture of a file don't end as one. */
const GAP_S = 0.4;
const SOUND = [0x6d, 0x70, 0x34, 0x61]; // mp4a

/** `start` is Unix time, `begin` counts from midnight. @typedef {{ name: string, start: number, begin: number, seconds: number, buttons: HTMLElement[] }} Recording */
/** @typedef {{ url: string, mapBytes: number, offset: number, begin: number, seconds: number, bytes: number, at: number }} Segment */

const video = /** @type {HTMLVideoElement} */ (byId('video'));
const days = /** @type {HTMLSelectElement} */ (byId('day'));
const save = /** @type {HTMLAnchorElement} */ (byId('save'));
const remove = byId('delete');

/** @type {Recording[]} */
let recordings = [];
/** Of the day: what can be loaded, on one line of time without gaps. @type {Promise<Segment[]> | undefined} */
let playlist;
let isLoaded = false;
/** @type {Recording | undefined} */
let shown;

const two = number => String(number).padStart(2, '0');
const clock = s => [s / HOUR_S, s / 60 % 60, s % 60].map(part => two(Math.floor(part))).join(':');
const tell = text => setText(byId('now'), text);
const fail = error => tell(reasonOf(error));
const url = recording => 'recordings/' + recording.name;

/** Of a recording as a file that every player can jump in. @param {Recording} recording */
function movie({ start, seconds }) {
	// The times are cut off: that much later is in no other recording.
	return `clip.mp4?from=${(start + 0.001).toFixed(3)}&to=${(start + seconds).toFixed(3)}`;
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
			segments.push({ url: line, mapBytes: map, offset, begin: total, seconds, bytes: range[0], at: range[1] });
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
			const hasSound = init.some((_, at) => SOUND.every((byte, n) => init[at + n] === byte));
			const type = `video/mp4; codecs="${readInit(init).codec}${hasSound ? ',mp4a.40.2' : ''}"`;
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
	const seen = segments.find(segment => segment.begin + segment.seconds > time);
	const recording = recordings.find(it => url(it) === seen?.url);
	if (!recording || !seen) return;
	if (recording !== shown) {
		shown?.buttons.forEach(button => button.removeAttribute('aria-current'));
		recording.buttons.forEach(button => button.setAttribute('aria-current', 'true'));
		shown = recording;
		save.href = movie(recording);
		save.download = `${recording.name.slice(0, DAY - 1)} ${recording.name.slice(DAY)}`;
		save.hidden = remove.hidden = false;
	}
	tell(clock(recording.begin + time - seen.offset));
}

/** Draws the pieces of a recording, one in each hour that it touches. @param {Recording} recording @param {Map<number, Node>} lines */
function draw(recording, lines) {
	const end = recording.begin + recording.seconds;
	for (let at = recording.begin; at < end;) {
		const hour = Math.floor(at / HOUR_S), to = Math.min(end, (hour + 1) * HOUR_S), seconds = to - at, from = at - recording.begin;
		if (!lines.has(hour)) {
			const line = make('div');
			byId('hours').append(make('span', {}, two(hour % 24)), line);
			lines.set(hour, line);
		}
		const button = make('button', {
			type: 'button', tabIndex: -1, 'aria-label': fill(words.recorded, clock(at), Math.ceil(seconds / 60)),
			onclick: event => play(recording, from + (event.detail ? seconds * event.offsetX / button.offsetWidth : 0)),
		});
		button.style.left = at % HOUR_S / HOUR_S * 100 + '%';
		button.style.width = seconds / HOUR_S * 100 + '%';
		lines.get(hour)?.appendChild(button);
		recording.buttons.push(button);
		at = to;
	}
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
	byId('hours').replaceChildren();
	const lines = new Map();
	recordings = listed.map(({ name, start, seconds }) => {
		const [hours, minutes, s] = name.slice(DAY).split('-').map(part => parseInt(part));
		return { name, start, begin: hours * HOUR_S + minutes * 60 + s, seconds, buttons: [] };
	});
	for (const recording of recordings) draw(recording, lines);
	const first = recordings[0]?.buttons[0], lapse = /** @type {HTMLAnchorElement} */ (byId('lapse'));
	lapse.href = `clip.mp4?day=${days.value}`;
	lapse.download = `${days.value}.mp4`;
	lapse.hidden = !first;
	if (first) first.tabIndex = 0;
	tell(first ? words.pressToPlay : words.noRecordings);
}

// One of the buttons is reached by Tab, the others from it.
byId('hours').onkeydown = event => {
	const buttons = recordings.flatMap(recording => recording.buttons), at = buttons.indexOf(/** @type {any} */ (event.target));
	const to = { ArrowLeft: at - 1, ArrowUp: at - 1, ArrowRight: at + 1, ArrowDown: at + 1, Home: 0, End: buttons.length - 1 }[event.key];
	const button = to === undefined ? undefined : buttons[to];
	if (!button) return;
	event.preventDefault();
	buttons[at].tabIndex = -1;
	button.tabIndex = 0;
	button.focus();
};

remove.onclick = () => {
	if (!shown || !confirm(fill(words.deleteRecording, shown.name))) return;
	ask(url(shown) + '?delete', {}).then(list).catch(fail);
};

days.onchange = () => list().catch(fail);

ask('recordings/days').then(names => {
	days.replaceChildren(...names.reverse().map(name => make('option', {}, name)));
	return names.length ? list() : tell(words.noRecordings);
}).catch(fail);
