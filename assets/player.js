// The page: plays the camera as close to now as this browser can, and says what the camera is doing.
//
// A *way* is a link, which brings the stream, and mostly an engine, which shows it. The first way that this browser has is
// taken; one that fails is given up for the next. ?path=NAME takes one alone, ?bare shows nothing but the picture.

const root = document.documentElement;
const asked = new URLSearchParams(location.search);
const $ = id => document.getElementById(id);
const element = name => document.createElement(name);
const now = () => performance.now();

// ---------------------------------------------------------------- what the bytes say (ISO/IEC 14496-12 and -15)

const u32 = (bytes, at) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(at);
const name = (bytes, at) => String.fromCharCode(...bytes.subarray(at, at + 4));

/** Where the content of the first box of this name begins. */
function box(bytes, wanted) {
  let at = 4;
  while (at < bytes.length && name(bytes, at) !== wanted) at++;
  return at + 4;
}

function readInit(bytes) {
  const avcC = box(bytes, 'avcC');
  const tkhd = box(bytes, 'tkhd');
  return {
    codec: 'avc1.' + [...bytes.subarray(avcC + 1, avcC + 4)].map(b => b.toString(16).padStart(2, '0')).join(''),
    description: bytes.slice(avcC, avcC - 8 + u32(bytes, avcC - 8)),
    // Quarter turns clockwise, from a and b of the matrix (8.3.2, version 0).
    turn: Math.atan2(u32(bytes, tkhd + 44) | 0, u32(bytes, tkhd + 40) | 0) / (Math.PI / 2),
  };
}

/** One frame: moof and mdat. Times in seconds. */
function readFragment(bytes) {
  const tfdt = box(bytes, 'tfdt');
  const trun = box(bytes, 'trun');
  return {
    time: (u32(bytes, tfdt + 4) * 2 ** 32 + u32(bytes, tfdt + 8)) / 90000,
    step: u32(bytes, trun + 16) / 90000,
    key: !(u32(bytes, trun + 12) & 0x10000),    // sample_is_non_sync_sample
    payload: bytes.subarray(u32(bytes, 0) + 8),
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

// ---------------------------------------------------------------- how late the picture is, and other numbers

const count = { shown: 0, skipped: 0, seeks: 0, rate_changes: 0, reconnects: 0 };

const clock = {
  trips: [],      // [round trip, server's clock minus ours] of the last echoes, ms
  zero: null,     // the server's time at media time 0, ms
  late: [],       // of the last pictures, ms

  echo({ sent_ms, received_us }) {
    const trip = now() - sent_ms;
    this.trips = [...this.trips.slice(-14), [trip, received_us / 1000 - sent_ms - trip / 2]];
  },

  /** The picture of this media time is on the screen at `when`. */
  shown(time, when) {
    if (this.zero === null || !this.trips.length) return;
    // The quickest echo knows best how the clocks differ.
    const [, ahead] = this.trips.reduce((best, one) => one[0] < best[0] ? one : best);
    this.late = [...this.late.slice(-29), when + ahead - this.zero - 1000 * time];
  },

  /** The median of the last second. */
  latency() {
    const sorted = [...this.late].sort((a, b) => a - b);
    return sorted.length ? Math.round(sorted[sorted.length >> 1]) : null;
  },

  forget() {
    this.zero = null;
    this.late = [];
  },
};

// ---------------------------------------------------------------- engines: what shows fragments

const MARGIN_S = 0.01;        // is left to play when the next frame comes, at the worst of moments
const MORE_MARGIN_S = 0.005;  // for each time that it was too little
const MOST_MARGIN_S = 0.3;
const SLOP_S = 0.015;         // beyond the margin is let be
const FAST = 1.1;             // plays off what is more
const FAR_S = 1;              // this far behind, it jumps
const LOOK_MS = 1000;         // is looked at before the speed changes
const KEEP_S = 10;            // of what was played

const video = element('video');
Object.assign(video, { muted: true, autoplay: true, playsInline: true });
const Source = window.ManagedMediaSource || window.MediaSource;    // an iPhone has the managed one only
// There each change of speed is a seek that empties the decoder: worse than what it is to cure.
const WEBKIT = /AppleWebKit(?!.*Chrom)/.test(navigator.userAgent);

/** Fragments into a <video>, by Media Source Extensions. */
class Mse {
  constructor(on) {
    this.on = on;
    this.picture = video;
    this.queue = [];
    this.keys = [];       // times of the key frames in the buffer
    this.offset = 0;      // where this link's zero is on the video's time line
    this.end = 0;         // of the newest fragment, on that line
    this.step = 0;
    this.margin = MARGIN_S;
    const source = this.source = new Source();
    source.onsourceopen = () => this.append();
    source.onstartstreaming = () => on.hold(false);
    source.onendstreaming = () => on.hold(true);
    video.onerror = () => on.broken(video.error.message);
    video.onwaiting = () => {
      if (this.begun && !video.seeking) this.margin = Math.min(this.margin + MORE_MARGIN_S, MOST_MARGIN_S);
    };
    video.disableRemotePlayback = true;    // or a managed source never opens
    video.src = URL.createObjectURL(source);
    const presented = (when, frame) => {
      if (this.source !== source) return;
      count.shown += frame.presentedFrames - (this.presented || frame.presentedFrames - 1);
      this.presented = frame.presentedFrames;
      on.shown(frame.mediaTime - this.offset, frame.expectedDisplayTime || when);
      video.requestVideoFrameCallback(presented);
    };
    if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(presented);
    else video.ontimeupdate = () => on.shown(video.currentTime - this.offset, now());
  }

  stop() {
    this.source = video.onerror = video.onwaiting = video.ontimeupdate = null;
    URL.revokeObjectURL(video.src);
    video.removeAttribute('src');
    video.load();
  }

  /** A new link begins, with times from zero again. The last picture stays until the next is there. */
  begin() {
    this.queue = [];
    if (this.end) this.offset = this.end + 1;
    this.begun = false;
  }

  init(bytes) {
    const type = `video/mp4; codecs="${readInit(bytes).codec}"`;
    if (Source.isTypeSupported(type)) this.queue.push({ bytes, type });
    else this.on.refuse(`no decoder for ${type}`);
  }

  fragment(bytes) {
    const { time, step, key } = readFragment(bytes);
    const left = this.end - video.currentTime;
    this.end = this.offset + time + step;
    this.step = step;
    if (key) this.keys.push(this.offset + time);
    this.queue.push({ bytes });
    this.append();
    if (this.begun) this.pace(left);
  }

  append() {
    const { source, queue, buffer } = this;
    if (!source || source.readyState !== 'open' || !queue.length || buffer && buffer.updating) return;
    try {
      const { type } = queue[0];
      if (!buffer) {
        this.buffer = source.addSourceBuffer(type);
        source.duration = Infinity;
        this.buffer.onupdateend = () => {
          this.follow();
          this.append();
        };
      } else if (type && type !== this.type) {
        buffer.changeType(type);
      }
      this.type = type || this.type;
      if (this.trim(KEEP_S)) return;
      if (this.buffer.timestampOffset !== this.offset) this.buffer.timestampOffset = this.offset;
      let many = queue.findIndex((part, index) => index && part.type);    // up to the next init segment
      if (many < 0) many = queue.length;
      this.buffer.appendBuffer(join(queue.slice(0, many).map(part => part.bytes)));
      queue.splice(0, many);
    } catch (error) {
      if (error.name !== 'QuotaExceededError' || !this.trim(0)) this.on.broken(error.message);
    }
  }

  /** Lets go of what is older, counted from the live edge: the picture of a hidden page may stand still. Only whole
      groups, as what is removed takes with it all that was coded from it (Media Source, 3.5.9). */
  trim(keep) {
    if (keep && !(this.keys[0] < this.end - 2 * keep)) return false;
    const old = this.keys.filter(time => time <= this.end - keep);
    if (old.length < 2) return false;
    const from = old.pop();
    this.keys = this.keys.filter(time => time >= from);
    this.buffer.remove(0, from - 0.001);
    return true;
  }

  /** Sees that the picture is where the data is. */
  follow() {
    if (!this.source || !this.buffer.buffered.length || video.seeking) return;
    const [first, end] = this.newest();
    const at = video.currentTime;
    // Before the newest range lies what the camera or the network lost.
    const outside = at < first - 0.01 && (video.readyState < 3 || end - at > FAR_S / 2);
    if (!this.begun || outside || end - at > FAR_S || at - end > FAR_S / 2) this.edge();
  }

  newest() {
    const { buffered } = this.buffer, last = buffered.length - 1;
    return [buffered.start(last), buffered.end(last)];
  }

  /** To the newest picture, at once. */
  edge() {
    if (!this.buffer || !this.buffer.buffered.length) return;
    const [first, end] = this.newest();
    this.begun = true;
    this.look(LOOK_MS);
    this.rate(1);
    count.seeks++;
    video.currentTime = Math.max(first, end - this.step - this.margin);
    this.on.play();
  }

  /** Judges from now on, for so long. */
  look(ms) {
    this.least = Infinity;
    this.until = now() + ms;
  }

  /** Two speeds: what is left too much even at the worst of moments is played off in one go; then it looks anew. */
  pace(left) {
    if (video.seeking || video.paused) return this.look(LOOK_MS);
    this.least = Math.min(this.least, left);
    if (now() < this.until) return;
    const excess = this.least - this.margin;
    this.margin += (MARGIN_S - this.margin) / 50;    // a bad minute is forgotten in the next
    if (video.playbackRate === 1 && excess > (WEBKIT ? 5 : 1) * SLOP_S) {
      if (WEBKIT) return this.edge();
      this.rate(FAST);
      this.look(1000 * excess / (FAST - 1));
    } else {
      this.rate(1);
      this.look(LOOK_MS);
    }
  }

  rate(rate) {
    if (video.playbackRate === rate) return;
    video.playbackRate = rate;
    count.rate_changes++;
  }
}

/** Fragments onto a <canvas>, by WebCodecs: a frame is shown as soon as it is decoded. */
class Codecs {
  constructor(on) {
    this.on = on;
    this.picture = element('canvas');
    this.pen = this.picture.getContext('2d', { alpha: false });
    this.decoder = new VideoDecoder({ output: frame => this.output(frame), error: e => on.broken(e.message) });
  }

  stop() {
    if (this.decoder.state !== 'closed') this.decoder.close();
  }

  begin() {
    this.decoder.reset();
  }

  init(bytes) {
    const { codec, description, turn } = readInit(bytes);
    this.turn = turn;
    this.decoder.configure({ codec, description, optimizeForLatency: true });
    this.lost = true;
  }

  fragment(bytes) {
    const { time, key, payload } = readFragment(bytes);
    // A decoder that can't keep up goes on with the next key frame.
    this.lost = !key && (this.lost || this.decoder.decodeQueueSize > 60);
    if (this.lost) count.skipped++;
    else this.decoder.decode(new EncodedVideoChunk({ type: key ? 'key' : 'delta', timestamp: time * 1e6, data: payload }));
  }

  /** Of all that come before the screen is drawn next, the last one is drawn. */
  output(frame) {
    if (this.frame) this.frame.close();
    else requestAnimationFrame(() => this.draw());
    this.frame = frame;
  }

  draw() {
    const { frame, picture, pen, turn } = this;
    const wide = frame.displayWidth, high = frame.displayHeight;
    const [width, height] = turn % 2 ? [high, wide] : [wide, high];
    if (picture.width !== width || picture.height !== height) {
      Object.assign(picture, { width, height });
      layout();
    }
    pen.setTransform(1, 0, 0, 1, width / 2, height / 2);
    pen.rotate(turn * Math.PI / 2);
    pen.drawImage(frame, -wide / 2, -high / 2, wide, high);
    count.shown++;
    this.on.shown(frame.timestamp / 1e6, now());
    frame.close();
    this.frame = null;
  }

  edge() {}
}

// ---------------------------------------------------------------- links: what brings the stream

/** The words with which the server declines. */
const refusal = async answer => answer.ok ? '' : (await answer.text()).trim();

function socketLink(on) {
  const socket = new WebSocket(new URL('ws', document.baseURI).href.replace(/^http/, 'ws'));
  socket.binaryType = 'arraybuffer';
  socket.onopen = on.open;
  socket.onmessage = ({ data }) =>
    typeof data === 'string' ? on.text(JSON.parse(data)) : on.bytes(new Uint8Array(data));
  socket.onclose = () => on.end('no WebSocket gets through');
  return {
    tell: text => socket.readyState === 1 && socket.send(JSON.stringify(text)),
    close() {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    },
  };
}

function fetchLink(on) {
  const quit = new AbortController();
  (async () => {
    let why, answer = {};
    try {
      answer = await fetch('stream.mp4', { cache: 'no-store', signal: quit.signal });
      why = await refusal(answer);
      if (!why) on.open();
      const reader = answer.body.getReader();
      for (let rest = new Uint8Array(0), step; !(step = await reader.read()).done;) {
        const data = join([rest, step.value]);
        let begin = 0;    // of what is handed on next: ftyp and moov, or moof and mdat
        for (let at = 0; at + 8 <= data.length;) {
          const kind = name(data, at + 4);
          at += u32(data, at);
          if (at > data.length) break;
          if (kind !== 'moov' && kind !== 'mdat') continue;
          on.bytes(data.slice(begin, at));
          if (quit.signal.aborted) return;
          begin = at;
        }
        rest = data.slice(begin);
      }
    } catch (error) {
      why = why || error.message;
    }
    if (!quit.signal.aborted) on.end(why || 'the stream ended', answer.status === 503);
  })();
  return { close: () => quit.abort() };
}

/** A tag that loads an address by itself. */
const tagLink = (picture, address) => on => {
  const begun = now();
  let least = Infinity;    // that the picture was behind the clock, from any common zero
  picture.onerror = async () => {
    const quit = new AbortController();    // the answer's head is all that is wanted
    let why, answer = {};
    try {
      answer = await fetch(address, { signal: quit.signal });
      why = await refusal(answer);
    } catch (error) {
      why = error.message;
    }
    quit.abort();
    on.end(why || `it does not play ${address}`, answer.status === 503);
  };
  picture.onended = () => on.end('the stream ended');
  picture.onload = picture.onplaying = () => {
    layout();
    count.shown++;
    on.shown();
  };
  picture.src = address + '?' + Date.now();    // browsers may keep what they know of the old one
  show(picture);
  if (picture === video) on.play();
  return {
    close() {
      keep();
      picture.onerror = picture.onended = picture.onload = picture.onplaying = null;
      picture.removeAttribute('src');
      if (picture === video) video.load();
    },
    /** A plain <video> that fell behind its own start, or never started, wants to be loaded anew. */
    late() {
      if (address !== 'stream.mp4' || video.paused) return false;
      const lag = now() / 1000 - video.currentTime;
      if (video.currentTime) least = Math.min(least, lag);
      return video.currentTime ? lag - least > 3 : now() - begun > 20000;
    },
  };
};

// ---------------------------------------------------------------- the ways, and how to keep to one

const jpegLink = tagLink(element('img'), 'stream.mjpeg');
const ways = {
  // Half as late as Media Source, but browsers have it for secure origins only.
  webcodecs: { link: socketLink, Engine: Codecs, can: window.VideoDecoder && window.WebSocket },
  ws: { link: socketLink, Engine: Mse, can: Source && window.WebSocket },
  fetch: { link: fetchLink, Engine: Mse, can: Source && window.ReadableStream },
  hls: { link: tagLink(video, 'stream.m3u8'), can: video.canPlayType('application/vnd.apple.mpegurl') },
  video: { link: tagLink(video, 'stream.mp4'), can: true },
  mjpeg: { link: jpegLink, can: true },
};
const able = ways[asked.get('path')] ? [asked.get('path')] : Object.keys(ways).filter(way => ways[way].can);

const NAP_MS = 5000;         // hidden for so long, the page lets the camera sleep
const PATIENCE_MS = 4000;    // without a word from the server
const POLL_MS = 3000;        // /status, where no socket tells

let order = [...able];
let excuses = [];            // of the ways that were given up
let strikes = 0;             // against this way
let camera;                  // its state, as the server told it last
let reached = false;         // the server answered when asked last
let busy = '';               // its words when it is full
let link, engine, jpeg;      // jpeg: the tag for a camera that gives JPEG, beside the socket that tells its state
let opened, heard, fed, shown;    // of this link: when, in ms, or 0
let gone = 0;                // since when there is no link
let retry = 0;
let polled = 0, told = 0;
let paused = false, blocked = false, napping = false, held = false;
const awake = () => !(paused || napping || held);

/** What links and engines have to say. */
const on = {
  open() {
    opened = now();
    lag();
  },
  bytes(bytes) {
    heard = now();
    if (name(bytes, 4) === 'ftyp') return engine.init(bytes);
    fed = fed || heard;
    engine.fragment(bytes);
  },
  text(text) {
    heard = now();
    reached = true;
    if (text.type === 'echo') clock.echo(text);
    if (text.type === 'clock') clock.zero = text.captured_us / 1000 - text.media_90k / 90;
    if (text.type === 'skipped') count.skipped += text.frames;
    if (text.type !== 'state') return;
    camera = text;
    if (!jpeg && text.codec === 'mjpeg') {
      jpeg = jpegLink(on);
    } else if (jpeg && text.codec === 'h264') {
      jpeg.close();
      jpeg = null;
      show(engine.picture);
    }
    tell();
  },
  shown(time, when) {
    if (!shown) strikes = 0;
    shown = now();
    if (time >= 0) clock.shown(time, when);
    if (root.dataset.state !== 'live') tell();
  },
  play() {
    const refused = error => { blocked = error.name === 'NotAllowedError'; };
    video.play().then(() => { blocked = false; }, refused).then(tell);
  },
  hold(so) {
    held = so;
    update();
  },
  broken(why) {
    keep();
    engine.stop();
    engine = null;
    end(why);
  },
  end,
  refuse: next,
};

function connect() {
  const { link: open, Engine } = ways[order[0]];
  root.dataset.path = order[0];
  opened = fed = shown = 0;
  heard = now();
  clock.forget();
  if (Engine) {
    if (engine) engine.begin();
    else engine = new Engine(on);
    show(engine.picture);
  }
  link = open(on);
}

function disconnect() {
  if (jpeg) jpeg.close();
  if (link) link.close();
  if (link) gone = now();
  jpeg = link = null;
}

/** The link has ended. */
function end(why, full) {
  disconnect();
  busy = full ? why : '';
  if (full) order = [...able];
  // What fails while all is well is not for this browser, or not for the network between.
  else if (!shown && camera && camera.state === 'live' && ++strikes > 2) return next(why);
  later();
}

/** This way does not work here: on with the next one. */
function next(why) {
  disconnect();
  if (engine) {
    keep();
    engine.stop();
    engine = null;
  }
  excuses.push(why);
  strikes = 0;
  const { link: same } = ways[order.shift()];
  if (!opened) order = order.filter(way => ways[way].link !== same);
  if (order.length) connect();
  tell();
}

function later() {
  const away = (now() - gone) / 1000;
  const wait = Math.min(0.2 + away / 4, away < 60 ? 1.2 : 8) * (0.75 + Math.random() / 2);
  clearTimeout(retry);
  retry = setTimeout(again, 1000 * wait);
  tell();
}

/** Asks for the server before it connects: browsers make WebSockets wait ever longer after those that failed. */
async function again() {
  clearTimeout(retry);
  await poll();
  retry = 0;
  if (link || !order.length || !awake()) return;
  if (!reached) return later();
  count.reconnects++;
  connect();
}

async function poll() {
  polled = now();
  const quit = new AbortController();
  const timer = setTimeout(() => quit.abort(), POLL_MS);
  try {
    const answer = await fetch('status', { cache: 'no-store', signal: quit.signal });
    camera = (await answer.json()).cameras[0];
    reached = true;
    if (camera.state !== 'live') heard = now();
  } catch {
    reached = false;
  }
  clearTimeout(timer);
  tell();
}

/** There is a link when one is wanted. */
function update() {
  if (!awake()) {
    disconnect();
    clearTimeout(retry);
    retry = 0;
  } else if (!link && !retry && order.length) {
    connect();
  }
  tell();
}

const inWindow = () => document.pictureInPictureElement || video.webkitPresentationMode === 'picture-in-picture';
let nap = 0;

/** Somebody looks again, or nobody any more. */
function look() {
  clearTimeout(nap);
  if (document.hidden && !inWindow()) {
    nap = setTimeout(() => {
      napping = true;
      update();
    }, NAP_MS);
    return;
  }
  napping = false;
  if (link && engine) engine.edge();
  update();
}

function pause() {
  paused = !paused;
  if (paused) keep();
  if (!paused && blocked) on.play();
  update();
}

function lag() {
  told = now();
  if (link && link.tell) link.tell({ type: 'lag', sent_ms: told, lag_ms: document.hidden ? null : clock.latency() });
}

/** What no event tells. */
function tick() {
  const time = now();
  if (link) {
    if (link.tell && time - told > 950) lag();
    if (!link.tell && time - polled > POLL_MS && !document.hidden) poll();
    if (engine ? silent(PATIENCE_MS) : link.late()) end('nothing comes');
    // What comes may not show, whatever the browser says that it can.
    else if (fed && !shown && !blocked && !document.hidden && time - fed > 6000) next('no picture comes');
  }
  if (!$('numbers').hidden) numbers();
  tell();
}

/** Nothing came for so long, beyond what is usual at this frame rate. */
const silent = ms => now() - heard > ms + 4000 * (engine && engine.step || 0);

// ---------------------------------------------------------------- words

function words() {
  if (!order.length) return ['unplayable', 'this browser can’t play it: ' + [...new Set(excuses)].join('; ')];
  if (paused) return ['paused', 'paused'];
  if (!link && busy) return ['busy', busy];
  if (!link && gone && !reached) return ['offline', 'no answer from the server'];
  if (!camera) return ['connecting', 'connecting'];
  const why = camera.reason ? ': ' + camera.reason : '';
  switch (camera.state) {
    case 'live':
      if (blocked) return ['blocked', 'press play'];
      if (!shown) return ['connecting', 'the picture comes'];
      if (engine && silent(1500)) return ['stalled', 'nothing comes from the server'];
      return ['live', camera.stand_in ? 'test picture until a camera appears' : 'live'];
    case 'starting': return ['starting', 'the camera is starting' + why];
    case 'asleep': return ['asleep', 'the camera sleeps until somebody watches'];
    case 'lost': return ['lost', 'waiting for camera' + why];
    default: return [camera.state, camera.state + why];
  }
}

function tell() {
  const [word, text] = words();
  root.dataset.state = word;
  if ($('state').textContent !== text) $('state').textContent = text;
  $('play').hidden = word !== 'blocked' && word !== 'paused';
}

function stats() {
  const { buffered } = video, ranges = engine instanceof Mse ? buffered.length : 0;
  return {
    path: root.dataset.path,
    state: root.dataset.state,
    latency_ms: clock.latency(),
    ...count,
    buffered_s: ranges ? buffered.end(ranges - 1) - buffered.start(0) : 0,
  };
}

function numbers() {
  const { path, latency_ms, shown, skipped, seeks, rate_changes, reconnects, buffered_s } = stats();
  $('numbers').textContent = `${latency_ms === null ? 'an unknown time' : latency_ms + ' ms'} late by ${path}, ${size().join('x')}
${shown} shown, ${skipped} skipped, ${seeks} jumps, ${rate_changes} changes of speed
${reconnects} reconnects, ${buffered_s.toFixed(1)} s in the buffer
${keys}`;
}

// ---------------------------------------------------------------- the picture's place: fitted, turned, flipped, zoomed

const stage = $('stage'), frame = $('frame');
const still = frame.appendChild(element('canvas'));    // the last picture, under an element that has none
const edges = frame.appendChild(element('canvas'));
const view = { turn: 0, flip: 1, zoom: 1, x: 0, y: 0 };

function size() {
  const { videoWidth, videoHeight, naturalWidth, naturalHeight, width, height } = $('picture');
  return [videoWidth || naturalWidth || width, videoHeight || naturalHeight || height];
}

/** Puts this element in the picture's place. */
function show(picture) {
  if (picture.parentNode) return;
  if ($('picture')) $('picture').remove();
  picture.id = 'picture';
  picture.setAttribute('aria-label', 'Live video');
  edges.before(picture);
}

/** Keeps the picture for the time when its element has none. */
function keep() {
  const [width, height] = size();
  if (!width || $('picture').readyState < 2) return;
  Object.assign(still, { width, height });
  still.getContext('2d').drawImage($('picture'), 0, 0, width, height);
}

function layout() {
  const [width, height] = size();
  if (!width) return;
  const [wide, high] = view.turn % 2 ? [height, width] : [width, height];
  const { clientWidth, clientHeight } = stage;
  const fit = Math.min(clientWidth / wide, clientHeight / high);
  const room = (picture, stage) => Math.max(0, picture * fit * view.zoom - stage) / 2;
  const within = (at, most) => Math.max(-most, Math.min(most, at));
  view.x = within(view.x, room(wide, clientWidth));
  view.y = within(view.y, room(high, clientHeight));
  frame.style.width = width * fit + 'px';
  frame.style.height = height * fit + 'px';
  frame.style.transform = `translate(-50%, -50%) translate(${view.x}px, ${view.y}px)
    scale(${view.zoom * view.flip}, ${view.zoom}) rotate(${view.turn * 90}deg)`;
}

/** Zooms about a point of the window; that point of the picture stays where it is. */
function zoom(factor, clientX, clientY) {
  const { left, top, width, height } = stage.getBoundingClientRect();
  const x = clientX === undefined ? 0 : clientX - left - width / 2;
  const y = clientY === undefined ? 0 : clientY - top - height / 2;
  const before = view.zoom;
  view.zoom = Math.max(1, Math.min(8, before * factor));
  view.x = x - (x - view.x) * view.zoom / before;
  view.y = y - (y - view.y) * view.zoom / before;
  layout();
}

function move(x, y) {
  view.x += x;
  view.y += y;
  layout();
}

/** What differs from its neighbour one pixel on is sharp, and glows: drawn over itself by its own graphics unit. */
function peak() {
  const [width, height] = size(), pen = edges.getContext('2d');
  Object.assign(edges, { width, height });
  pen.drawImage($('picture'), 0, 0, width, height);
  pen.globalCompositeOperation = 'difference';
  pen.drawImage($('picture'), 1, 1, width, height);
  pen.globalCompositeOperation = 'lighter';
  for (let times = 0; times < 2; times++) pen.drawImage(edges, 0, 0);
  pen.globalCompositeOperation = 'multiply';
  pen.fillStyle = '#f40';
  pen.fillRect(0, 0, width, height);
}

function save() {
  const [width, height] = size(), canvas = element('canvas'), pen = canvas.getContext('2d');
  [canvas.width, canvas.height] = view.turn % 2 ? [height, width] : [width, height];
  pen.translate(canvas.width / 2, canvas.height / 2);
  pen.scale(view.flip, 1);
  pen.rotate(view.turn * Math.PI / 2);
  pen.drawImage(paused ? still : $('picture'), -width / 2, -height / 2, width, height);
  canvas.toBlob(blob => {
    const link = element('a'), here = new Date(Date.now() - 60000 * new Date().getTimezoneOffset());
    link.href = URL.createObjectURL(blob);
    link.download = `camera-${here.toISOString().slice(0, 19).replace(/:/g, '-')}.jpg`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  }, 'image/jpeg', 0.95);
}

function full() {
  if (document.fullscreenElement) document.exitFullscreen();
  else if (root.requestFullscreen) root.requestFullscreen();
  else video.webkitEnterFullscreen();    // iPhone
}

async function pop() {
  if (document.pictureInPictureElement) return document.exitPictureInPicture();
  if (engine instanceof Codecs) {    // a canvas can't; the next way's <video> can
    next('');
    await new Promise(loaded => video.addEventListener('loadeddata', loaded, { once: true }));
  }
  if (video.requestPictureInPicture) video.requestPictureInPicture();
  else video.webkitSetPresentationMode('picture-in-picture');
}

// ---------------------------------------------------------------- buttons, keys, fingers

let peaking = 0;
const toggle = kind => frame.classList.toggle(kind);
const actions = [
  [' ', 'Pause', pause, 'M9 5v14M15 5v14'],
  ['f', 'Full screen', full, 'M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5'],
  ['p', 'Picture in picture', pop, 'M3 5h18v14H3zM12 12h6v4h-6z'],
  ['s', 'Save the picture', save, 'M4 8h4l2-3h4l2 3h4v11H4zM15 13a3 3 0 1 1-6 0 3 3 0 0 1 6 0'],
  ['r', 'Turn', () => { view.turn = (view.turn + 1) % 4; layout(); }, 'M20 4v6h-6M19.4 10a8 8 0 1 0 .2 4.5'],
  ['m', 'Mirror', () => { view.flip = -view.flip; layout(); return view.flip < 0; }, 'M12 3v18M9 7v10H3zM15 7v10h6z'],
  ['g', 'Grid', () => toggle('grid'), 'M4 4h16v16H4zM9.3 4v16M14.7 4v16M4 9.3h16M4 14.7h16'],
  ['c', 'Centre', () => toggle('cross'), 'M12 3v18M3 12h18'],
  ['e', 'Edges in focus', () => {
    clearInterval(peaking);
    peaking = peaking ? 0 : setInterval(peak, 150);
    edges.hidden = !peaking;
    return !!peaking;
  }, 'M3 8V3h5M16 3h5v5M21 16v5h-5M8 21H3v-5M16 12a4 4 0 1 1-8 0 4 4 0 0 1 8 0'],
  ['i', 'Numbers and keys', () => {
    $('numbers').hidden = !$('numbers').hidden;
    numbers();
    return !$('numbers').hidden;
  }, 'M12 11v6M12 7v.5M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0'],
];
const word = key => key === ' ' ? 'space' : key;
const keys = actions.map(([key, label]) => `${word(key)} ${label.toLowerCase()}`).join(', ') + ', + − 0 zoom, arrows move';

function act([, label, action]) {
  const on = action();
  const button = $('bar').querySelector(`[aria-label="${label}"]`);
  if (button && typeof on === 'boolean') button.setAttribute('aria-pressed', on);
}

function controls() {
  const lacking = {
    p: !document.pictureInPictureEnabled && !video.webkitSetPresentationMode,
    f: !root.requestFullscreen && !video.webkitEnterFullscreen,
  };
  for (const action of actions.filter(([key]) => !lacking[key])) {
    const [key, label, , path] = action, button = $('bar').appendChild(element('button'));
    button.title = `${label} (${word(key)})`;
    button.setAttribute('aria-label', label);
    button.innerHTML = `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${path}"/></svg>`;
    button.onclick = () => act(action);
  }

  addEventListener('keydown', event => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.key === ' ' && event.target.tagName === 'BUTTON') return;
    const action = actions.find(([key]) => key === event.key.toLowerCase());
    const step = {
      '+': () => zoom(1.25), '-': () => zoom(0.8), 0: () => zoom(0),
      ArrowLeft: () => move(40, 0), ArrowRight: () => move(-40, 0),
      ArrowUp: () => move(0, 40), ArrowDown: () => move(0, -40),
    }[event.key];
    if (!action && !step) return;
    event.preventDefault();
    if (action) act(action);
    else step();
  });

  const fingers = new Map();
  const lift = event => fingers.delete(event.pointerId);
  stage.addEventListener('pointerdown', event => {
    fingers.set(event.pointerId, event);
    stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener('pointerup', lift);
  stage.addEventListener('pointercancel', lift);
  stage.addEventListener('pointermove', event => {
    const last = fingers.get(event.pointerId);
    if (!last) return;
    fingers.set(event.pointerId, event);
    move((event.clientX - last.clientX) / fingers.size, (event.clientY - last.clientY) / fingers.size);
    const other = [...fingers.values()].find(one => one.pointerId !== event.pointerId);
    if (!other) return;
    const apart = one => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
    zoom(apart(event) / apart(last), (event.clientX + other.clientX) / 2, (event.clientY + other.clientY) / 2);
  });
  stage.addEventListener('wheel', event => {
    event.preventDefault();
    zoom(2 ** (-event.deltaY / 400), event.clientX, event.clientY);
  }, { passive: false });
  stage.addEventListener('dblclick', full);

  let idle = 0;
  addEventListener('pointermove', () => {
    root.classList.remove('idle');
    clearTimeout(idle);
    idle = setTimeout(() => root.classList.add('idle'), 3000);
  });
}

$('play').onclick = () => paused ? pause() : on.play();
if (asked.has('bare')) root.classList.add('bare');
else controls();
video.addEventListener('resize', layout);
// By the browser's own buttons, on an iPhone's full screen or in a window.
video.addEventListener('pause', () => { if (awake() && !document.hidden && !blocked && engine && link) pause(); });
video.addEventListener('play', () => { if (paused) pause(); });
document.addEventListener('visibilitychange', look);
video.addEventListener('leavepictureinpicture', look);
addEventListener('online', again);
addEventListener('resize', layout);
document.addEventListener('fullscreenchange', layout);
setInterval(tick, 250);
window.player = { stats };
window.player.dbg = () => ({ margin: engine.margin, least: engine.least, rate: video.playbackRate, left: engine.end - video.currentTime, rs: video.readyState });
connect();
