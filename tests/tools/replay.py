#!/usr/bin/env python3
"""Writes an H.264 byte stream to stdout as a camera would: replay.py FILE FPS HOW

HOW is how it is written: `units` (each access unit in one write), `odd` (in chunks of odd sizes that fall anywhere, a
unit's bytes when it is due) or `nals` (each NAL unit in a write of its own). An access unit begins where FILE has a
delimiter, an SPS, or a slice of type 1 or 5 with first_mb_in_slice = 0 that has no SEI, SPS or PPS before it.
At the end of FILE it begins again, without a gap.
"""
import os
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


def main():
    path, fps, how = sys.argv[1], float(sys.argv[2]), sys.argv[3]
    with open(path, "rb") as file:
        units = access_units(file.read())
    due, sizes, size = time.monotonic(), (1, 3, 4095, 4097, 333, 7001, 17, 65537), 0
    while True:
        for unit in units:
            time.sleep(max(0, due - time.monotonic()))
            due += 1 / fps
            pieces = unit if how == "nals" else [b"".join(unit)]
            if how == "odd":
                whole, pieces = pieces[0], []
                while whole:
                    size += 1
                    n = sizes[size % len(sizes)]
                    pieces.append(whole[:n])
                    whole = whole[n:]
            for piece in pieces:
                while piece:
                    piece = piece[os.write(1, piece):]


try:
    main()
except BrokenPipeError:
    pass
