// The page: plays the camera as close to now as can be, and says what it is doing.
// ?path=NAME takes one of the paths alone (paths.js), ?bare is for frames in other pages.

import { createPanel } from './panel.js';
import { createSession } from './session.js';
import { createView } from './view.js';

const TICK_MS = 250;

const asked = new URLSearchParams(location.search);
const view = createView(isImage => session.turns(isImage), asked.has('bare'));
const session = createSession(view, asked.get('path'), () => panel.render());
const panel = createPanel(session, view, asked.has('bare'));

document.addEventListener('visibilitychange', session.onVisibility);
addEventListener('online', session.reconnect);
new ResizeObserver(view.layout).observe(view.stage);
setInterval(session.tick, TICK_MS);
Object.assign(window, { player: { stats: session.stats, store: view.store } });
session.onVisibility();
