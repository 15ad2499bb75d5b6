// gpac.cjs FILE: what GPAC's mp4box.js finds in a fragmented MP4; for each track its number, codec, timescale, samples, and
// samples that do not begin where the one before ended.
'use strict';
const { readFileSync } = require('node:fs');
const MP4Box = require('mp4box');
const data = readFileSync(process.argv[2]);
const file = MP4Box.createFile();
file.onError = (module, message) => { console.log('error', module, message); process.exitCode = 1; };
const buffer = data.buffer.slice(data.byteOffset, data.byteOffset + data.length);
buffer.fileStart = 0;
file.appendBuffer(buffer);
file.flush();
for (const track of file.getInfo().tracks) {
  const samples = file.getTrackById(track.id).samples;
  let end = 0, holes = 0;
  for (const s of samples) { holes += s.dts !== end; end = s.dts + s.duration; }
  console.log(track.id, track.codec, track.timescale, samples.length, holes);
}
