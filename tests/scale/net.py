"""Machines of our own: network namespaces at one switch, which end with the process that made them."""
import json
import os
import subprocess
import sys

INSIDE = "FMP4STREAMER_SCALE"
SWITCH = "lan"

APART = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child"]
# A /run of our own, as ip keeps its list of namespaces there.
UP = f"""mount -t tmpfs none /run && ip link set lo up
ip link add name {SWITCH} type bridge && ip link set {SWITCH} up
exec "$@"
"""


def enter():
    """Begins the program anew where machines can be made, if that is allowed. To whom is root only in a namespace of users,
    nginx gives no workers."""
    if INSIDE in os.environ:
        return
    apart = [*APART, "sh", "-ec", UP, "sh"]
    try:
        allowed = subprocess.run([*apart, "true"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
    except FileNotFoundError:
        allowed = False
    os.environ[INSIDE] = "apart" if allowed else "loopback"
    if allowed:
        os.execvp(apart[0], apart + [sys.executable, *sys.argv])


def are_apart():
    return os.environ[INSIDE] == "apart"


def ip(*words):
    return subprocess.run(["ip", *words], check=True, stdout=subprocess.PIPE).stdout


started = []


def stop_all():
    """Ends what was started, the last first."""
    for process in reversed(started):
        process.terminate()
        process.wait()


class Viewers:
    """Where this process is: at the switch itself."""

    def __init__(self, number):
        if are_apart():
            ip("address", "add", f"192.0.2.{number}/24", "dev", SWITCH)


class Machine:
    """A machine with an address of its own (RFC 5737). Where there are no namespaces it is an address of loopback."""

    def __init__(self, name, number):
        self.name = name
        self.address = f"192.0.2.{number}" if are_apart() else f"127.0.2.{number}"
        self.prefix = []
        if are_apart():
            ip("netns", "add", name)
            self.prefix = ["nsenter", f"--net=/run/netns/{name}"]
            self.ip("link", "set", "lo", "up")
            self.connect(name, f"{self.address}/24")
            ip("link", "set", name, "master", SWITCH)

    def ip(self, *words):
        subprocess.run([*self.prefix, "ip", *words], check=True)

    def connect(self, link, address):
        """A cable from here to there; this end has the name `link`."""
        there = f"{link}0"
        ip("link", "add", link, "type", "veth", "peer", "name", there, "netns", self.name)
        ip("link", "set", link, "up")
        for words in ("address", "add", address, "dev", there), ("link", "set", there, "up"):
            self.ip(*words)

    def second_address(self):
        """An address for who comes past the caches: their bytes are not counted with those of the caches."""
        if not are_apart():
            return self.address
        self.connect("direct", "198.51.100.1/24")
        ip("address", "add", "198.51.100.2/24", "dev", "direct")
        return "198.51.100.1"

    def start(self, *command, **options):
        options = {"stdin": subprocess.DEVNULL, **options}
        started.append(subprocess.Popen([*self.prefix, *map(str, command)], **options))
        return started[-1]

    def bytes(self):
        """What has come in and gone out, with all headers; none where that is not counted."""
        if not are_apart():
            return None
        [link] = json.loads(ip("-json", "-stats", "link", "show", "dev", self.name))
        # This end of the cable takes in what the machine sends.
        return link["stats64"]["tx"]["bytes"], link["stats64"]["rx"]["bytes"]
