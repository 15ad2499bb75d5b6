"""RTSP clients as they come: each picture has to reach each of them, also right after what goes wrong.

The test picture shows its number. What a client gives is decoded, and the row of that number is read: from a key picture on
there must not be a gap. All clients play at once, each as a program of its own.
"""
import contextlib
import functools
import http.client
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import recorder
from clock import fragments, number_in
from driver import Skip, check, descendants, end, free_port, needs, wait_for
from installed import OUT, ROOT
from lan import needs_lan
from rig import Server

TOOLS = pathlib.Path(__file__).resolve().parents[1] / "tools"
TARGET = ROOT.parent
PYTHON = TARGET / "tools" / "python"
ENVIRONMENT = os.environ | {"PYTHONPATH": str(PYTHON), "OPENCV_LOG_LEVEL": "ERROR"}

# How long each of them plays; __main__ sets it.
seconds = 5
# A client may take so long to begin, to go on, or to see that it was left: some look at a stream for seconds first.
PATIENCE_S = 60
SIZE, SMALL, FPS = (640, 360), (320, 240), 30
# Nobody is sent less, however busy the machine is; and how old pictures may get where somebody is to be.
PATIENT, AGE_MS = "max_age_ms = 60000", 2000


def row(size):
    """The height of the blocks of the number, which are the top row of the picture."""
    return size[0] // 40 // 2 * 2


def by_ffmpeg(program):
    def words(transport, url, size):
        return [[program, "-v", "error", "-rtsp_transport", transport, "-i", url, *numbers_of_ffmpeg(size)]]
    return words


def numbers_of_ffmpeg(size):
    crop = f"crop={size[0]}:{row(size)}:0:0"
    return ["-fps_mode", "passthrough", "-enc_time_base", "1:90000", "-vf", crop, "-f", "rawvideo", "-pix_fmt", "gray", "-"]


def by_gstreamer(transport, url, size):
    crop = f"videocrop bottom={size[1] - row(size)}"
    line = (f"gst-launch-1.0 -q rtspsrc location={url} protocols={transport} ! rtph264depay ! h264parse ! avdec_h264 ! {crop} ! "
            "videoconvert ! video/x-raw,format=GRAY8 ! fdsink fd=1")
    return [line.split()]


def by_mpv(transport, url, size):
    return [["mpv", "--no-config", "--really-quiet", "--no-audio", f"--rtsp-transport={transport}", "--untimed",
             "--framedrop=no", f"--vf=lavfi=[crop={size[0]}:{row(size)}:0:0],format=gray", "--of=rawvideo",
             "--ovc=rawvideo", "--o=-", url]]


def by_python(client):
    def words(transport, url, _):
        return [[sys.executable, TOOLS / "rtsp.py", client, transport, url]]
    return words


def by_tool(tool):
    """One that writes the byte stream, which ffmpeg decodes."""
    def words(transport, url, size):
        return [[tool, transport, url], ["ffmpeg", "-v", "error", "-f", "h264", "-i", "-", *numbers_of_ffmpeg(size)]]
    return words


def newer_ffmpeg():
    return next(iter(PYTHON.glob("imageio_ffmpeg/binaries/ffmpeg-*")), None)


RETINA, LIVE555 = TARGET / "retina" / "release" / "retina-client", TARGET / "live555" / "live555-client"

# What has to be there for it, the program's name or a file, and how it is begun.
CLIENTS = {
    "ffmpeg": ("ffmpeg", by_ffmpeg("ffmpeg")),
    "newer ffmpeg": (newer_ffmpeg(), by_ffmpeg(newer_ffmpeg())),
    "GStreamer": ("gst-launch-1.0", by_gstreamer),
    "mpv": ("mpv", by_mpv),
    "OpenCV": (PYTHON / "cv2", by_python("cv2")),
    "PyAV": (PYTHON / "av", by_python("av")),
    "aiortsp": (PYTHON / "aiortsp", by_python("aiortsp")),
    "retina": (RETINA, by_tool(RETINA)),
    "live555": (LIVE555, by_tool(LIVE555)),
}


def number(pixels, width):
    """That of a row of blocks: white, black, and its bits."""
    block = width // 40 // 2 * 2
    bits = [pixels[block // 2 * width + i * block + block // 2] > 127 for i in range(34)]
    check(bits[:2] == [True, False], "a picture without a number")
    return functools.reduce(lambda number, bit: number * 2 + bit, bits[2:], 0)


def jumps_of(numbers):
    return [pair for pair in zip(numbers, numbers[1:]) if pair[1] != pair[0] + 1]


def assert_right(name, numbers, keys, jumps):
    found = jumps_of(numbers)
    wrong = [jump for jump in found if jump[1] < jump[0] or jump[1] not in keys]
    check(not wrong and len(found) <= jumps, f"{name}: of {len(numbers)} pictures it missed some: {found}")


class Player:
    """A client that plays, and the numbers of the pictures that it has given."""

    def __init__(self, client, transport, url, size):
        self.name, self.transport, self.size = f"{client} by {transport.upper()}", transport, size
        self.numbers, self.trouble = [], None
        self.log = open(OUT / f"rtsp-{client}-{transport}.log".replace(" ", "-"), "ab")
        self.processes, feed = [], subprocess.DEVNULL
        for words in CLIENTS[client][1](transport, url, size):
            process = subprocess.Popen(words, stdin=feed, stdout=subprocess.PIPE, stderr=self.log, env=ENVIRONMENT)
            if self.processes:
                feed.close()    # it is the next one's
            feed = process.stdout
            self.processes.append(process)
        self.thread = threading.Thread(target=self.read, args=(feed,), daemon=True)
        self.thread.start()

    def read(self, pictures):
        width, bytes_each = self.size[0], self.size[0] * row(self.size)
        try:
            while len(pixels := pictures.read(bytes_each)) == bytes_each:
                self.numbers.append(number(pixels, width))
        except AssertionError as why:
            self.trouble = why
        except ValueError:
            pass    # closed

    def pids(self):
        """Those of the client alone, not of who decodes for it."""
        return [self.processes[0].pid, *descendants(self.processes[0].pid)]

    def has_ended(self):
        return not self.thread.is_alive()

    def has_jumped(self, since):
        return bool(jumps_of(self.numbers[since:]))

    def end(self):
        for process in self.processes:
            end(process)
        self.thread.join(20)
        self.processes[-1].stdout.close()
        self.log.close()

    def assert_right(self, keys, since=0, jumps=0):
        """Pictures from this one on follow each other, but for so many jumps to key pictures."""
        check(not self.trouble, f"{self.name}: {self.trouble}")
        numbers = self.numbers[since:]
        check(numbers, f"{self.name}: no picture")
        assert_right(self.name, numbers, keys, jumps)
        if not since:
            check(numbers[0] in keys, f"{self.name}: it begins with {numbers[0]}, which is no key picture")


class Reference:
    """A client of our own, by HTTP: which numbers are those of key pictures."""

    def __init__(self, server):
        self.server, self.keys, self.newest, self.on = server, set(), -1, True
        self.thread = threading.Thread(target=self.follow, daemon=True)

    def __enter__(self):
        self.thread.start()
        wait_for("the first key picture", PATIENCE_S, lambda: self.keys)
        return self

    def __exit__(self, *_):
        self.on = False
        self.thread.join(20)

    def go_on(self, pictures):
        """Waits until there are so many more of them."""
        at = self.newest + pictures
        # A command that failed again and again is begun each 30 s.
        wait_for(f"{pictures} pictures", 3 * (PATIENCE_S + pictures / FPS), lambda: self.newest >= at)

    def follow(self):
        while self.on:
            connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=15)
            with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
                connection.request("GET", "/stream.mp4?audio=0")
                answer = connection.getresponse()
                if answer.status == 200:
                    self.read(answer)
            time.sleep(0.1)

    def read(self, stream):
        at = before = None
        for init, fragment in fragments(stream):
            if not self.on:
                return
            jumped = before is None or fragment.time - before.time > 1.5 * before.step
            at = number_in(init + fragment.data) if fragment.key and jumped else at + 1
            before = fragment
            if fragment.key:
                self.keys.add(at)
            self.newest = at


@functools.cache
def installed():
    """The clients that are here; of each other it is said that it is not."""
    needs("ffmpeg")
    found = []
    for client, (needed, _) in CLIENTS.items():
        try:
            if isinstance(needed, str):
                needs(needed)
            elif needed is None or not needed.exists():
                raise Skip("not installed: `make programs` does it for retina and live555, `make test` for the others")
            found.append(client)
        except Skip as why:
            print(f"skipped: {client} as a client of RTSP: {why}", flush=True)
    return found


class Crowd:
    """All clients, by each transport."""

    def __init__(self, url, size):
        self.clients = [(client, transport) for client in installed() for transport in ("tcp", "udp")]
        self.begin(url, size)

    def begin(self, url, size):
        """All of them anew."""
        self.players = []
        try:
            for client, transport in self.clients:
                self.players.append(Player(client, transport, url, size))
        except BaseException:
            self.end()
            raise

    def by_tcp(self):
        """Those that see at once when their connection ends."""
        return [player for player in self.players if player.transport == "tcp"]

    def end(self):
        for player in self.players:
            player.end()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def play(self, reference, pictures):
        """Until each has given so many pictures more, the last of which are of now. Gives how many each had before."""
        marks, newest = {player: len(player.numbers) for player in self.players}, reference.newest

        def does(player):
            check(not player.trouble, f"{player.name}: {player.trouble}")
            check(not player.has_ended(), f"{player.name} has ended after {len(player.numbers)} pictures")
            return len(player.numbers) >= marks[player] + pictures and player.numbers[-1] > newest
        wait_for_each(f"{pictures} pictures", self.players, does, PATIENCE_S + 3 * pictures / FPS)
        return marks

    def assert_right(self, reference, since=None, jumps=0):
        for player in self.players:
            player.assert_right(reference.keys, since[player] if since else 0, jumps)


def wait_for_each(what, players, ask, limit_s=PATIENCE_S):
    left = list(players)

    def none_left():
        left[:] = [player for player in left if not ask(player)]
        return not left
    try:
        wait_for(what, limit_s, none_left)
    except AssertionError as why:
        raise AssertionError(f"{why}: {[(player.name, len(player.numbers)) for player in left]}") from None


@contextlib.contextmanager
def served(name, camera, more=""):
    """The program with this camera, and its address of RTSP."""
    port = free_port()
    more = f"rtsp = yes\nrtsp_port = {port}\nrtsp_udp = yes\n{more}\n"
    with Server(name, camera, more) as server:
        yield server, f"rtsp://127.0.0.1:{port}/"


def test_picture(size):
    return f"[test]\nwidth = {size[0]}\nheight = {size[1]}\n"


def said(crowd, reference, since=None):
    for player in crowd.players:
        numbers = player.numbers[since[player] if since else 0:]
        print(f"   {player.name}: {len(numbers)} pictures, {numbers[0]} to {numbers[-1]}", flush=True)


def rtsp_clients_get_every_picture(_):
    with served("rtsp-clients", test_picture(SMALL), PATIENT) as (server, url):
        with Reference(server) as reference, Crowd(url, SMALL) as crowd:
            crowd.play(reference, seconds * FPS)
            crowd.assert_right(reference)
            said(crowd, reference)


def rtsp_clients_that_stall_go_on_with_a_key_picture(_):
    """One half of them is stopped, then the other one. By TCP: who is sent datagrams just misses them."""
    needs_lan()
    with small_windows(), served("rtsp-stalled", test_picture(SIZE), f"max_age_ms = {AGE_MS}") as (server, url):
        with Reference(server) as reference, Crowd(url, SIZE) as crowd:
            crowd.play(reference, FPS)
            for half in crowd.by_tcp()[::2], crowd.by_tcp()[1::2]:
                marks = {player: len(player.numbers) for player in crowd.players}
                stall(server, {player: player.pids() for player in half})
                wait_for_each("a jump", half, lambda player: player.has_jumped(marks[player]))
                recovered = crowd.play(reference, seconds * FPS)
                for player in crowd.players:
                    player.assert_right(reference.keys, marks[player], 9 if player in half else 0)
                    player.assert_right(reference.keys, recovered[player])
                said(crowd, reference, recovered)


def stall(server, stopped):
    """Stops the processes of {process: the pids that are it}, each until it was sent nothing for so long that pictures will be
    left out for it. In the end its connection would be closed, so none waits for another one."""
    clients = {process: ports_of(pids) for process, pids in stopped.items()}
    for process in stopped:
        tell(stopped[process], signal.SIGSTOP)
    last = {}

    def has_lagged(process):
        now = time.monotonic()
        for client in server.status()["cameras"][0]["clients"]:
            if int(client["who"].rpartition(":")[2]) in clients[process]:
                sent, since = last.get(process, (None, now))
                if sent != client["bytes_sent"]:
                    last[process] = client["bytes_sent"], now
                elif now - since > 1.5 * AGE_MS / 1000:
                    tell(stopped[process], signal.SIGCONT)
                    return True
        return False
    left = list(stopped)

    def none_left():
        left[:] = [process for process in left if not has_lagged(process)]
        return not left
    wait_for("they are behind", PATIENCE_S, none_left)


def tell(pids, what):
    for pid in pids:
        os.kill(pid, what)


def ports_of(pids):
    """This end of their TCP connections (proc(5))."""
    files = [file for pid in pids for file in pathlib.Path(f"/proc/{pid}/fd").iterdir()]
    links = {os.readlink(file) for file in files}
    lines = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
    return {int(line.split()[1].rpartition(":")[2], 16) for line in lines if f"socket:[{line.split()[9]}]" in links}


@contextlib.contextmanager
def small_windows():
    """What the kernel takes for who does not read would else be many seconds of the test picture."""
    windows = pathlib.Path("/proc/sys/net/ipv4/tcp_rmem")
    before = windows.read_text()
    try:
        windows.write_text("4096 16384 32768")
    except OSError as why:
        raise Skip(f"{windows}: {why}") from None
    try:
        yield
    finally:
        windows.write_text(before)


def rtsp_clients_come_again_after_a_new_size(_):
    with served("rtsp-size", test_picture(SIZE), PATIENT) as (server, url):
        with Reference(server) as reference, Crowd(url, SIZE) as crowd:
            crowd.play(reference, FPS)
            server.config.write_text(server.config.read_text().replace(test_picture(SIZE), test_picture(SMALL)))
            server.process.send_signal(signal.SIGHUP)
            wait_for_each("the end of the connection", crowd.by_tcp(), Player.has_ended)
            crowd.assert_right(reference)
            crowd.end()
            with Reference(server) as reference:
                crowd.begin(url, SMALL)
                crowd.play(reference, seconds * FPS)
                crowd.assert_right(reference)
                said(crowd, reference)


def rtsp_clients_go_on_after_a_lost_camera(_):
    """It is back at once, and they stay; it is away for longer, and they come again."""
    away = OUT / "rtsp-away"
    with Server("rtsp-camera", test_picture(SMALL), PATIENT) as camera:
        pull = f"ffmpeg -v error -i {camera.url('stream.mp4', '127.0.0.1')} -c copy -f h264 -"
        with served("rtsp-lost", f"[exec]\ncommand = test -e {away} && exit 1; exec {pull}\n", PATIENT) as (server, url):
            with Reference(server) as reference, Crowd(url, SMALL) as crowd:
                crowd.play(reference, FPS)
                lose(server)
                marks = crowd.play(reference, seconds * FPS)
                crowd.assert_right(reference, None, 1)
                check(all(player.has_jumped(0) for player in crowd.players), "nothing was lost")
                said(crowd, reference, marks)
                away.touch()
                lose(server)
                wait_for_each("the end of the connection", crowd.by_tcp(), Player.has_ended)
                crowd.assert_right(reference, None, 1)
                crowd.end()
                away.unlink()
                reference.go_on(1)
                crowd.begin(url, SMALL)
                crowd.play(reference, seconds * FPS)
                crowd.assert_right(reference)
                said(crowd, reference)


def motion_records_every_picture_of_rtsp(_):
    """As they come (movie_passthrough), also when it was stopped and when the camera was lost. Not with a new size: it puts
    the new pictures into the same film then."""
    needs_lan()
    needs("motion")
    with Server("rtsp-camera", test_picture(SMALL), PATIENT) as camera, small_windows():
        pull = f"ffmpeg -v error -i {camera.url('stream.mp4', '127.0.0.1')} -c copy -f h264 -"
        with served("rtsp-motion", f"[exec]\ncommand = exec {pull}\n", f"max_age_ms = {AGE_MS}") as (server, url):
            more = "netcam_params rtsp_transport=tcp\nmovie_passthrough on\nmovie_max_time 0"
            with Reference(server) as reference, recorder.recording("all", url, SMALL, more) as (folder, motion):
                film = folder / "film.mp4"
                wait_for("motion's film", PATIENCE_S, lambda: film.exists() and film.stat().st_size > 0)
                reference.go_on(seconds * FPS)
                stall(server, {motion: [motion.pid]})
                reference.go_on(seconds * FPS)
                lose(server)
                reference.go_on(seconds * FPS)
            made = subprocess.run(["ffmpeg", "-v", "error", "-i", film, *numbers_of_ffmpeg(SMALL)],
                                  stdout=subprocess.PIPE, check=True)
            bytes_each = SMALL[0] * row(SMALL)
            numbers = [number(made.stdout[at:at + bytes_each], SMALL[0])
                       for at in range(0, len(made.stdout), bytes_each)]
            check(len(numbers) > 2 * seconds * FPS, f"motion's film has {len(numbers)} pictures")
            assert_right("motion", numbers, reference.keys, 2)
            print(f"   motion: {len(numbers)} pictures, {numbers[0]} to {numbers[-1]}, but for {jumps_of(numbers)}")


def lose(server):
    (command,) = (pid for pid in descendants(server.process.pid))
    os.kill(command, signal.SIGKILL)
