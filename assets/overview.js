// @ts-check
// Shows each camera for as long as its place is on the screen, or nearly: one that nobody sees may sleep. In ES5, for browsers
// of older televisions and tablets; where one can't tell what is on the screen, all are shown.
(function () {
	'use strict';
	var GAP = 8; // px between pictures
	var SHAPE = 16 / 9; // of most of them
	var LEAST = 280; // px that are wide enough
	var TELL_MS = 500;


	/** @param {Element} place */
	function show(place) {
		/** @type {any} */
		var link = place.querySelector('a');
		// A new one each time: another address in the same one would be a step for the Back button.
		var view = document.createElement('iframe');
		view.src = link.href + '?bare';
		view.title = link.querySelector('span').textContent;
		view.tabIndex = -1;
		place.insertBefore(view, place.firstChild);
	}

	// Its page keeps a picture, for when it is back and the camera still asleep.
	function hide(place, view) {
		var page = view.contentWindow;
		if (page && page.player) page.player.store();
		place.removeChild(view);
	}

	/** @param {IntersectionObserverEntry[]} entries */
	function onSeen(entries) {
		entries.forEach(function (entry) {
			var old = entry.target.querySelector('iframe');
			if (old) hide(entry.target, old);
			if (entry.isIntersecting) show(entry.target);
		});
	}

	// What the page in the frame says of its camera, while there is one.
	function tell(place) {
		/** @type {HTMLIFrameElement | null} */
		var view = place.querySelector('iframe');
		var page = view ? view.contentDocument : null, state = '';
		if (page && page.documentElement) state = page.documentElement.getAttribute('data-state') || '';
		place.className = state;
		/** @type {any} */
		var line = place.querySelector('i');
		line.textContent = words.states[state] || '';
	}

	// Who is logged in can log out.
	function offerLogOut() {
		var status = new XMLHttpRequest();
		status.onload = function () {
			var user = status.status === 200 && JSON.parse(status.responseText).user;
			if (!user || /\/t\/[^/]{20,}/.test(location.pathname)) return;
			var button = document.createElement('button');
			button.textContent = words.logOut;
			button.title = words.loggedInAs.replace('#', user);
			button.onclick = logOut;
			/** @type {any} */
			var header = document.querySelector('header');
			header.appendChild(button);
			arrange();
		};
		status.open('GET', 'status');
		status.send();
	}

	function logOut() {
		var out = new XMLHttpRequest();
		out.onload = function () {
			if (window.sessionStorage) sessionStorage.clear();
			location.reload();
		};
		out.open('POST', 'logout');
		out.setRequestHeader('Accept', 'text/html'); // so the browser shows no dialog of its own
		out.send();
	}

	// As many columns as make the pictures largest, if all of them fit the window; else the style sheet's, to scroll.
	function arrange() {
		/** @type {any} */
		var main = document.querySelector('main');
		var count = places.length, best = 1, most = 0, width = main.clientWidth;
		var height = window.innerHeight - main.offsetTop - GAP;
		for (var columns = 1; columns <= count; columns++) {
			var high = height / Math.ceil(count / columns) - GAP, wide = Math.min(width / columns - GAP, high * SHAPE);
			if (wide > most) {
				most = wide;
				best = columns;
			}
		}
		var fits = most >= LEAST, rows = Math.ceil(count / best);
		main.style.gridTemplateColumns = fits ? 'repeat(' + best + ', 1fr)' : '';
		places.forEach(function (place) {
			place.style.aspectRatio = fits ? 'auto' : '';
			place.style.height = fits ? Math.floor(height / rows - GAP) + 'px' : '';
		});
	}

	var places = [].slice.call(document.querySelectorAll('figure'));
	var watch = 'IntersectionObserver' in window && new IntersectionObserver(onSeen, { rootMargin: '10%' });
	places.forEach(function (place) {
		if (watch) watch.observe(place);
		else show(place);
	});
	offerLogOut();
	arrange();
	window.addEventListener('resize', arrange);
	setInterval(function () {
		places.forEach(tell);
	}, TELL_MS);
})();
