#!/usr/bin/env python3
"""A camera that a test has in hand, as an [exec] command: feed.py FILE

Writes the video of the server that FILE names (the URL of its /stream.mp4) as an H.264 byte stream. When FILE names
another server, its video goes on from its next key frame. It ends when FILE goes away, and begins once FILE is there.
"""
import os
import pathlib
import sys
import time
import urllib.request

from clock import box, fragments

FILE = pathlib.Path(sys.argv[1])
START = b"\0\0\0\1"


def named():
    try:
        return FILE.read_text()
    except FileNotFoundError:
        return None


def parameter_sets(init):
    """SPS and PPS of the avcC (ISO/IEC 14496-15 5.3.3.1), each behind a start code."""
    # the sample entry's boxes come after stsd's 8 bytes, its own head of 8 and its 78 of fields
    entry = box(init, b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")[8 + 8 + 78:]
    record = box(entry, b"avcC")
    sets, at = b"", 5
    for count_bits in 0x1F, 0xFF:
        count, at = record[at] & count_bits, at + 1
        for _ in range(count):
            size = int.from_bytes(record[at:at + 2], "big")
            sets += START + record[at + 2:at + 2 + size]
            at += 2 + size
    return sets


def byte_stream(init, fragment):
    units, mdat, at = parameter_sets(init) if fragment.key else b"", box(fragment.data, b"mdat"), 0
    while at < len(mdat):
        size = int.from_bytes(mdat[at:at + 4], "big")
        units += START + mdat[at + 4:at + 4 + size]
        at += 4 + size
    return units


def main():
    while not named():
        time.sleep(0.05)
    while url := named():
        with urllib.request.urlopen(url + "?start=live", timeout=20) as stream:
            for init, fragment in fragments(stream):
                unit = byte_stream(init, fragment)
                while unit:
                    unit = unit[os.write(1, unit):]
                if named() != url:
                    break


try:
    main()
except BrokenPipeError:
    pass    # the program has enough
