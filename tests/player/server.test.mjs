import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { fill } from '../../assets/player/make.js';
import { Refusal, ask, createPost, reasonOf } from '../../assets/player/server.js';

// A classic script, for old browsers.
globalThis.words = new Function(readFileSync(new URL('../../assets/words.js', import.meta.url)) + '; return words')();

/** Answers each request by `answer`, a status and a text. Gives the address, and what was posted. */
async function serve(answer) {
	const posted = [];
	const server = createServer(async (request, response) => {
		let body = '';
		for await (const part of request) body += part;
		posted.push(request.method === 'POST' ? JSON.parse(body) : request.headers);
		const [status, text] = await answer(posted.length);
		response.writeHead(status).end(text);
	});
	await new Promise(ready => server.listen(0, '127.0.0.1', ready));
	return { address: `http://127.0.0.1:${server.address().port}/`, posted, end: () => server.close() };
}

const soon = ms => new Promise(done => setTimeout(done, ms));

test('of what comes while a request is under way, the newest of each name is sent', async () => {
	let under = 0, most = 0;
	const server = await serve(async () => {
		most = Math.max(most, ++under);
		await soon(30);
		under--;
		return [200, '{"ok":true}'];
	});
	const answers = [];
	const posts = createPost(server.address, answer => answers.push(answer), assert.fail);
	for (let value = 0; value <= 60; value++) posts.post({ brightness: value });
	posts.post({ contrast: 7 });
	assert.ok(posts.isPending('brightness') && posts.isPending('contrast') && !posts.isPending('hue'));
	while (answers.length < 2) await soon(5);
	assert.deepEqual(server.posted, [{ brightness: 0 }, { brightness: 60, contrast: 7 }]);
	assert.equal(most, 1);
	assert.ok(!posts.isPending('brightness'));
	server.end();
});

test('a value that is refused stops nothing', async () => {
	const server = await serve(number => number === 1 ? [403, 'You may watch this camera\n'] : [200, '{}']);
	const failures = [];
	let answers = 0;
	const posts = createPost(server.address, () => answers++, error => failures.push(error));
	posts.post({ a: 1 });
	while (!failures.length) await soon(5);
	assert.equal(reasonOf(failures[0]), 'You may watch this camera');
	assert.equal(failures[0].status, 403);
	posts.post({ a: 2 });
	while (!answers) await soon(5);
	assert.deepEqual(server.posted, [{ a: 1 }, { a: 2 }]);
	server.end();
});

test('who is not logged in is told so, and not shown the login page as a reason', async () => {
	const server = await serve(() => [401, '<!doctype html>']);
	await assert.rejects(ask(server.address), new Refusal(401, words.messages[401]));
	assert.match(server.posted[0].accept, /text\/html/); // or the browser would ask for the password itself
	server.end();
	assert.equal(reasonOf(new TypeError('fetch failed')), words.noAnswer);
});

test('values go where the marks are', () => {
	assert.equal(fill('#: back to #', 'Gain', 0), 'Gain: back to 0');
	assert.equal(fill('none', 1), 'none');
	assert.equal(fill('a #', '#'), 'a #');
});
