// @ts-check
// For browsers that can't run the player, as those of older televisions and tablets: a tag that loads the stream by itself.
// In ES5 (ECMA-262, 5.1), which they have.
(function () {
	'use strict';
	var WAYS = [['video', 'stream.mp4'], ['video', 'stream.m3u8'], ['img', 'stream.mjpeg']];
	var PATIENCE_MS = 20000; // for a tag that says nothing
	var PAUSE_MS = 3000; // before all of it begins again
	var doc = /** @type {any} */ (document), stage = doc.getElementById('stage');

	/** @param {number} number */
	function show(number) {
		var way = WAYS[number], tag = doc.createElement(way[0]);
		var timer = setTimeout(look, PATIENCE_MS);

		function look() {
			if (!tag.videoWidth && !tag.naturalWidth) next();
		}

		function next() {
			clearTimeout(timer);
			tag.onerror = tag.onended = null;
			tag.removeAttribute('src');
			stage.removeChild(tag);
			var last = number === WAYS.length - 1;
			setTimeout(function () {
				show(last ? 0 : number + 1);
			}, last ? PAUSE_MS : 0);
		}

		tag.onerror = tag.onended = next;
		tag.className = 'plain';
		tag.muted = tag.autoplay = tag.controls = true;
		tag.setAttribute('playsinline', '');
		tag.src = way[1] + '?' + new Date().getTime();
		stage.appendChild(tag);
	}

	// Modules are loaded and run before this event, if the browser has modules and can read these.
	window.addEventListener('load', function () {
		if ('player' in window) return;
		doc.getElementById('state').textContent = words.plain;
		show(0);
	});
})();
