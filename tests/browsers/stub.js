// Stands in for a camera with controls and a head that turns: answers /controls and /ptz in the page itself, so that the
// checks need no such camera. What was posted is in window.posted; window.push sends a text as the WebSocket would.
(() => {
  'use strict';
  const control = (name, label, kind, rest) => ({
    name, label, class: 'User Controls', type: kind, min: 0, max: 255, step: 1, default: 128, value: 128, active: true,
    locked: false, read_only: false, config: null, kept: null, ...rest,
  });
  const camera = 'Camera Controls', code = 'Codec Controls';
  const stub = window.stub = {
    delay_ms: 20,
    controls: {
      controls: [
        control('white_balance_automatic', 'White Balance, Automatic', 'bool', { max: 1, default: 1, value: 1 }),
        control('brightness', 'Brightness', 'int', { config: 140, value: 140 }),
        control('contrast', 'Contrast', 'int', { value: 60, kept: 60 }),
        control('white_balance_temperature', 'White Balance Temperature', 'int',
          { min: 2800, max: 6500, default: 4000, value: 4000, active: false }),
        control('power_line_frequency', 'Power Line Frequency', 'menu', { max: 2, default: 1, value: 1,
          menu: [{ value: 0, label: 'Disabled' }, { value: 1, label: '50 Hz' }, { value: 2, label: '60 Hz' }] }),
        control('auto_exposure', 'Auto Exposure', 'menu', { class: camera, max: 3, default: 3, value: 3,
          menu: [{ value: 1, label: 'Manual Mode' }, { value: 3, label: 'Aperture Priority Mode' }] }),
        control('exposure_time_absolute', 'Exposure Time, Absolute', 'int',
          { class: camera, min: 3, max: 2047, default: 250, value: 250, active: false }),
        control('focus_absolute', 'Focus, Absolute', 'int', { class: camera, max: 250, step: 5, default: 0, value: 30 }),
        control('privacy', 'Privacy', 'bool', { class: camera, max: 1, default: 0, value: 0, read_only: true }),
        control('video_bitrate', 'Video Bitrate', 'int', { class: code, min: 25000, max: 25000000, step: 25000,
          default: 10000000, value: 2000000 }),
        control('force_key_frame', 'Force Key Frame', 'button', { class: code, min: 0, max: 0, default: 0, value: 0 }),
        control('big', 'Integer 64 Bits', 'int', { class: code, min: '-9223372036854775808', max: '9223372036854775807',
          default: 0, value: '9007199254740993' }),
        control('string', 'String', 'text', { class: code, min: 0, max: 20, default: '', value: 'Hello' }),
      ],
      writable: true, why: '', can_keep: true, restarts: false,
    },
    ptz: {
      state: 'ready', reason: '', moving: false, presets: ['door', 'bed'], writable: true, why: '',
      axes: {
        pan: { kind: 'absolute', min: -90, max: 90, home: 0, value: 10, step: 1 },
        tilt: { kind: 'absolute', min: -45, max: 45, home: 0, value: null, step: 1 },
        zoom: { kind: 'speed', min: 0, max: 100, home: 0, value: null, step: 1 },
      },
    },
    set(values) {
      for (const one of stub.controls.controls) {
        if (one.name in values) one.value = values[one.name] ?? one.config ?? one.default;
        if (one.name === 'exposure_time_absolute') one.active = stub.value('auto_exposure') === 1;
      }
      return { ...stub.controls, refused: 'privacy' in values ? { privacy: 'can only be read' } : {} };
    },
    value: name => stub.controls.controls.find(one => one.name === name).value,
    turn(wish) {
      const { pan } = stub.ptz.axes, clamped = [];
      if (wish.home) pan.value = pan.home;
      if ('pan_by' in wish) pan.value += wish.pan_by;
      if ('pan' in wish) pan.value = wish.pan;
      if (Math.abs(pan.value) > 90) clamped.push('pan');
      pan.value = Math.max(-90, Math.min(90, pan.value));
      return { ...stub.ptz, clamped };
    },
  };
  window.posted = [];
  let underWay = 0;
  window.mostUnderWay = 0;

  const real = window.fetch;
  window.fetch = async (address, options) => {
    const name = String(address).split('/')[0];
    if (!stub[name] || options?.method === 'HEAD') return real(address, options);
    window.mostUnderWay = Math.max(window.mostUnderWay, options?.method === 'POST' ? ++underWay : 0);
    await new Promise(done => setTimeout(done, stub.delay_ms));
    let answer = stub[name];
    if (options?.method === 'POST') {
      underWay--;
      const body = JSON.parse(options.body);
      window.posted.push([String(address), body, performance.now()]);
      answer = name === 'ptz' ? stub.turn(body) : stub.set(body);
    }
    return new Response(JSON.stringify(answer));
  };

  const Socket = window.WebSocket;
  window.WebSocket = class extends Socket {
    constructor(...args) {
      super(...args);
      window.push = message => this.onmessage({ data: JSON.stringify(message) });
    }
  };
})();
