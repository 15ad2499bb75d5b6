"""Players that seek in a recording over HTTP."""
import contextlib
import socket
import subprocess
import urllib.request

from driver import check, free_port, listens, needs, wait_for
from installed import OUT, content, running
from recordings import PATIENCE_S, ten_minutes

AT_S = 480


@contextlib.contextmanager
def counted(server):
    """At most three requests are made within."""
    asked = server.status()["requests"]
    yield
    # That of the status above, too.
    asked = server.status()["requests"] - asked - 1
    check(asked <= 3, f"{asked} requests")


def by_its_index(url):
    """The pictures of a reader that knows of `sidx` (ISO/IEC 14496-12 8.16.3) and of no other box: it takes the head of the file,
    and the one part that begins at or before that time; and how many pictures there are to be."""
    def taken(begin, end):
        request = urllib.request.Request(url, headers={"Range": f"bytes={begin}-{end - 1}"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            check(answer.status == 206, f"status {answer.status}")
            return answer.read()

    def number(at, size):
        return int.from_bytes(head[at:at + size], "big")

    head = taken(0, 160 << 10)
    at = head.index(b"sidx") - 4
    end = at + number(at, 4)
    wide = 8 if head[at + 8] else 4
    timescale, first = number(at + 16, 4), end + number(at + 20 + wide, wide)
    entries = at + 20 + 2 * wide + 4
    time = number(at + 20, wide)
    for entry in range(entries, end, 12):
        size, duration = number(entry, 4), number(entry + 4, 4)
        if time <= AT_S * timescale < time + duration:
            return content(head[:end] + taken(first, first + size)), round(duration * 30 / timescale)
        time, first = time + duration, first + size
    raise AssertionError(f"the index ends at {time / timescale} s")


def vlc_plays(url, seconds):
    """VLC's remote control says that it is there, and that the recording has this length."""
    port = free_port()
    # It does not run as root.
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", f"HOME={OUT}"]
    with running("vlc", *nobody, "vlc", "-I", "rc", "--rc-host", f"127.0.0.1:{port}", "--vout=dummy", "--no-audio",
                 f"--start-time={AT_S}", url):
        wait_for("VLC listens", PATIENCE_S, lambda: listens(port))
        with socket.create_connection(("127.0.0.1", port), timeout=20) as control, control.makefile("rw") as lines:
            def number(question):
                lines.write(question + "\n")
                lines.flush()
                said = lines.readline().lstrip("> ").strip()
                return int(said) if said.isdigit() else 0
            # Where it greets, each answer is that to the question before.
            wait_for("VLC plays", PATIENCE_S, lambda: number("get_time") >= AT_S)
            wait_for("VLC's length", PATIENCE_S, lambda: abs(number("get_length") - seconds) < 1.5)


def players_seek_in_a_recording(_):
    needs("mpv", "vlc", "setpriv", "ffprobe")
    with ten_minutes("programs-long") as (server, recording, _):
        url = server.url("recordings/" + recording["name"], "127.0.0.1")
        with counted(server):
            found, wanted = by_its_index(url)
            check(abs(found.frames - wanted) <= 1, f"{found}, and not {wanted}")
        with counted(server):
            played = subprocess.run(
                ["mpv", "--no-config", "--vo=null", "--ao=null", f"--start={AT_S}", "--frames=1",
                 "--term-status-msg=at ${=time-pos} of ${=duration};", url],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False).stdout
            at, length = played.rpartition("at ")[2].split(";")[0].split(" of ")
            check(abs(float(at) - AT_S) < 0.1 and abs(float(length) - recording["seconds"]) < 1, f"mpv: {played}")
        with counted(server):
            vlc_plays(url, recording["seconds"])
