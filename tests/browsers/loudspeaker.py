"""A sound card, where there is none: a PulseAudio of a browser's own, which hears what is played, and when."""
import array
import contextlib
import os
import shutil
import subprocess
import threading
import time

RATE = 48_000
LOUD = 2000         # of 32768
QUIET = RATE * 3 // 10      # samples at least, before a beep
PIECE_MS = 5        # in which it plays, and so how exact the times are
COMPARED = 2000     # pieces by whose arrival the times are told: what came with the least delay


class Loudspeaker:
    """`environment` has a browser play into it. If PulseAudio is not installed there are no `processes`."""

    def __init__(self, folder, log):
        self.log = log
        self.environment = {"PULSE_SERVER": f"unix:{folder}/sound"}
        self.processes = []
        if shutil.which("pulseaudio") and shutil.which("parec"):
            self.processes.append(subprocess.Popen(
                ["pulseaudio", "-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1",
                 "-L", f"module-null-sink rate={RATE} channels=1",
                 "-L", f"module-native-protocol-unix socket={folder}/sound auth-anonymous=1"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=os.environ | {"HOME": folder, "XDG_RUNTIME_DIR": folder}))

    @contextlib.contextmanager
    def heard(self):
        """A list, to which the beginning of each beep is added from now on: wall clock, in ms. It asks for small pieces, and
        gets them when they begin to play."""
        beeps = []
        recorder = subprocess.Popen(
            ["parec", "--raw", "--format=s16le", f"--rate={RATE}", "--channels=1", f"--latency-msec={PIECE_MS}",
             f"--process-time-msec={PIECE_MS}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, env=os.environ | self.environment, bufsize=0)
        thread = threading.Thread(target=listen, args=(recorder.stdout, beeps), daemon=True)
        thread.start()
        try:
            yield beeps
        finally:
            recorder.kill()
            recorder.wait()
            thread.join(10)


def listen(stream, beeps):
    end, loud_until, zeros, rest = 0, 0, [], b""      # which may begin within a beep
    while piece := stream.read(65536):
        now = time.time() * 1000
        piece, rest = rest + piece, b""
        if len(piece) % 2:
            piece, rest = piece[:-1], piece[-1:]
        samples = array.array("h", piece)
        begin, end = end, end + len(samples)
        zeros = [*zeros[-COMPARED:], now - end * 1000 / RATE]
        for at, sample in enumerate(samples, begin):
            if abs(sample) < LOUD:
                continue
            if at > loud_until + QUIET:
                beeps.append(min(zeros) + at * 1000 / RATE)
            loud_until = at
