// An engine: fragments into a <video>, by Media Source Extensions.

import { AAC, join, mute, readInit, straighten } from './mp4.js';
import { ALONE, BESIDE, WITHIN, createPace } from './pace.js';

/** @import { Engine, Host } from './contract.js' */

const KEEP_S = 10; // of what was played

const now = () => performance.now();
export const isWebKit = () => /AppleWebKit(?!.*Chrom)/.test(navigator.userAgent);
export const isFirefox = () => 'mozInnerScreenX' in window; // or another one of Gecko

// An iPhone has the managed one only.
export const mediaSource = () => window.MediaSource || window['ManagedMediaSource'];

/** @param {Host} host @returns {Engine} */
export function mse(host) {
	const { view, view: { video }, counters, isBeside } = host, webkit = isWebKit();
	const Source = mediaSource(), source = new Source();
	// In WebKit a change of speed is a seek.
	const slop_s = webkit ? 0.05 : 0.015;
	const early_ms = isFirefox() ? 16 : 0; // it tells of a picture a refresh before it shows
	let manner = ALONE, pace = createPace(slop_s, manner);
	const queue = []; // bytes, and their type
	/** @type {SourceBuffer | undefined} */
	let buffer;
	let bufferType = '', nextType = ''; // of what is in the buffer; of what comes now
	let hasSound = false;
	const keys = []; // times of the key frames in the buffer
	let offset = 0; // of this link's zero on the video's time line
	let begins = true; // with the next fragment
	let end = 0; // of the newest fragment, on that line
	let stopped = false;

	/** @returns {[number, number] | null} */
	function newestRange() {
		if (!buffer || stopped) return null;
		const { buffered } = buffer, last = buffered.length - 1;
		return last < 0 ? null : [buffered.start(last), buffered.end(last)];
	}

	function append() {
		if (source.readyState !== 'open' || !queue.length || buffer?.updating) return;
		// WebKitGTK fails at times if fed while it seeks, or if not.
		if (video.seeking && pace.hasJustSought(now())) return;
		try {
			if (!buffer) {
				buffer = source.addSourceBuffer(bufferType = queue[0].type);
				source.duration = Infinity;
				buffer.onupdateend = () => {
					follow();
					append();
				};
			}
			if (trim(buffer, KEEP_S)) return;
			if (queue[0].type !== bufferType) buffer.changeType(bufferType = queue[0].type);
			if (buffer.timestampOffset !== offset) buffer.timestampOffset = offset;
			const other = queue.findIndex(part => part.type !== bufferType), many = other < 0 ? queue.length : other;
			buffer.appendBuffer(join(queue.slice(0, many).map(part => part.bytes)));
			queue.splice(0, many);
		} catch (error) {
			if (error.name !== 'QuotaExceededError' || !trim(buffer, 0)) host.onBroken(error.message);
		}
	}

	// Lets go of what is older, by the live edge: a hidden picture stands still. Of whole groups, as the removal of
	// frames takes along what was coded from them.
	function trim(buffer, keep_s) {
		const old = keys.filter(time => time <= end - keep_s);
		if (old.length < 2 || keep_s && old[0] > end - 2 * keep_s) return false;
		keys.splice(0, old.length - 1);
		buffer.remove(0, keys[0] - 0.001);
		return true;
	}

	function follow() {
		const range = newestRange();
		if (!range || !pace.hasBegun() && queue.length) return;
		if (document.hidden && video.paused) return; // by the browser, while the sound goes on
		// A seek ends, unless it leads to where nothing more comes: WebKit would wait there for ever.
		if (video.seeking && (pace.hasJustSought(now()) || video.currentTime >= range[0])) return;
		if (pace.mustSeek(range, video.currentTime, self.step, video.readyState < 3, now())) seekToEdge();
	}

	function seekToEdge() {
		const range = newestRange();
		if (!range) return;
		setRate(pace.normal(now()));
		const to = pace.seek(range, video.currentTime, self.step, now());
		if (to !== null) {
			view.keepStill(); // while it seeks it could not
			counters.seeks++;
			video.currentTime = to;
		}
		host.play();
	}

	function setRate(rate) {
		if (video.playbackRate === rate) return;
		video.playbackRate = rate;
		counters.rate_changes++;
	}

	function onFrame(when, frame) {
		if (stopped) return;
		host.onShown(frame.mediaTime - offset, (frame.expectedDisplayTime || when) + early_ms);
		video.requestVideoFrameCallback(onFrame);
	}

	source['onstartstreaming'] = () => host.setSuspended('full', false); // of a managed one
	source['onendstreaming'] = () => host.setSuspended('full', true);
	source.onsourceopen = video.onseeked = append;
	video.onerror = () => host.onBroken(video.error?.message ?? '');
	video.onwaiting = () => {
		if (pace.hasBegun() && !video.seeking) pace.onStarved();
	};
	if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(onFrame);
	else video.ontimeupdate = () => host.onShown(video.currentTime - offset, now());
	video.disableRemotePlayback = true; // or a managed source never opens
	video.src = URL.createObjectURL(source);

	/** @type {Engine} */
	const self = {
		picture: video,
		step: 0,
		position: () => video.currentTime,
		seekToEdge,
		begin() {
			queue.length = 0;
			pace.begin();
			begins = true;
		},
		init(bytes) {
			const { codec, turn, sound } = readInit(bytes), has = sound > 0 && !isBeside, its = sound ? isBeside ? BESIDE : WITHIN : ALONE;
			if (isBeside) mute(bytes);
			// A buffer's tracks stay as many as they were.
			if (nextType && hasSound !== has) return host.onBroken('the sound came or went');
			hasSound = has;
			if (manner !== its) pace = createPace(slop_s, manner = its);
			nextType = `video/mp4; codecs="${codec}${has ? ',' + AAC : ''}"`;
			if (webkit) { // its MSE leaves the turn out: the page turns
				straighten(bytes);
				self.turn = turn;
			}
			if (Source.isTypeSupported(nextType)) queue.push({ bytes, type: nextType });
			else host.nextPath(`no decoder for ${nextType}`);
		},
		fragment(frame) {
			// With sound both have to be there, and that comes later.
			const left = (hasSound && newestRange()?.[1] || end) - video.currentTime;
			self.step = frame.step;
			if (begins) offset = (end && end + 1) - frame.time;
			begins = false;
			end = offset + frame.time + frame.step;
			if (frame.key) keys.push(offset + frame.time);
			queue.push({ bytes: frame.bytes, type: nextType });
			append();
			if (!pace.hasBegun()) return;
			setRate(video.seeking || video.paused ? pace.normal(now()) : pace.rate(left, video.playbackRate, now(), host.late_ms()));
		},
		sound(bytes) {
			if (!hasSound) return;
			queue.push({ bytes, type: nextType });
			append();
		},
		stop() {
			stopped = true;
			source['onstartstreaming'] = source['onendstreaming'] = null;
			video.onerror = video.onwaiting = video.ontimeupdate = null;
			URL.revokeObjectURL(video.src);
			video.removeAttribute('src');
			video.load();
		},
	};
	return self;
}
