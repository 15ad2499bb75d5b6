"""`make browsers`: every path in every browser, measured. It judges nothing."""
import statistics
import time

import foreign
import page
from driver import Chromium, Firefox, Skip, WebKit, wait_for
from measure import first_picture_ms, latency, probe
from page import PATIENCE_S, served, served_jpeg

LOADS = 5           # the first picture's time is the median of so many
SETTLE_S, MEASURE_S = 5, 20


def by(path, at=None):
    return lambda browser: served(browser, "table", path=path and f"?path={path}", at=at)


PATHS = {
    "default": by(""),
    "default, localhost": by("", "localhost"),
    "ws": by("ws"),
    "webcodecs, localhost": by("webcodecs", "localhost"),
    "fetch": by("fetch"),
    "hls": by("hls"),
    "video": by("video"),
    "mjpeg": served_jpeg,
    "hls.js HLS": foreign.hls,
    "hls.js LL-HLS": foreign.low_latency_hls,
    "jMuxer": foreign.jmuxer,
    "Broadway.js": foreign.broadway,
}
EVENTS = [page.the_page_comes_back_after_the_server, page.the_page_comes_back_after_the_camera,
          page.the_page_comes_back_after_a_stall,
          lambda browser: page.the_page_comes_back_from_behind_another_tab(browser, 60)]
HEAD = ("| Browser | Path | Plays | First picture | Median | 95 % | Not shown | Dropped | Seeks | Rates |\n"
        "|---|---|---|---|---|---|---|---|---|---|")


def row(*cells):
    print("| " + " | ".join(cells) + " |", flush=True)


def ms(value):
    return "–" if value is None else f"{value:.0f} ms"


def first_picture(browser, show):
    """Median of some loads; None when there never was a picture without one before the page's load event."""
    times = []
    for _ in range(LOADS):
        show()
        wait_for("a picture", PATIENCE_S, lambda: probe(browser)["first"])
        time.sleep(1)       # a <video> may hold the load event back
        times.append(first_picture_ms(probe(browser)))
    times = [one for one in times if one is not None]
    return statistics.median(times) if times else None


def measure(browser, name, first, clock):
    figures = latency(browser, clock, MEASURE_S)
    seen = probe(browser)
    stats = seen["stats"] or {}
    origin = "" if browser.run("return isSecureContext") else ", insecure"
    told = (browser.run("return window.seen") or {}).get("errors")
    row(browser.name, name, (seen["path"] or "yes") + origin + (f", told {told}" if told else ""), ms(first),
        ms(figures.median), ms(figures.p95), f"{100 * figures.unseen:.1f} %",
        "–" if figures.dropped is None else str(figures.dropped),
        str(stats.get("seeks", "–")), str(stats.get("rate_changes", "–")))


def table(minutes, names):
    """Prints the table of these paths, or of all; with minutes, of the default one, and once more after so long."""
    names = names or (["default"] if minutes else list(PATHS))
    print(HEAD, flush=True)
    for kind in Chromium, Firefox, WebKit:
        for name, path in PATHS.items():
            if name not in names:
                continue
            browser = None
            try:
                browser = kind()    # a new one for each, so that none is disturbed by what was before
                with path(browser) as (_, clock, show):
                    first = first_picture(browser, show)
                    time.sleep(SETTLE_S)
                    measure(browser, name, first, clock)
                    if minutes:
                        time.sleep(60 * minutes)
                        measure(browser, f"{name}, {minutes:g} min later", None, clock)
            except Exception as why:    # a path that this browser has not is a line of the table too
                row(kind.name, name, f"no: {why}", *["–"] * 7)
            finally:
                if browser:
                    browser.quit()


def events():
    """Prints how soon the picture is live again."""
    for kind in Chromium, Firefox:
        for event in EVENTS:
            try:
                browser = kind()
            except Skip as why:
                print(f"   {kind.name}: no: {why}", flush=True)
                break
            try:
                event(browser)
            except Exception as why:
                print(f"   {kind.name}: no: {why}", flush=True)
            finally:
                browser.quit()
