// A reporter for node --test in the form that tests/run counts: a line for each test.

export default async function* report(events) {
	for await (const { type, data } of events) {
		// Of a file whose tests were given already, but for one that failed to load.
		const isFile = data?.name?.endsWith('.mjs');
		if (type === 'test:stdout' || type === 'test:stderr') yield data.message;
		else if (type === 'test:pass' && !isFile && data.skip !== undefined) yield `skipped: ${data.name}: ${data.skip}\n`;
		else if (type === 'test:pass' && !isFile) yield `ok ${data.name}\n`;
		else if (type === 'test:fail' && data.details.error.failureType !== 'subtestsFailed') {
			const why = data.details.error.cause ?? data.details.error;
			yield `FAILED ${data.name}: ${String(why.message ?? why).split('\n')[0]}\n${why.stack ?? ''}\n`;
		}
	}
}
