// @ts-check
// What the modules are to each other. Types only: nothing loads this file, so it costs a viewer nothing.

// ---- The contract of links, engines and the session

/**
 * Brings the stream. It is open from the start, until it calls {@link Host.onEnd} or is closed.
 * @typedef {object} Link
 * @property {() => void} close
 * @property {(message: object) => void} [send] Sends to the server. Only a WebSocket can; with another link the session
 *     asks for /status instead.
 * @property {() => boolean} [isBehind] Tells that the picture is so late that a new link is better. Only for links
 *     without an engine.
 */

/**
 * Shows the fragments that a link brings. It outlives the link: the next link of the same path uses it again.
 * @typedef {object} Engine
 * @property {HTMLVideoElement | HTMLCanvasElement} picture
 * @property {number} step Seconds from one frame to the next; 0 where it is not known.
 * @property {number} [turn] Quarter turns clockwise that the page has to make.
 * @property {() => number | undefined} position Any number that changes with each new picture.
 * @property {() => void} begin A new link comes, whose times begin at zero again.
 * @property {(bytes: Uint8Array) => void} init Takes ftyp and moov.
 * @property {(frame: Frame) => void} fragment Takes one frame.
 * @property {(bytes: Uint8Array) => void} [sound] Takes a fragment of sound.
 * @property {() => void} [seekToEdge] Jumps to the newest picture.
 * @property {() => void} stop Ends it for good.
 */

/**
 * The session, as its link and its engine see it.
 * @typedef {object} Host
 * @property {View} view
 * @property {Counters} counters
 * @property {() => void} sendLag Tells the server how late the picture is; its echo tells its clock.
 * @property {(bytes: Uint8Array) => void} onData An init segment or a fragment came.
 * @property {(message: Message) => void} onMessage
 * @property {(time_s?: number, when_ms?: number) => void} onShown A picture of this media time, if known, shows at
 *     `when_ms`.
 * @property {(why: string, how?: { full?: boolean, unopened?: boolean }) => void} onEnd The link has ended. `full`: the
 *     server has no place. `unopened`: nothing came through.
 * @property {(why: string) => void} onBroken The engine has failed; a new one is made.
 * @property {(why: string) => void} nextPath This path does not work here.
 * @property {(why: string, so: boolean) => void} setSuspended Nothing is wanted for this reason, or no longer for it.
 * @property {() => void} play Starts the <video>.
 * @property {boolean} isBeside The sound is played beside the pictures, not by the <video>.
 * @property {(time_s: number, feed: () => void) => void} hold Calls `feed` when it is time for the frame of this media time to
 *     be decoded and shown, in step with the sound.
 * @property {() => number | undefined} late_ms Gives by how much the picture is later than the sound, where both are there.
 */

/**
 * A way to the picture.
 * @typedef {object} Path
 * @property {(host: Host) => Link} link
 * @property {(host: Host) => Engine} [engine] Missing where the link's own tag shows the picture.
 * @property {boolean} [jpeg] Also for a camera of JPEG pictures.
 * @property {() => unknown} can Tells whether the browser has what it takes.
 */

// ---- What the server says

/**
 * Parts of /status.
 * @typedef {object} Status
 * @property {string | null} user
 * @property {string | null} role
 * @property {boolean} login There are users, who can log in.
 * @property {number | null} rtsp_port
 * @property {boolean} onvif
 * @property {any[]} cameras
 */

/**
 * The camera, from /status and the WebSocket.
 * @typedef {object} Camera
 * @property {string} state
 * @property {string} [reason]
 * @property {string | null} [codec]
 * @property {boolean} [placeholder] The test picture stands in for it.
 * @property {boolean} [moves] On the WebSocket alone: something moves before it.
 * @property {number} [rotation] Degrees clockwise.
 * @property {number | null} [captured_us] In /status: when the newest frame was captured, by the server's clock, ...
 * @property {number | null} [media_90k] ... and its media time.
 * @property {number} [frames] In /status alone: how many came.
 */

/**
 * A text on the WebSocket (README, "WebSocket").
 * @typedef {({ type: 'state' } & Camera)
 *     | { type: 'echo', sent_ms: number, received_us: number }
 *     | { type: 'clock', captured_us: number, media_90k: number }
 *     | { type: 'skipped', frames: number }} Message
 */

/**
 * One of /controls.
 * @typedef {object} Control
 * @property {string} name
 * @property {string} label
 * @property {string} class
 * @property {string} type
 * @property {any} min A number, or as a text what is too large for one.
 * @property {any} max
 * @property {any} step
 * @property {any} default
 * @property {any} value
 * @property {any} config
 * @property {any} kept
 * @property {boolean} active
 * @property {boolean} locked
 * @property {boolean} read_only
 * @property {{ value: number, label: string }[]} [menu]
 */

/** @typedef {{ kind: string, min: number, max: number, home: number, value: number | null, step: number }} Axis */

/**
 * What /ptz says.
 * @typedef {object} Ptz
 * @property {string} state
 * @property {string} reason
 * @property {boolean} moving
 * @property {Record<string, Axis>} axes
 * @property {string[]} presets
 * @property {boolean} writable
 * @property {string} why
 */

// ---- The parts. Times are in seconds unless a name says otherwise; `now` is performance.now(), in ms.

/** @typedef {{ shown: number, skipped: number, seeks: number, rate_changes: number, reconnects: number,
 *     bytes: number }} Counters */
/** @typedef {HTMLVideoElement | HTMLImageElement | HTMLCanvasElement} Picture */
/** @typedef {{ time: number, step: number, key: boolean, data: Uint8Array, bytes: Uint8Array }} Frame `bytes`: moof and mdat. */
/** @typedef {[start: number, end: number]} Range The newest range of a <video> that is buffered. */

/**
 * Chooses the path.
 * @typedef {object} Paths
 * @property {(jpeg?: boolean) => string} choose Gives the first that the browser can take, and that is for such a camera.
 *     The last one is not asked.
 * @property {() => void} forgive A picture showed, or the failure was not the path's fault.
 * @property {() => boolean} strike It did not open, or ended without a picture from a live camera. Gives whether it did
 *     so too often.
 * @property {(why: string) => void} skip Gives up the chosen one.
 * @property {() => void} restart Gives all of them another chance.
 * @property {() => boolean} isExhausted None is left.
 * @property {() => string[]} reasons Why the others were given up.
 */

/**
 * Knows how late the picture is, by the server's clock.
 * @typedef {object} Clock
 * @property {() => void} restart A new link comes, with another media time.
 * @property {(time_s: number, now: number) => void} onArrival The fragment of this media time arrived.
 * @property {() => number} late_s Gives how much longer the newest fragment took than the quickest of its link, in s.
 * @property {() => void} onSkipped The pictures to come are not as late as those before.
 * @property {(sent_ms: number, received_us: number, now: number) => void} onEcho The server received at `received_us`
 *     of its clock what was sent at `sent_ms` of ours.
 * @property {(captured_us: number, media_90k: number) => void} onCapture The frame of this media time was captured at
 *     `captured_us` of the server's clock.
 * @property {(time_s: number | undefined, when_ms: number) => void} onShown The picture of this media time shows at
 *     `when_ms` of our clock.
 * @property {() => number | null} latency Gives the median age of the newest pictures in ms; null if it is not known.
 */

/**
 * Keeps a <video> near the newest data: how fast it plays, and when it jumps. `step`: from one frame to the next.
 * @typedef {object} Pace
 * @property {() => void} begin A new link comes.
 * @property {() => boolean} hasBegun It has jumped to the data of this link.
 * @property {(now: number) => boolean} hasJustSought
 * @property {() => void} onStarved Nothing was left to play.
 * @property {(now: number) => number} normal Gives the normal rate, and judges anew from now on.
 * @property {(left: number, rate: number, now: number, late_ms?: number) => number} rate Gives the rate to play at, when a
 *     frame comes and `left` was left to play; `rate`: the present one; `late_ms`: as {@link Host.late_ms}.
 * @property {(range: Range, at: number, step: number, starved: boolean, now: number) => boolean} mustSeek Tells that
 *     the picture, at `at`, is not where the data is. `starved`: there is nothing to play.
 * @property {(range: Range, at: number, step: number, now: number) => number | null} seek Jumps: gives the place, or
 *     null if `at` is near enough.
 */

/**
 * Knows when sound and picture are due. A zero is the time of ours, in ms, at which media time 0 would be heard or seen.
 * @typedef {object} Target
 * @property {() => void} begin Forgets all that it knows.
 * @property {(zero: number, now: number) => number} onSound Sound came that can be heard as soon as that. Gives the zero to
 *     play it at; NaN while too little has come.
 * @property {(zero: number, now: number) => void} onShown A picture shows.
 * @property {(now: number) => number | undefined} behind Gives by how many ms pictures are later than the sound, if that is known.
 * @property {() => number} time Gives the zero; NaN if there is none.
 */

/**
 * The sound, where it is played beside an engine's pictures; elsewhere only how loud it is.
 * @typedef {object} Heard
 * @property {() => void} begin A new link comes.
 * @property {(bytes: Uint8Array) => void} take Takes an init segment or a fragment of sound.
 * @property {Host['hold']} hold
 * @property {Host['late_ms']} late_ms
 * @property {(time_s: number | undefined, when_ms: number) => void} onShown As {@link Host.onShown}.
 * @property {() => void} resume Somebody has touched the page.
 * @property {() => boolean} isBlocked The browser does not let it be heard.
 * @property {() => void} stop Nobody listens, for now.
 */

/**
 * The picture on its stage.
 * @typedef {object} View
 * @property {HTMLElement} stage
 * @property {HTMLVideoElement} video
 * @property {HTMLImageElement} image
 * @property {() => [number, number]} size Width and height of the picture as it is coded; zeros if there is none.
 * @property {(picture: Picture) => void} show
 * @property {() => void} keepStill Copies the picture, for the time when its element has none.
 * @property {(name: string) => Promise<void>} save Saves the picture as a file of this camera.
 * @property {() => void} store Keeps a small picture in this tab, ...
 * @property {() => Promise<number>} restore ... and shows it until there is another. Gives its age in ms; 0 if there is none.
 * @property {() => void} layout Fits the picture to the stage.
 * @property {(byX: number, byY: number) => void} move
 * @property {(factor: number, clientX?: number, clientY?: number) => number} zoom Zooms about a point of the window.
 *     Gives how far it is zoomed now.
 * @property {(factor: number) => void} onZoom Told of each change; the panel sets it.
 * @property {() => Look} look
 * @property {(part?: { sound?: boolean, volume?: number }) => void} hear Has the <video> as loud as this viewer wants it.
 * @property {() => boolean} turn Turns by a quarter. Gives whether it is turned now.
 * @property {() => boolean} mirror Gives whether it is mirrored now.
 * @property {() => boolean} toggleEdges Gives whether they show now.
 * @property {(on?: boolean) => boolean} grid Gives whether it shows now.
 * @property {() => boolean} cross Gives whether it shows now.
 */

/**
 * How a viewer wants to see and hear this camera: kept in the browser.
 * @typedef {object} Look
 * @property {number} turn Quarters, clockwise.
 * @property {1 | -1} flip -1 is mirrored.
 * @property {boolean} grid
 * @property {boolean} sound It is to be heard.
 * @property {number} volume 0 to 1.
 */

/**
 * How things stand, in words.
 * @typedef {object} Account
 * @property {string} word For programs.
 * @property {boolean} moves The dot is the lamp of motion.
 * @property {string} label For people, beside the dot.
 * @property {string} text For people, in the middle of the picture; empty while all is well.
 * @property {string} reason As the server or browser says it, for who looks closer.
 * @property {number} age_s Of the last picture, where it is not live.
 */

/**
 * A tab of the drawer.
 * @typedef {object} Tab
 * @property {HTMLElement} panel
 * @property {HTMLElement} [focus] What has the focus once it is open; its tab, if nothing is said.
 * @property {() => unknown} [open]
 * @property {() => void} [close]
 */

/**
 * One viewing of the camera.
 * @typedef {object} Session
 * @property {() => Promise<void>} reconnect Tries now.
 * @property {() => void} tick Looks for what no event tells.
 * @property {() => void} pause Pauses, or goes on.
 * @property {() => void} resume Ends a pause, or starts what the browser did not start.
 * @property {(sound: boolean) => void} setSound Has the camera heard, or no longer.
 * @property {() => void} onVisibility The page is hidden, or seen again.
 * @property {() => boolean} leaveCanvas Goes on to a path with a <video>, if another element shows the picture. Gives
 *     whether it had to.
 * @property {(isImage: boolean) => number} turns Quarter turns clockwise that the page has to make.
 * @property {() => Account} describe
 * @property {(type: string, listener: (message: any) => void) => void} onMessage Tells of the server's texts of this type.
 *     `peak`: of the sound's, 0 to 1.
 * @property {() => Record<string, string | number | null | undefined>} stats
 */

export {};
