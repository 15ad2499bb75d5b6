// Reads the frame numbers off the picture, for tests/browsers: run in a page by the browser's driver, again and again
// without harm. A number is in the test picture's first row: 34 blocks, white and black first, then 32 bits (README).
(() => {
  'use strict';
  if (window.probe) return;
  const KEEP = 20000, BLOCKS = 34;
  const canvas = document.createElement('canvas');
  canvas.width = BLOCKS;
  canvas.height = 1;
  const paint = canvas.getContext('2d', { willReadFrequently: true });
  paint.imageSmoothingEnabled = false;

  const probe = window.probe = {
    begun: performance.now(),
    fresh: true,       // no picture was there yet when the probe came
    first: null,       // when the first number showed
    newest: null,      // the number read last
    shown: [],         // [number, time] of each change of the number
    wrong: '',         // what was no number
  };
  // The number in this picture; null when it shows none.
  function read(picture, wide) {
    const block = Math.floor(wide / 40 / 2) * 2;
    paint.drawImage(picture, 0, block / 2, BLOCKS * block, 1, 0, 0, BLOCKS, 1);
    const pixels = paint.getImageData(0, 0, BLOCKS, 1).data;
    const bits = Array.from({ length: BLOCKS }, (_, i) => pixels[4 * i + 1] > 127 ? 1 : 0);
    if (!bits.includes(1)) return null;     // a canvas or decoder that has drawn nothing yet
    if (bits[0] !== 1 || bits[1] !== 0) {
      probe.wrong = bits.join('');
      return null;
    }
    return bits.slice(2).reduce((number, bit) => number * 2 + bit, 0);
  }

  function see(picture, wide, now) {
    const number = read(picture, wide);
    if (number === null || number === probe.newest) return;
    probe.first ??= now;
    probe.newest = number;
    probe.shown.push([number, now]);
    if (probe.shown.length > KEEP) probe.shown.shift();
  }

  async function look() {
    const now = performance.now();
    const element = document.getElementById('picture') || document.querySelector('video');
    const wide = element && (element.videoWidth || element.naturalWidth || element.width);
    if (!wide || (element.tagName === 'VIDEO' && element.readyState < 2)) return;
    if (element.tagName !== 'IMG') return see(element, wide, now);
    // Firefox draws the first picture of a multipart image for ever, but makes a bitmap of the one that it shows.
    const bitmap = await createImageBitmap(element);
    see(bitmap, wide, now);
    bitmap.close();
  }

  // At each frame of the page: requestVideoFrameCallback would do half of that in Chromium, but Firefox's misses one in
  // five pictures that the same drawImage sees here.
  (function each() {
    look().catch(e => { probe.wrong = String(e); });
    requestAnimationFrame(each);
  })();
  probe.fresh = probe.first === null;

  // This moment in the page's time and in the wall clock's (ms): Date.now() alone has no fractions.
  probe.clocks = () => {
    const before = Date.now();
    let now;
    do now = Date.now(); while (now === before);
    return [performance.now(), now];
  };

  probe.take = () => {
    const video = document.querySelector('video')?.getVideoPlaybackQuality?.() ?? {};
    const load = performance.getEntriesByType('navigation')[0];
    const taken = {
      shown: probe.shown, first: probe.first, fresh: probe.fresh, begun: probe.begun, newest: probe.newest,
      wrong: probe.wrong, dropped: video.droppedVideoFrames ?? null,
      loaded: load && load.loadEventEnd, clocks: probe.clocks(), hidden: document.hidden,
      stats: window.player && window.player.stats ? window.player.stats() : null,
      path: document.documentElement.dataset.path ?? null, state: document.documentElement.dataset.state ?? null,
    };
    probe.shown = [];
    probe.wrong = '';
    return taken;
  };
})();
