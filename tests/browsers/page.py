"""The player page by its default path, on an insecure origin, as a viewer in the home has it."""
import contextlib
import json
import signal
import statistics
import subprocess
import sys
import time

from clock import Clock, OwnClock
from driver import HOST, OUT, check, wait_for
from measure import PROBE, latency, moves, open_page, probe, shown
from rig import HERE, TOOLS, Pages, Proxy, Server
from streams import baseline_file, edit_sps, high_file, jpeg_file, no_vui, reorder_two

# Pictures older than this are not live. Seen are some 0.1 s; this is for a machine that is busy with other things.
LIVE_S = 2
PATIENCE_S = 60


def note(browser, text):
    print(f"   {browser.name}: {text}", flush=True)


def is_live(browser, clock, live_s=LIVE_S):
    """Whether the picture shown is new on the screen, and young."""
    seen = probe(browser)
    pictures = shown(seen)
    if not pictures or seen["clocks"][1] / 1000 - pictures[-1][1] > 0.5:
        return False
    ages = clock.ages(pictures[-1:])
    return bool(ages) and ages[0] < live_s


def comes_back(browser, clock, what, since):
    """Waits until the picture is live, and says how long after `since` (wall clock) the first live one was there."""
    live = []

    def ask():
        pictures = [one for one in shown(probe(browser)) if one[1] > since]
        live.extend(one[1] for one in pictures if any(age < LIVE_S for age in clock.ages([one])))
        return len(live) > 5
    wait_for(f"the picture is live after {what}", PATIENCE_S, ask)
    note(browser, f"{what}: live {live[0] - since:.1f} s after")


@contextlib.contextmanager
def served(browser, name, camera="[test]\n", path="", at=None):
    """A server with this camera; gives it, the clock of its stream, and what opens its page."""
    with Server(f"{browser.name}-{name}", camera) as server, Clock(server) as clock:
        yield server, clock, lambda: open_page(browser, server.url(path, at or browser.host))


@contextlib.contextmanager
def served_jpeg(browser):
    """The same with a camera that gives JPEG pictures."""
    clock = OwnClock(OUT / f"{browser.name}.begun", 30)
    command = f"exec {sys.executable} {HERE}/numbered_jpegs.py {jpeg_file()} 30 {clock.begun}"
    with Server(f"{browser.name}-jpeg", f"[exec jpeg]\ncommand = {command}\n") as server:
        yield server, clock, lambda: open_page(browser, server.url(host=browser.host))


@contextlib.contextmanager
def playing(browser, name, camera="[test]\n"):
    """A server and the clock of its stream, and its page live in the browser."""
    with served(browser, name, camera) as (server, clock, show):
        show()
        becomes_live(browser, clock)
        yield server, clock


def becomes_live(browser, clock, live_s=LIVE_S):
    wait_for("the picture is live", PATIENCE_S, lambda: is_live(browser, clock, live_s))


@contextlib.contextmanager
def held_camera(name, **sizes):
    """The config of a camera that the test has in hand, and a function that puts another picture before it, of `sizes`,
    or with None takes it away."""
    with contextlib.ExitStack() as stack:
        urls = {size: stack.enter_context(Server(f"{name}-{size}", f"[test]\nauto_sleep = no\n{config}\n")).url(
            "stream.mp4", "127.0.0.1") for size, config in sizes.items()}
        file = OUT / f"{name}.feed"

        def show(size):
            if size is None:
                return file.unlink()
            new = file.with_suffix(".new")
            new.write_text(urls[size])
            new.rename(file)
        show(next(iter(sizes)))
        stack.callback(file.unlink, missing_ok=True)
        yield f"[exec feed]\ncommand = exec {sys.executable} {HERE}/feed.py {file}\n", show


def the_page_plays(browser):
    with playing(browser, "page") as (server, clock):
        secure = browser.run("return isSecureContext")
        check(not secure or browser.host != HOST, "a secure context: not what a viewer in the home has")
        wait_for("the page says live", PATIENCE_S, lambda: said_live(browser))
        (OUT / f"{browser.name}-page.png").write_bytes(browser.screenshot())
        seen = probe(browser)
        note(browser, f"{browser.version}, path {seen['path']}, on {'a secure' if secure else 'an insecure'} origin")
        errors = browser.errors()
        check(not errors, f"on the console: {errors}")


def the_picture_does_not_fall_behind(browser):
    """What it is behind at the start, it is behind at the end; the numbers are for `make browsers`."""
    with playing(browser, "drift") as (server, clock):
        time.sleep(3)
        begin = latency(browser, clock, 8)
        time.sleep(15)
        end = latency(browser, clock, 8)
        text = f"{begin.median:.0f} ms behind at the start, {end.median:.0f} ms half a minute later"
        note(browser, text)
        check(end.median < begin.median + 500, text)
        check(max(begin.median, end.median) < 1000 * LIVE_S, text)
        errors = browser.errors()
        check(not errors, f"on the console: {errors}")


def the_page_comes_back_after_the_server(browser):
    with playing(browser, "back") as (server, clock):
        server.stop()
        wait_for("the page says that the server is away", PATIENCE_S, lambda: not said_live(browser))
        time.sleep(3)
        server.start()
        wait_for("the program listens", 20, server.answers)
        comes_back(browser, clock, "a restart of the server", time.time())
        browser.errors()    # the browser's own word on the server that was away


def said_live(browser):
    return browser.run("return document.documentElement.dataset.state") == "live"


def the_page_comes_back_after_the_camera(browser):
    with held_camera(f"{browser.name}-camera", one="") as (camera, show):
        with playing(browser, "loss", camera) as (server, clock):
            show(None)
            time.sleep(10)
            check(not said_live(browser), "the page says live, without a camera")
            show("one")
            comes_back(browser, clock, "10 s without a camera", time.time())
            errors = browser.errors()
            check(not errors, f"on the console: {errors}")


def the_page_comes_back_after_a_stall(browser):
    with Server(f"{browser.name}-stall") as server, Clock(server) as clock, Proxy(server) as proxy:
        open_page(browser, proxy.url(host=browser.host))
        becomes_live(browser, clock)
        proxy.process.send_signal(signal.SIGSTOP)
        time.sleep(5)
        check(not is_live(browser, clock), "the picture is live through a proxy that is stopped")
        proxy.process.send_signal(signal.SIGCONT)
        comes_back(browser, clock, "a network stall of 5 s", time.time())


def the_page_goes_on_in_another_size(browser):
    with held_camera(f"{browser.name}-size", big="width = 640\nheight = 480", small="width = 320\nheight = 240",
                     ) as (camera, show):
        with playing(browser, "size", camera) as (server, clock):
            for size, wide in ("small", 320), ("big", 640):
                show(size)
                wait_for(f"a picture {wide} wide", PATIENCE_S, lambda: (picture_size(browser) or [0])[0] == wide)
                wait_for("it is live", PATIENCE_S, lambda: is_live(browser, clock))
            errors = browser.errors()
            check(not errors, f"on the console: {errors}")


def the_page_comes_back_from_behind_another_tab(browser, seconds=15):
    with playing(browser, "hidden") as (server, clock):
        browser.cover()
        time.sleep(seconds)
        check(probe(browser)["hidden"], "the page was not hidden")
        browser.uncover()
        comes_back(browser, clock, f"{seconds} s behind another tab", time.time())


def the_page_goes_on_after_pauses(browser):
    def press():
        browser.run("document.querySelector('#bar button').click()")

    with served(browser, "pauses", path="?path=fetch") as (server, clock, show):
        show()
        for _ in range(6):
            becomes_live(browser, clock)
            press()
            wait_for("the page pauses", PATIENCE_S, lambda: not said_live(browser))
            time.sleep(2)
            press()
            wait_for("the page says live", PATIENCE_S, lambda: said_live(browser))


def the_page_works_on_a_sub_path(browser):
    with Server(f"{browser.name}-proxy") as server, Clock(server) as clock, Proxy(server, "/camera/") as proxy:
        open_page(browser, proxy.url(host=browser.host))
        becomes_live(browser, clock)
        check(ways(server) == {"ws"}, f"not by WebSocket but {ways(server)}")
        errors = browser.errors()
        check(not errors, f"on the console: {errors}")


def the_page_plays_where_no_websocket_passes(browser):
    with Server(f"{browser.name}-fetch") as server, Clock(server) as clock, Proxy(server, "/", "no-websocket") as proxy:
        open_page(browser, proxy.url(host=browser.host))
        becomes_live(browser, clock)
        browser.errors()    # the browser's own word on the WebSocket
        check(ways(server) == {"mp4"}, f"not by fetch but {ways(server)}")
        wait_for("how late it is", PATIENCE_S, lambda: own_latency(browser) is not None)
        figures = latency(browser, clock, 5)
        text = f"{figures.median:.0f} ms behind, {own_latency(browser)} ms by its own account"
        note(browser, text)
        check(abs(figures.median - own_latency(browser)) < 500, text)


def own_latency(browser):
    return browser.run("return player.stats().latency_ms")


def the_page_wakes_a_camera_where_no_websocket_passes(browser):
    with Server(f"{browser.name}-wakes") as server, Proxy(server, "/", "no-websocket") as proxy:
        server.falls_asleep()
        open_page(browser, proxy.url(host=browser.host))
        moves(browser)
        browser.errors()    # the browser's own word on the WebSocket


def the_page_asks_for_less_behind_a_proxy(browser):
    """Where the network behind it takes three quarters of the stream, and the proxy all of it."""
    for options in [], ["no-websocket"]:
        with Server(f"{browser.name}-narrow") as server, Clock(server) as clock:
            time.sleep(4)
            rate = int(server.status()["cameras"][0]["bitrate_bps"] / 8 * 0.75)
            with Proxy(server, "/", *options, str(rate)) as proxy:
                open_page(browser, proxy.url(host=browser.host))
                becomes_live(browser, clock, live_s=8)
                time.sleep(30)
                figures = latency(browser, clock, 8)
                stats = browser.run("return player.stats()")
                text = (f"{stats['path']}: {figures.median / 1000:.1f} s behind; {stats['reconnects']} "
                        f"reconnects, {stats['skipped']} frames skipped")
                note(browser, text)
                check(figures.median < 8000, text)
                browser.errors()


def ways(server):
    """The ways in which the server's viewers get their picture, our clock left out."""
    found = [client["protocol"] for client in server.status()["cameras"][0]["clients"]]
    found.remove("mp4")
    return set(found)


def picture_size(browser):
    return browser.run("const p = document.getElementById('picture') || document.querySelector('video');"
                       "const wide = p && (p.videoWidth || p.naturalWidth || p.width);"
                       "return wide ? [wide, p.videoHeight || p.naturalHeight || p.height] : null")


def the_page_plays_without_javascript(browser):
    with Server(f"{browser.name}-noscript") as server:
        browser.allow_scripts(False)
        try:
            browser.open(server.url(host=browser.host))
            pictures = set()
            wait_for("five different pictures of the screen", PATIENCE_S,
                     lambda: pictures.add(browser.screenshot()) or len(pictures) >= 5)
        finally:
            browser.allow_scripts(True)


def the_page_plays_in_a_browser_that_cant_run_it(browser):
    with Server(f"{browser.name}-old") as server, Proxy(server, "/", "old") as proxy:
        open_page(browser, proxy.url(host=browser.host))
        moves(browser)
        check(browser.run("return document.querySelector('.plain').tagName") == "VIDEO", "not as a video")
        browser.errors()    # the browser's own words on the modules
        (OUT / f"{browser.name}-plain.png").write_bytes(browser.screenshot())


def player_html(browser, name, command, seconds, settle):
    """What tests/browsers/player.html saw of a command's stream."""
    with Server(f"{browser.name}-{name}", f"[exec {name}]\ncommand = {command}\n") as server, Proxy(server) as proxy:
        browser.open(proxy.url("player.html", browser.host))
        wait_for("a picture", PATIENCE_S, lambda: browser.run("return window.seen.shown > 10 || window.seen.error"))
        time.sleep(settle)
        browser.run("settled()")
        time.sleep(seconds)
        seen = browser.run("return window.seen")
    (OUT / f"{browser.name}-{name}.json").write_text(json.dumps(seen))
    check(not seen["error"], seen["error"])
    check(seen["shown"] > 0, "no picture was shown")
    return seen


def replay(path, rate="30"):
    return f"{sys.executable} {TOOLS / 'replay.py'} {path} {rate} units"


def no_decoder_holds_pictures_back(browser):
    """A decoder that is not told max_num_reorder_frames = 0, or is told 2, waits for pictures to put in order: the
    program must see to it that all three streams are as fast."""
    stream = high_file().read_bytes()
    lag = {}
    for name, data in ("vui", stream), ("no-vui", edit_sps(stream, no_vui)), ("reorder", edit_sps(stream, reorder_two)):
        path = OUT / f"high-{name}.h264"
        path.write_bytes(data)
        seen = player_html(browser, name, replay(path), seconds=6, settle=4)
        check(seen["codec"].startswith("avc1.64"), f"not High: {seen['codec']}")
        lag[name] = statistics.median(seen["lags"]) * 30
    text = "frames behind: " + ", ".join(f"{name} {frames:.1f}" for name, frames in lag.items())
    print(f"   {browser.name}: {text}")
    check(max(lag.values()) - lag["vui"] < 1.5, text)


def uneven_rates_play_without_a_stall(browser):
    """30, 10, 30 fps with jitter and single missed pictures: no hole in the timeline, so nothing to get stuck at."""
    seen = player_html(browser, "uneven", replay(high_file(), "30x90,10x40,30x60j"), seconds=20, settle=2)
    text = (f"{seen['arrivals']} arrivals, {seen['shown']} shown, {seen['ranges']} ranges, the picture stood still "
            f"while data came {seen['longest']} times at most")
    print(f"   {browser.name}: {text}")
    check(seen["ranges"] == 1, text)
    check(seen["longest"] < 10, text)
    check(seen["shown"] > 0.7 * seen["arrivals"], text)


def parameter_sets_that_change_stop_nothing(browser):
    """Other ids at each key frame, and other picture parameter sets within a group: one source buffer plays on."""
    for how in "ids", "pps":
        path = OUT / f"baseline-{how}.h264"
        subprocess.run([sys.executable, TOOLS / "sets.py", baseline_file(), path, how], check=True)
        seen = player_html(browser, f"sets-{how}", replay(path), seconds=10, settle=2)
        text = (f"{how}: {seen['arrivals']} arrivals, {seen['shown']} shown, {seen['ranges']} ranges, the picture stood "
                f"still while data came {seen['longest']} times at most")
        note(browser, text)
        check(seen["ranges"] == 1 and seen["longest"] < 10 and seen["shown"] > 0.7 * seen["arrivals"], text)


# Counts how often the middle of the picture is black, which it never is in the streams of streams.py.
LOOK_FOR_BLACK = """
    const pen = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    window.looks = { all: 0, black: 0 };
    setInterval(() => {
        const picture = document.getElementById('picture');
        const wide = picture.videoWidth || picture.width, high = picture.videoHeight || picture.height;
        pen.drawImage(picture, wide / 2, high / 2, 1, 1, 0, 0, 1, 1);
        window.looks.all++;
        if (pen.getImageData(0, 0, 1, 1).data[0] < 30) window.looks.black++;
    }, 40);
"""


def the_page_plays_on_over_parameter_sets_that_change(browser):
    for how in "ids", "pps":
        path = OUT / f"baseline-{how}.h264"
        subprocess.run([sys.executable, TOOLS / "sets.py", baseline_file(), path, how], check=True)
        with Server(f"{browser.name}-page-{how}", f"[exec sets]\ncommand = {replay(path)}\n") as server:
            for way, host in ("", browser.host), ("", "localhost"), ("?path=fetch", browser.host), ("?path=video", browser.host):
                open_page(browser, server.url(way, host))
                wait_for("the page says live", PATIENCE_S, lambda: said_live(browser))
                probe(browser)
                browser.run(LOOK_FOR_BLACK)
                pictures, begun = [], time.monotonic()
                # Four groups at least, however busy the machine is.
                wait_for("pictures of many sets", PATIENCE_S, lambda: pictures.extend(shown(probe(browser))) or (
                    len(pictures) > 60 and time.monotonic() > begun + 4))
                seen, looks = probe(browser), browser.run("return window.looks")
                text = (f"{how}, {seen['path']}: {len(pictures)} pictures, {seen['stats']['reconnects']} reconnects, black "
                        f"{looks['black']} of {looks['all']} times")
                note(browser, text)
                check(not seen["stats"]["reconnects"] and not looks["black"], text)
                check(not (errors := browser.errors()), f"on the console: {errors}")


def the_right_jpeg_pictures_show(browser):
    with served_jpeg(browser) as (server, clock, show):
        show()
        becomes_live(browser, clock)
        figures = latency(browser, clock, 5)
        note(browser, f"{figures.median:.0f} ms behind, {100 * figures.unseen:.1f} % of the frames not shown")
        check(browser.run("return document.getElementById('picture').tagName") == "IMG", "not as an image")


def the_page_fits_a_phone(browser):
    with playing(browser, "phone") as (server, clock):
        browser.devtools("Emulation.setDeviceMetricsOverride", width=320, height=568, deviceScaleFactor=2, mobile=True)
        try:
            moves(browser)
            wide, high = browser.run(
                "const page = document.documentElement; return [page.scrollWidth, page.scrollHeight]")
            check(wide <= 320 and high <= 568, f"{wide}x{high} on a screen of 320x568")
            (OUT / f"{browser.name}-phone.png").write_bytes(browser.screenshot())
        finally:
            browser.devtools("Emulation.clearDeviceMetricsOverride")


def the_manifest_is_valid(browser):
    with Server(f"{browser.name}-manifest") as server:
        browser.open(server.url(host="localhost"))      # an app is only installed from a secure origin
        manifest = browser.devtools("Page.getAppManifest")
        check(manifest["url"].endswith("/manifest.json") and not manifest["errors"], manifest)
        check(not (problems := browser.devtools("Page.getInstallabilityErrors")["installabilityErrors"]), problems)


def two_pages_of_eight_frames_play(browser):
    """Sixteen players of one host at once: a browser has six connections for fetch, but WebSockets are not counted."""
    with Pages() as pages:
        small = "[test]\nwidth = 160\nheight = 120\nfps = 10\n"
        with Server(f"{browser.name}-frames", small, server=f"frame_ancestors = {pages.origin()}\n") as server:
            first = browser.window()
            second = browser.new_window()
            for window in first, second:
                browser.to_window(window)
                browser.open(f"{pages.origin()}/frames.html?{server.url('?bare')}")
            for window in second, first:
                browser.to_window(window)
                check(not browser.run("return document.hidden"), "a page is hidden")
                for frame in range(8):
                    browser.to_frame(frame)
                    browser.run(PROBE)
                    moves(browser)
                    browser.to_frame(None)
            watching = len(server.status()["cameras"][0]["clients"])
            check(watching == 16, f"{watching} viewers at the server, not 16")
            browser.to_window(second)
            browser.close_window()
            browser.to_window(first)
