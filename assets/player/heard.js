// Plays the sound beside an engine's pictures, in step with them: through a <video> both would come later. Piece by piece, by
// decodeAudioData: AudioDecoder is for secure origins.

import { firstType, join, readInit, readSound } from './mp4.js';
import { isFirefox } from './mse.js';
import { quantile, within } from './numbers.js';
import { createTarget } from './target.js';

/** @import { Heard } from './contract.js' */

const AHEAD_S = 0.005; // from what is being played to what can be added
const FAR_S = 0.06; // out of step: it jumps
const SLEW = 0.02; // otherwise it plays slower or faster by so much at most
const LEAD_MS = 20, MAX_LEAD_MS = 300; // from feeding an engine to a picture, if not known yet; at most
const LEAD_SLOP_MS = 9, LEAD_SETTLES_MS = 1000;
const MAX_WAIT_MS = 500; // of a picture for its sound
const MEASURE_MS = 200; // from one level to the next, where it is not played here
const BLOCKED_MS = 1000; // without an answer: the browser lets nothing be heard
const REVIVE_MS = 4000; // without a sound: it begins anew, maybe by another device; then twice as long
const ZEROS = 20;
const FADE = 96; // samples
// From Firefox's currentTime to a loudspeaker without delays of its own. It must not be asked, by outputLatency or
// getOutputTimestamp: where that meets the thread that asks for sound, each waits for the other for ever, and the page hangs.
const FIREFOX_MS = 32;

const now = () => performance.now();

/** So `many` samples of a piece, by cubic curves through those about each (Catmull-Rom). */
export const stretch = (samples, from, length, many) => new Float32Array(many).map((_, i) => {
	const place = from + i * length / many, at = Math.floor(place), t = place - at;
	const a = samples[at - 1], b = samples[at], c = samples[at + 1], d = samples[at + 2]; // or it makes an object for each sample
	return b + t / 2 * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)));
});

/** `plays`: or it only measures the level. `onPeak` is told of that, `onRunning` that the browser plays it. @returns {Heard} */
export function createHeard(video, plays, onPeak, onRunning) {
	const target = createTarget();
	/** @type {AudioContext | null} */
	let output = null;
	/** @type {GainNode} */
	let gain;
	let openedAt = 0;
	let rate = 0; // of the samples; 0 if there are none
	/** @type {OfflineAudioContext} */
	let decoder;
	/** @type {Uint8Array[]} The init segment, and what is decoded with what comes: a frame needs the one before it. */
	let parts = [];
	let measuredAt = 0, aliveAt = 0, revive_ms = REVIVE_MS, decoded = Promise.resolve();
	let zeros = []; // when the output's time 0 is heard, in ms: the newest
	let next = 0, nextTime = 0; // of the next sample: its number in the output, and its media time
	let lead_ms = LEAD_MS, leadAt = 0, held = [], waits = false; // pictures; the newest

	function setGain() {
		if (output) gain.gain.value = video.muted ? 0 : video.volume ** 2;
	}

	video.addEventListener('volumechange', setGain);

	function open() {
		close();
		next = 0;
		openedAt = now();
		output = new AudioContext({ sampleRate: rate, latencyHint: 'interactive' });
		output.onstatechange = () => output?.state === 'running' && onRunning();
		gain = output.createGain();
		gain.connect(output.destination);
		setGain();
	}

	function close() {
		output?.close();
		output = null;
		zeros = [];
		target.begin();
	}

	/** @param {AudioBuffer} sound */
	function play(sound, time, length) {
		if (output?.sampleRate !== rate) open();
		if (!output || output.state !== 'running') return;
		const { currentTime } = output, from = sound.length - length - 2;
		const { contextTime = 0, performanceTime = 0 } = isFirefox() ? { contextTime: currentTime, performanceTime: now() + FIREFOX_MS }
			: output.getOutputTimestamp();
		if (!performanceTime || from < 1) return;
		zeros = [...zeros, performanceTime - 1000 * contextTime].slice(-ZEROS);
		const zero = quantile(zeros), soonest = currentTime + AHEAD_S;
		const due = Math.round(rate * (time + (target.onSound(zero + 1000 * (soonest - time), now()) - zero) / 1000)), off = due - next;
		const goesOn = Math.abs(time - nextTime) < 0.001 && next > rate * currentTime && Math.abs(off) < FAR_S * rate;
		if (!goesOn && !(due > next)) return; // it is played, or nothing is known yet
		if (!goesOn) next = Math.max(due, Math.round(rate * soonest));
		// By a hair longer or shorter where it is out of step.
		const many = length + (goesOn ? Math.round(within(off / 20, -length * SLEW, length * SLEW)) : 0);
		const buffer = output.createBuffer(sound.numberOfChannels, many, rate);
		for (let channel = 0; channel < sound.numberOfChannels; channel++) {
			const samples = stretch(sound.getChannelData(channel), from, length, many);
			if (!goesOn) for (let i = 0; i < FADE; i++) samples[i] *= i / FADE;
			buffer.copyToChannel(samples, channel);
		}
		const source = output.createBufferSource();
		source.buffer = buffer;
		source.connect(gain);
		source.start(next / rate);
		next += many;
		nextTime = time + length / rate;
		aliveAt = now();
		revive_ms = REVIVE_MS;
	}

	function renew() {
		decoder = new OfflineAudioContext(1, 1, rate);
		decoded = Promise.resolve();
		aliveAt = now();
	}

	function drain(until) {
		while (held[0]?.at <= until) held.shift().feed();
	}

	function begin() {
		target.begin();
		held = [];
		parts = [];
		rate = 0;
	}

	return {
		begin,

		take(bytes) {
			if (firstType(bytes) === 'ftyp') {
				const { sound } = readInit(bytes);
				if (!sound) target.begin();
				rate = 'OfflineAudioContext' in window ? sound : 0; // not in old Safaris
				if (rate) renew();
				held = [];
				parts = [bytes.slice()];
				return;
			}
			if (!rate) return;
			if (plays && !video.muted && now() > aliveAt + revive_ms) {
				revive_ms *= 2;
				close();
				renew();
			}
			parts.push(bytes);
			if (!plays && now() < measuredAt + MEASURE_MS) return;
			measuredAt = now();
			const mine = parts, { time, length } = readSound(bytes, rate), sound = decoder.decodeAudioData(join(parts).buffer);
			parts.splice(1, parts.length - 2);
			sound.catch(() => {}); // until it is its turn
			decoded = decoded.then(() => sound).then(sound => {
				if (parts !== mine) return;
				onPeak(sound.getChannelData(0).reduce((most, sample) => Math.max(most, Math.abs(sample)), 0));
				if (plays) play(sound, time, length);
			}).catch(() => {});
		},

		hold(time_s, feed) {
			const late_ms = target.behind(now());
			if (late_ms && Math.abs(late_ms) > LEAD_SLOP_MS && (late_ms < 0 || waits) && now() > leadAt) {
				lead_ms = within(lead_ms + late_ms, 0, MAX_LEAD_MS);
				leadAt = now() + LEAD_SETTLES_MS;
			}
			const wait_ms = within(target.time() + 1000 * time_s - lead_ms - now() || 0, 0, MAX_WAIT_MS);
			const at = now() + wait_ms;
			held.push({ at, feed });
			waits = wait_ms > 0;
			if (waits) setTimeout(drain, wait_ms, at);
			else drain(at);
		},

		late_ms: () => target.behind(now()),

		onShown(time_s, when_ms) {
			if (time_s && time_s > 0) target.onShown(when_ms - 1000 * time_s, now());
		},

		resume() {
			openedAt = now();
			output?.resume();
		},

		isBlocked: () => output?.state === 'suspended' && now() > openedAt + BLOCKED_MS && !navigator.userActivation?.hasBeenActive,
		stop() {
			close();
			begin();
		},
	};
}
