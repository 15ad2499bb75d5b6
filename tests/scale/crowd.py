"""Thousands of HTTP clients in one thread: epoll, and no byte of a segment copied."""
import heapq
import itertools
import select
import socket
import time

from hls import Reply

# An answer that waits for the camera takes 10 s at most (docs/design.md).
PATIENCE_S = 20
SINK = bytearray(1 << 20)


class Viewer:
    def __init__(self, crowd, address, host, seen, watch):
        self.crowd, self.address, self.host, self.seen = crowd, address, host, seen
        self.watch = watch
        self.socket = None
        self.path = None        # what it waits for
        self.asked = 0

    def go_on(self, reply=None):
        """Until it has to wait."""
        wanted = self.watch.send(reply)
        if isinstance(wanted, float):
            self.crowd.at(time.monotonic() + wanted, self.go_on)
        else:
            self.ask(wanted)

    def ask(self, path):
        self.path, self.asked = path, time.monotonic()
        self.received, self.left = bytearray(), None
        self.seen.requests += 1
        try:
            if self.socket is None:
                self.socket = socket.create_connection(self.address, timeout=PATIENCE_S)
                self.socket.setblocking(False)
                self.crowd.add(self)
            self.socket.send(f"GET {path} HTTP/1.1\r\nHost: {self.host}\r\n\r\n".encode())
        except OSError as error:
            self.lost(f"{type(error).__name__}")

    def lost(self, what):
        """Reports this once, and goes on over a new connection a little later."""
        self.hang_up()
        self.seen.error(what)
        self.path = None
        self.crowd.at(time.monotonic() + 0.5, lambda: self.go_on(Reply(0, None, time.time())))

    def hang_up(self):
        if self.socket is not None:
            self.crowd.remove(self)
            self.socket.close()
            self.socket = None

    def readable(self):
        try:
            if self.left is None or self.body is not None:
                data = self.socket.recv(1 << 16)
                count = len(data)
            else:
                # The kernel throws it away, and says how much it was.
                count = self.socket.recv_into(SINK, min(self.left, len(SINK)), socket.MSG_TRUNC)
        except BlockingIOError:
            return
        except OSError as error:
            return self.lost(type(error).__name__)
        if count == 0:
            # A server may end a connection between two requests.
            return self.hang_up() if self.path is None else self.lost("closed")
        self.seen.bytes += count
        if self.left is None:
            self.received += data
            end = self.received.find(b"\r\n\r\n")
            if end < 0:
                return
            self.head(bytes(self.received[:end]).decode("latin-1"))
            data = self.received[end + 4:]
            count = len(data)
        self.left -= count
        if self.body is not None:
            self.body += data
        if self.left == 0:
            self.answered()

    def head(self, text):
        status, *lines = text.split("\r\n")
        self.status = int(status.split()[1])
        fields = dict(line.lower().split(": ", 1) for line in lines)
        self.left = int(fields["content-length"])
        self.last = fields.get("connection") == "close"
        self.body = bytearray() if ".m3u8" in self.path else None

    def answered(self):
        if self.status != 200:
            self.seen.error(self.status)
        if self.last:
            self.hang_up()
        self.path = None
        self.go_on(Reply(self.status, self.body and bytes(self.body), time.time()))


class Crowd:
    def __init__(self):
        self.epoll, self.viewers = select.epoll(), {}
        self.timers, self.order = [], itertools.count()

    def at(self, when, what):
        heapq.heappush(self.timers, (when, next(self.order), what))

    def add(self, viewer):
        self.viewers[viewer.socket.fileno()] = viewer
        self.epoll.register(viewer.socket, select.EPOLLIN)

    def remove(self, viewer):
        self.epoll.unregister(viewer.socket)
        del self.viewers[viewer.socket.fileno()]

    def run(self, seconds):
        end = time.monotonic() + seconds
        self.look(end)
        while (now := time.monotonic()) < end:
            while self.timers and self.timers[0][0] <= now:
                heapq.heappop(self.timers)[2]()
            next_timer = self.timers[0][0] if self.timers else end
            for file, _ in self.epoll.poll(max(0.0, min(end, next_timer) - time.monotonic())):
                # It may have hung up in this round.
                if file in self.viewers:
                    self.viewers[file].readable()

    def look(self, end):
        """Now and then, for those whose answer does not come."""
        now = time.monotonic()
        for viewer in list(self.viewers.values()):
            if viewer.path is not None and now - viewer.asked > PATIENCE_S:
                viewer.lost("no answer")
        if now < end:
            self.at(now + 1, lambda: self.look(end))

    def leave(self):
        for viewer in list(self.viewers.values()):
            viewer.hang_up()
