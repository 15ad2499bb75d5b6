// The page: plays the camera as close to now as can be, and says what it is doing.
// A way is a link, which brings the stream, and mostly an engine, which shows it; the first that works is taken.
// ?path=NAME takes one alone, ?bare is for frames in other pages.

const root = document.documentElement;
const asked = new URLSearchParams(location.search);
const $ = id => document.getElementById(id);
const element = tag => document.createElement(tag);
const now = () => performance.now();

// ---- What the bytes say (ISO/IEC 14496-12 and -15)

const u32 = (bytes, at) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(at);
const name = (bytes, at) => String.fromCharCode(...bytes.subarray(at, at + 4));

// Where the content of the first such box begins.
function box(bytes, wanted) {
	let at = 4;
	while (at < bytes.length && name(bytes, at) !== wanted) at++;
	return at + 4;
}

function readInit(bytes) {
	const avcC = box(bytes, 'avcC'), tkhd = box(bytes, 'tkhd');
	return {
		codec: 'avc1.' + [1, 2, 3].map(i => (bytes[avcC + i] + 256).toString(16).slice(1)).join(''),
		description: bytes.slice(avcC, avcC - 8 + u32(bytes, avcC - 8)),
		// Quarter turns clockwise, from a and b of the matrix (8.3.2, version 0).
		turn: Math.atan2(u32(bytes, tkhd + 44) | 0, u32(bytes, tkhd + 40) | 0) / Math.PI * 2,
	};
}

// One frame, moof and mdat; times in seconds.
function readFragment(bytes) {
	const tfdt = box(bytes, 'tfdt'), trun = box(bytes, 'trun');
	return {
		time: (u32(bytes, tfdt + 4) * 2 ** 32 + u32(bytes, tfdt + 8)) / 90000,
		step: u32(bytes, trun + 16) / 90000,
		key: !(u32(bytes, trun + 12) & 0x10000), // sample_is_non_sync_sample
		data: bytes.subarray(u32(bytes, 0) + 8),
	};
}

function join(parts) {
	const all = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
	parts.reduce((at, part) => (all.set(part, at), at + part.length), 0);
	return all;
}

// ---- How late the picture is

const count = { shown: 0, skipped: 0, seeks: 0, rate_changes: 0, reconnects: 0 };
let trips = []; // of the last echoes: round trip, and the server's clock minus ours, ms
let zero, late; // the server's time at media time 0; how late the last pictures were, ms

const latency = () => late.length ? Math.round([...late].sort((a, b) => a - b)[late.length >> 1]) : null;

// A picture shows at `when`, of this media time if known.
function sighted(time, when) {
	count.shown++;
	if (!shown) strikes = busy = 0;
	shown = true;
	if (!zero || !trips.length || !(time >= 0)) return;
	const [, ahead] = trips.reduce((best, trip) => trip[0] < best[0] ? trip : best); // the quickest knows best
	late = [...late.slice(-29), when + ahead - zero - 1000 * time];
}

// ---- Engines: what shows fragments

const MARGIN_S = 0.01; // left to play when the next frame comes
const MORE_S = 0.005; // each time that it was too little
const MOST_S = 0.3;
const webkit = /AppleWebKit(?!.*Chrom)/.test(navigator.userAgent);
const SLOP_S = webkit ? 0.05 : 0.015; // beyond the margin is let be; in WebKit a change of speed is a seek
const FAST = 1.1; // plays off what is more
const FAR_S = 0.25; // beyond the margin, it jumps
const LOOK_MS = 1000; // between two changes
const KEEP_S = 10; // of what was played

const video = element('video');
Object.assign(video, { muted: true, autoplay: true, playsInline: true });
const Source = window.MediaSource || window.ManagedMediaSource; // an iPhone has the managed one only

// Fragments into a <video>, by Media Source Extensions.
function mse() {
	const source = new Source(), queue = [];
	let buffer, type, coming; // the type in the buffer, and of what comes now
	let keys = []; // times of the key frames in the buffer
	let offset = 0; // of this link's zero on the video's time line
	let end = 0; // of the newest fragment, on that line
	let margin = MARGIN_S;
	let begun = 0; // when it jumped last, ms
	let least, until; // what was left to play, and when to judge it

	function newest() {
		const ranges = engine === self && buffer ? buffer.buffered : [], last = ranges.length - 1;
		return last >= 0 && [ranges.start(last), ranges.end(last)];
	}

	function append() {
		if (source.readyState !== 'open' || !queue.length || buffer?.updating) return;
		// WebKitGTK fails at times if fed while it seeks, or if not.
		if (video.seeking && now() < begun + 400) return;
		try {
			if (!buffer) {
				buffer = source.addSourceBuffer(type = queue[0].type);
				source.duration = Infinity;
				buffer.onupdateend = () => {
					follow();
					append();
				};
			}
			if (trim(KEEP_S)) return;
			if (queue[0].type !== type) buffer.changeType(type = queue[0].type);
			if (buffer.timestampOffset !== offset) buffer.timestampOffset = offset;
			const other = queue.findIndex(part => part.type !== type), many = other < 0 ? queue.length : other;
			buffer.appendBuffer(join(queue.slice(0, many).map(part => part.bytes)));
			queue.splice(0, many);
		} catch (error) {
			if (error.name !== 'QuotaExceededError' || !trim(0)) broken(error.message);
		}
	}

	// Lets go of what is older, by the live edge: a hidden picture stands still. Of whole groups, as the removal of
	// frames takes along what was coded from them.
	function trim(keep) {
		const old = keys.filter(time => time <= end - keep);
		if (old.length < 2 || keep && old[0] > end - 2 * keep) return false;
		keys.splice(0, old.length - 1);
		buffer.remove(0, keys[0] - 0.001);
		return true;
	}

	// Sees that the picture is where the data is.
	function follow() {
		const range = newest(), at = video.currentTime;
		if (!range || video.seeking || !begun && queue.length) return;
		const behind = range[1] - at - self.step - margin;
		// Before the newest range lies what the camera or the network lost.
		const lost = at < range[0] - 0.01 && (video.readyState < 3 || behind > FAR_S);
		if (!begun || lost || behind > FAR_S && now() > begun + LOOK_MS || behind < -1) edge();
	}

	// To the newest picture, at once.
	function edge() {
		const range = newest();
		if (!range) return;
		begun = now();
		rate(1);
		const to = Math.max(range[0], range[1] - self.step - margin);
		if (video.currentTime < range[0] || Math.abs(to - video.currentTime) > SLOP_S) {
			count.seeks++;
			video.currentTime = to;
		}
		play();
	}

	// What was too much at the worst is played off in one go.
	function pace(left) {
		if (video.seeking || video.paused) return rate(1);
		least = Math.min(least, left);
		if (now() < until) return;
		const excess = least - margin;
		margin += (MARGIN_S - margin) / 25; // a bad minute is forgotten in the next
		if (video.playbackRate > 1 || excess < SLOP_S) rate(1);
		else rate(FAST, 1000 * excess / (FAST - 1));
	}

	function rate(rate, ms = LOOK_MS) {
		least = Infinity;
		until = now() + ms;
		if (video.playbackRate === rate) return;
		video.playbackRate = rate;
		count.rate_changes++;
	}

	function onFrame(when, frame) {
		if (engine !== self) return;
		sighted(frame.mediaTime - offset, frame.expectedDisplayTime || when);
		video.requestVideoFrameCallback(onFrame);
	}

	source.onstartstreaming = () => rest('full', false);
	source.onendstreaming = () => rest('full', true);
	source.onsourceopen = video.onseeked = append;
	video.onerror = () => broken(video.error.message);
	video.onwaiting = () => {
		if (begun && !video.seeking) margin = Math.min(margin + MORE_S, MOST_S);
	};
	if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(onFrame);
	else video.ontimeupdate = () => sighted(video.currentTime - offset, now());
	video.disableRemotePlayback = true; // or a managed source never opens
	video.src = URL.createObjectURL(source);

	const self = {
		picture: video,
		edge,
		at: () => video.currentTime,
		step: 0,
		// For a new link, whose times begin at zero again.
		begin() {
			queue.length = begun = 0;
			if (end) offset = end + 1;
		},
		init(bytes) {
			const { codec, turn } = readInit(bytes), matrix = box(bytes, 'tkhd') + 40;
			coming = `video/mp4; codecs="${codec}"`;
			if (webkit) { // its MSE leaves that out: the page turns
				bytes.fill(0, matrix, matrix + 32);
				bytes[matrix + 1] = bytes[matrix + 17] = 1;
				self.turn = turn;
			}
			if (Source.isTypeSupported(coming)) queue.push({ bytes, type: coming });
			else next(`no decoder for ${coming}`);
		},
		fragment(bytes) {
			const frame = readFragment(bytes), left = end - video.currentTime;
			self.step = frame.step;
			end = offset + frame.time + frame.step;
			if (frame.key) keys.push(offset + frame.time);
			queue.push({ bytes, type: coming });
			append();
			if (begun) pace(left);
		},
		stop() {
			source.onstartstreaming = source.onendstreaming = video.onerror = video.onwaiting = video.ontimeupdate = null;
			URL.revokeObjectURL(video.src);
			video.removeAttribute('src');
			video.load();
		},
	};
	return self;
}

// Fragments onto a <canvas>, by WebCodecs: shown as soon as decoded.
function webcodecs() {
	const canvas = element('canvas'), pen = canvas.getContext('2d', { alpha: false });
	let turn, lost, latest, drawn;

	// Of all that come before a drawing, the last is drawn.
	function output(frame) {
		if (latest) latest.close();
		else requestAnimationFrame(draw);
		latest = frame;
		drawn = frame.timestamp;
	}

	function draw() {
		const { displayWidth: wide, displayHeight: high } = latest;
		const [width, height] = turn % 2 ? [high, wide] : [wide, high];
		if (canvas.width !== width || canvas.height !== height) {
			Object.assign(canvas, { width, height });
			layout();
		}
		pen.setTransform(1, 0, 0, 1, width / 2, height / 2);
		pen.rotate(turn * Math.PI / 2);
		pen.drawImage(latest, -wide / 2, -high / 2, wide, high);
		latest.close();
		latest = null;
		sighted(drawn / 1e6, now() + 16); // a refresh later
	}

	const decoder = new VideoDecoder({ output, error: error => broken(error.message) });
	return {
		picture: canvas,
		at: () => drawn,
		step: 0,
		begin: () => decoder.reset(),
		init(bytes) {
			const { codec, description, turn: turned } = readInit(bytes);
			decoder.configure({ codec, description, optimizeForLatency: true });
			turn = turned;
			lost = true;
		},
		fragment(bytes) {
			const { time, key, data } = readFragment(bytes);
			// One that can't keep up goes on with the next key frame.
			lost = !key && (lost || decoder.decodeQueueSize > 60);
			if (lost) count.skipped++;
			else decoder.decode(new EncodedVideoChunk({ type: key ? 'key' : 'delta', timestamp: time * 1e6, data }));
		},
		stop: () => decoder.state === 'closed' || decoder.close(),
	};
}

// ---- Links: what brings the stream

function socketLink() {
	const socket = new WebSocket(new URL('ws', document.baseURI).href.replace(/^http/, 'ws'));
	socket.binaryType = 'arraybuffer';
	socket.onopen = lag;
	socket.onmessage = ({ data }) => data.byteLength ? took(new Uint8Array(data)) : told(JSON.parse(data));
	socket.onclose = () => ended('no WebSocket gets through');
	return {
		say: text => socket.readyState === 1 && socket.send(JSON.stringify(text)),
		close() {
			socket.onmessage = socket.onclose = null;
			socket.close();
		},
	};
}

// Has an answer read; then the link has ended.
async function get(address, quit, why, read) {
	let full;
	try {
		const answer = await fetch(address, { cache: 'no-store', signal: quit.signal });
		full = answer.status === 503;
		if (answer.ok) await read(answer.body);
		else why = (await answer.text()).trim();
	} catch (error) {
		why = error.message;
	}
	if (!quit.signal.aborted) ended(why, full);
}

function fetchLink() {
	const quit = new AbortController();
	get('stream.mp4', quit, 'the stream ended', async body => {
		const reader = body.getReader();
		for (let rest = [], piece; !(piece = await reader.read()).done;) {
			const data = join([rest, piece.value]);
			let begin = 0; // of what is handed on next: ftyp and moov, or moof and mdat
			for (let at = 0; at + 8 <= data.length;) {
				const kind = name(data, at + 4);
				at += u32(data, at);
				if (at > data.length || quit.signal.aborted) break;
				if (kind !== 'moov' && kind !== 'mdat') continue;
				took(data.slice(begin, at));
				begin = at;
			}
			rest = data.slice(begin);
		}
	});
	return { close: () => quit.abort() };
}

// A tag that loads an address by itself.
const tagLink = (picture, address) => () => {
	const quit = new AbortController(), plays = picture === video;
	let least = Infinity; // behind the clock, from any common zero
	picture.onerror = () => get(address, quit, `it does not play ${address}`, body => body.cancel());
	picture.onended = () => ended('the stream ended');
	picture.onload = picture.onplaying = () => sighted(layout());
	picture.src = address + '?' + Date.now(); // past what browsers kept
	show(picture);
	if (plays) play();
	return {
		close() {
			keep();
			quit.abort();
			picture.onerror = picture.onended = picture.onload = picture.onplaying = null;
			picture.removeAttribute('src');
			if (plays) video.load();
		},
		// A plain <video> that fell behind stays so until loaded anew.
		behind() {
			const lag = now() / 1000 - video.currentTime;
			if (address === 'stream.mp4' && video.currentTime) least = Math.min(least, lag);
			return lag > least + 3 && !video.paused;
		},
	};
};

// ---- The ways, and how to keep to one

const jpegLink = tagLink(element('img'), 'stream.mjpeg');
const ways = {
	// The least late, but secure origins only; WebKit draws slowly.
	webcodecs: { link: socketLink, engine: webcodecs, can: () => !webkit && window.VideoDecoder },
	ws: { link: socketLink, engine: mse, can: () => Source },
	fetch: { link: fetchLink, engine: mse, can: () => Source },
	hls: { link: tagLink(video, 'stream.m3u8'), can: () => video.canPlayType('application/vnd.apple.mpegurl') },
	video: { link: tagLink(video, 'stream.mp4') },
	mjpeg: { link: jpegLink },
};
const all = ways[asked.get('path')] ? [asked.get('path')] : Object.keys(ways);

const NAP_MS = 5000; // hidden so long, it lets the camera sleep
const PATIENCE_MS = 4000; // without a word from the server
const POLL_MS = 3000; // of /status, where no socket tells

let order = all, strikes = 0; // the ways left, and what speaks against the first
const excuses = new Set(); // of the others
let link, engine, jpeg; // the tag of a JPEG camera, beside the socket
let camera, reached, busy; // its state; the server answered; its words when full
let heard, fed, place, shown; // of the link: last word, first data since the picture moved; the picture
let gone, retry, nap, polled = 0, said = 0; // times and timers
let blocked; // from playing by itself
const rests = new Set(); // reasons to want nothing

function connect() {
	while (order[1] && !ways[order[0]].can()) order = order.slice(1);
	const way = ways[order[0]];
	root.dataset.path = order[0];
	fed = shown = zero = 0;
	heard = now();
	late = [];
	if (engine) engine.begin();
	else engine = way.engine?.();
	if (engine) show(engine.picture);
	link = way.link();
}

function disconnect() {
	jpeg?.close();
	link?.close();
	if (link && (shown || !gone)) gone = now();
	jpeg = link = null;
}

function drop() {
	disconnect();
	if (!engine) return;
	keep();
	engine.stop();
	engine = null;
}

function broken(why) {
	drop();
	ended(why);
}

function ended(why, full) {
	disconnect();
	if (full) {
		busy = why;
		order = all;
	} else if (!shown && camera?.state === 'live' && ++strikes > 2) { // not for this browser or network
		return next(why);
	}
	later();
}

// This way does not work here: on with the next one.
function next(why) {
	drop();
	excuses.add(why);
	strikes = 0;
	order = order.slice(1);
	if (order.length) connect();
}

function later() {
	const away = now() - gone;
	clearTimeout(retry);
	retry = setTimeout(again, Math.min(200 + away / 4, away < 60000 ? 1200 : 8000) * (0.75 + Math.random() / 2));
}

// Asks for the server first: failed WebSockets delay the next.
async function again() {
	clearTimeout(retry);
	await poll();
	retry = 0;
	if (link || !order.length || rests.size) return;
	if (!reached) return later();
	count.reconnects++;
	connect();
}

async function poll() {
	polled = now();
	try {
		const signal = AbortSignal.timeout?.(POLL_MS); // Safari has it since 16
		camera = (await (await fetch('status', { cache: 'no-store', signal })).json()).cameras[0];
		reached = true;
		if (camera.state !== 'live') heard = now();
		if (link) layout();
	} catch {
		reached = false;
		strikes = 0;
	}
}

function took(bytes) {
	heard = now();
	if (name(bytes, 4) === 'ftyp') return engine.init(bytes);
	fed = fed || heard;
	engine.fragment(bytes);
}

function told(text) {
	heard = now();
	reached = true;
	if (text.type === 'echo') {
		const trip = heard - text.sent_ms;
		trips = [...trips.slice(-14), [trip, text.received_us / 1000 - text.sent_ms - trip / 2]];
	}
	if (text.type === 'clock') zero = text.captured_us / 1000 - text.media_90k / 90;
	if (text.type === 'skipped') count.skipped += text.frames;
	if (text.type !== 'state') return;
	camera = text;
	if (camera.codec && !!jpeg !== (camera.codec === 'mjpeg')) {
		jpeg?.close();
		jpeg = jpeg ? null : jpegLink();
		if (!jpeg) show(engine.picture);
	}
	tell();
}

function lag() {
	said = now();
	link?.say({ type: 'lag', sent_ms: said, lag_ms: document.hidden ? null : latency() });
}

// What no event tells.
function tick() {
	if (link) {
		if (link.say && now() - said > 950) lag();
		if (!link.say && now() - polled > POLL_MS) poll();
		if (place !== engine?.at()) {
			place = engine?.at();
			if (shown) fed = 0; // time alone may pass
		}
		if (engine ? silent(PATIENCE_MS) : link.behind()) ended('nothing comes');
		else if (fed && !document.hidden && !blocked && now() - fed > 6000) (shown ? broken : next)('no picture comes');
	}
	if (!$('numbers').hidden) numbers();
	tell();
}

// Nothing came for so long, whatever the frame rate.
const silent = ms => now() - heard > ms + 4000 * engine.step;

function play() {
	video.play().then(() => 0, error => error.name === 'NotAllowedError').then(so => { blocked = so; });
}

// For this reason nothing is wanted, or not any more.
function rest(why, so) {
	if (so) rests.add(why);
	else rests.delete(why);
	gone = 0;
	if (rests.size) {
		disconnect();
		clearTimeout(retry);
		retry = 0;
	} else if (!link && !retry && order.length) {
		connect();
	}
	tell();
}

function pause() {
	keep();
	rest('paused', !rests.has('paused'));
}

// Somebody looks again, or nobody any more.
function look() {
	clearTimeout(nap);
	if (document.hidden && !document.pictureInPictureElement) {
		nap = setTimeout(rest, NAP_MS, 'hidden', true);
	} else {
		fed = 0;
		if (link) engine?.edge?.();
		rest('hidden', false);
	}
}

// ---- Words

function words() {
	if (!order.length) return ['unplayable', 'this browser can’t play it: ' + [...excuses].join('; ')];
	if (rests.has('paused')) return ['paused', 'paused'];
	if (busy) return ['busy', busy];
	if (!link && gone && !reached) return ['offline', 'no answer from the server'];
	if (!camera) return ['connecting', 'connecting'];
	const { state, reason, placeholder } = camera;
	if (state !== 'live') {
		const text = { starting: 'the camera is starting', lost: 'waiting for camera' }[state] || state;
		return [state, reason ? text + ': ' + reason : text];
	}
	if (blocked) return ['blocked', 'press play'];
	if (!shown) return ['connecting', 'the picture comes'];
	if (engine && silent(1500)) return ['stalled', 'nothing comes from the server'];
	return ['live', placeholder ? 'test picture until a camera appears' : 'live'];
}

function tell() {
	const [word, text] = words();
	root.dataset.state = word;
	if ($('state').textContent !== text) $('state').textContent = text;
	$('play').hidden = word !== 'blocked' && word !== 'paused';
}

function stats() {
	const { path, state } = root.dataset, { buffered } = video, last = buffered.length - 1;
	const buffered_s = last < 0 ? 0 : buffered.end(last) - buffered.start(0);
	const { totalVideoFrames, droppedVideoFrames } = video.getVideoPlaybackQuality(); // Firefox calls for most only
	const shown = totalVideoFrames - droppedVideoFrames || count.shown;
	return { path, state, latency_ms: latency(), ...count, shown, buffered_s };
}

function numbers() {
	const lines = Object.entries({ ...stats(), size: size().join('x') })
		.map(([what, value]) => `${what.replace('_', ' ')}: ${value % 1 ? value.toFixed(1) : value ?? 'unknown'}`);
	$('numbers').textContent = [...lines, 'keys: the first letters; + − 0 zoom; arrows move'].join('\n');
}

// ---- The picture's place: fitted, turned, flipped, zoomed

const stage = $('stage'), frame = $('frame');
const still = frame.appendChild(element('canvas')); // the last picture
const edges = frame.appendChild(element('canvas'));
let turn = 0, flip = 1, scale = 1, x = 0, y = 0;

// Quarters, with those that the element leaves to the page.
const turns = () => turn + ($('picture').naturalWidth ? camera?.rotation / 90 || 0 : engine?.turn || 0);

function size() {
	const { videoWidth, videoHeight, naturalWidth, naturalHeight, width, height } = $('picture');
	return [videoWidth || naturalWidth || width, videoHeight || naturalHeight || height];
}

function show(picture) {
	if (picture.parentNode) return;
	$('picture')?.remove();
	picture.id = 'picture';
	picture.ariaLabel = 'Live video';
	edges.before(picture);
}

// The picture on a canvas, in its true size.
function copy(canvas) {
	const [width, height] = size(), pen = canvas.getContext('2d');
	Object.assign(canvas, { width, height });
	pen.drawImage($('picture'), 0, 0, width, height);
	return pen;
}

// For the time when the picture's element has none.
function keep() {
	if (size()[0] && !($('picture').readyState < 2)) copy(still);
}

// What differs from its neighbour glows, as sharp edges do.
function peak() {
	const pen = copy(edges);
	pen.globalCompositeOperation = 'difference';
	pen.drawImage($('picture'), 1, 1, edges.width, edges.height);
	pen.globalCompositeOperation = 'lighter';
	pen.drawImage(edges, 0, 0);
	pen.drawImage(edges, 0, 0);
}

function save() {
	const file = element('a');
	file.download = `camera ${new Date().toLocaleString('sv').replace(/:/g, '-')}.jpg`;
	// Of an endless JPEG Firefox would draw the first picture.
	file.href = $('picture').naturalWidth ? 'snapshot.jpg' : copy(element('canvas')).canvas.toDataURL('image/jpeg', 0.95);
	file.click();
}

function layout() {
	const [width, height] = size(), turned = turns(), [wide, high] = turned % 2 ? [height, width] : [width, height];
	if (!width) return;
	const { clientWidth, clientHeight } = stage, fit = Math.min(clientWidth / wide, clientHeight / high);
	const within = (at, room) => Math.max(-room, Math.min(room, at));
	x = within(x, Math.max(0, wide * fit * scale - clientWidth) / 2);
	y = within(y, Math.max(0, high * fit * scale - clientHeight) / 2);
	Object.assign(frame.style, {
		width: width * fit + 'px',
		height: height * fit + 'px',
		transform: `translate(-50%, -50%) translate(${x}px, ${y}px) scale(${scale * flip}, ${scale}) rotate(${turned * 90}deg)`,
	});
}

function move(byX, byY) {
	x += byX;
	y += byY;
	layout();
}

// About a point of the window.
function zoom(factor, clientX = stage.clientWidth / 2, clientY = stage.clientHeight / 2) {
	const before = scale, fromX = clientX - stage.clientWidth / 2 - x, fromY = clientY - stage.clientHeight / 2 - y;
	scale = Math.max(1, Math.min(8, scale * factor));
	move(fromX * (1 - scale / before), fromY * (1 - scale / before));
}

function full() {
	if (document.fullscreenElement) document.exitFullscreen();
	else if (root.requestFullscreen) root.requestFullscreen();
	else video.webkitEnterFullscreen(); // iPhone
}

async function pop() {
	if (document.pictureInPictureElement) return document.exitPictureInPicture();
	if (engine?.picture !== video) { // a canvas can't; the next way's <video> can
		next('');
		await new Promise(loaded => video.addEventListener('loadeddata', loaded, { once: true }));
	}
	video.requestPictureInPicture();
}

// ---- Buttons, keys, fingers

let peaking;
// By name, whose first letter is the key; true or false is whether it is on.
const actions = {
	Pause: pause,
	Full: full,
	Window: pop,
	Save: save,
	Turn: () => layout(turn = (turn + 1) % 4),
	Mirror: () => layout(flip = -flip),
	Grid: () => frame.classList.toggle('grid'),
	Centre: () => frame.classList.toggle('cross'),
	Edges: () => !(edges.hidden = !(peaking = peaking ? clearInterval(peaking) : setInterval(peak, 150))),
	Info: () => !($('numbers').hidden = !$('numbers').hidden),
};

function controls() {
	const press = {
		'+': () => zoom(1.25), '-': () => zoom(0.8), 0: () => zoom(0),
		ArrowLeft: () => move(40, 0), ArrowRight: () => move(-40, 0), ArrowUp: () => move(0, 40), ArrowDown: () => move(0, -40),
	};
	if (!document.pictureInPictureEnabled) delete actions.Window;
	for (const title in actions) {
		const button = $('bar').appendChild(element('button')), key = title[0].toLowerCase();
		button.textContent = title;
		button.title = 'Key: ' + key;
		button.onclick = press[key] = () => {
			const on = actions[title]();
			if (on === !!on) button.setAttribute('aria-pressed', on);
		};
	}
	addEventListener('keydown', event => {
		const act = !event.ctrlKey && !event.metaKey && !event.altKey && press[event.key];
		if (!act) return;
		event.preventDefault();
		act();
	});

	const fingers = new Map();
	stage.onpointerdown = event => fingers.set(event.pointerId, event);
	stage.onpointerup = stage.onpointercancel = stage.onpointerleave = event => fingers.delete(event.pointerId);
	stage.onpointermove = event => {
		const last = fingers.get(event.pointerId);
		if (!last) return;
		fingers.set(event.pointerId, event);
		move((event.clientX - last.clientX) / fingers.size, (event.clientY - last.clientY) / fingers.size);
		const other = [...fingers.values()].find(one => one.pointerId !== event.pointerId);
		const apart = one => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
		if (other) zoom(apart(event) / apart(last), (event.clientX + other.clientX) / 2, (event.clientY + other.clientY) / 2);
	};
	stage.addEventListener('wheel', event => {
		event.preventDefault();
		zoom(2 ** (-event.deltaY / 400), event.clientX, event.clientY);
	}, { passive: false });
}

if (asked.has('bare')) root.classList.add('bare');
else controls();
$('play').onclick = () => rests.has('paused') ? pause() : play();
// By the browser's own buttons.
video.onpause = () => link && engine && !blocked && !document.hidden && pause();
video.onplay = () => rests.has('paused') && pause();
video.onresize = layout;
video.onleavepictureinpicture = look;
document.onvisibilitychange = look;
addEventListener('online', again);
new ResizeObserver(layout).observe(stage);
setInterval(tick, 250);
window.player = { stats };
look();
