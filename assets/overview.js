// @ts-check
// Shows each camera for as long as its place is on the screen, or nearly: one that nobody sees may sleep. In ES5, for browsers
// of older televisions and tablets; where one can't tell what is on the screen, all are shown.
(function () {
	'use strict';

	/** @param {Element} place */
	function show(place) {
		/** @type {any} */
		var link = place.querySelector('a');
		// A new one each time: another address in the same one would be a step for the Back button.
		var view = document.createElement('iframe');
		view.src = link.href + '?bare';
		view.title = place.textContent || '';
		view.tabIndex = -1;
		place.insertBefore(view, place.firstChild);
	}

	/** @param {IntersectionObserverEntry[]} entries */
	function onSeen(entries) {
		entries.forEach(function (entry) {
			var old = entry.target.querySelector('iframe');
			if (old) entry.target.removeChild(old);
			if (entry.isIntersecting) show(entry.target);
		});
	}

	var places = [].slice.call(document.querySelectorAll('figure'));
	var watch = 'IntersectionObserver' in window && new IntersectionObserver(onSeen, { rootMargin: '10%' });
	places.forEach(function (place) {
		if (watch) watch.observe(place);
		else show(place);
	});
})();
