#!/usr/bin/env python3
"""Makes the fixtures of src/motion: how large each picture of some scenes is, by some encoders of ffmpeg's.

    tests/motion/scenes.py FOLDER [NAME ...]

A scene is a still picture of many shapes with noise in each pixel of each frame, and what happens in it. A fixture has, for each
frame in order, two numbers as LEB128: the bytes of the picture times two, plus one for a key picture; of those, the difference from the
one before of its kind, as zigzag. 640x480, a key picture each second. Needs ffmpeg with libx264.
"""
import os
import subprocess
import sys

# Each scene with its seconds and its frames a second.
SCENES = {
    # 25 s: a box of 1.5 % of the picture comes, and crosses half of it in 5 s. 45 s: one of 0.15 %. 65.4 s: a light is switched on, to
    # which the camera's exposure gets used within a second; 75.4 s: off.
    "day": (85, 15),
    # It gets dark.
    "dusk": (300, 5),
    # The noise grows.
    "night": (300, 5),
    # A lamp on the mains.
    "flicker": (40, 15),
    # The camera shakes all the time.
    "shake": (40, 15),
    # From 20 s on viewers come and go, for each of whom a key picture is asked for.
    "storm": (40, 15),
}
ENCODERS = {
    "crf": ["-c:v", "libx264", "-crf", "26"],
    "qmin": ["-c:v", "libx264", "-b:v", "1M", "-maxrate", "1M", "-bufsize", "1M", "-qmin", "26"],
    "cbr": ["-c:v", "libx264", "-b:v", "1M", "-maxrate", "1M", "-minrate", "1M", "-bufsize", "1M"],
    "vbr": ["-c:v", "libx264", "-b:v", "1M", "-maxrate", "2M", "-bufsize", "2M"],
    "mjpeg": ["-c:v", "mjpeg", "-q:v", "5", "-huffman", "default"],
}
STILL = (
    "128+45*sin(X/9+sin(Y/23)*3)*cos(Y/13)+25*sin(X*Y/2900)+20*gt(mod(X+Y*2,97),48)-20*gt(hypot(X-400,Y-200),120)"
)
# The strengths of ffmpeg's noise filter.
NOISE = {"n1": 2, "n3": 4, "n8": 10}
# What there is.
WANTED = (
    [f"{encoder}-n1-day" for encoder in ENCODERS]
    + ["qmin-n3-day", "cbr-n3-day", "mjpeg-n3-day", "qmin-n8-day", "mjpeg-n8-day"]
    + ["qmin-n1-dusk", "mjpeg-n1-dusk", "qmin-n1-night"]
    + ["qmin-n1-flicker", "mjpeg-n1-flicker", "qmin-n1-shake", "mjpeg-n1-shake", "qmin-n1-storm"]
)


def graph(scene, noise, seconds, fps):
    """The filter graph from nothing to the frames."""
    still = f"nullsrc=s=672x512:r=1:d=1,format=yuv420p,geq=lum='{STILL}':cb=120:cr=136,loop=-1:1,fps={fps},setpts=N/{fps}/TB,trim=duration={seconds}"
    view = "crop=640:480:16:16"
    change = ""
    if scene == "shake":
        view = "crop=640:480:x='16+round(3*sin(t*5.1))':y='16+round(2*sin(t*3.7))'"
    if scene == "day":
        light = "if(between(t,65.4,75.4),0.08+0.12*exp((65.4-t)*4),if(gt(t,75.4),-0.12*exp((75.4-t)*4),0))"
        change = f",eq=eval=frame:brightness='{light}'"
    if scene == "dusk":
        # Not with eq, whose steps all pixels take at once.
        change = f",geq=lum='lum(X,Y)*(1-0.45*T/{seconds})':cb='cb(X,Y)':cr='cr(X,Y)'"
    if scene == "flicker":
        change = ",eq=eval=frame:brightness='0.02*sin(2*PI*50.3*t)'"
    strength = NOISE[noise]
    frames = f"{still},{view}"
    if scene == "day":
        frames += "[a];color=0x806848:s=68x68[b];color=0x806848:s=22x22[c];"
        frames += "[a][b]overlay=x='20+(t-25)*70':y=200:shortest=1:enable='between(t,25,30)'[d];"
        frames += "[d][c]overlay=x='20+(t-45)*70':y=200:shortest=1:enable='between(t,45,50)'"
    frames += change
    if scene == "night":
        frames += f",split[a][b];[a]noise=c0s={strength}:c0f=t:c0_seed=7[c];[b]noise=c0s=24:c0f=t:c0_seed=8[d];"
        frames += f"[c][d]blend=all_expr='A+(B-A)*T/{seconds}'"
    else:
        frames += f",noise=c0s={strength}:c0f=t:c0_seed=7"
    return frames + ",format=yuv420p"


def leb128(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return out


def make(name, folder):
    encoder, noise, scene = name.split("-")
    seconds, fps = SCENES[scene]
    options = list(ENCODERS[encoder])
    if options[1] == "libx264":
        options += ["-preset", "veryfast", "-tune", "zerolatency", "-x264-params", "scenecut=0:weightp=0:threads=1:sliced-threads=0", "-g", str(fps)]
        if scene == "storm":
            # Viewers who come and go: from 20 s on a key picture is asked for at odd times.
            times = [20 + 0.53 * n + 0.13 * (n % 3) for n in range(24)]
            options += ["-force_key_frames", ",".join(f"{time:.3f}" for time in times)]
    file = os.path.join(folder, name + ".nut")
    command = ["ffmpeg", "-v", "error", "-y", "-filter_complex", graph(scene, noise, seconds, fps)]
    subprocess.run(command + options + ["-t", str(seconds), file], check=True)
    probe = ["ffprobe", "-v", "error", "-show_entries", "packet=size,flags", "-of", "csv=p=0", file]
    packets = subprocess.run(probe, check=True, capture_output=True, text=True).stdout.split()
    os.remove(file)
    out, before = bytearray(), [0, 0]
    for packet in packets:
        size, flags = packet.split(",")[:2]
        key = int("K" in flags)
        step = int(size) - before[key]
        before[key] = int(size)
        out += leb128((step * 2 if step >= 0 else -step * 2 - 1) * 2 + key)
    with open(os.path.join(folder, name + ".sizes"), "wb") as fixture:
        fixture.write(out)
    print(f"{name}: {len(packets)} pictures, {len(out)} bytes", flush=True)


def main():
    folder, *names = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    for name in names or WANTED:
        make(name, folder)


main()
