"""Sound on the page: it is heard if the viewer wants it, in step with the picture."""
import statistics
import time

from driver import OUT, Chromium, Skip, check, wait_for
from page import PATIENCE_S, becomes_live, comes_back, note, said_live, served, ways
from panel import finds_no_fault

CAMERA = "[test]\nmic = test\nlinger_s = 0\n"
BUTTON = "#bar button:nth-child(2)"
WAKE = "dispatchEvent(new Event('pointermove'))"    # or the buttons fade
SETTLE_S, MEASURE_S = 4, 12
FPS = 30
LEAST_BEEPS = 5     # to judge by
MANY_BEEPS = 30     # of which nearly all are judged, too,
HELD_UP_S = 0.02    # where the machine was never held up for longer
IN_STEP_MS = 20
MEDIAN, P95 = "the median", "95 %"      # what is judged
# Sound that is earlier by less than 45 ms goes unnoticed (Rec. ITU-R BT.1359): what is asked of a dozen beeps on a machine that may be
# busy with other checks.
UNNOTICED_MS = 40

# Notes each picture's number, when it was there, and the speed; and when the video stood still or jumped, or the page did not get to
# look for longer than three pictures last. A <canvas> is drawn by the page's next frame, and so is seen one later.
EYES = """
    const own = document.querySelector('video'), video = own ?? document.createElement('video');
    const eyes = window.eyes = { seen: [], breaks: [] };
    for (const type of ['waiting', 'seeking']) video.addEventListener(type, () => eyes.breaks.push(performance.now()));
    let last = window.probe.newest, looked = performance.now();
    (function look(now) {
      const number = window.probe.newest;
      if (now - looked > 100) eyes.breaks.push(now);
      looked = now;
      if (number !== last) eyes.seen.push([number, now - (own ? 0 : 17), video.playbackRate]);
      last = number;
      requestAnimationFrame(look);
    })(looked);"""

# Watches from now on what is seen while the path changes: the picture, or the last one under it. A <video> that has no data
# shows what it showed last, unless it has another source since. The test picture's first block is white.
WATCH = """
    const still = document.querySelector('#frame canvas'), seen = window.seen = { black: 0, gap_ms: 0 };
    const pen = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const isWhite = () => pen.drawImage(still, 4, 4, 1, 1, 0, 0, 1, 1) ?? pen.getImageData(0, 0, 1, 1).data[0] > 180;
    const of = picture => picture.src ?? picture;
    let last = performance.now(), showed = of(document.getElementById('picture'));
    (function look() {
      const picture = document.getElementById('picture'), now = performance.now();
      const has = picture.tagName === 'VIDEO' ? picture.readyState >= 2 : picture.width > 0;
      if (has) [last, showed] = [now, of(picture)];
      else if (showed !== of(picture) && (!still.width || !isWhite())) seen.black++;
      seen.gap_ms = Math.max(seen.gap_ms, now - last);
      requestAnimationFrame(look);
    })();"""


def word(browser):
    """What the button says, or nothing if there is none."""
    return browser.run(f"const it = document.querySelector('{BUTTON}'); return it.checkVisibility() ? it.textContent : ''")


def offers(browser, what):
    wait_for(f"the button {what}", PATIENCE_S, lambda: word(browser) == what)


def presses_the_button(browser):
    browser.run(WAKE)
    try:
        browser.click(BUTTON)
    except AssertionError:
        return False    # it has faded meanwhile
    return True


def path(browser):
    return browser.run("return document.documentElement.dataset.path")


def hears(browser, what):
    with browser.loudspeaker.heard() as beeps:
        wait_for(f"beeps {what}", PATIENCE_S, lambda: len(beeps) >= 3)


def unmutes(browser):
    offers(browser, "Unmute")
    wait_for("the button is pressed", PATIENCE_S, lambda: presses_the_button(browser))
    offers(browser, "Mute")
    hears(browser, "after the button")


def steps(beeps, seen, breaks):
    """By how much each beep is later than the picture of its second, in ms. When that picture showed is told by all those
    within half a second of the beep, as a busy page looks at some of them late. A break or another speed would mislead."""
    found = []
    for beep in beeps:
        near = [one for one in seen if abs(one[1] - beep) < 500]
        speeds = {speed for _, _, speed in near}
        if len(near) < FPS / 2 or len(speeds) > 1 or any(-1000 < at - beep < 500 for at in breaks):
            continue
        step = 1000 / FPS / speeds.pop()
        # What can be drawn now shows with the screen's next refresh.
        zero = sorted(at - number * step for number, at, _ in near)[len(near) // 4] + 17
        second = FPS * step
        found.append((beep - zero + second / 2) % second - second / 2)
    return found


def p95(values):
    return sorted(values)[len(values) * 95 // 100]


def held_up(seconds):
    """Waits so long, in short sleeps. Gives by how much the latest one was late: the machine is busy with other things."""
    latest, end = 0, time.monotonic() + seconds
    while (begun := time.monotonic()) < end:
        time.sleep(0.005)
        latest = max(latest, time.monotonic() - begun - 0.005)
    return latest


def is_in_step(browser, when, late_ms=lambda: 0, seconds=MEASURE_S, limit_ms=IN_STEP_MS):
    """Whether the sound is as late as it was made. The median is judged, and 95 % where the beeps are many and the machine is not busy
    with other things, which makes the sound stumble. Gives what was judged, or nothing."""
    time.sleep(SETTLE_S)
    late = late_ms()
    with browser.loudspeaker.heard() as heard:
        browser.run(EYES)
        held_up_s = held_up(seconds)
        eyes = browser.run("return { ...eyes, clocks: probe.clocks(), latency_ms: player.stats().latency_ms }")
    page, wall = eyes["clocks"]
    found = steps([beep - wall + page - late for beep in heard], eyes["seen"], eyes["breaks"])
    told = f"{len(found)} of {len(heard)} beeps, {len(eyes['breaks'])} breaks, the picture is {eyes['latency_ms']} ms old, "
    told += f"the machine was held up for {1000 * held_up_s:.0f} ms"
    if len(found) < LEAST_BEEPS or abs(late_ms() - late) > IN_STEP_MS / 4:
        note(browser, f"{when} not judged, as the machine is busy: {told}")
        return None
    middle, most = statistics.median(found), p95([abs(one) for one in found])
    text = f"{when} the sound is {middle:.0f} ms behind the picture, {most:.0f} ms off at most (95 %)"
    note(browser, f"{text}; {told}")
    judged = P95 if len(found) >= MANY_BEEPS and held_up_s < HELD_UP_S else MEDIAN
    check((most if judged == P95 else abs(middle)) <= limit_ms, f"{text}: {[round(one) for one in found]}")
    return judged


def sound_is_heard_when_it_is_wanted(browser):
    """After a press of the button or the key, and then until the next one, whatever happens."""
    if not browser.loudspeaker.processes:
        raise Skip("no pulseaudio here")
    with served(browser, "sound", CAMERA) as (server, clock, show):
        show()
        becomes_live(browser, clock)
        quiet = path(browser)
        browser.run(WATCH)
        unmutes(browser)
        level = "return document.querySelector('#volume meter').value"
        wait_for("the level of a beep", PATIENCE_S, lambda: browser.run(level) > -20)
        wait_for("silence", PATIENCE_S, lambda: browser.run(level) < -50)
        becomes_live(browser, clock)
        seen = browser.run("return seen")
        note(browser, f"the picture stood still for {seen['gap_ms']:.0f} ms")
        check(not seen["black"], "the picture was black")
        is_in_step(browser, "at the start", limit_ms=UNNOTICED_MS)
        browser.run(WAKE)
        opacity = "return getComputedStyle(document.getElementById('bar')).opacity"
        wait_for("the buttons show", PATIENCE_S, lambda: browser.run(opacity) == "1")
        (OUT / f"{browser.name}-sound.png").write_bytes(browser.screenshot())
        if isinstance(browser, Chromium):
            finds_no_fault(browser, "with sound")
        server.stop()
        wait_for("the page says that the server is away", PATIENCE_S, lambda: not said_live(browser))
        server.start()
        wait_for("the program listens", 20, server.answers)
        comes_back(browser, clock, "a restart of the server, with sound", time.time())
        check(word(browser) == "Mute", "it is muted after a restart of the server")
        hears(browser, "after a restart of the server")
        browser.cover()
        time.sleep(8)
        check(ways(server) == {"ws"}, "who listens behind another tab does not any more")
        server.stop()
        server.start()
        hears(browser, "behind another tab, after a restart of the server")
        browser.uncover()
        browser.errors()    # the browser's own word on the server that was away
        show()
        becomes_live(browser, clock)
        browser.press("x")  # where a page that was opened anew may not be heard until it is touched
        offers(browser, "Mute")
        hears(browser, "after a reload")
        browser.press("p")
        clock.__exit__()    # it is a viewer, too
        server.falls_asleep()
        browser.press("p")
        wait_for("the page says that it is live", PATIENCE_S, lambda: said_live(browser))
        is_in_step(browser, "after sleep", limit_ms=UNNOTICED_MS)
        browser.press("m")
        offers(browser, "Unmute")
        wait_for("the path without sound", PATIENCE_S, lambda: path(browser) == quiet and said_live(browser))
        check(path(browser) == quiet, f"muted it plays by {path(browser)}, not {quiet}")
        browser.run("localStorage.clear()")
        errors = browser.errors()
        check(not errors, f"on the console: {errors}")


def the_best_path_has_sound_too(browser):
    """On localhost, where that is WebCodecs."""
    if not browser.loudspeaker.processes:
        raise Skip("no pulseaudio here")
    with served(browser, "sound-path", CAMERA, at="localhost") as (server, clock, show):
        show()
        becomes_live(browser, clock)
        offers(browser, "Unmute")
        check(path(browser) == "webcodecs", path(browser))
        browser.run(WATCH)
        unmutes(browser)
        check(path(browser) == "webcodecs", f"with sound by {path(browser)}")
        becomes_live(browser, clock)
        is_in_step(browser, "by WebCodecs", limit_ms=UNNOTICED_MS)
        browser.press("m")
        offers(browser, "Unmute")
        becomes_live(browser, clock)
        check(path(browser) == "webcodecs", f"muted by {path(browser)}")
        check(not browser.run("return seen.black"), "the picture was black")
        errors = browser.errors()
        check(not errors, f"on the console: {errors}")


def a_camera_without_sound_has_no_button(browser):
    with served(browser, "silent") as (server, clock, show):
        show()
        becomes_live(browser, clock)
        time.sleep(1)
        check(word(browser) != "Unmute", "a camera without sound has the button")
        browser.press("m")
        time.sleep(1)
        check(browser.run("return document.querySelector('video').muted"), "the key unmutes a camera without sound")
