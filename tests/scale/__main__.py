#!/usr/bin/env python3
"""tests/scale PROGRAM VIEWERS SECONDS: a crowd behind two tiers of caches, with the configs of docs/scale.md.

`make scale` builds the program first. All of it runs on this machine, each part in a network namespace of its own. The exit
status is 0 if no cache asked twice for anything, all counts agree, and no viewer missed a segment or got an error.
"""
import json
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

import net
from crowd import Crowd, Viewer
from hls import Seen, watch_closely, watch_plainly

ROOT = pathlib.Path(__file__).resolve().parents[2]
NGINX, VARNISH = "/usr/sbin/nginx", "/usr/sbin/varnishd"
HOST = "cam.example.org"
CAMERA_PORT, CACHE_PORT = 8000, 8080
# One viewer in ten has low latency, and half of those ask for parts before they are listed.
CLOSE, HASTY = 10, 20
# Viewers directly at the camera, to compare with.
DIRECT = 30
REQUESTS, CPU = "fmp4streamer_requests_total", "process_cpu_seconds_total"
# How long a cache may keep a playlist that is asked for plainly (s), as the program says it of the test picture.
PLAYLIST_AGE_S = 1


def example(language):
    [block] = re.findall(rf"```{language}\n(.*?)```", (ROOT / "docs/scale.md").read_text(), re.S)
    return block


def replaced(text, *pairs):
    for old, new in pairs:
        if text.count(old) != 1:
            sys.exit(f"docs/scale.md should have this once: {old}")
        text = text.replace(old, new)
    return text


def wait_for(what, condition, process):
    until = time.monotonic() + 60
    while not condition():
        if process.poll() is not None or time.monotonic() > until:
            sys.exit(f"FAILED scale: {what}")
        time.sleep(0.1)


def listens(address):
    try:
        socket.create_connection(address, timeout=10).close()
        return True
    except OSError:
        return False


class Camera:
    """The program with its test picture."""

    def __init__(self, program, directory):
        self.machine = net.Machine("camera", 1)
        self.direct = (self.machine.second_address(), CAMERA_PORT)
        self.address = (self.machine.address, CAMERA_PORT)
        config = directory / "camera.conf"
        config.write_text(f"[server]\nhosts = {HOST}\n[test]\n")
        listen = f"{'0.0.0.0' if net.are_apart() else self.machine.address}:{CAMERA_PORT}"
        log = open(directory / "camera.log", "wb")
        self.process = self.machine.start(program, "--listen", listen, "-c", config, stdout=log, stderr=log)
        wait_for("the program does not serve", lambda: listens(self.direct), self.process)
        # Were it to wake for the first viewers, all of them would ask at the same time from then on.
        self.get("/stream.m3u8")

    def get(self, path):
        with urllib.request.urlopen("http://{}:{}{}".format(*self.direct, path), timeout=20) as answer:
            return answer.read().decode()

    def metrics(self):
        lines = self.get("/metrics").splitlines()
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}


class Cache:
    def __init__(self, name, number, behind, directory):
        self.machine = net.Machine(name, number)
        self.name, self.address = name, (self.machine.address, CACHE_PORT)
        self.directory = directory / name
        self.directory.mkdir()
        self.run(*behind)
        wait_for(f"{name} does not serve", lambda: listens(self.address), self.process)


class Varnish(Cache):
    kind = "Varnish"

    def run(self, host, port):
        config = self.directory / "default.vcl"
        config.write_text(replaced(
            example("vcl"), ('"192.0.2.1"', f'"{host}"'), ('.port = "8000"', f'.port = "{port}"')))
        instance, self.log = self.directory / "varnish", self.directory / "log"
        out = open(self.directory / "output", "wb")
        self.process = self.machine.start(
            VARNISH, "-F", "-j", "none", "-T", "none", "-n", instance, "-a", "{}:{}".format(*self.address),
            "-f", config, "-s", "malloc,64m", stdout=out, stderr=out)
        wait_for(f"{self.name} does not start", (instance / "_.vsm_child/_.index").exists, self.process)
        # What it asked for (b), and what it was asked for (c).
        self.logger = self.machine.start(
            "varnishncsa", "-n", instance, "-b", "-c", "-F", "%{Varnish:side}x %{VSL:Timestamp:Start[1]}x %s %U%q",
            stdout=open(self.log, "wb"), stderr=out)

    def read_log(self):
        """What it asked for, (begin in Unix time, status, path), and how much it was asked for."""
        # It writes what it has when it ends.
        self.logger.send_signal(signal.SIGTERM)
        self.logger.wait()
        lines = [line.split() for line in open(self.log)]
        passed_on = [(float(began), status, path) for side, began, status, path in lines if side == "b"]
        return passed_on, len(lines) - len(passed_on)


class Nginx(Cache):
    kind = "nginx"

    def run(self, host, port):
        here = lambda name: self.directory / name
        self.log = here("log")
        server = replaced(
            example("nginx"), ("/var/cache/nginx/edge", str(here("cache"))), ("192.0.2.2:8080", f"{host}:{port}"),
            ("listen 80;", "listen {}:{};".format(*self.address)))
        temporary = "".join(
            f"{what}_temp_path {here(what)};\n" for what in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        config = here("nginx.conf")
        config.write_text(
            f"{'user root;' if os.getuid() == 0 else ''}\ndaemon off;\nworker_processes 1;\n"
            f"worker_rlimit_nofile {FILES};\npid {here('pid')};\nerror_log {here('error')} warn;\n"
            f"events {{ worker_connections {FILES}; }}\nhttp {{\n{temporary}"
            "log_format passed_on '$msec $upstream_response_time $upstream_status $status $request_uri';\n"
            f"access_log {self.log} passed_on buffer=64k flush=1s;\n{server}\n}}\n")
        self.process = self.machine.start(NGINX, "-e", here("error"), "-c", config)

    def read_log(self):
        lines = [line.split() for line in open(self.log)]
        passed_on = [(float(ended) - float(took), status, path)
                     for ended, took, status, _, path in lines if took != "-"]
        return passed_on, len(lines)


def most_for_one(passed_on):
    """How many objects were asked for, and how often the one that was asked for most."""
    times = {}
    for began, status, path in passed_on:
        if status == "200":
            times.setdefault(path, []).append(began)
    objects, most = 0, 0.0
    for path, began in times.items():
        if path.startswith("/hls/") or "_HLS_msn" in path:
            versions = 1
        else:
            # It is another object each time that the last one is too old; the times of a busy machine's log are a little off.
            versions = int((max(began) - min(began)) / PLAYLIST_AGE_S + 0.5) + 1
        objects += min(versions, len(began))
        most = max(most, len(began) / versions)
    return objects, most


def quantile(values, share):
    return sorted(values)[int(share * (len(values) - 1))] if values else float("nan")


def table(*rows):
    print(f"\n| {' | '.join(rows[0])} |\n|{'---|' * len(rows[0])}")
    for row in rows[1:]:
        print(f"| {' | '.join(str(cell) for cell in row)} |")


def scale(program, viewers, seconds, directory):
    net.Viewers(100)
    camera = Camera(program, directory)
    before = camera.metrics()
    tier1 = Varnish("tier1", 2, camera.address, directory)
    edges = [kind(f"{kind.kind}{number}", 10 + number, tier1.address, directory)
             for number, kind in enumerate([Nginx, Nginx, Varnish, Varnish], 1)]
    machines = [camera.machine, tier1.machine, *(edge.machine for edge in edges)]
    bytes_before = [machine.bytes() for machine in machines]

    crowd, seen = Crowd(), {}

    def join(number, cache, address):
        """The viewer of this number at that cache."""
        is_close = number % CLOSE == 0
        its = seen.setdefault(("low latency" if is_close else "plain", cache), Seen())
        watch = watch_closely(its, number % HASTY == 0) if is_close else watch_plainly(its)
        viewer = Viewer(crowd, address, HOST, its, watch)
        crowd.at(time.monotonic() + random.uniform(0, seconds / 6), viewer.go_on)

    for number in range(viewers):
        edge = edges[number % len(edges)]
        join(number // len(edges), edge.kind, edge.address)
    for number in range(DIRECT):
        join(number, "none", camera.direct)
    started, cpu = time.monotonic(), time.process_time()
    crowd.run(seconds)
    took, cpu = time.monotonic() - started, time.process_time() - cpu
    moved = [machine.bytes() for machine in machines]
    crowd.leave()
    # What is under way comes to an end.
    time.sleep(3)
    after = camera.metrics()
    cpu_camera = after[CPU] - before[CPU]

    failures = []
    print(f"{viewers} viewers for {took:.0f} s, one in {CLOSE} with low latency, and {DIRECT} directly at the camera.")
    if not net.are_apart():
        print("There are no network namespaces, which root can make: all is on loopback, and no bytes are counted.")
    passed_on, asked = {}, {}
    for cache in (tier1, *edges):
        passed_on[cache], asked[cache] = cache.read_log()
    rows = [("cache", "was asked", "asked on", "for objects", "most often for one", "errors")]
    for cache in (tier1, *edges):
        objects, most = most_for_one(passed_on[cache])
        errors = sum(status != "200" for _, status, _ in passed_on[cache])
        rows.append((cache.name, asked[cache], len(passed_on[cache]), objects, f"{most:.2f}", errors))
        if most > 1:
            failures.append(f"{cache.name} asked more than once for an object")
    table(*rows)

    # The first and the last question were ours.
    counted = int(after[REQUESTS] - before[REQUESTS]) - 1
    of_tier1 = counted - sum(its.requests for (_, cache), its in seen.items() if cache == "none")
    of_edges = sum(len(passed_on[edge]) for edge in edges)
    print(f"\nThe camera's machine counted {counted} requests, {of_tier1} of them of tier 1.")
    if of_tier1 != len(passed_on[tier1]) or of_edges != asked[tier1]:
        failures.append(f"the counts differ: {of_tier1} and {len(passed_on[tier1])}, {of_edges} and {asked[tier1]}")

    if net.are_apart():
        rows = [("machine", "Mbit/s in", "Mbit/s out")]
        for machine, now, then in zip(machines, moved, bytes_before):
            rates = [f"{(now - then) * 8 / took / 1e6:.2f}" for now, then in zip(now, then)]
            rows.append((machine.name, *rates))
        table(*rows)

    rows = [("viewers", "at", "requests", "segments or parts", "MB", "gaps", "errors", "age, median", "95 %",
             "later than directly, median", "95 %")]
    for (kind, cache), its in sorted(seen.items(), reverse=True):
        direct = seen[kind, "none"].ages
        age = [quantile(its.ages, share) for share in (0.5, 0.95)]
        later = [now - quantile(direct, share) for now, share in zip(age, (0.5, 0.95))]
        rows.append((kind, "the camera" if cache == "none" else cache, its.requests, its.media, f"{its.bytes / 1e6:.1f}",
                     its.gaps, sum(its.errors.values()), *(f"{s:.2f} s" for s in age),
                     *("" if cache == "none" else f"{s:+.2f} s" for s in later)))
        if its.gaps or its.errors or not its.media:
            failures.append(f"{kind} viewers at {cache}: {its.media} segments or parts, {its.gaps} gaps, {its.errors}")
    table(*rows)
    print(f"\nCPU time: {cpu_camera:.1f} s of the program, {cpu:.1f} s of the simulated viewers.")
    for failure in failures:
        print(f"FAILED scale: {failure}")
    return not failures


def main():
    global FILES
    net.enter()
    program, viewers, seconds = pathlib.Path(sys.argv[1]).resolve(), int(sys.argv[2]), float(sys.argv[3])
    for tool in (NGINX, VARNISH, "varnishncsa", "varnishstat"):
        if shutil.which(tool) is None:
            sys.exit(f"SKIPPED: scale: there is no {tool}, of Debian's packages nginx and varnish")
    FILES = viewers + 500
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    except (OSError, ValueError):
        sys.exit(f"SKIPPED: scale: {viewers} viewers take {FILES} open files, and no more are allowed than ulimit -Hn says")
    with tempfile.TemporaryDirectory(prefix="fmp4streamer-scale-") as directory:
        try:
            good = scale(program, viewers, seconds, pathlib.Path(directory))
        finally:
            net.stop_all()
    sys.exit(0 if good else 1)


main()
