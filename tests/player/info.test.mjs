import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressesFor } from '../../assets/player/info.js';

const h264 = { cameras: [{ name: 'yard', codec: 'h264' }], rtsp_port: 8554, onvif: true };
const jpeg = { ...h264, cameras: [{ name: 'yard', codec: 'mjpeg' }] };
const of = (status, page) => addressesFor(status, new URL(page));

test('each program is told its address', () => {
	assert.deepEqual(of(h264, 'http://pi.local:8000/yard/?path=ws'), [
		'http://pi.local:8000/yard/', 'http://pi.local:8000/yard/?bare', 'http://pi.local:8000/yard/stream.mp4',
		'rtsp://pi.local:8554/yard', 'rtsp://pi.local:8554/yard', 'pi.local:8000', 'http://pi.local:8000/yard/stream.m3u8',
		'http://pi.local:8000/yard/snapshot.mp4', 'curl -O http://pi.local:8000/yard/snapshot.mp4',
	]);
	assert.deepEqual(of(jpeg, 'http://pi/').slice(2, -1),
		['http://pi/stream.mjpeg', 'http://pi/stream.mjpeg', 'rtsp://pi:8554/yard', 'pi', 'http://pi/stream.mjpeg',
			'http://pi/snapshot.jpg']);
});

test('what is not served is not told', () => {
	const [, , , home, recorder, onvif] = of({ ...h264, rtsp_port: null, onvif: false }, 'http://pi/');
	assert.deepEqual([home, recorder, onvif], ['http://pi/stream.m3u8', '', '']);
});

test('a view link is for RTSP, too', () => {
	const token = 'AQAAAABqabcdefghijklmnop', [, , video, , recorder, onvif] = of(h264, `http://pi/t/${token}/yard/`);
	assert.equal(video, `http://pi/t/${token}/yard/stream.mp4`);
	assert.equal(recorder, `rtsp://pi:8554/yard?token=${token}`);
	assert.equal(onvif, '');
});
