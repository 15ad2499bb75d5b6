"""The virtual machine of tests/vm, with the kernel's own cameras and servos, and the program in there."""
import json
import pathlib
import shlex
import socket
import subprocess
import time
import urllib.request

from driver import HOST, OUT, Skip, check, end, free_port, wait_for
from rig import Server

RIG = pathlib.Path(__file__).resolve().parents[1] / "vm" / "rig"
# The ports in there: the program's, and that of the shell which takes commands.
PROGRAM, SHELL = 8000, 8001
BOOT_S = 120


class Machine:
    """The virtual machine with these kernel modules; all of its files that are written vanish with it."""

    def __init__(self, name, *modules):
        setup = subprocess.run([RIG / "setup"], stdout=subprocess.PIPE, text=True, check=False)
        if setup.returncode == 77:
            raise Skip(setup.stdout.splitlines()[-1].removeprefix("SKIPPED: "))
        check(setup.returncode == 0, f"tests/vm/rig/setup: {setup.stdout}")
        self.name, self.port, self.shell = name, free_port(), free_port()
        self.log = open(OUT / f"{name}-machine.log", "wb")
        modules = [word for module in modules for word in ("-m", module)]
        # Each connection has a shell of its own, which reads its commands from there.
        shell = ["busybox", "nc", "-ll", "-p", str(SHELL), "-e", "/bin/bash"]
        self.process = subprocess.Popen(
            [RIG / "run", "-t", "900", "-k", OUT / f"{name}.kernel", "-f", f"{self.port}:{PROGRAM}",
             "-f", f"{self.shell}:{SHELL}", *modules, "--", *shell],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def __enter__(self):
        try:
            wait_for("the virtual machine starts", BOOT_S, self.is_up)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        try:
            (OUT / f"{self.name}.log").write_text(self.ask("cat /run/program.log"))
            self.ask("kill $PPID")      # the machine ends with its command
            self.process.wait(30)
        except (OSError, subprocess.TimeoutExpired):
            end(self.process)
        self.log.close()

    def is_up(self):
        check(self.process.poll() is None, f"the virtual machine ended, see {self.log.name}")
        try:
            return self.ask("echo up") == "up\n"
        except OSError:
            return False

    def ask(self, script):
        with socket.create_connection(("127.0.0.1", self.shell), timeout=60) as connection:
            connection.sendall(f"{script}\nexit\n".encode())
            return connection.makefile(encoding="utf-8").read()

    def run(self, script):
        """What these commands print; they must succeed."""
        said, _, status = self.ask(f"( {script}\n) </dev/null 2>&1; echo :$?").rstrip().rpartition(":")
        check(status == "0", f"{script}: {said}")
        return said.strip()

    def start(self, config):
        """Starts the program with this config."""
        self.run(f"cat >/run/test.conf <<'END'\n[server]\nhosts = {HOST}\n{config}\nEND\n"
                 "mkdir -p /run/state\nexport STATE_DIRECTORY=/run/state\n"
                 f"{shlex.quote(str(Server.program))} --listen 0.0.0.0:{PROGRAM} -c /run/test.conf"
                 " >>/run/program.log 2>&1 &\necho $! >/run/program.pid")
        wait_for("the program listens", 60, self.answers)

    def answers(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/style.css", timeout=20):
                return True
        except OSError:
            return False

    def status(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/status", timeout=60) as answer:
            return json.load(answer)

    def clock_is_behind(self):
        """What to add to a time of its monotonic clock for one of ours; a part of the quickest of some answers is unknown."""
        answers = []
        for _ in range(5):
            asked = time.time()
            clock_s = self.status()["clock_us"] / 1e6
            took = time.time() - asked
            answers.append((took, asked + took / 2 - clock_s))
        return min(answers)[1]

    def stop(self):
        self.run("kill $(cat /run/program.pid); while [ -e /proc/$(cat /run/program.pid) ]; do sleep 0.1; done")

    def url(self, path=""):
        return f"http://{HOST}:{self.port}/{path}"
