// The page: plays the camera as close to now as this browser can, and says what the camera is doing.
//
// A *way* is a link, which carries the fragments or names an address, and an engine, which shows them. The first way
// that this browser has is taken; one that fails is given up for the next. ?path=NAME asks for one way, ?bare for the
// picture alone.
'use strict';
(() => {
  const root = document.documentElement;
  const asked = new URLSearchParams(location.search);
  const $ = id => document.getElementById(id);
  const element = name => document.createElement(name);
  const now = () => performance.now();

  // ------------------------------------------------------------ what the bytes say (ISO/IEC 14496-12, -15)

  const u32 = (bytes, at) => new DataView(bytes.buffer, bytes.byteOffset).getUint32(at);

  /** Where the content of the first box of this name begins, or -1. */
  function box(bytes, name) {
    for (let at = 4; at + 4 <= bytes.length; at++)
      if (String.fromCharCode(...bytes.subarray(at, at + 4)) === name) return at + 4;
    return -1;
  }

  /** What an init segment says. */
  function readInit(bytes) {
    const avcC = box(bytes, 'avcC');
    const tkhd = box(bytes, 'tkhd');
    return {
      codec: 'avc1.' + [...bytes.subarray(avcC + 1, avcC + 4)].map(b => b.toString(16).padStart(2, '0')).join(''),
      avcC: bytes.slice(avcC, avcC - 8 + u32(bytes, avcC - 8)),
      // Quarter turns: a and b of the matrix (8.3.2; version 0) are 1 0, 0 1, -1 0 or 0 -1.
      turn: Math.atan2(u32(bytes, tkhd + 44) | 0, u32(bytes, tkhd + 40) | 0) / (Math.PI / 2),
    };
  }

  /** What a fragment says: moof and mdat, one frame. Times in seconds. */
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
    if (parts.length === 1) return parts[0];
    const all = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
    let at = 0;
    for (const part of parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }

  // ------------------------------------------------------------ how late the picture is

  const clock = {
    trips: [],          // [round trip, server's clock minus ours] of the last echoes, ms
    zero: null,         // the server's time at media time 0, ms
    late: [],           // of the last pictures, ms

    echo({ sent_ms, received_us }) {
      const trip = now() - sent_ms;
      this.trips = [...this.trips.slice(-14), [trip, received_us / 1000 - sent_ms - trip / 2]];
    },

    /** A picture of this media time is on the screen at `when`. */
    shown(time, when) {
      if (this.zero === null || !this.trips.length) return;
      // The quickest echo says best how the clocks differ.
      const [, ahead] = this.trips.reduce((best, one) => one[0] < best[0] ? one : best);
      this.late = [...this.late.slice(-29), when + ahead - this.zero - 1000 * time];
    },

    latency() {
      const sorted = [...this.late].sort((a, b) => a - b);
      return sorted.length ? Math.round(sorted[sorted.length >> 1]) : null;
    },

    forget() {
      this.zero = null;
      this.late = [];
    },
  };

  const count = { shown: 0, skipped: 0, seeks: 0, rate_changes: 0, reconnects: 0 };

  // ------------------------------------------------------------ engines: what shows fragments

  const video = element('video');
  Object.assign(video, { muted: true, autoplay: true, playsInline: true, disableRemotePlayback: true });
  const Source = window.ManagedMediaSource || window.MediaSource;    // an iPhone has the managed one only
  // There a change of rate is a seek that empties the decoder; nudging is worse than what it cures.
  const WEBKIT = /AppleWebKit(?!.*Chrom)/.test(navigator.userAgent);

  const MARGIN_S = 0.01;    // to be left to play when the next frame comes; more where frames come unevenly
  const MOST_MARGIN_S = 0.3;
  const SLOP_S = 0.015;     // this much more than the margin is let be
  const FAST = 1.1;
  const FAR_S = 1;          // further behind than this, it jumps
  const LOOK_MS = 1000;     // the margin is that of the worst frame in this time
  const KEEP_S = 10;        // of what was played

  /** Fragments into a <video> by Media Source Extensions. */
  class Mse {
    constructor(on) {
      this.on = on;
      this.picture = video;
      this.queue = [];
      this.keys = [];          // times of the key frames that are buffered
      this.offset = 0;         // where on the element's time line this connection's zero is
      this.end = 0;            // of the newest fragment, on the element's time line
      this.step = 0;
      this.margin = MARGIN_S;
      this.look(0);
      const source = this.source = new Source();
      source.onsourceopen = () => {
        URL.revokeObjectURL(video.src);
        this.append();
      };
      source.onstartstreaming = () => on.hold(false);
      source.onendstreaming = () => on.hold(true);
      this.on_video = {
        error: () => on.broken(video.error.message || 'it can’t be decoded'),
        waiting: () => this.waited(),
      };
      for (const name in this.on_video) video.addEventListener(name, this.on_video[name]);
      video.src = URL.createObjectURL(source);
      const watch = (when, frame) => {
        if (this.source !== source) return;
        count.shown += frame.presentedFrames - (this.presented || frame.presentedFrames - 1);
        this.presented = frame.presentedFrames;
        on.shown(frame.mediaTime - this.offset, frame.expectedDisplayTime || when);
        video.requestVideoFrameCallback(watch);
      };
      if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(watch);
      else video.ontimeupdate = () => on.shown(video.currentTime - this.offset, now());
    }

    stop() {
      this.source = null;
      video.ontimeupdate = null;
      for (const name in this.on_video) video.removeEventListener(name, this.on_video[name]);
      video.removeAttribute('src');
      video.load();
    }

    /** Another connection begins, whose times begin at zero again; the picture stays as it is until then. */
    begin() {
      this.queue = [];
      if (this.end) this.offset = this.end + 1;
      this.begun = false;
    }

    init(bytes) {
      const type = `video/mp4; codecs="${readInit(bytes).codec}"`;
      if (Source.isTypeSupported(type)) this.queue.push({ bytes, type });
      else this.on.refuse('this browser does not play ' + type);
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
      const { source, queue } = this;
      if (!source || source.readyState !== 'open' || !queue.length || (this.buffer && this.buffer.updating)) return;
      try {
        const { type } = queue[0];
        if (!this.buffer) {
          this.buffer = source.addSourceBuffer(type);
          source.duration = Infinity;
          this.buffer.onupdateend = () => {
            this.follow();
            this.append();
          };
        } else if (type && type !== this.type) {
          this.buffer.changeType(type);
        }
        if (type) this.type = type;
        if (this.trim()) return;
        if (this.buffer.timestampOffset !== this.offset) this.buffer.timestampOffset = this.offset;
        let many = queue.findIndex((part, index) => index && part.type);    // up to the next init segment
        if (many < 0) many = queue.length;
        this.buffer.appendBuffer(join(queue.slice(0, many).map(part => part.bytes)));
        queue.splice(0, many);
      } catch (error) {
        if (error.name !== 'QuotaExceededError') this.on.broken(error.message);
        else if (this.keys.length > 1) this.trim(0);
        else this.on.broken('the buffer is full');
      }
    }

    /** Lets go of what was played long ago, counted from the live edge: a hidden page's picture may stand still. Only
        whole groups: what is removed takes with it all that was coded from it. */
    trim(keep = KEEP_S) {
      if (keep && !(this.keys[0] < this.end - 2 * keep)) return false;
      const old = this.keys.filter(time => time <= this.end - keep);
      if (old.length < 2) return false;
      const from = old[old.length - 1];
      this.keys = this.keys.filter(time => time >= from);
      this.buffer.remove(0, from - 0.001);
      return true;
    }

    /** After each append: sees that the picture is where the data is. */
    follow() {
      const { buffered } = this.buffer;
      if (!this.source || !buffered.length || video.seeking) return;
      const first = buffered.start(buffered.length - 1);
      const end = buffered.end(buffered.length - 1);
      const behind = end - video.currentTime;
      // Between two ranges lies what the camera or the connection lost.
      const outside = video.currentTime < first - 0.01 && (video.readyState < 3 || behind > FAR_S / 2);
      if (!this.begun || outside || behind > FAR_S || behind < -0.5) this.toEdge(first, end);
    }

    toEdge(first, end) {
      this.begun = true;
      this.look(LOOK_MS);
      this.rate(1);
      count.seeks++;
      video.currentTime = Math.max(first, end - this.step - this.margin);
      this.on.play();
    }

    /** At once to the newest picture, when somebody looks again. */
    edge() {
      if (!this.buffer || !this.buffer.buffered.length) return;
      const { buffered } = this.buffer;
      this.toEdge(buffered.start(buffered.length - 1), buffered.end(buffered.length - 1));
    }

    /** Looks at how much is left to play when frames come, from now on. */
    look(ms) {
      this.least = Infinity;
      this.until = now() + ms;
    }

    /** Two speeds: what is too much at the worst of moments is played off in one go, then it looks anew. */
    pace(left) {
      if (video.seeking || video.paused) return this.look(LOOK_MS);
      this.least = Math.min(this.least, left);
      if (now() < this.until) return;
      const excess = this.least - this.margin;
      this.margin += (MARGIN_S - this.margin) / 50;    // a bad minute is forgotten in the next
      if (video.playbackRate !== 1 || excess < SLOP_S) {
        this.rate(1);
        this.look(LOOK_MS);
      } else if (WEBKIT) {
        if (excess > 5 * SLOP_S) this.edge();
      } else {
        this.rate(FAST);
        this.look(1000 * excess / (FAST - 1));
      }
    }

    rate(rate) {
      if (video.playbackRate === rate) return;
      video.playbackRate = rate;
      count.rate_changes++;
    }

    /** The picture ran out of frames. */
    waited() {
      if (!this.begun || video.seeking) return;
      this.margin = Math.min(this.margin + 0.01, MOST_MARGIN_S);
    }
  }

  /** Fragments onto a <canvas> by WebCodecs: each frame is shown as soon as it is decoded. */
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
      const { codec, avcC, turn } = readInit(bytes);
      this.turn = turn;
      this.decoder.configure({ codec, description: avcC, optimizeForLatency: true });
      this.lost = true;
    }

    fragment(bytes) {
      const { time, key, payload } = readFragment(bytes);
      // A decoder that can't keep up goes on at the next key frame.
      if (this.decoder.decodeQueueSize > 60) this.lost = true;
      if (key) this.lost = false;
      if (this.lost) count.skipped++;
      else this.decoder.decode(new EncodedVideoChunk({ type: key ? 'key' : 'delta', timestamp: time * 1e6, data: payload }));
    }

    output(frame) {
      if (this.next) this.next.close();
      else requestAnimationFrame(() => this.draw());
      this.next = frame;
    }

    draw() {
      const frame = this.next, { picture, pen, turn } = this;
      this.next = null;
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
    }

    edge() {}
  }

  // ------------------------------------------------------------ links: what carries them

  const WS = new URL('ws', document.baseURI).href.replace(/^http/, 'ws');

  function socketLink(on) {
    const socket = new WebSocket(WS);
    socket.binaryType = 'arraybuffer';
    socket.onopen = on.open;
    socket.onmessage = ({ data }) =>
      typeof data === 'string' ? on.text(JSON.parse(data)) : on.bytes(new Uint8Array(data));
    socket.onclose = () => on.end('the WebSocket can’t be opened');
    return {
      send: text => { if (socket.readyState === 1) socket.send(JSON.stringify(text)); },
      close() {
        socket.onopen = socket.onmessage = socket.onclose = null;
        socket.close();
      },
    };
  }

  /** The words with which the server declines, or nothing. */
  async function refusal(answer) {
    if (answer.ok) return '';
    if (answer.status === 503) throw new Error((await answer.text()).trim());
    return (await answer.text()).trim();
  }

  function fetchLink(on) {
    const quit = new AbortController();
    (async () => {
      let why = 'the stream ended';
      try {
        const answer = await fetch('stream.mp4', { cache: 'no-store', signal: quit.signal });
        why = await refusal(answer);
        if (!why) on.open();
        const reader = answer.body.getReader();
        let rest = new Uint8Array(0);
        for (;;) {
          const { done, value } = await reader.read();
          if (done) break;
          const data = join([rest, value]);
          let begin = 0;    // of what is handed on next: ftyp and moov, or moof and mdat
          for (let at = 0; data.length - at >= 8;) {
            const name = String.fromCharCode(...data.subarray(at + 4, at + 8));
            at += u32(data, at);
            if (at > data.length) break;
            if (name === 'moov' || name === 'mdat') {
              on.bytes(data.slice(begin, at));
              begin = at;
            }
          }
          rest = data.slice(begin);
        }
      } catch (error) {
        if (quit.signal.aborted) return;
        why = error.message;
      }
      on.end(why);
    })();
    return { close: () => quit.abort() };
  }

  /** A plain tag that loads an address by itself. */
  const tagLink = (picture, address, fails) => on => {
    const begun = now();
    let least = Infinity;    // that the picture has been behind the clock, by any common zero
    const shown = () => {
      layout();
      count.shown++;
      on.shown();
    };
    picture.onerror = async () => {
      let why = fails;
      const quit = new AbortController();
      try {
        why = await refusal(await fetch(address, { signal: quit.signal })) || fails;
      } catch (error) {
        why = error.message;
      }
      quit.abort();
      on.end(why);
    };
    picture.onload = picture.onplaying = shown;
    picture.onended = () => on.end('the stream ended');
    picture.src = address + '?' + Date.now();    // browsers may keep what they know of the old one
    show(picture);
    if (picture.play) on.play();
    return {
      close() {
        keep();
        picture.onerror = picture.onload = picture.onplaying = picture.onended = null;
        picture.removeAttribute('src');
        if (picture.load) picture.load();
      },
      /** A <video> that falls behind its own start, or that never starts, is loaded anew. */
      late() {
        if (!picture.play || picture.paused || address !== 'stream.mp4') return false;
        const lag = now() / 1000 - picture.currentTime;
        if (picture.currentTime) least = Math.min(least, lag);
        return picture.currentTime ? lag - least > 3 : now() - begun > 20000;
      },
    };
  };

  // ------------------------------------------------------------ the ways, and how to keep to one

  const jpegLink = tagLink(element('img'), 'stream.mjpeg', 'this browser does not play MJPEG');
  const ways = {
    // Half as late as Media Source, but only for secure origins.
    webcodecs: { link: socketLink, Engine: Codecs, can: window.VideoDecoder && window.WebSocket },
    ws: { link: socketLink, Engine: Mse, can: Source && window.WebSocket },
    fetch: { link: fetchLink, Engine: Mse, can: Source && window.ReadableStream },
    hls: {
      link: tagLink(video, 'stream.m3u8', 'this browser does not play HLS'),
      can: video.canPlayType('application/vnd.apple.mpegurl'),
    },
    video: { link: tagLink(video, 'stream.mp4', 'this browser does not play the video'), can: true },
    mjpeg: { link: jpegLink, can: true },
  };
  const wanted = asked.get('path');
  let order = ways[wanted] ? [wanted] : Object.keys(ways).filter(name => ways[name].can);
  const failed = [];        // why ways were given up

  const NAP_MS = 5000;      // hidden for this long, the page lets the camera sleep
  const PATIENCE_MS = 4000; // without a word from the server
  const POLL_MS = 3000;

  let camera = null;        // its state, as the server told it last
  let link = null;
  let engine = null;
  let jpeg = null;          // the tag of a camera that gives JPEG, while the socket tells its states
  let opened, heard, began, fed, shown;     // of this link: whether, and when (ms)
  let reached = false;      // the server answers
  let gone = 0;             // since when there is no link
  let retry = 0;
  let strikes = 0;
  let paused = false, blocked = false, napping = false, held = false;
  let polled = 0, told = 0;

  /** What the link and the engine have to say. */
  const on = {
    open() {
      opened = true;
      lag();
    },
    bytes(bytes) {
      heard = now();
      if (bytes[4] === 0x66) return engine.init(bytes);    // "ftyp"
      fed = fed || heard;
      engine.fragment(bytes);
    },
    text(text) {
      heard = now();
      reached = true;
      if (text.type === 'state') {
        camera = text;
        if (!jpeg && text.codec === 'mjpeg') jpeg = jpegLink(on);
        else if (jpeg && text.codec === 'h264') {
          jpeg.close();
          jpeg = null;
          show(engine.picture);
        }
        tell();
      }
      if (text.type === 'echo') clock.echo(text);
      if (text.type === 'clock') clock.zero = text.captured_us / 1000 - text.media_90k / 90;
      if (text.type === 'skipped') count.skipped += text.frames;
    },
    shown(time, when) {
      if (!shown) strikes = 0;
      if (!window.firstShown) window.firstShown = now();
      shown = now();
      if (time >= 0) clock.shown(time, when);
      if (root.dataset.state !== 'live') tell();
    },
    play() {
      video.play().then(() => { blocked = false; }, error => { blocked = error.name === 'NotAllowedError'; })
        .then(tell);
    },
    hold(so) {
      held = so;
      update();
    },
    end,
    refuse: next,
    broken(why) {
      drop();
      strikes++;
      end(why);
    },
  };

  function connect() {
    const { link: open, Engine } = ways[order[0]];
    root.dataset.path = order[0];
    opened = began = fed = shown = 0;
    heard = began = now();
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
    jpeg = link = null;
  }

  /** Lets go of the engine, but for its picture. */
  function drop() {
    keep();
    if (engine) engine.stop();
    engine = null;
  }

  /** The link has ended. */
  function end(why) {
    disconnect();
    if (!gone) gone = now();
    // What fails though all is well is not for this browser, or not for the network between.
    if (!shown && reached && camera && camera.state === 'live' && ++strikes > 2) return next(why);
    later();
  }

  /** This way does not work here: on with the next one. */
  function next(why) {
    disconnect();
    drop();
    failed.push(why);
    const { link: same } = ways[order[0]];
    order.shift();
    if (!opened) order = order.filter(name => ways[name].link !== same);
    strikes = 0;
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

  /** Asks for the server before it connects anew: browsers make WebSockets wait longer with each one that failed. */
  async function again() {
    retry = 0;
    await poll();
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
      if (link && !link.send && camera.state !== 'live') heard = now();
    } catch {
      reached = false;
    }
    clearTimeout(timer);
    tell();
  }

  const awake = () => !(paused || napping || held);

  /** Has a link when one is wanted, and none when not. */
  function update() {
    if (!awake()) {
      disconnect();
      clearTimeout(retry);
      retry = 0;
      gone = now();
    } else if (!link && !retry && order.length) {
      connect();
    }
    tell();
  }

  const inWindow = () => document.pictureInPictureElement || video.webkitPresentationMode === 'picture-in-picture';
  let nap = 0;

  /** Somebody looks, or nobody does any more. */
  function look() {
    clearTimeout(nap);
    if (document.hidden && !inWindow()) {
      nap = setTimeout(() => {
        napping = true;
        update();
      }, NAP_MS);
    } else {
      napping = false;
      if (engine && link) engine.edge();
      update();
    }
  }

  function lag() {
    told = now();
    if (link && link.send) link.send({ type: 'lag', sent_ms: told, lag_ms: document.hidden ? null : clock.latency() });
  }

  /** Four times a second: what no event tells. */
  function tick() {
    const time = now();
    if (link) {
      if (link.send && time - told > 950) lag();
      if (!link.send && time - polled > POLL_MS && !document.hidden) poll();
      const patience = PATIENCE_MS + 4000 * (engine && engine.step || 0);
      if (engine ? time - heard > patience : link.late()) end('nothing comes');
      // It may be that what comes can't be shown, whatever this browser says of itself.
      else if (fed && !shown && time - fed > 6000 && !blocked && !document.hidden) next('no picture comes');
    }
    if (!$('numbers').hidden) $('numbers').textContent = numbers();
    tell();
  }

  // ------------------------------------------------------------ words

  function words() {
    if (!order.length) return ['unplayable', 'This browser can’t play it: ' + [...new Set(failed)].join('; ')];
    if (paused) return ['paused', 'paused'];
    if (!link && gone && !reached) return ['offline', 'no answer from the server'];
    if (!camera) return ['connecting', 'connecting'];
    const why = camera.reason ? ': ' + camera.reason : '';
    switch (camera.state) {
      case 'live':
        if (blocked) return ['blocked', 'press play'];
        if (!shown) return ['connecting', failed.length || strikes ? 'trying another way' : 'the picture comes'];
        if (link && engine && now() - heard > 1500) return ['stalled', 'nothing comes from the server'];
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
    const { buffer } = engine || {};
    return {
      path: root.dataset.path,
      state: root.dataset.state,
      latency_ms: clock.latency(),
      ...count,
      buffered_s: buffer && video.buffered.length ? video.buffered.end(video.buffered.length - 1) - video.buffered.start(0) : 0,
    };
  }

  window.player = { stats };

  Object.assign(window.player, { dbg: () => ({ margin: engine.margin, least: engine.least, rate: video.playbackRate, left: engine.end - video.currentTime, rs: video.readyState }) });
  show(video);
  for (const name of ['visibilitychange']) document.addEventListener(name, look);
  setInterval(tick, 250);
  connect();

  let still;
  function show(picture) { const f = $('frame'); if (picture.parentNode === f) return; picture.id = 'picture'; f.replaceChildren(picture); layout(); }
  function keep() {}
  function layout() { const p = $('picture'); const w = p.videoWidth || p.width || p.naturalWidth, h = p.videoHeight || p.height||p.naturalHeight; $('frame').style.width = w + 'px'; $('frame').style.height = h + 'px'; }
  video.addEventListener('resize', layout);
  function numbers() { return ''; }
})();
