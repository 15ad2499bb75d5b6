// One viewing: keeps a path going while somebody looks, and says how things stand.

import { createClock } from './clock.js';
import { createHeard } from './heard.js';
import { firstType, isSound, promiseAtOnce, readFragment } from './mp4.js';
import { isWebKit } from './mse.js';
import { PATHS, createPaths, retryDelay } from './paths.js';
import { Refusal, ask } from './server.js';

/** @import { Account, Camera, Engine, Host, Link, Session, View } from './contract.js' */

const HIDDEN_MS = 5000; // until a hidden page lets the camera sleep
const SILENCE_MS = 4000; // without a word
const STALL_MS = 1500; // of such silence before the viewer is told
const WAITING_MS = 3000; // after the last picture
const FROZEN_MS = 6000; // with data, without a picture
const CHANGE_MS = 1000; // from one path to another, for which the picture stands still
const LATE_S = 4; // behind the quickest of a link: a proxy holds it back, ...
const LATE_MS = 1500; // ... if it lasts
const POLL_MS = 3000; // between two /status
const PING_MS = 950; // from one echo to the next
const DENIALS = [401, 403, 404]; // answers to who may not watch

const now = () => performance.now();
const { dataset } = document.documentElement;

/** `path`: the only one to take. @param {View} view @returns {Session} */
export function createSession(view, path, render) {
	const { video } = view, clock = createClock(), paths = createPaths(PATHS, path);
	const counters = { shown: 0, skipped: 0, seeks: 0, rate_changes: 0, reconnects: 0, bytes: 0 };
	const suspensions = new Set(); // reasons to want nothing
	// In WebKit the sound is the <video>'s: an iPhone's is to go on behind other pages.
	const isBeside = !isWebKit() && 'AudioContext' in window;
	const heard = createHeard(video, isBeside, peak => listeners.peak?.(peak), unblock);

	/** @type {Link | null} */
	let link = null;
	/** @type {Engine | null} */
	let engine = null;
	/** @type {Link | null} The tag of a JPEG camera, beside the socket. */
	let jpegLink = null;
	// Of this link: the last word and frame, the first since the picture moved, its place, whether one has shown.
	let lastData = 0, lastFragment = 0, firstData = 0, lastPosition, shown = false;
	/** @type {Camera | undefined} */
	let camera;
	let serverReached = false, fullText = ''; // the server's words when it has no place
	/** @type {Refusal | null} Of one who may not watch, or no longer. */
	let denial = null;
	/** @type {Record<string, (message: any) => void>} */
	const listeners = {};
	let autoplayBlocked = false, soundBlocked = false; // by the browser, until somebody touches the page
	let engineWorks = false; // it has shown a picture, on whichever link
	let forJpeg = false; // the link was chosen for a camera of JPEG pictures
	let lastPoll = 0, lastPing = 0, lostAt = 0, lateSince = 0, lastShown = 0, changedAt = -Infinity; // times
	let retryTimer = 0, hiddenTimer = 0;

	// ---- Links come and go

	function connect() {
		forJpeg = camera?.codec === 'mjpeg';
		const name = paths.choose(forJpeg);
		if (dataset.path !== name) dropEngine();
		dataset.path = name;
		firstData = lastFragment = lateSince = 0;
		shown = false;
		lastData = now();
		clock.restart();
		heard.begin();
		if (engine) engine.begin();
		else {
			engine = PATHS[name].engine?.(host) ?? null;
			engineWorks = false;
		}
		if (engine) view.show(engine.picture);
		link = PATHS[name].link(host);
		if (!link.send) lastPoll = 0;
	}

	function disconnect() {
		jpegLink?.close();
		link?.close();
		if (link && (shown || !lostAt)) lostAt = now();
		jpegLink = link = null;
	}

	function dropEngine() {
		disconnect();
		if (!engine) return;
		view.keepStill();
		engine.stop();
		engine = null;
	}

	function onBroken(why) {
		dropEngine();
		onEnd(why);
	}

	/** @type {Host['onEnd']} */
	function onEnd(why, { full, unopened } = {}) {
		disconnect();
		if (full) {
			fullText = why;
			paths.restart();
		} else if (!shown && (unopened || camera?.state === 'live') && paths.strike()) { // not for this browser or network
			return nextPath(why);
		}
		scheduleRetry();
	}

	function nextPath(why) {
		dropEngine();
		paths.skip(why);
		if (!paths.isExhausted()) connect();
	}

	function scheduleRetry() {
		clearTimeout(retryTimer);
		retryTimer = setTimeout(reconnect, retryDelay(now() - lostAt, Math.random()));
	}

	// Asks for the server first: failed WebSockets delay the next.
	async function reconnect() {
		clearTimeout(retryTimer);
		await pollStatus();
		retryTimer = 0;
		if (link || paths.isExhausted() || suspensions.size) return;
		if (!serverReached || denial) return scheduleRetry();
		counters.reconnects++;
		connect();
	}

	async function pollStatus() {
		lastPoll = now();
		try {
			const signal = AbortSignal.timeout?.(POLL_MS); // Safari has it since 16
			const frames = camera?.frames;
			const sent = lastPoll, status = await ask('status', undefined, { signal });
			camera = status.cameras[0];
			serverReached = true;
			denial = null;
			clock.onEcho(sent, status.clock_us, now());
			if (link && !link.send) onStatus();
			if (camera?.state !== 'live' || camera.frames === frames) lastData = now();
			if (link) view.layout();
		} catch (error) {
			denial = DENIALS.includes(error.status) ? error : null;
			serverReached = !!denial;
			paths.forgive();
		}
	}

	// What a socket would say.
	function onStatus() {
		if (camera?.captured_us && camera.media_90k) clock.onCapture(camera.captured_us, camera.media_90k);
		const isJpeg = camera?.codec === 'mjpeg';
		if (!camera?.codec || forJpeg === isJpeg) return;
		forJpeg = isJpeg;
		if (paths.choose(isJpeg) === dataset.path) return;
		disconnect();
		connect();
	}

	// ---- What links and engines say

	function onData(bytes) {
		lastData = now();
		counters.bytes += bytes.length;
		const isInit = firstType(bytes) === 'ftyp';
		if (isInit || isSound(bytes)) {
			heard.take(bytes); // the engine may change them
			if (isInit) engine?.init(bytes);
			else engine?.sound?.(bytes);
			return;
		}
		lastFragment = lastData;
		firstData = firstData || lastData;
		const frame = readFragment(bytes);
		if (frame.key && 'chrome' in window) promiseAtOnce(frame.data);
		clock.onArrival(frame.time, lastData);
		engine?.fragment(frame);
	}

	function onMessage(message) {
		lastData = now();
		serverReached = true;
		switch (message.type) {
			case 'echo': return clock.onEcho(message.sent_ms, message.received_us, lastData);
			case 'clock': return clock.onCapture(message.captured_us, message.media_90k);
			case 'skipped':
				counters.skipped += message.frames;
				return clock.onSkipped();
			case 'state': return onState(message);
		}
		listeners[message.type]?.(message);
	}

	function onState(state) {
		camera = state;
		if (state.codec && !!jpegLink !== (state.codec === 'mjpeg')) {
			jpegLink?.close();
			jpegLink = jpegLink ? null : PATHS.mjpeg.link(host);
			if (!jpegLink && engine) view.show(engine.picture);
		}
		render();
	}

	function onShown(time_s, when_ms = now()) {
		counters.shown++;
		if (!shown) {
			paths.forgive();
			fullText = '';
		}
		shown = engineWorks = true;
		lastShown = now();
		clock.onShown(time_s, when_ms);
		heard.onShown(time_s, when_ms);
	}

	function sendLag() {
		lastPing = now();
		link?.send?.({ type: 'lag', sent_ms: lastPing, lag_ms: document.hidden ? null : clock.latency() });
	}

	function play() {
		video.play().then(() => false, error => error.name === 'NotAllowedError').then(so => {
			autoplayBlocked = so && video.muted;
			if (!so || autoplayBlocked) return;
			block();
			play();
		});
	}

	function block() {
		soundBlocked = video.muted = true;
	}

	// Somebody has touched the page: the browser lets it be heard.
	function onTouch() {
		if (navigator.userActivation?.hasBeenActive === false) return;
		heard.resume();
		unblock();
	}

	function unblock() {
		if (soundBlocked) view.hear();
		soundBlocked = false;
	}

	function setSound(sound) {
		soundBlocked = false;
		const isOther = sound !== view.look().sound; // and not what the browser did not let be heard
		view.hear({ sound });
		if (!sound) heard.stop();
		if (isOther && link && engine) {
			changedAt = now();
			if (isBeside) disconnect();
			else dropEngine();
			connect();
			if (sound && !isBeside) play(); // within the viewer's touch
		}
		render();
	}

	// ---- What no event tells

	// Nothing came for so long, whatever the frame rate.
	const isSilent = ms => !!engine && now() - lastData > ms + 4000 * engine.step;

	function tick() {
		if (link) watch(link);
		render();
	}

	function watch(link) {
		if (heard.isBlocked() && !soundBlocked) block();
		if (link.send && now() - lastPing > PING_MS) sendLag();
		if (!link.send && now() - lastPoll > POLL_MS) pollStatus();
		const position = engine?.position();
		if (lastPosition !== position) {
			lastPosition = position;
			if (shown) firstData = 0; // time alone may pass
		}
		if (isSilent(SILENCE_MS) || link.isBehind?.()) return onEnd('nothing comes');
		lateSince = clock.late_s() > LATE_S ? lateSince || now() : 0;
		if (lateSince && now() - lateSince > LATE_MS) return onEnd('the picture is late');
		const isFrozen = firstData && now() - firstData > FROZEN_MS && !document.hidden && !autoplayBlocked;
		if (isFrozen) (engineWorks ? onBroken : nextPath)('no picture comes');
	}

	// ---- Who looks

	function setSuspended(why, so) {
		if (so) suspensions.add(why);
		else suspensions.delete(why);
		if (so && why === 'hidden') view.store();
		lostAt = 0;
		if (suspensions.size) {
			disconnect();
			heard.stop();
			clearTimeout(retryTimer);
			retryTimer = 0;
		} else if (!link && !retryTimer && !paths.isExhausted()) {
			connect();
		}
		render();
	}

	const isPaused = () => suspensions.has('paused');

	function pause() {
		view.keepStill();
		setSuspended('paused', !isPaused());
	}

	function onVisibility() {
		clearTimeout(hiddenTimer);
		if (document.hidden && !document.pictureInPictureElement) {
			if (video.muted) hiddenTimer = setTimeout(setSuspended, HIDDEN_MS, 'hidden', true);
		} else {
			firstData = 0;
			if (link && (video.muted || isBeside)) engine?.seekToEdge?.(); // or a jump would be heard
			setSuspended('hidden', false);
		}
	}

	// By the browser's own buttons.
	video.onpause = () => {
		if (link && engine?.picture === video && !autoplayBlocked && !document.hidden) pause();
	};
	video.onplay = () => {
		if (isPaused()) pause();
	};
	video.addEventListener('leavepictureinpicture', onVisibility);
	for (const type of ['click', 'keyup']) addEventListener(type, onTouch); // after the button's own

	view.restore().then(age_ms => {
		if (age_ms && !lastShown) lastShown = now() - age_ms;
	});

	// ---- How things stand

	/** @returns {Account} */
	function describe() {
		const [word, message = word, reason = ''] = judge(), { states, messages } = words;
		const isLive = word === 'live', moves = isLive && !!camera?.moves;
		return {
			word,
			moves,
			label: states[moves ? 'moves' : isLive && camera?.placeholder ? 'placeholder' : word] ?? word,
			text: isLive && message === word ? '' : messages[message] ?? '',
			reason,
			age_s: !isLive && lastShown !== 0 ? (now() - lastShown) / 1000 : 0,
		};
	}

	/**
	 * The state, which message tells of it if not the state's own, and the reason.
	 * @returns {[word: string, message?: string | number, reason?: string]}
	 */
	function judge() {
		if (paths.isExhausted()) return ['unplayable', 'unplayable', paths.reasons().join('; ')];
		if (isPaused()) return ['paused'];
		if (fullText) return ['busy', 'busy', fullText];
		if (denial) return ['denied', denial.status, denial.message];
		if (!link && lostAt && !serverReached) return ['offline'];
		if (!camera) return ['connecting'];
		const { state, reason } = camera;
		// Who watches can do something about these two.
		const signal = /: (no signal|signal not supported)/.exec(reason ?? '');
		if (state !== 'live') return [state, signal?.[1] ?? state, reason];
		if (autoplayBlocked) return ['blocked'];
		if (!shown && now() > changedAt + CHANGE_MS) return ['connecting', 'loading'];
		if (isSilent(STALL_MS)) return ['stalled'];
		const waits = !jpegLink && lastFragment && now() - lastFragment > WAITING_MS;
		return ['live', waits ? 'waiting' : 'live', reason];
	}

	function stats() {
		const { path, state } = dataset, { buffered } = video, last = buffered.length - 1;
		const buffered_s = last < 0 ? 0 : buffered.end(last) - buffered.start(0);
		// requestVideoFrameCallback calls for most pictures only in Firefox.
		const { totalVideoFrames, droppedVideoFrames } = video.getVideoPlaybackQuality();
		const shown = totalVideoFrames - droppedVideoFrames || counters.shown;
		return { path, state, latency_ms: clock.latency(), ...counters, shown, buffered_s };
	}

	/** @type {Host} */
	const host = {
		view, counters, sendLag, onData, onMessage, onShown, onEnd, onBroken, nextPath, setSuspended, play,
		isBeside, hold: heard.hold, late_ms: heard.late_ms,
	};
	return {
		reconnect, tick, pause, setSound, onVisibility, describe, stats,

		resume: () => isPaused() ? pause() : play(),

		leaveCanvas() {
			if (engine?.picture === video) return false;
			nextPath('');
			return true;
		},

		onMessage(type, listener) {
			listeners[type] = listener;
		},

		turns: isImage => isImage ? (camera?.rotation ?? 0) / 90 : engine?.turn ?? 0,
	};
}
