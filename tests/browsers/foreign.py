"""Other people's players in pages of their own, from another origin: hls.js, jMuxer, Broadway.js (npm)."""
import contextlib
import time

from clock import Clock
from driver import check, wait_for
from measure import latency
from page import PATIENCE_S, host, note, shows_live
from rig import Pages, Server, module

# HLS is some three segments behind, and these are of a second or two.
HLS_LIVE_S = 10


@contextlib.contextmanager
def foreign_page(browser, player, path, fragment="", live_s=None):
    """A page of tests/browsers with this player, which plays `path` of a server; gives the clock."""
    module(player)
    with Pages() as pages:
        origin = pages.origin(host(browser))
        name = player.replace(".", "").removesuffix("-player")
        with Server(f"{browser.name}-{name}", server=f"cors_origins = {origin}\n") as server, Clock(server) as clock:
            url = server.url(path, host(browser))
            if path.startswith("ws"):
                url = url.replace("http", "ws", 1)
            shows_live(browser, clock, f"{origin}/{name}.html?{url}{fragment}", *[live_s] if live_s else [])
            yield clock
            browser.open("about:blank")


def plays_well(browser, clock, seconds):
    before = browser.run("return window.seen")
    figures = latency(browser, clock, seconds)
    seen = browser.run("return window.seen")
    note(browser, f"{figures.median / 1000:.2f} s behind, {100 * figures.unseen:.1f} % of the frames not shown; "
                  f"told at its start: {before['errors'] or 'nothing'}")
    check(not seen.get("fatal"), f"fatal: {seen.get('fatal')}")
    check(seen["errors"] == before["errors"], f"told: {seen['errors']}")


def hls_js_plays_hls(browser):
    with foreign_page(browser, "hls.js", "stream.m3u8", "#plain", HLS_LIVE_S) as clock:
        time.sleep(8)       # the playlist is short at first, and it finds its distance by a stall or two
        plays_well(browser, clock, 10)


def hls_js_plays_low_latency_hls(browser):
    with foreign_page(browser, "hls.js", "stream.m3u8") as clock:
        plays_well(browser, clock, 10)


def jmuxer_plays(browser):
    with foreign_page(browser, "jmuxer", "ws?format=h264") as clock:
        plays_well(browser, clock, 5)


def broadway_plays(browser):
    with foreign_page(browser, "broadway-player", "ws?format=h264") as clock:
        plays_well(browser, clock, 5)
