// Fingers, mouse and wheel on the picture: they move and zoom it.

/** @import { View } from './contract.js' */

const TAP_MS = 300; // from one tap to the next
const TAP_PX = 20;
const CLOSE_UP = 2.5; // the zoom of a double tap

/** `zoomCamera` is given each turn of the wheel with Ctrl, and gives whether the camera zooms. @param {View} view */
export function addFingers(view, zoomCamera) {
	const { stage } = view;
	/** @type {Map<number, PointerEvent>} The last event of each. */
	const fingers = new Map();
	/** @type {PointerEvent | null} */
	let tap = null;

	const isNear = (event, other) =>
		other && Math.hypot(event.clientX - other.clientX, event.clientY - other.clientY) < TAP_PX;

	stage.onpointerdown = event => {
		if (event.target instanceof Element && event.target.closest('button, a')) return;
		fingers.set(event.pointerId, event);
		if (fingers.size > 1) tap = null;
		else if (tap && event.timeStamp - tap.timeStamp < TAP_MS && isNear(event, tap)) onDoubleTap(event);
		else tap = event;
	};
	stage.onpointerup = stage.onpointercancel = stage.onpointerleave = event => fingers.delete(event.pointerId);
	stage.onpointermove = event => {
		const last = fingers.get(event.pointerId);
		if (!last) return;
		if (!isNear(event, tap)) tap = null;
		fingers.set(event.pointerId, event);
		view.move((event.clientX - last.clientX) / fingers.size, (event.clientY - last.clientY) / fingers.size);
		const other = [...fingers.values()].find(finger => finger.pointerId !== event.pointerId);
		if (!other) return;
		const apart = finger => Math.hypot(finger.clientX - other.clientX, finger.clientY - other.clientY);
		const middle = [(event.clientX + other.clientX) / 2, (event.clientY + other.clientY) / 2];
		view.zoom(apart(event) / apart(last), ...middle);
	};
	stage.addEventListener('wheel', event => {
		event.preventDefault();
		if (event.ctrlKey && zoomCamera(-event.deltaY)) return;
		view.zoom(2 ** (-event.deltaY / 400), event.clientX, event.clientY);
	}, { passive: false });

	function onDoubleTap(event) {
		tap = null;
		if (view.zoom(1) > 1) view.zoom(0);
		else view.zoom(CLOSE_UP, event.clientX, event.clientY);
	}
}
