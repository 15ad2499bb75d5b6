"""The programs that tests/need has installed, and what they are shown."""
import collections
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys

from driver import Skip, check, end

ROOT = pathlib.Path(__file__).resolve().parents[2] / "target" / "programs"
OUT = ROOT / "run"      # what they write; anew each time

# One that gives H.264, and one of JPEG pictures, as a printer has it.
CAMERAS = """[test]
name = yard
width = 640
height = 360

[exec]
name = printer
command = ffmpeg -v error -re -f lavfi -i testsrc2=size=640x360:rate=10 -c:v mjpeg -q:v 5 -huffman default -f mjpeg -
"""

Content = collections.namedtuple("Content", "codec width frames")


def python_with(package):
    """Python and the environment in which it has this package of PyPI."""
    folder = ROOT / package
    if not (folder / "installed").exists():
        raise Skip(f"no {package} in target/programs: tests/need installs it, Home Assistant for Python 3.11")
    return sys.executable, os.environ | {"PYTHONPATH": str(folder)}


@contextlib.contextmanager
def running(name, *command, **options):
    """This program, its output in OUT/NAME.log."""
    with open(OUT / f"{name}.log", "wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **options)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                end(process)


def content(media):
    """What is in the bytes of a picture or a fragmented film, or in a film's file; its pictures are decoded."""
    in_file = isinstance(media, pathlib.Path)
    made = subprocess.run(
        ["ffprobe", "-v", "error", "-count_frames", "-select_streams", "v:0", "-of", "json",
         "-show_entries", "stream=codec_name,width,nb_read_frames", media if in_file else "-"],
        input=b"" if in_file else media, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    streams = json.loads(made.stdout or b"{}").get("streams")
    check(streams, f"no pictures: {made.stderr.decode()}")
    return Content(streams[0]["codec_name"], streams[0]["width"], int(streams[0].get("nb_read_frames", 0)))
