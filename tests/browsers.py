#!/usr/bin/env python3
"""End to end in real browsers: the program on one side, Chromium and Firefox on the other. Python's own library only.

usage: browsers.py PROGRAM [CHECK]   with CHECK, only the checks whose name has it

Prints "ok NAME", "FAILED NAME: why" or "skipped: why" for each check; exit status 1 if one failed. Screenshots, logs
and what was made on the way are kept in target/browsers.
"""
import base64
import functools
import http.server
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE.parent / "target" / "browsers"
PROGRAM = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "target/debug/fmp4streamer").resolve()
ONLY = sys.argv[2] if len(sys.argv) > 2 else ""


class Skip(Exception):
    """This check can't run here."""


def check(true, why):
    if not true:
        raise AssertionError(why)


def wait_for(what, seconds, ask):
    """Asks until the answer is true; how long that takes is not judged, only that it comes at all."""
    end = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer:
            return answer
        check(time.monotonic() < end, f"{what}: not after {seconds} s")
        time.sleep(0.1)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# ---------------------------------------------------------------- the program, and a proxy before it

class Server:
    """The program, started with `config` (or, without one, --test)."""

    def __init__(self, name, config=None):
        self.port = free_port()
        self.log = open(OUT / f"{name}.log", "wb")
        args = [PROGRAM, "--listen", f"127.0.0.1:{self.port}"]
        if config is None:
            args.append("--test")
        else:
            path = OUT / f"{name}.conf"
            path.write_text(config)
            args += ["-c", path]
        self.process = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def __enter__(self):
        try:
            wait_for("the program listens", 10, self.listens)
        except BaseException:
            self.process.kill()
            raise
        return self

    def listens(self):
        check(self.process.poll() is None, f"the program ended, see {self.log.name}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()

    def url(self, path=""):
        return f"http://127.0.0.1:{self.port}/{path}"


class Proxy(http.server.ThreadingHTTPServer):
    """Passes /camera/ on to the program, as a reverse proxy on a sub-path does, and serves tests/player.html there.
    The player is not a page of the program, which gives its stream to no other origin."""
    daemon_threads = True

    def __init__(self, server):
        super().__init__(("127.0.0.1", 0), Passing)
        self.server = server
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def url(self, path=""):
        return f"http://127.0.0.1:{self.server_address[1]}/camera/{path}"


class Passing(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/camera/player.html":
            page = (HERE / "player.html").read_bytes()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)
            return
        if not self.path.startswith("/camera/"):
            return self.send_error(404)
        with socket.create_connection(("127.0.0.1", self.server.server.port)) as up:
            up.sendall(f"GET {self.path[len('/camera'):]} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
            self.close_connection = True
            try:
                while data := up.recv(65536):
                    self.connection.sendall(data)
            except OSError:
                pass    # the browser left

    def log_message(self, *_):
        pass


# ---------------------------------------------------------------- the browsers

class Chromium:
    """Chromium through chromedriver: WebDriver, JSON over HTTP."""
    name = "chromium"
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync"]

    def __init__(self):
        if not shutil.which("chromium") or not shutil.which("chromedriver"):
            raise Skip("no chromium or no chromedriver here")
        self.profile = tempfile.mkdtemp()
        self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            self.begin()
        except BaseException:
            self.end()
            raise

    def begin(self):
        while not (port := re.search(r"successfully on port (\d+)", line := self.driver.stdout.readline())):
            check(line, "chromedriver ended")
        threading.Thread(target=self.driver.stdout.read, daemon=True).start()
        self.base = f"http://127.0.0.1:{port[1]}"
        options = {"binary": shutil.which("chromium"),
                   "args": self.flags + [f"--user-data-dir={self.profile}", "--window-size=1280,900"]}
        session = self.call("POST", "/session", {"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}})
        self.base += "/session/" + session["sessionId"]

    def call(self, method, path, body=None):
        request = urllib.request.Request(self.base + path, method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(json.load(error)["value"]["message"].splitlines()[0]) from None

    def open(self, url):
        self.call("POST", "/url", {"url": url})

    def run(self, script, *args):
        return self.call("POST", "/execute/sync", {"script": script, "args": args})

    def devtools(self, command, **parameters):
        return self.call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def screenshot(self):
        return base64.b64decode(self.call("GET", "/screenshot"))

    def errors(self):
        """Warnings and errors on the console since the last call."""
        return [entry["message"] for entry in self.call("POST", "/se/log", {"type": "browser"})
                if entry["level"] in ("SEVERE", "WARNING")]

    def quit(self):
        try:
            self.call("DELETE", "")
        finally:
            self.end()

    def end(self):
        self.driver.terminate()
        self.driver.wait()
        shutil.rmtree(self.profile, ignore_errors=True)


class Firefox:
    """Firefox through Marionette: "LENGTH:[0, id, command, parameters]" over TCP."""
    name = "firefox"
    preferences = {"marionette.port": 0, "media.autoplay.default": 0, "app.update.enabled": False,
                   "browser.shell.checkDefaultBrowser": False, "datareporting.policy.dataSubmissionEnabled": False,
                   "toolkit.telemetry.reportingpolicy.firstRun": False, "network.captive-portal-service.enabled": False,
                   "network.connectivity-service.enabled": False, "services.settings.server": "data:,#",
                   "media.gmp-manager.updateEnabled": False, "browser.safebrowsing.update.enabled": False,
                   "extensions.update.enabled": False, "browser.region.network.url": ""}

    def __init__(self):
        binary = shutil.which("firefox-esr") or shutil.which("firefox")
        if not binary:
            raise Skip("no firefox here")
        self.profile = tempfile.mkdtemp()
        with open(os.path.join(self.profile, "user.js"), "w", encoding="utf-8") as file:
            for key, value in self.preferences.items():
                file.write(f"user_pref({json.dumps(key)}, {json.dumps(value)});\n")
        self.log = open(OUT / "firefox.log", "wb")
        self.process = subprocess.Popen(
            [binary, "--headless", "--no-remote", "--marionette", "--remote-allow-system-access",
             "--profile", self.profile], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            env=os.environ | {"MOZ_HEADLESS_WIDTH": "1280", "MOZ_HEADLESS_HEIGHT": "900", "HOME": self.profile})
        try:
            self.begin()
        except BaseException:
            self.end()
            raise

    def begin(self):
        port_file = pathlib.Path(self.profile, "MarionetteActivePort")
        wait_for("Firefox starts", 60, lambda: port_file.exists() and port_file.read_text().strip())
        self.socket = socket.create_connection(("127.0.0.1", int(port_file.read_text())), timeout=60)
        self.stream = self.socket.makefile("rb")
        self.read()     # its greeting
        self.id = 0
        self.call("WebDriver:NewSession")
        self.errors()   # what its own start left

    def read(self):
        length = b""
        while (byte := self.stream.read(1)) != b":":
            check(byte, "Firefox ended")
            length += byte
        return json.loads(self.stream.read(int(length)))

    def call(self, command, **parameters):
        self.id += 1
        message = json.dumps([0, self.id, command, parameters])
        self.socket.sendall(f"{len(message)}:{message}".encode())
        _, _, error, result = self.read()
        check(not error, error and error["message"])
        return result

    def open(self, url):
        self.call("WebDriver:Navigate", url=url)

    def run(self, script, *args):
        return self.call("WebDriver:ExecuteScript", script=script, args=args)["value"]

    def screenshot(self):
        return base64.b64decode(self.call("WebDriver:TakeScreenshot", full=False)["value"])

    def errors(self):
        """Errors and warnings since the last call that name a page; the browser's own are its business."""
        self.call("Marionette:SetContext", value="chrome")
        lines = self.run("""
            const lines = Services.console.getMessageArray().filter(m => m instanceof Ci.nsIScriptError)
                .filter(m => m.sourceName.startsWith('http')).map(m => m.errorMessage);
            Services.console.reset();
            const said = Cc['@mozilla.org/consoleAPI-storage;1'].getService(Ci.nsIConsoleAPIStorage);
            for (const m of said.getEvents())
                if (['error', 'warn'].includes(m.level) && m.filename.startsWith('http')) lines.push(String(m.arguments[0]));
            said.clearEvents();
            return lines;""")
        self.call("Marionette:SetContext", value="content")
        return lines

    def quit(self):
        try:
            self.call("Marionette:Quit", flags=["eForceQuit"])
            self.process.wait(20)
        except (AssertionError, OSError, subprocess.TimeoutExpired):
            pass
        self.end()

    def end(self):
        self.process.kill()     # does nothing to one that has ended
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.profile, ignore_errors=True)


# ---------------------------------------------------------------- what a picture says of itself

READ_NUMBER = """
    const video = document.querySelector('video'), w = video.videoWidth, h = video.videoHeight;
    if (!w || video.readyState < 2) return null;
    const canvas = document.createElement('canvas'), block = Math.floor(w / 40 / 2) * 2;
    canvas.width = w; canvas.height = block;
    const paint = canvas.getContext('2d', { willReadFrequently: true });
    paint.drawImage(video, 0, 0);
    const row = paint.getImageData(0, block / 2, 34 * block, 1).data, bits = [];
    for (let i = 0; i < 34; i++) bits.push(row[4 * (i * block + block / 2)] > 127 ? 1 : 0);
    if (bits[0] !== 1 || bits[1] !== 0) return 'no white and black block first: ' + bits.join('');
    return bits.slice(2).reduce((number, bit) => number * 2 + bit, 0);
"""


def number_shown(browser):
    """The frame number that the built-in test picture carries in its row of blocks, read off the screen."""
    number = wait_for("a picture", 30, lambda: (n := browser.run(READ_NUMBER)) is not None and [n])[0]
    check(isinstance(number, int), number)
    return number


def moves(browser):
    first = number_shown(browser)
    wait_for("the picture moves on", 20, lambda: number_shown(browser) > first)


def raw_frames(width, height, count):
    """Gray pictures (yuv420p) with the row of blocks and a bar that runs across."""
    block, chroma = width // 40 // 2 * 2, bytes([128]) * (width * height // 2)
    shade = bytes(40 + 120 * x // width for x in range(width))
    for number in range(count):
        bits = [1, 0] + [number >> (31 - i) & 1 for i in range(32)]
        blocks = b"".join(bytes([235 if bit else 16]) * block for bit in bits)
        row = bytearray(shade)
        at = number * 5 % (width - 20)
        row[at:at + 20] = bytes([220]) * 20
        yield (blocks + shade[len(blocks):]) * block + bytes(row) * (height - block) + chroma


@functools.cache
def high_file():
    """x264's High profile, 30 s at 30 fps, no B-frames, three reference pictures, its own full VUI."""
    path = OUT / "high.h264"
    if not shutil.which("ffmpeg"):
        raise Skip("no ffmpeg here")
    width, height = 640, 480
    encoder = subprocess.Popen(
        ["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{width}x{height}", "-r", "30",
         "-i", "-", "-c:v", "libx264", "-preset", "veryfast", "-profile:v", "high", "-bf", "0", "-g", "30",
         "-x264-params", "aud=1:repeat-headers=1:ref=3", "-f", "h264", str(path)], stdin=subprocess.PIPE)
    for frame in raw_frames(width, height, 900):
        encoder.stdin.write(frame)
    encoder.stdin.close()
    check(encoder.wait() == 0, "ffmpeg failed")
    return path


class Bits:
    def __init__(self, data):
        self.text, self.at = "".join(f"{byte:08b}" for byte in data), 0

    def u(self, count):
        self.at += count
        return int(self.text[self.at - count:self.at], 2)

    def ue(self):
        zeros = self.text.index("1", self.at) - self.at
        self.at += zeros
        return self.u(zeros + 1) - 1


def vui_flag(sps):
    """The place of vui_parameters_present_flag: H.264 7.3.2.1.1, as far as x264 makes use of it."""
    bits = Bits(sps[1:].replace(b"\0\0\3", b"\0\0"))
    profile, _, _ = bits.u(8), bits.u(16), bits.ue()
    if profile == 100:
        chroma, _, _, _, matrix = bits.ue(), bits.ue(), bits.ue(), bits.u(1), bits.u(1)
        check((chroma, matrix) == (1, 0), "an SPS of another kind")
    bits.ue()                               # log2_max_frame_num_minus4
    order = bits.ue()                       # pic_order_cnt_type
    check(order in (0, 2), "an SPS of another kind")
    if order == 0:
        bits.ue()                           # log2_max_pic_order_cnt_lsb_minus4
    bits.ue(), bits.u(1), bits.ue(), bits.ue()
    if not bits.u(1):                       # frame_mbs_only_flag
        bits.u(1)
    bits.u(1)                               # direct_8x8_inference_flag
    if bits.u(1):                           # frame_cropping_flag
        bits.ue(), bits.ue(), bits.ue(), bits.ue()
    return bits.at


def edit_sps(stream, edit):
    """The Annex-B stream with every SPS's bits, without the stop bit, gone through `edit`."""
    def edited(found):
        sps = found[0]
        text = Bits(sps[1:].replace(b"\0\0\3", b"\0\0")).text
        text = edit(text[:text.rindex("1")], vui_flag(sps)) + "1"
        text += "0" * (-len(text) % 8)
        rbsp = bytes(int(text[i:i + 8], 2) for i in range(0, len(text), 8))
        return sps[:1] + re.sub(rb"\x00\x00(?=[\x00-\x03])", b"\0\0\3", rbsp)
    return re.sub(rb"(?<=\x00\x00\x01)\x67.*?(?=\x00\x00[\x00\x01])", edited, stream, flags=re.S)


def no_vui(text, flag):
    check(text[flag] == "1", "no VUI to take away")
    return text[:flag] + "0"


def reorder_two(text, _):
    """max_num_reorder_frames 2 in place of 0; it and max_dec_frame_buffering, here 3, are the last (E.1.1)."""
    check(text.endswith("1" + "00100"), "another VUI than x264's")
    return text[:-6] + "011" + "00100"


# ---------------------------------------------------------------- the checks


def the_page_plays(browser):
    with Server(f"{browser.name}-page") as server:
        browser.open(server.url())
        moves(browser)
        wait_for("the page says live", 20, lambda: browser.run(
            "return document.getElementById('state').textContent") == "live")
        (OUT / f"{browser.name}-page.png").write_bytes(browser.screenshot())
        errors = browser.errors()
        check(not errors, f"on the console: {errors}")


def the_page_comes_back_after_the_server(browser):
    """A stream that ends is loaded anew, once there is a server again."""
    with Server(f"{browser.name}-back") as server:
        browser.open(server.url())
        moves(browser)
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(10)
        wait_for("the page says that nobody answers", 20, lambda: "no answer" in browser.run(
            "return document.getElementById('state').textContent"))
        server.process = subprocess.Popen([PROGRAM, "--listen", f"127.0.0.1:{server.port}", "--test"],
                                          stdin=subprocess.DEVNULL, stdout=server.log, stderr=server.log)
        browser.run("document.querySelector('video').addEventListener('loadstart', () => { window.loads = true; })")
        wait_for("the page loads the stream anew", 60, lambda: browser.run("return window.loads"))
        moves(browser)
        browser.errors()    # the browser's own word on the server that was away


def a_picture_that_fell_behind_is_loaded_anew(browser):
    with Server(f"{browser.name}-behind") as server:
        browser.open(server.url())
        moves(browser)
        browser.run("window.loads = 0; const video = document.querySelector('video');"
                    "video.addEventListener('loadstart', () => window.loads++); ")
        time.sleep(8)       # more than two looks of page.js
        check(browser.run("return window.loads") == 0, "a picture that is not late was loaded anew")
        browser.run("document.querySelector('video').pause()")
        time.sleep(6)
        check(browser.run("return window.loads") == 0, "a picture that the viewer stopped was loaded anew")
        browser.run("document.querySelector('video').play()")
        wait_for("the page loads the stream anew", 30, lambda: browser.run("return window.loads"))
        moves(browser)


def the_page_works_on_a_sub_path(browser):
    with Server(f"{browser.name}-proxy") as server, Proxy(server) as proxy:
        browser.open(proxy.url())
        moves(browser)
        errors = browser.errors()
        check(not errors, f"on the console: {errors}")


def rotation_is_shown(browser):
    with Server(f"{browser.name}-rotation", "[test]\nwidth = 640\nheight = 480\nrotation = 90\n") as server:
        browser.open(server.url())
        size = wait_for("a picture", 30, lambda: browser.run(
            "const v = document.querySelector('video'); return v.videoWidth && v.videoWidth + 'x' + v.videoHeight"))
        check(size == "480x640", f"shown as {size}, not 480x640")


def measure(browser, name, command, seconds, settle):
    """What tests/player.html saw of a command's stream."""
    with Server(f"{browser.name}-{name}", f"[exec {name}]\ncommand = {command}\n") as server, Proxy(server) as proxy:
        browser.open(proxy.url("player.html"))
        wait_for("a picture", 30, lambda: browser.run("return window.seen.shown > 10 || window.seen.error"))
        time.sleep(settle)
        browser.run("settled()")
        time.sleep(seconds)
        seen = browser.run("return window.seen")
    (OUT / f"{browser.name}-{name}.json").write_text(json.dumps(seen))
    check(not seen["error"], seen["error"])
    check(seen["shown"] > 0, "no picture was shown")
    return seen


def replay(path, rate="30"):
    return f"{sys.executable} {HERE / 'tools' / 'replay.py'} {path} {rate} units"


def no_decoder_holds_pictures_back(browser):
    """A decoder that is not told max_num_reorder_frames = 0, or is told 2, waits for pictures to put in order: the
    program must see to it that all three streams are as fast."""
    stream = high_file().read_bytes()
    lag = {}
    for name, data in ("vui", stream), ("no-vui", edit_sps(stream, no_vui)), ("reorder", edit_sps(stream, reorder_two)):
        path = OUT / f"high-{name}.h264"
        path.write_bytes(data)
        seen = measure(browser, name, replay(path), seconds=6, settle=4)
        check(seen["codec"].startswith("avc1.64"), f"not High: {seen['codec']}")
        lag[name] = statistics.median(seen["lags"]) * 30
    text = "frames behind: " + ", ".join(f"{name} {frames:.1f}" for name, frames in lag.items())
    print(f"   {browser.name}: {text}")
    check(max(lag.values()) - lag["vui"] < 1.5, text)


def uneven_rates_play_without_a_stall(browser):
    """30, 10, 30 fps with jitter and single missed pictures: no hole in the timeline, so nothing to get stuck at."""
    seen = measure(browser, "uneven", replay(high_file(), "30x90,10x40,30x60j"), seconds=20, settle=2)
    text = (f"{seen['arrivals']} arrivals, {seen['shown']} shown, {seen['ranges']} ranges, the picture stood still "
            f"while data came {seen['longest']} times at most")
    print(f"   {browser.name}: {text}")
    check(seen["ranges"] == 1, text)
    check(seen["longest"] < 10, text)
    check(seen["shown"] > 0.7 * seen["arrivals"], text)


def the_page_fits_a_phone(browser):
    with Server(f"{browser.name}-phone") as server:
        browser.devtools("Emulation.setDeviceMetricsOverride", width=320, height=568, deviceScaleFactor=2, mobile=True)
        browser.open(server.url())
        moves(browser)
        wide, high = browser.run("const page = document.documentElement; return [page.scrollWidth, page.scrollHeight]")
        check(wide <= 320 and high <= 568, f"{wide}x{high} on a screen of 320x568")
        (OUT / f"{browser.name}-phone.png").write_bytes(browser.screenshot())
        browser.devtools("Emulation.clearDeviceMetricsOverride")


def the_page_plays_without_javascript(browser):
    with Server(f"{browser.name}-noscript") as server:
        browser.devtools("Emulation.setScriptExecutionDisabled", value=True)
        try:
            browser.open(server.url())
            pictures = set()
            wait_for("five different pictures of the screen", 30,
                     lambda: pictures.add(browser.screenshot()) or len(pictures) >= 5)
        finally:
            browser.devtools("Emulation.setScriptExecutionDisabled", value=False)


def the_manifest_is_valid(browser):
    with Server(f"{browser.name}-manifest") as server:
        browser.open(server.url())
        manifest = browser.devtools("Page.getAppManifest")
        check(manifest["url"].endswith("/manifest.json") and not manifest["errors"], manifest)
        check(not (problems := browser.devtools("Page.getInstallabilityErrors")["installabilityErrors"]), problems)


EVERYWHERE = [the_page_plays, the_page_comes_back_after_the_server, a_picture_that_fell_behind_is_loaded_anew,
              the_page_works_on_a_sub_path, rotation_is_shown, no_decoder_holds_pictures_back,
              uneven_rates_play_without_a_stall]
IN_CHROMIUM = [the_page_fits_a_phone, the_page_plays_without_javascript, the_manifest_is_valid]


def title(kind, one):
    return f"{kind.name}: {one.__name__.replace('_', ' ')}"


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    failed = False
    # One after the other: two browsers at once on a small machine disturb each other.
    for kind in Chromium, Firefox:
        checks = [c for c in EVERYWHERE + (IN_CHROMIUM if kind is Chromium else []) if ONLY in c.__name__]
        if not checks:
            continue
        try:
            browser = kind()
        except Skip as why:
            for one in checks:
                print(f"skipped: {title(kind, one)}: {why}", flush=True)
            continue
        except Exception as why:
            failed = True
            print(f"FAILED {kind.name} does not start: {why}", flush=True)
            continue
        for one in checks:
            began = time.monotonic()
            try:
                one(browser)
                print(f"ok {title(kind, one)} ({time.monotonic() - began:.0f} s)", flush=True)
            except Skip as why:
                print(f"skipped: {title(kind, one)}: {why}", flush=True)
            except Exception as why:    # whatever it was, the others are still to run
                failed = True
                print(f"FAILED {title(kind, one)}: {why or type(why).__name__}", flush=True)
                traceback.print_exc()
        browser.quit()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
