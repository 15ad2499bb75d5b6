#!/usr/bin/env python3
"""Writes JPEG pictures to stdout as a camera would: jpegs.py RATE HOW FILE...

RATE is in pictures a second. HOW is how they are written: `whole` (each in one write), `odd` (in chunks of odd sizes
that fall anywhere) or `once` (all of them, then nothing for ever); or in which form, each in one write: `endless` (without
EOI), `doubled` (with SOI twice), `multipart`, `talking` (with text before the first), `strewn` (with bytes between
them). After the last FILE comes the first one again.
"""
import itertools
import os
import select
import sys
import time


def write(data):
    while data:
        data = data[os.write(1, data):]


FORMS = {
    "endless": lambda picture, number: picture[:-2],
    "doubled": lambda picture, number: picture[:2] + picture,
    "multipart": lambda picture, number: b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n"
    % (len(picture), picture),
    "talking": lambda picture, number: b"Setting pipeline to PAUSED ...\n" * 99 * (number == 0) + picture,
    "strewn": lambda picture, number: b"\xff\0\x01" * (number % 9) + picture + bytes(number % 5000),
}


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
        rest += FORMS[how](picture, number) if how in FORMS else picture
        while rest:
            size = next(sizes) if how == "odd" else len(rest)
            if len(rest) < size:
                break
            write(rest[:size])
            rest = rest[size:]


main()
