"""Other people's players in pages of their own, from another origin: hls.js, jMuxer, Broadway.js (npm)."""
import contextlib
import time

from clock import Clock
from driver import check
from measure import latency, open_page
from page import LIVE_S, becomes_live, note
from rig import Pages, Server, module

# HLS is some three segments behind, and these are of a second or two.
HLS_LIVE_S = 10


@contextlib.contextmanager
def foreign(browser, player, path):
    """A page of tests/browsers with this player, which plays `path` of a server; as page.served()."""
    module(player)
    with Pages() as pages:
        origin = pages.origin(browser.host)
        name = player.replace(".", "").removesuffix("-player")
        with Server(f"{browser.name}-{name}", server=f"cors_origins = {origin}\n") as server, Clock(server) as clock:
            url = server.url(path, browser.host)
            if path.startswith("ws"):
                url = url.replace("http", "ws", 1)
            yield server, clock, lambda: open_page(browser, f"{origin}/{name}.html?{url}")


def hls(browser):
    return foreign(browser, "hls.js", "stream.m3u8&plain")


def low_latency_hls(browser):
    return foreign(browser, "hls.js", "stream.m3u8")


def jmuxer(browser):
    return foreign(browser, "jmuxer", "ws?format=h264")


def broadway(browser):
    return foreign(browser, "broadway-player", "ws?format=h264")


def plays_well(browser, begin, live_s=LIVE_S, settle_s=0):
    with begin(browser) as (server, clock, show):
        show()
        becomes_live(browser, clock, live_s)
        time.sleep(settle_s)
        figures = latency(browser, clock, 8)
        seen = browser.run("return window.seen")
        note(browser, f"{figures.median / 1000:.2f} s behind, {100 * figures.unseen:.1f} % of the frames not shown; "
                      f"told: {seen['errors'] or 'nothing'}")
        # A stall that it gets over is no failure on a machine that is busy with other things.
        check(not seen["fatal"], f"fatal: {seen['fatal']}")


def hls_js_plays_hls(browser):
    # The playlist is short at first: it finds its distance by a stall or two.
    plays_well(browser, hls, HLS_LIVE_S, 8)


def hls_js_plays_low_latency_hls(browser):
    plays_well(browser, low_latency_hls)


def jmuxer_plays(browser):
    plays_well(browser, jmuxer)


def broadway_plays(browser):
    plays_well(browser, broadway)
