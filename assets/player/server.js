// Asks the server.

/** An answer that is no good. */
export class Refusal extends Error {
	/** @param {number} status @param {string} text */
	constructor(status, text) {
		super(text);
		this.status = status;
	}
}

/**
 * Gets an answer as JSON, or posts one. @param {string} address @param {object} [body] @param {RequestInit} [options]
 */
export async function ask(address, body, options) {
	// Who takes a page is not asked for a password by the browser's own dialog.
	const headers = { Accept: 'application/json, text/html', 'Content-Type': 'application/json' };
	const post = body && { method: 'POST', body: JSON.stringify(body) };
	const answer = await fetch(address, { cache: 'no-store', headers, ...post, ...options }), text = await answer.text();
	if (!answer.ok) throw new Refusal(answer.status, answer.status === 401 ? words.messages[401] : text.trim());
	return text && JSON.parse(text);
}

/** In words for people, whatever went wrong. */
export const reasonOf = error => error instanceof Refusal ? error.message : words.noAnswer;

/**
 * Posts values to an address, one request at a time: of what comes meanwhile, the newest of each name is next.
 * @param {string} address
 * @param {(answer: any) => void} onAnswer
 * @param {(error: Error) => void} onFailure
 */
export function createPost(address, onAnswer, onFailure) {
	let isBusy = false;
	/** @type {object | null} */
	let waiting = null;
	let sent = {};

	async function run() {
		isBusy = true;
		while (waiting) {
			sent = waiting;
			waiting = null;
			const [answer, error] = await ask(address, sent).then(answer => [answer], error => [null, error]);
			sent = {};
			if (error) onFailure(error);
			else onAnswer(answer);
		}
		isBusy = false;
	}

	return {
		/** Whether a value of this name is on its way. */
		isPending: name => name in { ...sent, ...waiting },

		post(values) {
			waiting = { ...waiting, ...values };
			if (!isBusy) run();
		},
	};
}
