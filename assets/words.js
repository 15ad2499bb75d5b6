// @ts-check
// All words that the pages' scripts show, in one place. In ES5, for plain.js and overview.js; the modules use them, too.
// # stands for a value.
var words = {
	title: '# – live camera',
	cameras: 'All cameras',
	logIn: 'Log in',
	logOut: 'Log out',
	loggedInAs: 'Logged in as #',
	plain: 'Simple player: this browser can’t run the full one',

	/** What stands beside the dot, by the page's state. @type {Record<string, string>} */
	states: {
		asleep: 'Asleep',
		blocked: 'Ready',
		busy: 'Full',
		connecting: 'Connecting',
		denied: 'Locked',
		live: 'Live',
		lost: 'Offline',
		offline: 'Not reachable',
		paused: 'Paused',
		refused: 'Not available',
		stalled: 'Stalled',
		starting: 'Starting',
		unplayable: 'Not playable',
		placeholder: 'Test picture',
	},
	/** What stands in the middle of the picture, by the page's state. @type {Record<string, string>} */
	messages: {
		asleep: 'Starting camera…',
		blocked: 'Press play',
		busy: 'As many are watching as the camera can serve – trying again',
		connecting: 'Connecting…',
		loading: 'Loading picture…',
		lost: 'Camera offline – reconnecting',
		offline: 'Server not reachable – retrying',
		refused: 'This camera does not work at present – trying again',
		stalled: 'Connection stalled',
		starting: 'Starting camera…',
		unplayable: 'This browser can’t play the camera',
		waiting: 'Waiting for the next picture',
		'no signal': 'No signal – is what is connected switched on?',
		'signal not supported': 'Signal not supported – what is connected needs another mode',
		401: 'Log in to see this camera',
		403: 'You may not watch this camera',
		404: 'This camera is not here any more',
	},
	age: 'Last picture: # ago',

	/** @type {Record<string, string>} */
	actions: {
		pause: 'Pause',
		play: 'Play',
		save: 'Save',
		full: 'Full screen',
		small: 'Exit full',
		turn: 'Turn',
		mirror: 'Mirror',
		grid: 'Grid',
		centre: 'Centre',
		edges: 'Edges',
		window: 'Window',
	},
	/** @type {Record<string, string>} */
	tabs: {
		picture: 'Picture',
		controls: 'Controls',
		move: 'Move',
		link: 'Link',
		info: 'Info',
	},
	player: 'Player',
	drawer: 'Settings and facts',
	picture: 'Live video',
	close: 'Close',
	key: '# – key: #',
	resetZoom: 'Zoom #× – show all of the picture',

	// ---- Info
	delay: 'Delay',
	bitrate: 'Data rate',
	lastMinute: '#: # now, # at most in the last minute',
	/** @type {Record<string, string>} */
	facts: {
		state: 'State',
		reason: 'Reason',
		size: 'Picture',
		fps: 'Frame rate',
		codec: 'Codec',
		path: 'Received by',
		shown: 'Frames shown',
		skipped: 'Frames skipped',
		seeks: 'Jumps',
		rate_changes: 'Speed changes',
		reconnects: 'Reconnects',
		viewers: 'Viewers',
	},
	/** @type {Record<string, string>} */
	paths: {
		webcodecs: 'WebCodecs',
		ws: 'WebSocket',
		fetch: 'HTTP stream',
		hls: 'HLS',
		video: 'MP4 file',
		mjpeg: 'JPEG pictures',
	},
	/** @type {Record<string, string>} */
	codecs: { h264: 'H.264', mjpeg: 'JPEG' },
	perSecond: '# frames/s',
	unknown: '–',
	addresses: 'Addresses',
	/** @type {Record<string, string>} */
	streams: {
		'': 'This page',
		'?bare': 'The picture alone, for a frame',
		'stream.mp4': 'Video (MP4)',
		'stream.m3u8': 'Video (HLS)',
		'stream.mjpeg': 'JPEG pictures',
		'snapshot.jpg': 'One picture',
		'snapshot.mp4': 'One picture (MP4)',
	},
	copy: 'Copy',
	copied: 'Copied',
	keys: 'Keys',
	zoomKeys: 'Zoom in, out, all',
	moveKeys: 'Move the zoomed picture',
	arrows: 'Arrows',

	// ---- Controls
	firstControls: 'Exposure, focus and white balance',
	restarts: 'Each change restarts the camera: the picture is away for a second or two.',
	inactive: 'An automatic setting has this in hand',
	locked: 'Can’t be changed while the camera runs',
	readOnly: 'Can only be read',
	refused: 'Not taken: #',
	backTo: '#: back to #',
	keep: 'Keep',
	forget: 'Forget',
	keptAs: 'Kept for the next start: #',
	kept: 'These values are kept for the next start.',
	forgotten: 'Nothing is kept any more: the next start takes the config’s values.',
	copyConfig: 'Copy as config',

	// ---- Move
	/** @type {Record<string, string>} */
	axes: { pan: 'Pan', tilt: 'Tilt', zoom: 'Zoom' },
	/** @type {Record<string, string>} */
	ways: { ArrowLeft: 'Left', ArrowRight: 'Right', ArrowUp: 'Up', ArrowDown: 'Down', In: 'Zoom in', Out: 'Zoom out' },
	home: 'Home',
	clamped: 'As far as it goes: #',

	// ---- Link
	linkAbout: 'Whoever has a link can watch this camera without a password, and do nothing else.',
	linkHolds: 'It holds for',
	/** @type {Record<string, string>} In seconds. */
	linkTimes: { 3600: 'an hour', 86400: 'a day', 604800: 'a week', 2592000: '30 days', 0: 'ever' },
	makeLink: 'Make a link',
	newLink: 'New link',
	linkEnds: 'It ends #.',
	linkEndless: 'It holds until all links are ended.',
	endLinks: 'End all links',
	endLinksSure: 'Really end all links?',
	linksEnded: 'All links that were ever made have ended.',
	linkNot: 'Only an admin can make links. You are logged in as # (#).',
	linkLogIn: 'Only an admin can make links: log in first.',
	failed: 'That did not work: #',
	noAnswer: 'the server does not answer',
};
