#!/usr/bin/env python3
"""A JPEG camera, as an [exec] command: numbered_jpegs.py FILE FPS BEGUN

Writes the JPEG pictures of FILE to stdout at even times, and to the file BEGUN the wall clock at the first one. So its
pictures tell their own capture times: the first of FILE is number 0.
"""
import pathlib
import sys
import time

pictures = [b"\xff\xd8\xff" + rest for rest in pathlib.Path(sys.argv[1]).read_bytes().split(b"\xff\xd8\xff")[1:]]
fps = float(sys.argv[2])
begun = time.time()
pathlib.Path(sys.argv[3]).write_text(str(begun))
try:
    for number, picture in enumerate(pictures):
        time.sleep(max(0, begun + number / fps - time.time()))
        sys.stdout.buffer.write(picture)
        sys.stdout.buffer.flush()
except BrokenPipeError:
    pass    # the program has enough
