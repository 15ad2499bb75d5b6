"""`rotation` turns the picture on every path of the page: told by the colours of the screen, not by what the page says."""
import functools
import shlex
import subprocess
import sys

from driver import OUT, check, needs, wait_for
from rig import TOOLS, Server

PATIENCE_S = 60
# Clockwise from the top left.
COLOURS = {"red": (255, 0, 0), "lime": (0, 255, 0), "blue": (0, 0, 255), "white": (255, 255, 255)}
# From the middle: where a picture of 320x80 is, but none of 80x320; and the other way round.
WIDE, HIGH = (360, 60), (60, 300)


@functools.cache
def file(kind, *options):
    needs("ffmpeg")
    path = OUT / f"quarters.{kind}"
    red, lime, blue, white = (f"color={colour}:size=160x40:rate=30" for colour in COLOURS)
    subprocess.run(["ffmpeg", "-y", "-v", "error", "-f", "lavfi", "-i",
                    f"{red}[a];{lime}[b];{white}[c];{blue}[d];[a][b]hstack[e];[c][d]hstack[f];[e][f]vstack,"
                    # Chromium's plain <video> waits for some 100 kB before it begins.
                    "noise=alls=30:allf=t",
                    *options, path], check=True)
    return path


def camera(kind, rotation):
    """The section of a camera whose picture has a colour in each quarter, turned."""
    if kind == "h264":
        stream = file(kind, "-frames:v", "30", "-c:v", "libx264", "-preset", "ultrafast", "-g", "30",
                      "-pix_fmt", "yuv420p")
        words = [TOOLS / "replay.py", stream, 30, "units"]
    else:
        words = [TOOLS / "jpegs.py", 10, "whole", file(kind, "-frames:v", "1")]
    command = shlex.join(map(str, ["exec", sys.executable, *words]))
    return f"[exec quarters]\nrotation = {rotation}\ncommand = {command}\n"


def colours(browser):
    """What is on the screen around the middle, clockwise from the top left; and whether the picture is wide and high."""
    middle = browser.run("const at = document.getElementById('stage').getBoundingClientRect();"
                         "return [at.x + at.width / 2, at.y + at.height / 2]")
    pixels = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", "-", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"],
        input=browser.screenshot(), stdout=subprocess.PIPE, check=True).stdout
    wide = browser.run("return innerWidth")
    rows = len(pixels) // 3 // wide

    def at(x, y):
        x, y = round(middle[0] + x), round(middle[1] + y)
        seen = pixels[3 * (y * wide + x):][:3]
        near = [name for name, colour in COLOURS.items() if all(abs(a - b) < 80 for a, b in zip(seen, colour))]
        return near[0] if near else None
    around = [at(x, y) for x, y in ((-60, -60), (60, -60), (60, 60), (-60, 60))]
    return around, at(*WIDE) is not None, at(*HIGH) is not None


def is_turned(browser, kind, path, host=None, rotations=(0, 90, 180, 270)):
    for rotation in rotations:
        with Server(f"{browser.name}-rotation", camera(kind, rotation)) as server:
            browser.open(server.url(path, host or browser.host))
            quarter = rotation // 90
            names = list(COLOURS)
            wanted = names[4 - quarter:] + names[:4 - quarter], quarter % 2 == 0, quarter % 2 == 1
            seen = []
            try:
                wait_for("the picture", PATIENCE_S, lambda: seen.append(colours(browser)) or seen[-1] == wanted)
            except AssertionError:
                (OUT / f"{browser.name}-rotation.png").write_bytes(browser.screenshot())
                raise AssertionError(f"{path or 'default'}, {rotation}°: {seen[-1]}, not {wanted}") from None


def rotation_is_shown(browser):
    is_turned(browser, "h264", "")


def rotation_of_jpeg_pictures_is_shown(browser):
    is_turned(browser, "jpg", "")
    is_turned(browser, "jpg", "?path=mjpeg", rotations=[90])


def rotation_is_shown_by_webcodecs(browser):
    is_turned(browser, "h264", "?path=webcodecs", "localhost")


def rotation_is_shown_by_the_plain_tag(browser):
    is_turned(browser, "h264", "?path=video", rotations=[90, 180])


def rotation_is_shown_by_hls(browser):
    is_turned(browser, "h264", "?path=hls", rotations=[90, 180])


def rotation_is_shown_without_javascript(browser):
    browser.allow_scripts(False)
    try:
        is_turned(browser, "h264", "", rotations=[90, 180])
    finally:
        browser.allow_scripts(True)
