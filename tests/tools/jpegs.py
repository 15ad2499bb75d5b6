#!/usr/bin/env python3
"""Writes JPEG pictures to stdout as a camera would: jpegs.py RATE HOW FILE...

RATE is in pictures a second. HOW is how they are written: `whole` (each in one write), `odd` (in chunks of odd sizes
that fall anywhere) or `once` (all of them, then nothing for ever). After the last FILE comes the first one again.
"""
import itertools
import os
import select
import sys
import time


def write(data):
    while data:
        data = data[os.write(1, data):]


def main():
    rate, how, names = float(sys.argv[1]), sys.argv[2], sys.argv[3:]
    pictures = [open(name, "rb").read() for name in names]
    if how == "once":
        write(b"".join(pictures))
        # Until nobody is left to read: a reader that was killed can't end this.
        ends = select.poll()
        ends.register(1, 0)
        ends.poll()
        return
    sizes, rest, begun = itertools.cycle([1, 2, 3, 5, 4093, 7, 1021, 65521, 11]), b"", time.monotonic()
    for number, picture in enumerate(itertools.cycle(pictures)):
        time.sleep(max(0, begun + number / rate - time.monotonic()))
        rest += picture
        while rest:
            size = next(sizes) if how == "odd" else len(rest)
            if len(rest) < size:
                break
            write(rest[:size])
            rest = rest[size:]


main()
