"""Debian's motion, as a recorder of what it pulls from us."""

import contextlib
import re

from driver import check, free_port, needs, wait_for
from installed import CAMERAS, OUT, content, running
from rig import Server

# It takes each picture for motion, so that it records all the time.
CONFIG = """
daemon off
setup_mode off
log_level 6
target_dir {folder}
netcam_url {url}
width {width}
height {height}
framerate 10
emulate_motion on
movie_output on
movie_codec mkv
movie_filename film
picture_output off
webcontrol_port 0
stream_port 0
{more}
"""
START_S = 60


@contextlib.contextmanager
def recording(name, url, size, more=""):
    """motion while it records: its folder, and itself."""
    needs("motion")
    folder = OUT / f"motion-{name}"
    folder.mkdir(parents=True)
    config = folder / "motion.conf"
    config.write_text(CONFIG.format(folder=folder, url=url, width=size[0], height=size[1], more=more))
    with running(f"motion-{name}", "motion", "-n", "-c", str(config)) as motion:
        yield folder, motion


def films(name, url, more=""):
    """Has motion record for a while, and gives what is in its film."""
    with recording(name, url, (640, 360), more) as (folder, _):
        film = folder / "film.mkv"
        wait_for("motion's film", START_S, lambda: film.exists() and film.stat().st_size > 100_000)
    # Of a camera that it can't open it records grey pictures.
    log = (OUT / f"motion-{name}.log").read_text().splitlines()
    said = [line for line in log if re.search(r"\[(ERR|CRT)\]", line)]
    check(not said, f"motion says of {url}: {said}")
    seen = content(film)
    check(seen.width == 640 and seen.frames > 10, f"motion's film of {url}: {seen}")
    print(f"   {name}: {seen.frames} frames", flush=True)


def motion_records(_):
    """From RTSP, and from JPEG pictures over HTTP."""
    rtsp = free_port()
    with Server("programs-motion", CAMERAS, server=f"rtsp = yes\nrtsp_port = {rtsp}\n") as server:
        films("rtsp", f"rtsp://127.0.0.1:{rtsp}/yard", "netcam_params rtsp_transport=tcp")
        films("mjpeg", server.url("printer/stream.mjpeg", "127.0.0.1").replace("http", "mjpeg", 1))
