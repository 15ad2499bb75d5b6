// @ts-check
// Shows each camera for as long as its place is on the screen, or nearly: one that nobody sees may sleep.
const watch = new IntersectionObserver(places => {
	for (const { target, isIntersecting } of places) {
		target.querySelector('iframe')?.remove();
		if (!isIntersecting) continue;
		// A new one each time: another address in the same one would be a step for the Back button.
		const view = document.createElement('iframe');
		view.src = /** @type {HTMLAnchorElement} */ (target.querySelector('a')).href + '?bare';
		view.title = target.textContent ?? '';
		view.tabIndex = -1;
		target.prepend(view);
	}
}, { rootMargin: '10%' });
for (const place of document.querySelectorAll('figure')) watch.observe(place);
