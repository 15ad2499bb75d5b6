// The picture on its stage: fitted, turned, mirrored, zoomed; its edges; its file.

/** @import { Picture, View } from './contract.js' */

const MAX_SCALE = 8;
const EDGES_MS = 150; // from one drawing of the edges to the next

export const byId = id => /** @type {HTMLElement} */ (document.getElementById(id));
const newCanvas = () => document.createElement('canvas');

/** @returns {View} */
export function createView(turnsOf) {
	const stage = byId('stage'), frame = byId('frame');
	const video = document.createElement('video'), image = document.createElement('img');
	Object.assign(video, { muted: true, autoplay: true, playsInline: true });
	const still = frame.appendChild(newCanvas()); // the last picture
	const edges = frame.appendChild(newCanvas());
	edges.className = 'edges';
	/** @type {Picture} */
	let picture = video;
	let turn = 0, flip = 1, scale = 1, x = 0, y = 0;
	let edgesTimer = 0;

	/** @returns {[number, number]} */
	function size() {
		if (picture === video) return [video.videoWidth, video.videoHeight];
		if (picture === image) return [image.naturalWidth, image.naturalHeight];
		return [picture.width, picture.height];
	}

	const hasImage = () => picture === image && image.naturalWidth > 0;

	function show(next) {
		if (next.parentNode) return;
		picture.remove();
		picture.removeAttribute('id');
		picture = next;
		picture.id = 'picture';
		picture.ariaLabel = 'Live video';
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
		if (size()[0] && !(picture === video && video.readyState < 2)) copy(still);
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

	function save() {
		const file = document.createElement('a');
		file.download = `camera ${new Date().toLocaleString('sv').replace(/:/g, '-')}.jpg`;
		// Of an endless JPEG Firefox would draw the first picture.
		file.href = hasImage() ? 'snapshot.jpg' : copy(newCanvas()).canvas.toDataURL('image/jpeg', 0.95);
		file.click();
	}

	function layout() {
		const [width, height] = size(), turns = turn + turnsOf(hasImage());
		const [wide, high] = turns % 2 ? [height, width] : [width, height];
		if (!width) return;
		const { clientWidth, clientHeight } = stage, fit = Math.min(clientWidth / wide, clientHeight / high);
		x = within(x, Math.max(0, wide * fit * scale - clientWidth) / 2);
		y = within(y, Math.max(0, high * fit * scale - clientHeight) / 2);
		Object.assign(frame.style, {
			width: width * fit + 'px',
			height: height * fit + 'px',
			transform: `translate(-50%, -50%) translate(${x}px, ${y}px)`
				+ ` scale(${scale * flip}, ${scale}) rotate(${turns * 90}deg)`,
		});
	}

	function move(byX, byY) {
		x += byX;
		y += byY;
		layout();
	}

	function zoom(factor, clientX = stage.clientWidth / 2, clientY = stage.clientHeight / 2) {
		const before = scale;
		scale = Math.max(1, Math.min(MAX_SCALE, scale * factor));
		const by = 1 - scale / before;
		move((clientX - stage.clientWidth / 2 - x) * by, (clientY - stage.clientHeight / 2 - y) * by);
	}

	video.onresize = layout;
	return {
		stage, video, image, size, show, keepStill, toggleEdges, save, layout, move, zoom,

		turn() {
			turn = (turn + 1) % 4;
			layout();
		},

		mirror() {
			flip = -flip;
			layout();
		},

		toggleLines: name => frame.classList.toggle(name),
	};
}

const within = (at, room) => Math.max(-room, Math.min(room, at));
