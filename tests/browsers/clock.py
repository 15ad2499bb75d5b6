"""A client of the stream that knows when each frame was captured, without asking any player.

The picture of a key frame tells its number; from there the fragments are counted. A fragment's decode time is its
capture time on the server's clock from an unknown zero, and that zero is when the fragments came over loopback, less
their decode times: the least of these over a minute, less what the server says that they are old when it sends them.
"""
import collections
import functools
import http.client
import socket
import struct
import subprocess
import threading
import time

from driver import check, needs, wait_for

WINDOW_S = 60

Fragment = collections.namedtuple("Fragment", "time step key data")


def boxes(data):
    at = 0
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        yield name, data[at + 8:at + size]
        at += size


def box(data, *path):
    for name in path:
        data = next(body for found, body in boxes(data) if found == name)
    return data


def fragments(stream):
    """(init, Fragment) of fMP4 with one frame a fragment, each as soon as it is there whole."""
    init = moof = b""
    while len(head := stream.read(8)) == 8:
        size, name = struct.unpack(">I4s", head)
        if len(body := stream.read(size - 8)) < size - 8:
            return
        if name in (b"ftyp", b"moov"):
            init = head + body if name == b"ftyp" else init + head + body
        elif name == b"moof":
            moof = head + body
        elif name == b"mdat":
            traf = box(moof, b"moof", b"traf")
            (ticks,) = struct.unpack_from(">Q", box(traf, b"tfdt"), 4)
            # trun: sample_count, data_offset, first_sample_flags, then the sample's duration (ISO/IEC 14496-12 8.8.8)
            flags, step = struct.unpack_from(">II", box(traf, b"trun"), 12)
            key = not flags & 0x1_0000              # sample_is_non_sync_sample (8.8.3.1)
            yield init, Fragment(ticks / 90000, step / 90000, key, moof + head + body)


def number_in(file):
    """The frame number in the first picture of an MP4 file."""
    made = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", "-", "-frames:v", "1", "-pix_fmt", "gray", "-f", "image2pipe", "-c:v", "pgm",
         "-"], input=file, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    check(made.stdout.startswith(b"P5\n"), f"ffmpeg: {made.stderr.decode()}")
    _, size, _, pixels = made.stdout.split(b"\n", 3)
    wide = int(size.split()[0])
    block = wide // 40 // 2 * 2
    bits = [pixels[block // 2 * wide + i * block + block // 2] > 127 for i in range(34)]
    check(bits[:2] == [True, False], "a picture without a number")
    return functools.reduce(lambda number, bit: number * 2 + bit, bits[2:], 0)


class Run:
    """What came over one connection."""

    def __init__(self):
        self.times = {}                         # number: decode time
        self.zeros = collections.deque()        # (arrival, arrival less decode time)

    def add(self, number, fragment, arrived):
        self.times[number] = fragment.time
        self.zeros.append((arrived, arrived - fragment.time))
        while arrived - self.zeros[0][0] > WINDOW_S:
            self.zeros.popleft()


class Clock:
    """Follows the server's stream in a thread of its own, and connects again when it ends."""

    def __init__(self, server):
        needs("ffmpeg")
        self.server = server
        self.runs = []
        self.newest = None      # the number that came last
        self.age_s = 1          # the least that a frame was old when the server sent it
        self.trouble = None
        self.socket = None
        self.lock = threading.Lock()
        self.on = True
        self.thread = threading.Thread(target=self.follow, daemon=True)

    def __enter__(self):
        self.thread.start()
        try:
            wait_for("a frame's number from the server", 40, lambda: self.now() is not None)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.on = False
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except (AttributeError, OSError):
            pass    # not connected
        self.thread.join(30)

    def follow(self):
        while self.on:
            connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=15)
            try:
                connection.request("GET", "/stream.mp4?audio=0")
                self.socket = connection.sock
                answer = connection.getresponse()
                if answer.status == 200:
                    self.read(answer)
            except (OSError, http.client.HTTPException):
                pass        # the server is away: the test's own doing
            except AssertionError as why:
                self.trouble = str(why)
                return
            finally:
                connection.close()
            time.sleep(0.1)

    def read(self, stream):
        run, number, before = Run(), None, None
        me = "%s:%d" % self.socket.getsockname()
        for init, fragment in fragments(stream):
            arrived = time.time()
            # The server jumps only to a key frame: over what this client was too slow for, or what was lost.
            jumped = before is None or fragment.time - before.time > 1.5 * before.step
            number = number_in(init + fragment.data) if fragment.key and jumped else number + 1
            before = fragment
            with self.lock:
                if not run.times:
                    self.runs.append(run)
                run.add(number, fragment, arrived)
                self.newest = number
            if len(run.times) % 30 == 1:
                self.ask_age(me)

    def ask_age(self, me):
        for client in self.server.status()["cameras"][0]["clients"]:
            if client["who"] == me and client["bytes_sent"]:
                self.age_s = min(self.age_s, client["age_ms"] / 1000)

    def now(self):
        check(not self.trouble, self.trouble)
        return self.newest

    def ages(self, shown):
        """How old each picture of [(number, wall clock)] was, in seconds; of those that also came here."""
        with self.lock:
            check(not self.trouble, self.trouble)
            zeros = [min(zero for _, zero in run.zeros) - self.age_s for run in self.runs]
            ages = []
            for number, at in shown:
                for run, zero in zip(reversed(self.runs), reversed(zeros)):
                    if number in run.times:
                        ages.append(at - zero - run.times[number])
                        break
            return ages


class OwnClock:
    """The same of tests/browsers/numbered_jpegs.py, which writes to a file when it captured frame 0."""

    def __init__(self, begun, fps):
        self.begun, self.fps = begun, fps
        begun.unlink(missing_ok=True)

    def ages(self, shown):
        if not self.begun.exists():
            return []
        begun = float(self.begun.read_text())
        return [at - begun - number / self.fps for number, at in shown]
