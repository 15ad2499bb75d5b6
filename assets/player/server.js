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
