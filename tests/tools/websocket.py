#!/usr/bin/env python3
"""Follows the stream at ws://HOST:PORT by PyPI's websockets, and says what it got, in one line."""
import json
import sys
import time

from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

url = sys.argv[1]
got = []


def say(word):
    if word not in got:
        got.append(word)


# Its own patience is short for a busy machine.
patient = {"open_timeout": 40, "close_timeout": 40, "ping_timeout": None}

with connect(url + "/ws", max_size=None, compression="deflate", **patient) as client:
    assert not client.protocol.extensions, "nothing is compressed"
    sent = None
    deadline = time.monotonic() + 40
    while "echo" not in got and time.monotonic() < deadline:
        message = client.recv(40)
        if isinstance(message, bytes):
            say({b"ftyp": "init", b"moof": "fragments"}[message[4:8]])
            if sent is None and "clock" in got:
                sent = time.monotonic() * 1000
                lag = json.dumps({"type": "lag", "sent_ms": sent, "lag_ms": 5})
                client.send([lag[:9], lag[9:]])  # in two fragments
        else:
            text = json.loads(message)
            say(text["type"])
            if text["type"] == "echo":
                assert text["sent_ms"] == sent
    for word, payload in ("pong", b"here"), ("big-pong", b"x" * 125):
        answer = client.ping(payload)
        while not answer.is_set():
            client.recv(40)
        say(word)
    client.close(1000, "enough")
    say(f"closed {client.close_code}")

with connect(url + "/ws?format=h264", max_size=None, **patient) as client:
    if client.recv(40)[:5] == b"\0\0\0\1\x67":
        say("h264")
    client.send(b"x" * 5000)
    try:
        while True:
            client.recv(40)
    except ConnectionClosedError as e:
        say(f"refused {e.rcvd.code}")

print(*got)
