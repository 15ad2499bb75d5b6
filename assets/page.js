// Says under the picture what the camera is doing, and loads the video anew when it ended, failed or fell behind.
// The page works without this file.
'use strict';
(() => {
  const POLL_MS = 3000;
  const LATE_S = 3;     // a plain <video> is 1 to 3 s late from its start; this much more is not live any longer
  const START_S = 20;   // no picture this long after a load, though the camera is live: something hangs
  const LONGEST_WAIT_S = 30;

  const video = document.querySelector('video');
  const source = video.querySelector('source');
  const line = document.getElementById('state');
  const url = source.getAttribute('src');
  const now = () => performance.now() / 1000;

  let over = false;         // the stream ended or could not be played
  let loaded = now();       // when it was loaded last
  let behind = Infinity;    // the least that the picture has been behind the clock since then, by any common zero
  let wait = 1;             // how long a load is given before another one

  function load() {
    over = false;
    loaded = now();
    behind = Infinity;
    wait = Math.min(2 * wait, LONGEST_WAIT_S);
    source.src = url + '?' + Date.now();    // a new address, as browsers may keep what they know of the old one
    video.load();
    video.play().catch(() => {});           // not allowed, or ended by the next load: the controls are there
  }

  function mend(live) {
    const age = now() - loaded;
    const lag = now() - video.currentTime;
    let late = age > START_S;
    if (video.currentTime > 0) {
      behind = Math.min(behind, lag);
      late = lag - behind > LATE_S;
      if (!late && age > LONGEST_WAIT_S) wait = 1;
    }
    if (age > wait && (over || (live && late && !video.paused))) load();
  }

  function words(camera) {
    if (!camera) return 'no camera';
    const why = camera.reason ? ': ' + camera.reason : '';
    switch (camera.state) {
      case 'live': return camera.stand_in ? 'test picture until a camera appears' : 'live';
      case 'starting': return 'the camera is starting' + why;
      case 'asleep': return 'the camera sleeps until somebody watches';
      case 'lost': return 'waiting for camera' + why;
      default: return camera.state + why;
    }
  }

  function show(text, live) {
    if (line.textContent !== text) line.textContent = text;
    line.className = live ? 'live' : '';
  }

  async function poll() {
    if (document.hidden) return;
    try {
      const answer = await fetch('status', { cache: 'no-store', signal: AbortSignal.timeout?.(POLL_MS) });    // Safari has it since 16
      const camera = (await answer.json()).cameras[0];
      const live = !!camera && camera.state === 'live';
      show(words(camera), live);
      mend(live);
    } catch {
      show('no answer from the server', false);
    }
  }

  video.addEventListener('ended', () => { over = true; });
  video.addEventListener('error', () => { over = true; }, true);    // true: the <source>'s errors don't bubble
  document.addEventListener('visibilitychange', poll);
  setInterval(poll, POLL_MS);
  poll();
})();
