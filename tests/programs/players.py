"""Shaka Player and Video.js (npm) in pages of another origin, beside hls.js of tests/browsers."""
import foreign

# From the edge of the playlist they keep as far as they choose; seen are 1 to 8 s.
LIVE_S = 12


def plays(browser, player, path):
    return foreign.plays_well(browser, lambda browser: foreign.foreign(browser, player, path), LIVE_S)


def shaka_plays_hls(browser):
    plays(browser, "shaka-player", "stream.m3u8&plain")


def video_js_plays_hls(browser):
    plays(browser, "video.js", "stream.m3u8&plain")


def video_js_plays_low_latency_hls(browser):
    plays(browser, "video.js", "stream.m3u8")
