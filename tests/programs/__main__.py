#!/usr/bin/env python3
"""Other people's programs as they come, with this one as their camera.

usage: python3 tests/programs PROGRAM [--all [MINUTES]] [CHECK]    with CHECK, only the checks whose name has it

Prints "ok NAME", "FAILED NAME: why" or "skipped: NAME: why" for each check; exit status 1 if one failed. Without --all,
what takes long is skipped, and clients of RTSP play for seconds instead of a minute; MINUTES are those of Home
Assistant's streams. What the programs say and make is kept in target/programs/run.
"""
import pathlib
import shutil
import sys
import time
import traceback

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parents[1] / "browsers"))

import driver
import lan
from driver import Chromium, Firefox, Skip, end_by_exception
from rig import Server

import files
import home
import players
import printer
import proxies
import recorder
import rtsp_clients
import store
from installed import OUT

# In `make test`, and what is for `make programs` alone: by the browser that they need.
ALWAYS = {
    None: [recorder.motion_records, files.players_seek_in_a_recording,
           rtsp_clients.rtsp_clients_get_every_picture,
           rtsp_clients.rtsp_clients_that_stall_go_on_with_a_key_picture,
           rtsp_clients.rtsp_clients_come_again_after_a_new_size, rtsp_clients.rtsp_clients_go_on_after_a_lost_camera,
           rtsp_clients.motion_records_every_picture_of_rtsp],
    Chromium: [printer.octoprint_shows_and_films, proxies.haproxy_passes_all_on, proxies.caddy_passes_all_on,
               players.shaka_plays_hls, players.video_js_plays_low_latency_hls],
}
LONG = {
    None: [home.home_assistant_pulls_streams, store.rclone_takes_recordings_to_a_store],
    Chromium: [proxies.caddy_passes_all_on_with_a_password_and_a_path, players.video_js_plays_hls],
    Firefox: [players.shaka_plays_hls, players.video_js_plays_low_latency_hls, players.video_js_plays_hls],
}


def title_of(kind, one):
    return (f"{kind.name}: " if kind else "") + one.__name__.replace("_", " ")


def run(kind, one):
    title, began, browser = title_of(kind, one), time.monotonic(), None
    try:
        browser = kind and kind()
        one(browser)
        print(f"ok {title} ({time.monotonic() - began:.0f} s)", flush=True)
    except Skip as why:
        print(f"skipped: {title}: {why}", flush=True)
    except Exception as why:    # whatever it was, the others are still to run
        print(f"FAILED {title}: {why or type(why).__name__}", flush=True)
        traceback.print_exc()
        return False
    finally:
        if browser:
            browser.quit()
    return True


def main():
    end_by_exception()
    driver.OUT.mkdir(parents=True, exist_ok=True)
    lan.enter(driver.OUT / "hosts")
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    Server.take_program(__doc__)
    rest, long = sys.argv[2:], "--all" in sys.argv
    home.minutes = next((float(word) for word in rest if word.isdigit()), home.minutes)
    rtsp_clients.seconds = 60 if long else rtsp_clients.seconds
    only = "".join(word for word in rest if word != "--all" and not word.isdigit())
    good = True
    for group, run_it in (ALWAYS, True), (LONG, long):
        for kind, checks in group.items():
            for one in checks:
                if only not in one.__name__:
                    continue
                if run_it:
                    good = run(kind, one) and good
                else:
                    print(f"skipped: {title_of(kind, one)}: make programs runs it", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
