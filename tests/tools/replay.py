#!/usr/bin/env python3
"""Writes an H.264 byte stream to stdout as a camera would: replay.py FILE RATE HOW

RATE is in pictures a second, or a plan that is gone through again and again: `30x90,10x40` is 90 pictures at 30 and 40
at 10. With a `j` at its end, pictures come late by up to 0.3 of a step, and now and then one is missed by the camera.
HOW is how it is written: `units` (each access unit in one write), `odd` (in chunks of odd sizes that fall anywhere, a
unit's bytes when it is due) or `nals` (each NAL unit in a write of its own). An access unit begins where FILE has a
delimiter, an SPS, or a slice of type 1 or 5 with first_mb_in_slice = 0 that has no SEI, SPS or PPS before it.
At the end of FILE it begins again, without a gap.
"""
import itertools
import os
import random
import re
import sys
import time


def access_units(data):
    nals = [m.start() for m in re.finditer(b"\0\0\1", data)]
    # a fourth zero byte before the start code belongs to it
    starts = [n - 1 if n and data[n - 1] == 0 else n for n in nals] + [len(data)]
    units, unit, picture = [], [], False
    for nal, begin, end in zip(nals, starts, starts[1:]):
        kind, first = data[nal + 3] & 31, data[nal + 4] & 0x80
        if picture and (kind in (6, 7, 8, 9) or kind in (1, 5) and first):
            units.append(unit)
            unit, picture = [], False
        unit.append(data[begin:end])
        picture |= kind in (1, 5)
    return units + [unit]


def times(rate):
    """When each picture is due, in seconds from the first one."""
    jitter, chance, due = rate.endswith("j"), random.Random(1), 0
    for part in itertools.cycle(rate.rstrip("j").split(",")):
        fps, _, count = part.partition("x")
        step = 1 / float(fps)
        for _ in range(int(count or 1)):
            yield due + (chance.uniform(0, 0.3 * step) if jitter else 0)
            due += step * (2 if jitter and chance.random() < 0.03 else 1)


def main():
    path, rate, how = sys.argv[1:]
    with open(path, "rb") as file:
        units = access_units(file.read())
    begun, sizes = time.monotonic(), itertools.cycle((3, 4095, 4097, 333, 7001, 17, 65537, 1))
    for unit, due in zip(itertools.cycle(units), times(rate)):
        time.sleep(max(0, begun + due - time.monotonic()))
        pieces = unit if how == "nals" else [b"".join(unit)]
        if how == "odd":
            whole, pieces = pieces[0], []
            while whole:
                n = next(sizes)
                pieces.append(whole[:n])
                whole = whole[n:]
        for piece in pieces:
            while piece:
                piece = piece[os.write(1, piece):]


try:
    main()
except BrokenPipeError:
    pass
