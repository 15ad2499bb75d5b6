#!/usr/bin/env python3
"""End to end in real browsers: the program on one side, Chromium, Firefox and WebKitGTK on the other.

usage: python3 tests/browsers PROGRAM [CHECK]     with CHECK, only the checks whose name has it
       python3 tests/browsers PROGRAM --table [MINUTES [PATH...]]
           measures every path of table.py, or these; with MINUTES the default path, or these, and again after so long
       python3 tests/browsers PROGRAM --sync MINUTES
           whether the sound stays with the picture for so long, and over an unplugged microphone

Prints "ok NAME", "FAILED NAME: why" or "skipped: why" for each check, "SKIPPED: why" for a browser; exit status 1 if
one failed. The browsers of LANES run side by side, each lane in a process, a network and a folder of its own. Screenshots,
logs and what was made on the way are kept in target/browsers.
"""
import contextlib
import fcntl
import os
import subprocess
import sys
import time
import traceback

import faults
import foreign
import jpeg
import lan
import motion
import operate
import overview
import page
import panel
import people
import recordings
import rotation
import sound
import tags
from driver import FOLDER, OUT, TOP, Chromium, Firefox, Skip, WebKit, end_by_exception
from rig import Server
from sync import sync
from table import events, table

EVERYWHERE = [page.the_page_plays, page.the_page_goes_on_after_pauses,
              page.the_page_plays_in_a_browser_that_cant_run_it,
              jpeg.jpeg_pictures_show_in_a_browser_that_cant_run_the_page, page.the_picture_does_not_fall_behind,
              jpeg.the_page_shows_jpeg_pictures, jpeg.a_picture_shows_before_the_next_one_comes,
              jpeg.a_page_of_another_port_shows_jpeg_pictures, rotation.rotation_is_shown,
              rotation.rotation_of_jpeg_pictures_is_shown, people.the_page_plays_after_the_login_form,
              people.a_frame_of_another_site_plays_by_a_view_link]
MAIN = EVERYWHERE + [
    page.the_page_comes_back_after_the_server, page.the_page_comes_back_after_the_camera,
    page.the_page_comes_back_after_a_stall, page.the_page_goes_on_in_another_size,
    page.the_page_comes_back_from_behind_another_tab, page.the_page_works_on_a_sub_path,
    page.the_page_plays_where_no_websocket_passes, page.the_page_wakes_a_camera_where_no_websocket_passes,
    page.the_page_asks_for_less_behind_a_proxy, jpeg.the_page_shows_jpeg_pictures_where_no_websocket_passes,
    page.the_right_jpeg_pictures_show,
    rotation.rotation_is_shown_without_javascript, rotation.rotation_is_shown_by_the_plain_tag,
    rotation.rotation_is_shown_by_webcodecs, page.the_page_plays_without_javascript,
    overview.the_overview_shows_all_cameras, overview.a_camera_off_the_screen_sleeps,
    page.no_decoder_holds_pictures_back, page.uneven_rates_play_without_a_stall,
    page.parameter_sets_that_change_stop_nothing, page.the_page_plays_on_over_parameter_sets_that_change,
    foreign.hls_js_plays_hls,
    foreign.hls_js_plays_low_latency_hls, foreign.jmuxer_plays, foreign.broadway_plays,
    tags.pages_of_the_machine_show_pictures, tags.pages_of_the_machine_show_video, tags.listed_pages_show_pictures,
    tags.strangers_do_not_read_pictures, recordings.what_was_recorded_plays,
    faults.what_faults_left_plays, sound.sound_is_heard_when_it_is_wanted,
    people.the_login_form_works_without_javascript]
CHECKS = {
    Chromium: MAIN + [rotation.rotation_is_shown_by_hls, page.the_page_fits_a_phone, page.the_manifest_is_valid,
                      jpeg.an_engine_without_h264_shows_jpeg_pictures, page.two_pages_of_eight_frames_play,
                      overview.the_overview_fits_a_phone,
                      panel.nobody_is_kept_out, panel.the_keyboard_reaches_everything, panel.controls_are_set,
                      panel.the_camera_turns_while_a_key_is_held, panel.a_picture_is_saved_as_it_is_seen,
                      panel.a_camera_without_a_name_is_known_by_its_own,
                      panel.who_may_not_watch_is_told, panel.what_is_at_hand_fades, panel.fingers_zoom_and_come_back,
                      recordings.recordings_are_reached_by_finger_and_key,
                      recordings.ten_minutes_are_sought_in_without_reading_them,
                      recordings.jpeg_recordings_are_offered_to_other_players,
                      sound.the_best_path_has_sound_too, sound.a_camera_without_sound_has_no_button, operate.the_page_operates_a_camera,
                      motion.the_threshold_of_motion_is_dragged_and_kept],
    Firefox: MAIN,
    WebKit: EVERYWHERE,
}
# Side by side, as their checks mostly wait: each lane takes about as long. Two browsers on a small machine may disturb each other: what
# fails there is tried once more alone, and that counts.
LANES = {"chromium": [Chromium], "others": [Firefox, WebKit]}
# What is measured too finely for that comes first, one after the other.
ALONE = [sound.sound_is_heard_when_it_is_wanted, page.no_decoder_holds_pictures_back, page.uneven_rates_play_without_a_stall,
         page.parameter_sets_that_change_stop_nothing, panel.the_camera_turns_while_a_key_is_held]
SAID = 3    # the exit status of a lane in which checks failed, and said so


@contextlib.contextmanager
def its_turn(alone):
    """Waits until no check that has to be alone runs in another lane; or none at all, if this one has to be."""
    with open(TOP / "next", "wb") as queue, open(TOP / "running", "wb") as running:
        fcntl.flock(queue, fcntl.LOCK_EX)       # or the one that has to be alone would never be
        fcntl.flock(running, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(queue, fcntl.LOCK_UN)
        yield


def run(browser, one, alone):
    title, began = title_of(browser, one), time.monotonic()
    try:
        browser.open("about:blank")
        browser.errors()    # what the page before said when its server went away
        one(browser)
        browser.open("about:blank")     # idle while others have their turn
        print(f"ok {title} ({time.monotonic() - began:.0f} s)", flush=True)
    except Skip as why:
        print(f"skipped: {title}: {why}", flush=True)
    except Exception as why:    # whatever it was, the others are still to run
        # At once, as another lane may print, too.
        failed = "FAILED" if alone else "   beside another browser:"
        print(f"{failed} {title}: {why or type(why).__name__}\n{traceback.format_exc()}", end="", flush=True)
        return False
    return True


def title_of(browser, one):
    return f"{browser.name}: {one.__name__.replace('_', ' ')}"


def checks(kinds, only):
    good = True
    for kind in kinds:
        chosen = sorted((one for one in CHECKS[kind] if only in one.__name__), key=lambda one: one not in ALONE)
        if not chosen:
            continue
        try:
            browser = kind()
        except Skip as why:
            print(f"SKIPPED: {kind.name}, all {len(chosen)} checks: {why}", flush=True)
            continue
        except Exception as why:
            good = False
            print(f"FAILED {kind.name} does not start: {why}", flush=True)
            continue
        try:
            for one in chosen:
                for alone in [True] if one in ALONE else [False, True]:
                    with its_turn(alone):
                        done = run(browser, one, alone)
                        if not done:
                            browser.quit()      # in what state it is nobody knows
                            browser = kind()
                    if done:
                        break
                good = good and done
        finally:
            browser.quit()
    return good


def side_by_side(only):
    """Runs each lane as a process of its own."""
    lanes, good = {}, True
    try:
        for name in LANES:
            lanes[name] = subprocess.Popen([sys.executable, *sys.argv[:2], "--lane", name, only],
                                           stdin=subprocess.DEVNULL, env=os.environ | {FOLDER: str(TOP / name)})
        for name, lane in lanes.items():
            status = lane.wait()
            good = good and status == 0
            if status not in (0, SAID):
                print(f"FAILED browsers: the lane {name} ended with {status}", flush=True)
    finally:
        for lane in lanes.values():
            lane.terminate()
            lane.wait()
    return good


def main():
    end_by_exception()
    OUT.mkdir(parents=True, exist_ok=True)
    Server.take_program(__doc__)
    match sys.argv[2:]:
        case ["--table", *rest]:
            lan.enter(OUT / "hosts")
            minutes, *names = rest or ["0"]
            table(float(minutes), names)
            if not rest:
                events()
            return 0
        case ["--sync", minutes]:
            lan.enter(OUT / "hosts")
            return 0 if sync(float(minutes)) else 1
        case ["--lane", name, only]:
            lan.enter(OUT / "hosts")
            return 0 if checks(LANES[name], only) else SAID
        case only:
            return 0 if side_by_side("".join(only)) else 1


if __name__ == "__main__":
    sys.exit(main())
