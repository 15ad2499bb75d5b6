"""The page of what a camera recorded."""
import contextlib
import json
import shutil
import urllib.request

import jpeg
from driver import OUT, check, wait_for
from panel import ANNA, finds_no_fault, focused, press
from people import PASSWORD, log_in
from rig import Proxy, Server

PATIENCE_S = 60
CAMERA = "[test]\nname = yard\nwidth = 320\nheight = 240\nfps = 10\nrecord = always\n"
PLAYING = "const video = document.getElementById('video'); return !video.paused && video.currentTime > arguments[0]"

# A clip of more than one recording, which is there.
CLIP = """
    const { searchParams } = new URL(document.getElementById('save').href);
    const request = new XMLHttpRequest();
    request.open('HEAD', document.getElementById('save').href, false);
    request.send();
    const seconds = searchParams.get('to') - searchParams.get('from');
    const marks = document.querySelectorAll('mark').length;
    return request.status === 200 && seconds > 5 && marks ? 'clip' : `${request.status}, ${seconds} s, ${marks} marks`"""


def listed(server):
    with urllib.request.urlopen(server.url("recordings/days", "127.0.0.1"), timeout=20) as answer:
        days = json.load(answer)
    found = []
    for day in days:
        with urllib.request.urlopen(server.url(f"recordings?day={day}", "127.0.0.1"), timeout=20) as answer:
            found += json.load(answer)
    return [it for it in found if not it["name"].startswith("timelapse/")]


@contextlib.contextmanager
def recorded(name, camera=CAMERA):
    """The program with two recordings, of which it goes on with the second."""
    folder = OUT / f"{name}-recordings"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / ".fmp4streamer").touch()
    with Server(name, camera, f"record_dir = {folder}\nrecord_keep_free = 0") as server:
        for files in 1, 2:
            wait_for("seconds are recorded", PATIENCE_S, lambda: len(listed(server)) == files and listed(server)[-1]["seconds"] > 2.5)
            if files == 1:
                server.stop()
                server.start()
                wait_for("it listens", PATIENCE_S, server.answers)
        yield server


def open_page(browser, server):
    browser.open(server.url("recordings", browser.host))
    wait_for("recordings are shown", PATIENCE_S, lambda: browser.run(
        "return document.querySelectorAll('#hours button').length >= 2"))


def current(browser):
    """The number of the recording that is shown to be seen."""
    return browser.run("return [...document.querySelectorAll('#hours button')].findIndex(it => it.ariaCurrent)")


def what_was_recorded_plays(browser):
    with recorded(f"{browser.name}-recordings", CAMERA + "timelapse_s = 1\n[anonymous]\nrole = control\n") as server:
        open_page(browser, server)
        # What is being recorded gets another name, which the page does not know.
        door = urllib.request.Request(server.url("events", "127.0.0.1"), b'{"kind":"door"}', {"Content-Type": "application/json"})
        urllib.request.urlopen(door, timeout=20).close()
        wait_for("it has another name", PATIENCE_S, lambda: "_event" in listed(server)[-1]["name"])
        # Muted, it may play though no finger pressed it.
        browser.run("document.getElementById('video').muted = true; document.querySelector('#hours button').click()")
        wait_for("it plays", PATIENCE_S, lambda: browser.run(PLAYING, 1))
        check(current(browser) == 0, "another one is shown to be seen")
        (OUT / f"{browser.name}-recordings.png").write_bytes(browser.screenshot())
        # On into the next one.
        wait_for("the next one", PATIENCE_S, lambda: current(browser) == 1)
        at = browser.run("return document.getElementById('video').currentTime")
        wait_for("it goes on", PATIENCE_S, lambda: browser.run(PLAYING, at + 1))

        # The file to take away is one in which this browser can jump.
        browser.run("""
            const video = window.taken = document.createElement('video');
            video.muted = true;
            video.src = document.getElementById('save').href;
            video.onloadedmetadata = () => video.currentTime = video.duration * 0.8;""")
        wait_for("the download is sought in", PATIENCE_S, lambda: browser.run(
            "return taken.duration > 2.4 && !taken.seeking && taken.readyState >= 2 && taken.currentTime > 1.9"))
        browser.run("""
            taken.src = document.getElementById('lapse').href + '&step=1';
            taken.onloadedmetadata = () => taken.currentTime = 0.1;""")
        wait_for("the time-lapse, too", PATIENCE_S, lambda: browser.run(
            "return taken.duration < 2 && !taken.seeking && taken.readyState >= 2 && taken.currentTime > 0"))
        errors = browser.errors()
        check(not errors, f"on the console: {errors}")


def prolonged(path, seconds):
    """A recording that was cut off, with its groups of pictures over and over: what a crash leaves."""
    data, places, at = path.read_bytes(), [], 0
    number = lambda at, size: int.from_bytes(data[at:at + size], "big")
    while at + 8 <= len(data) and (size := number(at, 4)) and at + size <= len(data):
        if data[at + 4:at + 8] == b"moof":
            places.append(at)
        at += size
    ends, time = places[1:], lambda at: number(at + 60, 8)
    period = time(places[-1]) - time(places[0])
    with path.open("r+b") as file:
        file.truncate(places[0])
        file.seek(places[0])
        for later in range(0, seconds * 90000, period):
            for begin, end in zip(places, ends):
                file.write(data[begin:begin + 60] + (time(begin) + later).to_bytes(8, "big") + data[begin + 68:end])


@contextlib.contextmanager
def ten_minutes(name):
    """The program with a recording of that length, as it is listed, and its size in bytes."""
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / ".fmp4streamer").touch()
    camera = "[test]\nname = yard\nwidth = 1280\nheight = 720\nrecord = always\n"
    with Server(name, camera, f"record_dir = {folder}\nrecord_keep_free = 0") as server:
        wait_for("seconds are recorded", PATIENCE_S, lambda: (files := listed(server)) and files[0]["seconds"] > 3.5)
        server.process.kill()
        server.process.wait()
        (path,) = folder.glob("*/*/*.mp4")
        prolonged(path, 600)
        server.start()
        # It is listed before that, as what a crash leaves.
        wait_for("it is repaired", PATIENCE_S, lambda: "recording repaired" in (OUT / f"{name}.log").read_text())
        (recording,) = [it for it in listed(server) if it["seconds"] > 600]
        yield server, recording, path.stat().st_size


def ten_minutes_are_sought_in_without_reading_them(browser):
    with ten_minutes(f"{browser.name}-long") as (server, recording, size):
        # All of it would take longer than anybody waits.
        with Proxy(server, "/", str(size // (3 * PATIENCE_S))) as proxy:
            browser.open(proxy.url("status", browser.host))
            wait_for("the icon", PATIENCE_S, lambda: browser.run("return performance.getEntriesByType('resource').length"))
            asked = server.status()["requests"]
            browser.run("""
                const video = window.video = document.createElement('video');
                video.muted = true;
                video.src = arguments[0];
                video.onloadedmetadata = () => video.currentTime = 480;""", proxy.url("recordings/" + recording["name"], browser.host))
            wait_for(f"its length, {recording['seconds']} s, and its middle", PATIENCE_S, lambda: browser.run(
                "return Math.abs(video.duration - arguments[0]) < 1 && !video.seeking && video.currentTime === 480 && video.readyState >= 2",
                recording["seconds"]))
            # That of the status above, too.
            asked = server.status()["requests"] - asked - 1
            check(asked <= 3, f"{asked} requests")


def jpeg_recordings_are_offered_to_other_players(browser):
    name = f"{browser.name}-recordings-jpeg"
    with recorded(name, jpeg.camera(name, 3, "whole") + "record = always\n") as server:
        open_page(browser, server)
        browser.run("document.querySelector('#hours button').click()")
        wait_for("it is told", PATIENCE_S, lambda: browser.run(
            "return document.getElementById('now').textContent === words.jpegRecordings && !document.getElementById('save').hidden"))
        check(browser.run("return document.getElementById('delete').hidden"), "who may not delete is offered it")
        # Who runs the camera may.
        server.stop()
        server.config.write_text(server.config.read_text() + ANNA)
        server.start()
        wait_for("it listens", PATIENCE_S, server.answers)
        browser.open(server.url(host=browser.host))
        log_in(browser, PASSWORD)
        open_page(browser, server)
        browser.run("document.querySelector('#hours button').click()")
        wait_for("who may delete is offered it", PATIENCE_S, lambda: browser.run("return !document.getElementById('delete').hidden"))


def recordings_are_reached_by_finger_and_key(browser):
    with recorded(f"{browser.name}-recordings-phone") as server:
        browser.devtools("Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=2, mobile=True)
        browser.devtools("Emulation.setTouchEmulationEnabled", enabled=True)
        try:
            open_page(browser, server)
            finds_no_fault(browser, "recordings")
            place = browser.run("const { left, top, width, height } = document.querySelector('#hours button').getBoundingClientRect();"
                                "return { x: left + width / 2, y: top + height / 2 }")
            browser.devtools("Input.dispatchTouchEvent", type="touchStart", touchPoints=[place])
            browser.devtools("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
            wait_for("it plays", PATIENCE_S, lambda: browser.run(PLAYING, 0))
            # Over both: an hour is 340 wide.
            for kind, x in ("touchStart", -30), ("touchMove", 0), ("touchMove", 30), ("touchEnd", None):
                points = [] if x is None else [{"x": place["x"] + x, "y": place["y"]}]
                browser.devtools("Input.dispatchTouchEvent", type=kind, touchPoints=points)
            check((found := browser.run(CLIP)) == "clip", f"no clip of what was dragged over: {found}")
            finds_no_fault(browser, "one of them")
            (OUT / f"{browser.name}-recordings-phone.png").write_bytes(browser.screenshot())
            wide = browser.run("return document.documentElement.scrollWidth")
            check(wide <= 390, f"{wide} wide, on a screen 390 wide")

            open_page(browser, server)
            wait_for("the first one is reached", PATIENCE_S,
                     lambda: press(browser, "Tab") or focused(browser).startswith("From"))
            press(browser, "ArrowRight", shift=True)
            check((found := browser.run(CLIP)) == "clip", f"no clip of what keys chose: {found}")
            press(browser, "Enter")
            wait_for("the second one", PATIENCE_S, lambda: current(browser) == 1 and browser.run(PLAYING, 0))
        finally:
            browser.devtools("Emulation.setTouchEmulationEnabled", enabled=False)
            browser.devtools("Emulation.clearDeviceMetricsOverride")
