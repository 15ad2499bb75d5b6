// The picture on its stage: fitted, turned, mirrored, zoomed; its edges; its file.

import { byId, make } from './make.js';
import { within } from './numbers.js';

/** @import { Look, Picture, View } from './contract.js' */

const MAX_SCALE = 8;
const EDGES_MS = 150; // from one drawing of the edges to the next

// A view link's token is in the path, and no business of what is kept.
const LOOK_KEY = 'fmp4streamer ' + location.pathname.replace(/\/t\/[^/]{20,}/, '');

/** How this viewer wants to see this camera. Some browsers keep nothing. @returns {Look} */
function readLook() {
	try {
		const { turn, flip, grid, sound, volume } = JSON.parse(localStorage[LOOK_KEY]);
		return {
			turn: turn & 3, flip: flip < 0 ? -1 : 1, grid: grid === true, sound: sound === true,
			volume: volume >= 0 && volume <= 1 ? Number(volume) : 1,
		};
	} catch {
		return { turn: 0, flip: 1, grid: false, sound: false, volume: 1 };
	}
}

const STILL_KEY = LOOK_KEY + ' still'; // of this tab alone
const STILL_WIDTH = 480;
const newCanvas = () => document.createElement('canvas');

/** `mute`: whatever was heard here before. @returns {View} */
export function createView(turnsOf, mute) {
	const stage = byId('stage'), frame = byId('frame');
	const video = document.createElement('video'), image = document.createElement('img');
	Object.assign(video, { autoplay: true, playsInline: true });
	const still = frame.appendChild(newCanvas()); // the last picture
	const edges = frame.appendChild(newCanvas());
	edges.className = 'edges';
	/** @type {Picture} */
	let picture = video;
	const look = readLook();
	if (mute) look.sound = false;
	let scale = 1, x = 0, y = 0;
	let edgesTimer = 0, isRestored = false;

	/** @returns {[number, number]} */
	function size() {
		if (picture === video) return [video.videoWidth, video.videoHeight];
		if (picture === image) return [image.naturalWidth, image.naturalHeight];
		return [picture.width, picture.height];
	}

	const hasImage = () => picture === image && image.naturalWidth > 0;
	const quarters = () => look.turn + turnsOf(hasImage());

	function show(next) {
		if (next.parentNode) return;
		picture.remove();
		picture.removeAttribute('id');
		picture = next;
		picture.id = 'picture';
		picture.ariaLabel = words.picture;
		edges.before(picture);
	}

	// Gives the canvas's pen.
	function copy(canvas) {
		const [width, height] = size(), pen = canvas.getContext('2d');
		Object.assign(canvas, { width, height });
		pen.drawImage(picture, 0, 0, width, height);
		return pen;
	}

	function keepStill() {
		if (!size()[0] || picture === video && video.readyState < 2) return;
		isRestored = false;
		copy(still);
	}

	// What differs from its neighbour glows, as sharp edges do.
	function drawEdges() {
		const pen = copy(edges);
		pen.globalCompositeOperation = 'difference';
		pen.drawImage(picture, 1, 1, edges.width, edges.height);
		pen.globalCompositeOperation = 'lighter';
		pen.drawImage(edges, 0, 0);
		pen.drawImage(edges, 0, 0);
	}

	function toggleEdges() {
		clearInterval(edgesTimer);
		edgesTimer = edgesTimer ? 0 : setInterval(drawEdges, EDGES_MS);
		edges.hidden = !edgesTimer;
		return !edges.hidden;
	}

	// As it is seen, turned and mirrored.
	async function save(name) {
		if (!size()[0]) return;
		const turns = quarters(), file = make('a', {
			download: `${name} ${new Date().toLocaleString('sv').replace(/:/g, '-')}.jpg`,
			href: 'snapshot.jpg',
		});
		if (!hasImage() || turns % 4 || look.flip < 0) {
			// Of an endless JPEG Firefox would draw the first picture.
			const source = hasImage() ? make('img', { src: 'snapshot.jpg?' + Date.now() }) : picture;
			if (hasImage()) await source.decode();
			file.href = drawn(source, turns, look.flip).toDataURL('image/jpeg', 0.95);
		}
		file.click();
	}

	function drawn(source, turns, flip = 1, scale = 1) {
		const [width, height] = size(), [wide, high] = turns % 2 ? [height, width] : [width, height];
		const canvas = Object.assign(newCanvas(), { width: wide * scale, height: high * scale });
		const pen = /** @type {any} */ (canvas.getContext('2d'));
		pen.translate(canvas.width / 2, canvas.height / 2);
		pen.scale(flip * scale, scale);
		pen.rotate(turns * Math.PI / 2);
		pen.drawImage(source, -width / 2, -height / 2, width, height);
		return canvas;
	}

	/** Keeps a small picture for who comes back while the camera is away. */
	function store() {
		const [width] = size();
		if (!width) return;
		try {
			const small = drawn(picture, turnsOf(hasImage()), 1, Math.min(1, STILL_WIDTH / width));
			sessionStorage[STILL_KEY] = JSON.stringify({ at: Date.now(), data: small.toDataURL('image/jpeg', 0.7) });
		} catch {} // This browser keeps nothing, or there is no picture yet.
	}

	/** Shows it. Gives how old it is in ms. */
	async function restore() {
		try {
			const { at, data } = JSON.parse(sessionStorage[STILL_KEY]), source = make('img', { src: data });
			await source.decode();
			if (size()[0]) return 0;
			Object.assign(still, { width: source.width, height: source.height }).getContext('2d')?.drawImage(source, 0, 0);
			isRestored = true;
			layout();
			return Date.now() - at;
		} catch {
			return 0;
		}
	}

	function layout() {
		const has = size()[0] > 0, [width, height] = has || !isRestored ? size() : [still.width, still.height];
		const turns = has ? quarters() : look.turn;
		const [wide, high] = turns % 2 ? [height, width] : [width, height];
		if (!width) return;
		const { clientWidth, clientHeight } = stage, fit = Math.min(clientWidth / wide, clientHeight / high);
		const roomX = Math.max(0, wide * fit * scale - clientWidth) / 2, roomY = Math.max(0, high * fit * scale - clientHeight) / 2;
		x = within(x, -roomX, roomX);
		y = within(y, -roomY, roomY);
		Object.assign(frame.style, {
			width: width * fit + 'px',
			height: height * fit + 'px',
			transform: `translate(-50%, -50%) translate(${x}px, ${y}px)`
				+ ` scale(${scale * look.flip}, ${scale}) rotate(${turns * 90}deg)`,
		});
	}

	function move(byX, byY) {
		x += byX;
		y += byY;
		layout();
	}

	function middle() {
		const { x, y, width, height } = stage.getBoundingClientRect();
		return { x: x + width / 2, y: y + height / 2 };
	}

	function zoom(factor, clientX = middle().x, clientY = middle().y) {
		const before = scale;
		scale = Math.max(1, Math.min(MAX_SCALE, scale * factor));
		const by = 1 - scale / before;
		move((clientX - middle().x - x) * by, (clientY - middle().y - y) * by);
		self.onZoom(scale);
		return scale;
	}

	function change(part) {
		Object.assign(look, part);
		try {
			localStorage[LOOK_KEY] = JSON.stringify(look);
		} catch {} // It holds for this page then.
		layout();
	}

	function hear(part) {
		if (part) change(part);
		video.muted = !look.sound;
		video.volume = look.volume;
	}

	hear();
	video.onresize = layout;
	/** @type {View} */
	const self = {
		stage, video, image, size, show, keepStill, toggleEdges, save, store, restore, layout, move, zoom, hear,

		onZoom() {},

		turn() {
			change({ turn: (look.turn + 1) % 4 });
			return look.turn > 0;
		},

		mirror() {
			change({ flip: -look.flip });
			return look.flip < 0;
		},

		grid(on = !look.grid) {
			change({ grid: on });
			return frame.classList.toggle('grid', on);
		},

		cross: () => frame.classList.toggle('cross'),

		look: () => look,
	};
	return self;
}
