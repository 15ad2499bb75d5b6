// The page: plays the camera as close to now as this browser can, and says what the camera is doing.
//
// A way is a link, which brings the stream, and mostly an engine, which shows it. The first way that this browser has is
// taken; one that fails is given up for the next. ?path=NAME takes one alone, ?bare shows nothing but the picture.

const root = document.documentElement;
const asked = new URLSearchParams(location.search);
const $ = id => document.getElementById(id);
const element = tag => document.createElement(tag);
const now = () => performance.now();
const within = (value, least, most) => Math.max(least, Math.min(most, value));

// ---- What the bytes say (ISO/IEC 14496-12 and -15)

const u32 = (bytes, at) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(at);
const name = (bytes, at) => String.fromCharCode(...bytes.subarray(at, at + 4));

// Where the content of the first box of this name begins.
function box(bytes, wanted) {
  let at = 4;
  while (at < bytes.length && name(bytes, at) !== wanted) at++;
  return at + 4;
}

function readInit(bytes) {
  const avcC = box(bytes, 'avcC'), tkhd = box(bytes, 'tkhd');
  return {
    codec: 'avc1.' + [1, 2, 3].map(i => (bytes[avcC + i] + 256).toString(16).slice(1)).join(''),
    description: bytes.slice(avcC, avcC - 8 + u32(bytes, avcC - 8)),
    // Quarter turns clockwise, from a and b of the matrix (8.3.2, version 0).
    turn: Math.atan2(u32(bytes, tkhd + 44) | 0, u32(bytes, tkhd + 40) | 0) / Math.PI * 2,
  };
}

// One frame, moof and mdat; times in seconds.
function readFragment(bytes) {
  const tfdt = box(bytes, 'tfdt'), trun = box(bytes, 'trun');
  return {
    time: (u32(bytes, tfdt + 4) * 2 ** 32 + u32(bytes, tfdt + 8)) / 90000,
    step: u32(bytes, trun + 16) / 90000,
    key: !(u32(bytes, trun + 12) & 0x10000),    // sample_is_non_sync_sample
    data: bytes.subarray(u32(bytes, 0) + 8),
  };
}

function join(parts) {
  const all = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

// ---- How late the picture is

const count = { shown: 0, skipped: 0, seeks: 0, rate_changes: 0, reconnects: 0 };
let trips = [];     // of the last echoes: round trip, and the server's clock minus ours, ms
let zero = null;    // the server's time at media time 0, ms
let late = [];      // of the last pictures, ms

const latency = () => late.length ? Math.round([...late].sort((a, b) => a - b)[late.length >> 1]) : null;

// A picture is on the screen at `when`, of this media time if that is known.
function sighted(time, when) {
  if (!shown) strikes = 0;
  shown = true;
  if (root.dataset.state !== 'live') tell();
  if (zero === null || !trips.length || time < 0) return;
  const [, ahead] = trips.reduce((best, trip) => trip[0] < best[0] ? trip : best);    // the quickest knows best
  late = [...late.slice(-29), when + ahead - zero - 1000 * time];
}

// ---- Engines: what shows fragments

const MARGIN_S = 0.01;        // to be left to play when the next frame comes, at the worst of moments
const MORE_MARGIN_S = 0.005;  // for each time that it was too little
const MOST_MARGIN_S = 0.3;
const SLOP_S = 0.015;         // beyond the margin is let be
const FAST = 1.1;             // plays off what is more
const FAR_S = 0.35;           // beyond the margin, it jumps
const LOOK_MS = 1000;         // is looked at before anything changes again
const KEEP_S = 10;            // of what was played

const video = element('video');
Object.assign(video, { muted: true, autoplay: true, playsInline: true });
const Source = window.ManagedMediaSource || window.MediaSource;    // an iPhone has the managed one only
// There a change of speed is a seek that empties the decoder: worse than what it is to cure.
const webkit = /AppleWebKit(?!.*Chrom)/.test(navigator.userAgent);

// Fragments into a <video>, by Media Source Extensions.
function mse() {
  const source = new Source(), queue = [];
  let buffer, type;
  let keys = [];              // times of the key frames in the buffer
  let offset = 0;             // where this link's zero is on the video's time line
  let end = 0, step = 0;      // of the newest fragment, on that line
  let margin = MARGIN_S;
  let begun = 0;              // when it jumped last, ms
  let least, until;           // the least that was left to play, and when to judge by it
  let presented = 0;

  const newest = () => {
    const ranges = buffer ? buffer.buffered : [], last = ranges.length - 1;
    return last >= 0 && [ranges.start(last), ranges.end(last)];
  };

  function append() {
    if (source.readyState !== 'open' || !queue.length || buffer?.updating) return;
    try {
      const changed = queue[0].type;
      if (!buffer) {
        buffer = source.addSourceBuffer(changed);
        source.duration = Infinity;
        buffer.onupdateend = () => {
          append();
          follow();
        };
      } else if (changed && changed !== type) {
        buffer.changeType(changed);
      }
      type = changed || type;
      if (trim(KEEP_S)) return;
      if (buffer.timestampOffset !== offset) buffer.timestampOffset = offset;
      let many = queue.findIndex((part, index) => index && part.type);    // up to the next init segment
      if (many < 0) many = queue.length;
      buffer.appendBuffer(join(queue.slice(0, many).map(part => part.bytes)));
      queue.splice(0, many);
    } catch (error) {
      if (error.name !== 'QuotaExceededError' || !trim(0)) broken(error.message);
    }
  }

  // Lets go of what is older, by the live edge: the picture of a hidden page may stand still. Only whole groups, as what
  // is removed takes with it all that was coded from it (Media Source Extensions, coded frame removal).
  function trim(keep) {
    const old = keys.filter(time => time <= end - keep);
    if (old.length < 2 || keep && old[0] > end - 2 * keep) return false;
    const from = old.pop();
    keys = keys.filter(time => time >= from);
    buffer.remove(0, from - 0.001);
    return true;
  }

  // Sees that the picture is where the data is.
  function follow() {
    const range = newest(), at = video.currentTime;
    if (!range || video.seeking || !begun && queue.length) return;    // a beginning is shown whole
    const behind = range[1] - at - step - margin;
    // Before the newest range lies what the camera or the network lost.
    const lost = at < range[0] - 0.01 && (video.readyState < 3 || behind > FAR_S);
    if (!begun || lost || behind > FAR_S && now() > begun + LOOK_MS || behind < -1) edge();
  }

  // To the newest picture, at once.
  function edge() {
    const range = newest();
    if (!range) return;
    begun = now();
    rate(1);
    count.seeks++;
    video.currentTime = Math.max(range[0], range[1] - step - margin);
    play();
  }

  // Two speeds: what is too much even at the worst of moments is played off in one go; then it looks anew.
  function pace(left) {
    if (video.seeking || video.paused) return rate(1);
    least = Math.min(least, left);
    if (now() < until) return;
    const excess = least - margin;
    margin += (MARGIN_S - margin) / 50;    // a bad minute is forgotten in the next
    if (video.playbackRate > 1 || excess < SLOP_S * (webkit ? 5 : 1)) rate(1);
    else if (webkit) edge();
    else rate(FAST, 1000 * excess / (FAST - 1));
  }

  function rate(rate, ms = LOOK_MS) {
    least = Infinity;
    until = now() + ms;
    if (video.playbackRate === rate) return;
    video.playbackRate = rate;
    count.rate_changes++;
  }

  function onFrame(when, frame) {
    if (engine !== self) return;
    count.shown += frame.presentedFrames - (presented || frame.presentedFrames - 1);
    presented = frame.presentedFrames;
    sighted(frame.mediaTime - offset, frame.expectedDisplayTime || when);
    video.requestVideoFrameCallback(onFrame);
  }

  source.onsourceopen = append;
  source.onstartstreaming = () => rest('full', false);
  source.onendstreaming = () => rest('full', true);
  video.onerror = () => broken(video.error.message);
  video.onwaiting = () => {
    if (begun && !video.seeking) margin = Math.min(margin + MORE_MARGIN_S, MOST_MARGIN_S);
  };
  if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(onFrame);
  else video.ontimeupdate = () => sighted(video.currentTime - offset, now());
  video.disableRemotePlayback = true;    // or a managed source never opens
  video.src = URL.createObjectURL(source);

  const self = {
    picture: video,
    edge,
    step: () => step,
    // A new link begins, with times from zero again. The last picture stays until the next is there.
    begin() {
      queue.length = begun = 0;
      if (end) offset = end + 1;
    },
    init(bytes) {
      const type = `video/mp4; codecs="${readInit(bytes).codec}"`;
      if (Source.isTypeSupported(type)) queue.push({ bytes, type });
      else next(`no decoder for ${type}`);
    },
    fragment(bytes) {
      const frame = readFragment(bytes), left = end - video.currentTime;
      step = frame.step;
      end = offset + frame.time + step;
      if (frame.key) keys.push(end - step);
      queue.push({ bytes });
      append();
      if (begun) pace(left);
    },
    stop() {
      video.onerror = video.onwaiting = video.ontimeupdate = null;
      URL.revokeObjectURL(video.src);
      video.removeAttribute('src');
      video.load();
    },
    dbg: () => ({ margin, least, rate: video.playbackRate, left: end - video.currentTime, rs: video.readyState }),
  };
  return self;
}

// Fragments onto a <canvas>, by WebCodecs: a frame is shown as soon as it is decoded.
function webcodecs() {
  const canvas = element('canvas'), pen = canvas.getContext('2d', { alpha: false });
  let turn, lost, latest;

  // Of all that come before the screen is drawn next, the last one is drawn.
  function output(frame) {
    if (latest) latest.close();
    else requestAnimationFrame(draw);
    latest = frame;
  }

  function draw() {
    const { displayWidth: wide, displayHeight: high, timestamp } = latest;
    const [width, height] = turn % 2 ? [high, wide] : [wide, high];
    if (canvas.width !== width || canvas.height !== height) {
      Object.assign(canvas, { width, height });
      layout();
    }
    pen.setTransform(1, 0, 0, 1, width / 2, height / 2);
    pen.rotate(turn * Math.PI / 2);
    pen.drawImage(latest, -wide / 2, -high / 2, wide, high);
    latest.close();
    latest = null;
    count.shown++;
    sighted(timestamp / 1e6, now());
  }

  const decoder = new VideoDecoder({ output, error: error => broken(error.message) });
  return {
    picture: canvas,
    step: () => 0,
    edge() {},
    begin: () => decoder.reset(),
    init(bytes) {
      const { codec, description, turn: turned } = readInit(bytes);
      decoder.configure({ codec, description, optimizeForLatency: true });
      turn = turned;
      lost = true;
    },
    fragment(bytes) {
      const { time, key, data } = readFragment(bytes);
      // A decoder that can't keep up goes on with the next key frame.
      lost = !key && (lost || decoder.decodeQueueSize > 60);
      if (lost) count.skipped++;
      else decoder.decode(new EncodedVideoChunk({ type: key ? 'key' : 'delta', timestamp: time * 1e6, data }));
    },
    stop: () => decoder.state === 'closed' || decoder.close(),
  };
}

// ---- Links: what brings the stream

function socketLink() {
  const socket = new WebSocket(new URL('ws', document.baseURI).href.replace(/^http/, 'ws'));
  socket.binaryType = 'arraybuffer';
  socket.onopen = lag;
  socket.onmessage = ({ data }) => data.byteLength ? took(new Uint8Array(data)) : told(JSON.parse(data));
  socket.onclose = () => ended('no WebSocket gets through');
  return {
    say: text => socket.readyState === 1 && socket.send(JSON.stringify(text)),
    close() {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    },
  };
}

// Has the answer's body read; then the link has ended, for a reason in the server's words if there are any.
async function get(address, quit, why, read) {
  let full;
  try {
    const answer = await fetch(address, { cache: 'no-store', signal: quit.signal });
    full = answer.status === 503;
    if (answer.ok) await read(answer.body);
    else why = await answer.text();
  } catch (error) {
    why = error.message;
  }
  if (!quit.signal.aborted) ended(why, full);
}

function fetchLink() {
  const quit = new AbortController();
  get('stream.mp4', quit, 'the stream ended', async body => {
    const reader = body.getReader();
    for (let rest = [], piece; !(piece = await reader.read()).done;) {
      const data = join([rest, piece.value]);
      let begin = 0;    // of what is handed on next: ftyp and moov, or moof and mdat
      for (let at = 0; at + 8 <= data.length;) {
        const kind = name(data, at + 4);
        at += u32(data, at);
        if (at > data.length || quit.signal.aborted) break;
        if (kind !== 'moov' && kind !== 'mdat') continue;
        took(data.slice(begin, at));
        begin = at;
      }
      rest = data.slice(begin);
    }
  });
  return { close: () => quit.abort() };
}

// A tag that loads an address by itself.
const tagLink = (picture, address) => () => {
  const quit = new AbortController(), plays = picture === video;
  let least = Infinity;    // that the picture was behind the clock, from any common zero
  picture.onerror = () => get(address, quit, `it does not play ${address}`, body => body.cancel());
  picture.onended = () => ended('the stream ended');
  picture.onload = picture.onplaying = () => {
    layout();
    count.shown++;
    sighted(-1);
  };
  picture.src = address + '?' + Date.now();    // browsers may keep what they know of the old one
  show(picture);
  if (plays) play();
  return {
    close() {
      keep();
      quit.abort();
      picture.onerror = picture.onended = picture.onload = picture.onplaying = null;
      picture.removeAttribute('src');
      if (plays) video.load();
    },
    // A plain <video> keeps what it has fallen behind, until it is loaded anew.
    behind() {
      const lag = now() / 1000 - video.currentTime;
      if (plays && video.currentTime) least = Math.min(least, lag);
      return lag > least + 3 && !video.paused;
    },
  };
};

// ---- The ways, and how to keep to one

const jpegLink = tagLink(element('img'), 'stream.mjpeg');
const ways = {
  // Half as late as Media Source, but browsers have it for secure origins only.
  webcodecs: { link: socketLink, engine: webcodecs, can: window.VideoDecoder && window.WebSocket },
  ws: { link: socketLink, engine: mse, can: Source && window.WebSocket },
  fetch: { link: fetchLink, engine: mse, can: Source && window.ReadableStream },
  hls: { link: tagLink(video, 'stream.m3u8'), can: video.canPlayType('application/vnd.apple.mpegurl') },
  video: { link: tagLink(video, 'stream.mp4'), can: true },
  mjpeg: { link: jpegLink, can: true },
};
const able = Object.keys(ways).filter(ways[asked.get('path')] ? way => way === asked.get('path') : way => ways[way].can);

const NAP_MS = 5000;         // hidden for so long, the page lets the camera sleep
const PATIENCE_MS = 4000;    // without a word from the server
const POLL_MS = 3000;        // for /status, where no socket tells

let order = able;            // the ways left
const excuses = new Set();   // of those that are not
let strikes = 0;             // against the first of them
let camera;                  // its state, as the server told it last
let reached;                 // the server answered when asked last
let busy;                    // its words when it is full
let link, engine, jpeg;      // jpeg: the tag of a camera that gives JPEG, beside the socket that tells its state
let heard, fed, shown;       // of this link: when it brought anything and its first fragment, ms; whether that was seen
let gone, retry, nap, blocked;
let polled = 0, said = 0;
const rests = new Set();     // why nothing is wanted

function connect() {
  const way = ways[order[0]];
  root.dataset.path = order[0];
  fed = shown = 0;
  heard = now();
  zero = null;
  late = [];
  if (engine) engine.begin();
  else engine = way.engine?.();
  if (engine) show(engine.picture);
  link = way.link();
}

function disconnect() {
  jpeg?.close();
  link?.close();
  if (link) gone = now();
  jpeg = link = null;
}

function drop() {
  disconnect();
  if (!engine) return;
  keep();
  engine.stop();
  engine = null;
}

function broken(why) {
  drop();
  ended(why);
}

function ended(why, full) {
  disconnect();
  busy = full && why;
  if (full) order = able;
  // What fails while all is well is not for this browser, or not for the network between.
  else if (!shown && camera?.state === 'live' && ++strikes > 2) return next(why);
  later();
}

// This way does not work here: on with the next one.
function next(why) {
  drop();
  excuses.add(why);
  strikes = 0;
  order = order.slice(1);
  if (order.length) connect();
  tell();
}

function later() {
  const away = (now() - gone) / 1000;
  clearTimeout(retry);
  retry = setTimeout(again, Math.min(200 + 250 * away, away < 60 ? 1200 : 8000) * (0.75 + Math.random() / 2));
  tell();
}

// Asks for the server before it connects: browsers make WebSockets wait ever longer after those that failed.
async function again() {
  clearTimeout(retry);
  await poll();
  retry = 0;
  if (link || !order.length || rests.size) return;
  if (!reached) return later();
  count.reconnects++;
  connect();
}

async function poll() {
  polled = now();
  const quit = new AbortController(), timer = setTimeout(() => quit.abort(), POLL_MS);
  try {
    camera = (await (await fetch('status', { cache: 'no-store', signal: quit.signal })).json()).cameras[0];
    reached = true;
    if (camera.state !== 'live') heard = now();
  } catch {
    reached = false;
  }
  clearTimeout(timer);
  tell();
}

function took(bytes) {
  heard = now();
  if (name(bytes, 4) === 'ftyp') return engine.init(bytes);
  fed = fed || heard;
  engine.fragment(bytes);
}

function told(text) {
  heard = now();
  reached = true;
  if (text.type === 'echo') {
    const trip = heard - text.sent_ms;
    trips = [...trips.slice(-14), [trip, text.received_us / 1000 - text.sent_ms - trip / 2]];
  }
  if (text.type === 'clock') zero = text.captured_us / 1000 - text.media_90k / 90;
  if (text.type === 'skipped') count.skipped += text.frames;
  if (text.type !== 'state') return;
  camera = text;
  if (!jpeg && camera.codec === 'mjpeg') {
    jpeg = jpegLink();
  } else if (jpeg && camera.codec === 'h264') {
    jpeg.close();
    jpeg = null;
    show(engine.picture);
  }
  tell();
}

function lag() {
  said = now();
  link.say({ type: 'lag', sent_ms: said, lag_ms: document.hidden ? null : latency() });
}

// What no event tells.
function tick() {
  if (link) {
    if (!link.say && now() - polled > POLL_MS && !document.hidden) poll();
    if (link.say && now() - said > 950) lag();
    if (engine ? silent(PATIENCE_MS) : link.behind()) ended('nothing comes');
    // What comes may not show, whatever the browser says that it can.
    else if (fed && !shown && !blocked && !document.hidden && now() - fed > 6000) next('no picture comes');
  }
  if (!$('numbers').hidden) numbers();
  tell();
}

// Nothing came for so long, beyond what is usual at this frame rate.
const silent = ms => now() - heard > ms + 4000 * engine.step();

function play() {
  video.play().then(() => { blocked = false; }, error => { blocked = error.name === 'NotAllowedError'; }).then(tell);
}

// Nothing is wanted for this reason, or not any more. There is a link when one is wanted.
function rest(why, so) {
  if (so) rests.add(why);
  else rests.delete(why);
  if (rests.size) {
    disconnect();
    clearTimeout(retry);
    retry = 0;
  } else if (!link && !retry && order.length) {
    connect();
  }
  tell();
}

function pause() {
  keep();
  rest('paused', !rests.has('paused'));
}

// Somebody looks again, or nobody any more.
function look() {
  clearTimeout(nap);
  const small = document.pictureInPictureElement || video.webkitPresentationMode === 'picture-in-picture';
  if (document.hidden && !small) {
    nap = setTimeout(rest, NAP_MS, 'hidden', true);
  } else {
    if (link) engine?.edge();
    rest('hidden', false);
  }
}

// ---- Words

function words() {
  if (!order.length) return ['unplayable', 'this browser can’t play it: ' + [...excuses].join('; ')];
  if (rests.has('paused')) return ['paused', 'paused'];
  if (!link && busy) return ['busy', busy];
  if (!link && gone && !reached) return ['offline', 'no answer from the server'];
  if (!camera) return ['connecting', 'connecting'];
  const { state, reason, stand_in } = camera;
  if (state !== 'live') {
    const texts = { starting: 'the camera is starting', asleep: 'the camera sleeps', lost: 'waiting for camera' };
    return [state, (texts[state] || state) + (reason ? ': ' + reason : '')];
  }
  if (blocked) return ['blocked', 'press play'];
  if (!shown) return ['connecting', 'the picture comes'];
  if (engine && silent(1500)) return ['stalled', 'nothing comes from the server'];
  return ['live', stand_in ? 'test picture until a camera appears' : 'live'];
}

function tell() {
  const [word, text] = words();
  root.dataset.state = word;
  if ($('state').textContent !== text) $('state').textContent = text;
  $('play').hidden = word !== 'blocked' && word !== 'paused';
}

function stats() {
  const { path, state } = root.dataset, { buffered } = video, last = buffered.length - 1;
  const buffered_s = last < 0 ? 0 : buffered.end(last) - buffered.start(0);
  return { path, state, latency_ms: latency(), ...count, buffered_s };
}

function numbers() {
  const lines = Object.entries({ ...stats(), size: size().join('x') })
    .map(([what, value]) => `${what.replace('_', ' ')}: ${value % 1 ? value.toFixed(1) : value ?? 'unknown'}`);
  $('numbers').textContent = [...lines, keys].join('\n');
}

// ---- The picture's place: fitted, turned, flipped, zoomed

const stage = $('stage'), frame = $('frame');
const still = frame.appendChild(element('canvas'));    // the last picture, under an element that has none
const edges = frame.appendChild(element('canvas'));
let turn = 0, flip = 1, scale = 1, x = 0, y = 0;

function size() {
  const { videoWidth, videoHeight, naturalWidth, naturalHeight, width, height } = $('picture');
  return [videoWidth || naturalWidth || width, videoHeight || naturalHeight || height];
}

function show(picture) {
  if (picture.parentNode) return;
  $('picture')?.remove();
  picture.id = 'picture';
  picture.setAttribute('aria-label', 'Live video');
  edges.before(picture);
}

// A canvas with the picture on it; `place` may turn it.
function copy(canvas, place) {
  const [width, height] = size(), pen = canvas.getContext('2d');
  Object.assign(canvas, turn % 2 && place ? { width: height, height: width } : { width, height });
  place?.(pen, width, height);
  pen.drawImage($('picture'), 0, 0, width, height);
  return pen;
}

// Keeps the picture for the time when its element has none.
function keep() {
  if (size()[0] && !($('picture').readyState < 2)) copy(still);
}

// What differs from its neighbour glows, as sharp edges do.
function peak() {
  const pen = copy(edges);
  pen.globalCompositeOperation = 'difference';
  pen.drawImage($('picture'), 1, 1, edges.width, edges.height);
  pen.globalCompositeOperation = 'lighter';
  pen.drawImage(edges, 0, 0);
  pen.drawImage(edges, 0, 0);
}

function save() {
  const canvas = element('canvas');
  copy(canvas, (pen, width, height) => {
    pen.translate(canvas.width / 2, canvas.height / 2);
    pen.scale(flip, 1);
    pen.rotate(turn * Math.PI / 2);
    pen.translate(-width / 2, -height / 2);
  });
  canvas.toBlob(blob => {
    const file = element('a');
    file.href = URL.createObjectURL(blob);
    file.download = `camera ${new Date().toLocaleString('sv').replace(/:/g, '-')}.jpg`;
    file.click();
    setTimeout(() => URL.revokeObjectURL(file.href), 60000);
  }, 'image/jpeg', 0.95);
}

function layout() {
  const [width, height] = size(), [wide, high] = turn % 2 ? [height, width] : [width, height];
  if (!width) return;
  const { clientWidth, clientHeight } = stage, fit = Math.min(clientWidth / wide, clientHeight / high);
  const roomX = Math.max(0, wide * fit * scale - clientWidth) / 2;
  const roomY = Math.max(0, high * fit * scale - clientHeight) / 2;
  x = within(x, -roomX, roomX);
  y = within(y, -roomY, roomY);
  Object.assign(frame.style, {
    width: width * fit + 'px',
    height: height * fit + 'px',
    transform: `translate(-50%, -50%) translate(${x}px, ${y}px) scale(${scale * flip}, ${scale}) rotate(${turn * 90}deg)`,
  });
}

function move(byX, byY) {
  x += byX;
  y += byY;
  layout();
}

// Zooms about a point of the window; what is there stays there. The stage begins at its top left.
function zoom(factor, clientX = stage.clientWidth / 2, clientY = stage.clientHeight / 2) {
  const before = scale, fromX = clientX - stage.clientWidth / 2 - x, fromY = clientY - stage.clientHeight / 2 - y;
  scale = within(scale * factor, 1, 8);
  move(fromX * (1 - scale / before), fromY * (1 - scale / before));
}

function full() {
  if (document.fullscreenElement) document.exitFullscreen();
  else if (root.requestFullscreen) root.requestFullscreen();
  else video.webkitEnterFullscreen();    // iPhone
}

async function pop() {
  if (document.pictureInPictureElement) return document.exitPictureInPicture();
  if (engine?.picture !== video) {    // a canvas can't; the next way's <video> can
    next('');
    await new Promise(loaded => video.addEventListener('loadeddata', loaded, { once: true }));
  }
  if (video.requestPictureInPicture) video.requestPictureInPicture();
  else video.webkitSetPresentationMode('picture-in-picture');
}

// ---- Buttons, keys, fingers

let peaking;
const canPop = document.pictureInPictureEnabled || video.webkitSetPresentationMode;
const actions = [    // key, label, what it does, icon; an answer of true or false is whether it is on
  [' ', 'Pause', pause, 'M9 5v14M15 5v14'],
  ['f', 'Full screen', full, 'M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5'],
  canPop && ['p', 'Picture in picture', pop, 'M3 5h18v14H3zM12 12h6v4h-6z'],
  ['s', 'Save the picture', save, 'M4 8h4l2-3h4l2 3h4v11H4zM15 13a3 3 0 1 1-6 0 3 3 0 0 1 6 0'],
  ['r', 'Turn', () => { turn = (turn + 1) % 4; layout(); }, 'M20 4v6h-6M19.4 10a8 8 0 1 0 .2 4.5'],
  ['m', 'Mirror', () => { flip = -flip; layout(); return flip < 0; }, 'M12 3v18M9 7v10H3zM15 7v10h6z'],
  ['g', 'Grid', () => frame.classList.toggle('grid'), 'M4 4h16v16H4zM9.3 4v16M14.7 4v16M4 9.3h16M4 14.7h16'],
  ['c', 'Centre', () => frame.classList.toggle('cross'), 'M12 3v18M3 12h18'],
  ['e', 'Edges, to focus by', () => {
    peaking = peaking ? clearInterval(peaking) : setInterval(peak, 150);
    return !(edges.hidden = !peaking);
  }, 'M3 8V3h5M16 3h5v5M21 16v5h-5M8 21H3v-5M16 12a4 4 0 1 1-8 0 4 4 0 0 1 8 0'],
  ['i', 'Numbers', () => !($('numbers').hidden = !$('numbers').hidden), 'M12 11v6M12 7v.5M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0'],
].filter(Boolean);
const keyName = key => key.replace(' ', 'space');
const keys = 'Keys: ' + actions.map(([key, label]) => `${keyName(key)} ${label}`).join(', ') + ', + − 0 Zoom, arrows Move';

function controls() {
  const press = {
    '+': () => zoom(1.25), '-': () => zoom(0.8), 0: () => zoom(0),
    ArrowLeft: () => move(40, 0), ArrowRight: () => move(-40, 0), ArrowUp: () => move(0, 40), ArrowDown: () => move(0, -40),
  };
  for (const [key, label, action, path] of actions) {
    const button = $('bar').appendChild(element('button'));
    button.title = `${label} (${keyName(key)})`;
    button.setAttribute('aria-label', label);
    button.innerHTML = `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${path}"/></svg>`;
    button.onclick = press[key] = () => {
      const on = action();
      if (on === !!on) button.setAttribute('aria-pressed', on);
    };
  }
  addEventListener('keydown', event => {
    const act = press[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey || event.key === ' ' && event.target.matches('button')) return;
    event.preventDefault();
    act();
  });

  const fingers = new Map();
  stage.onpointerdown = event => fingers.set(event.pointerId, event);
  stage.onpointerup = stage.onpointercancel = stage.onpointerleave = event => fingers.delete(event.pointerId);
  stage.onpointermove = event => {
    const last = fingers.get(event.pointerId);
    if (!last) return;
    fingers.set(event.pointerId, event);
    move((event.clientX - last.clientX) / fingers.size, (event.clientY - last.clientY) / fingers.size);
    const other = [...fingers.values()].find(one => one.pointerId !== event.pointerId);
    const apart = one => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
    if (other) zoom(apart(event) / apart(last), (event.clientX + other.clientX) / 2, (event.clientY + other.clientY) / 2);
  };
  stage.addEventListener('wheel', event => {
    event.preventDefault();
    zoom(2 ** (-event.deltaY / 400), event.clientX, event.clientY);
  }, { passive: false });
  stage.ondblclick = full;

  let idle;
  addEventListener('pointermove', () => {
    root.classList.remove('idle');
    clearTimeout(idle);
    idle = setTimeout(() => root.classList.add('idle'), 3000);
  });
}

if (asked.has('bare')) root.classList.add('bare');
else controls();
$('play').onclick = () => rests.has('paused') ? pause() : play();
video.addEventListener('resize', layout);
// By the browser's own buttons: an iPhone's full screen, a window of its own.
video.onpause = () => { if (link && engine && !rests.size && !blocked && !document.hidden) pause(); };
video.onplay = () => { if (rests.has('paused')) pause(); };
video.addEventListener('leavepictureinpicture', look);
document.addEventListener('visibilitychange', look);
addEventListener('online', again);
new ResizeObserver(layout).observe(stage);
setInterval(tick, 250);
window.player = { stats };
window.player.dbg = () => engine.dbg ? engine.dbg() : {};
connect();
