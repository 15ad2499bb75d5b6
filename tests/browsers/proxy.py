#!/usr/bin/env python3
"""A reverse proxy on loopback: proxy.py PORT PREFIX [no-websocket] [old] [jpeg=PORT] [RATE]; prints the port that it listens on.

Passes what is under PREFIX on to 127.0.0.1:PORT without the prefix, one request a connection; WebSockets too, unless
told otherwise. With `old` no browser can read the script, as it would be with one of 2015. With `jpeg` the
JPEG pictures are those of another port. PREFIX/player.html is tests/browsers/player.html. With a RATE (bytes a second) it is before a narrow network:
it takes all that comes, as a proxy with large buffers does, and passes on no more than that.
"""
import pathlib
import queue
import re
import socket
import sys
import threading
import time

PORT, PREFIX = int(sys.argv[1]), sys.argv[2].encode()
WEBSOCKET = "no-websocket" not in sys.argv
JPEG = next((int(option[5:]) for option in sys.argv if option.startswith("jpeg=")), PORT)
RATE = next((int(option) for option in sys.argv[3:] if option.isdigit()), None)
PLAYER = pathlib.Path(__file__).with_name("player.html")


def answer(client, status, body=b"", kind="text/plain"):
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    client.sendall(head.encode() + body)


def serve(client):
    head = b""
    while b"\r\n\r\n" not in head:
        if not (data := client.recv(65536)):
            return
        head += data
    path = head.split()[1]
    upgrade = re.search(rb"\r\nupgrade: *websocket", head, re.I)
    if path == PREFIX + b"player.html":
        return answer(client, "200 OK", PLAYER.read_bytes(), "text/html")
    if "old" in sys.argv and path.endswith(b"/page.js"):
        return answer(client, "200 OK", b"a ?? b @ c", "text/javascript")
    if not path.startswith(PREFIX):
        return answer(client, "404 Not Found")
    if upgrade and not WEBSOCKET:
        return answer(client, "502 Bad Gateway")
    head = head.replace(path, b"/" + path[len(PREFIX):], 1)
    if not upgrade:
        head = re.sub(rb"\r\nconnection:[^\r]*", b"", head, flags=re.I)
        head = head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
    port = JPEG if path.startswith(PREFIX + b"stream.mjpeg") else PORT
    with socket.create_connection(("127.0.0.1", port)) as server:
        server.sendall(head)
        threading.Thread(target=pump, args=(client, server), daemon=True).start()
        pump(Held(server) if RATE else server, client)


class Held:
    """What a socket gives, taken at once and passed on at the rate."""

    def __init__(self, source):
        self.pieces = queue.Queue()
        self.shutdown = source.shutdown
        threading.Thread(target=self.take, args=(source,), daemon=True).start()

    def take(self, source):
        try:
            while data := source.recv(4096):
                self.pieces.put(data)
        except OSError:
            pass
        self.pieces.put(b"")

    def recv(self, _):
        data = self.pieces.get()
        time.sleep(len(data) / RATE)
        return data


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    for one in source, sink:
        try:
            one.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass    # it was so already


def handle(client):
    with client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            serve(client)
        except OSError:
            pass    # one of the two left


with socket.create_server(("127.0.0.1", 0)) as listener:
    print(listener.getsockname()[1], flush=True)
    while True:
        threading.Thread(target=handle, args=(listener.accept()[0],), daemon=True).start()
