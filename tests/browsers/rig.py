"""The program, and what stands between it and a browser."""
import http.server
import json
import pathlib
import signal
import subprocess
import sys
import threading
import urllib.request

from driver import HOST, OUT, Skip, check, free_port, listens, wait_for
from lan import NAME

HERE = pathlib.Path(__file__).resolve().parent
TOOLS = HERE.parent / "tools"
MODULES = HERE.parents[1] / "target" / "tools" / "node_modules"


class Server:
    """The program with this camera (a section of the config; the test picture, if nothing is said)."""
    program = None

    @classmethod
    def take_program(cls, usage):
        """Takes the program from the command line. What is none ends this with the usage."""
        cls.program = pathlib.Path((sys.argv + [""])[1]).resolve()
        if not cls.program.is_file():
            sys.exit(usage)

    def __init__(self, name, camera="[test]\n", server="", listen="127.0.0.1"):
        self.port, self.listen = free_port(), listen
        self.log = open(OUT / f"{name}.log", "wb")
        self.config = OUT / f"{name}.conf"
        self.config.write_text(f"[server]\nhosts = {HOST}, {NAME}\n{server}\n{camera}")
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [self.program, "--listen", f"{self.listen}:{self.port}", "-c", self.config],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        try:
            wait_for("the program listens", 20, self.answers)
        except BaseException:
            self.process.kill()
            raise
        return self

    def answers(self):
        check(self.process.poll() is None, f"the program ended, see {self.log.name}")
        return listens(self.port)

    def __exit__(self, *_):
        self.stop()
        self.log.close()

    def url(self, path="", host=HOST):
        return f"http://{host}:{self.port}/{path}"

    def falls_asleep(self):
        wait_for("the camera sleeps", 60, lambda: self.status()["cameras"][0]["state"] == "asleep")

    def status(self):
        with urllib.request.urlopen(self.url("status", "127.0.0.1"), timeout=20) as answer:
            return json.load(answer)


class Proxy:
    """tests/browsers/proxy.py before the program, as a process of its own, so that it can be stopped."""

    def __init__(self, server, prefix="/", *options):
        self.prefix = prefix
        self.process = subprocess.Popen([sys.executable, HERE / "proxy.py", str(server.port), prefix, *options],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def url(self, path="", host=HOST):
        return f"http://{host}:{self.port}{self.prefix}{path}"


class Pages(http.server.ThreadingHTTPServer):
    """Pages of another origin: files of this folder, and the npm packages under /modules/."""
    daemon_threads = True

    def __init__(self, listen="127.0.0.1"):
        super().__init__((listen, 0), Files)
        self.thread = threading.Thread(target=self.serve_forever, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def origin(self, host=HOST):
        return f"http://{host}:{self.server_address[1]}"


class Files(http.server.SimpleHTTPRequestHandler):
    def translate_path(self, path):
        name = path.split("?")[0]
        folder = MODULES if name.startswith("/modules/") else HERE
        return str(folder / name.removeprefix("/modules").lstrip("/"))

    def log_message(self, *_):
        pass


def module(name):
    """The folder of an npm package that tests/need has installed."""
    if not (MODULES / name).is_dir():
        raise Skip(f"no {name} in target/tools (make test installs it)")
    return f"/modules/{name}"
