#!/usr/bin/env python3
"""Plays an H.264 file (Annex B, with access unit delimiters) to standard output as a camera would.

usage: feed.py FILE [PLAN]   PLAN: FPSxFRAMES,FPSxFRAMES,... over and over (default 30x1), "j" after it: with jitter and
                             now and then a step twice as long, as if the camera had missed a picture
"""
import random
import sys
import time


def access_units(data):
    """The file cut before each access unit delimiter (H.264 7.4.1.2.3)."""
    starts, at = [], data.find(b"\0\0\0\1\x09")
    while at >= 0:
        starts.append(at)
        at = data.find(b"\0\0\0\1\x09", at + 1)
    return [data[a:b] for a, b in zip(starts, starts[1:] + [len(data)])]


def main():
    with open(sys.argv[1], "rb") as file:
        units = access_units(file.read())
    plan, chance = (sys.argv[2] if len(sys.argv) > 2 else "30x1"), random.Random(1)
    jitter = plan.endswith("j")
    steps = [1 / int(fps) for fps, count in (part.split("x") for part in plan.rstrip("j").split(","))
             for _ in range(int(count))]
    due = time.monotonic()
    number = 0
    while True:
        step = steps[number % len(steps)]
        late = chance.uniform(0, 0.3 * step) if jitter else 0
        time.sleep(max(0, due + late - time.monotonic()))
        sys.stdout.buffer.write(units[number % len(units)])
        sys.stdout.buffer.flush()
        due += step * (2 if jitter and chance.random() < 0.03 else 1)
        number += 1


if __name__ == "__main__":
    try:
        main()
    except (BrokenPipeError, KeyboardInterrupt):
        pass
