"""Chromium, Firefox and WebKitGTK, each started headless with an empty profile. Python's own library only.

An insecure origin is what a viewer in the home gets (http://pi.local), and browsers keep some of their interfaces from
it. Loopback is secure, so `HOST` is a name that each browser is made to take for 127.0.0.1.
"""
import base64
import glob
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

from loudspeaker import Loudspeaker

HOST = "cam.test"
TOP = pathlib.Path(__file__).resolve().parents[2] / "target" / "browsers"
FOLDER = "FMP4STREAMER_TEST_FOLDER"     # in the environment: the one below TOP that is for this process
OUT = pathlib.Path(os.environ.get(FOLDER, TOP))
SIZE = 1280, 900


def end_by_exception():
    """Has SIGTERM end this program by an exception, so that what it started is ended too."""
    def told(*_):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sys.exit(1)
    signal.signal(signal.SIGTERM, told)


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


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def needs(*commands):
    for command in commands:
        if not shutil.which(command):
            raise Skip(f"no {command} here")


def descendants(pid):
    """The processes that this one has begun, and theirs."""
    children = {}
    for stat in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(stat) as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue    # it has ended
        children.setdefault(int(fields[1]), []).append(int(stat.split("/")[2]))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found[1:]


def end(process):
    """Ends a process and all that it has begun: a browser is many, and its driver does not end them all."""
    for pid in descendants(process.pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    process.kill()      # does nothing to one that has ended
    process.wait()


def pressed(key):
    """The actions of WebDriver for it."""
    return [{"type": "key", "id": "keys", "actions": [{"type": kind, "value": key} for kind in ("keyDown", "keyUp")]}]


class Browser:
    host = HOST     # by which it finds this machine

    def open(self, url, script=""):
        """Opens a page, and runs a script in it at once: its load event is not waited for, nor would it come while
        WebKit loads a <video>."""
        self.run("window.before = true")
        self.go(url)
        end = time.monotonic() + 60
        # Firefox shows a blank page in between.
        while not self.reached("if (window.before || location.href !== arguments[0] || !document.body) return false;"
                               f"{script}; return true", url):
            check(time.monotonic() < end, f"{url} does not open")

    def reached(self, script, url):
        try:
            return self.run(script, url)
        except AssertionError:
            return False    # the page before went away under it


class WebDriver(Browser):
    """A browser through its driver: WebDriver (W3C), JSON over HTTP."""

    def __init__(self):
        self.profile = tempfile.mkdtemp()
        self.log = open(OUT / f"{self.name}.log", "wb")
        self.processes = []
        try:
            self.begin()
        except BaseException:
            self.end()
            raise

    def start(self, *command, **options):
        self.processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=self.log, **options))
        return self.processes[-1]

    def session(self, port, capabilities):
        self.base = f"http://127.0.0.1:{port}"
        answer = self.call("POST", "/session", {"capabilities": {
            "alwaysMatch": {"pageLoadStrategy": "none"} | capabilities}})
        self.version = answer["capabilities"]["browserVersion"]
        self.base += "/session/" + answer["sessionId"]

    def call(self, method, path, body=None):
        request = urllib.request.Request(self.base + path, method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            value = json.load(error)["value"]
            raise AssertionError((value["message"] or value["error"]).splitlines()[0]) from None

    def go(self, url):
        self.call("POST", "/url", {"url": url})

    def run(self, script, *args):
        return self.call("POST", "/execute/sync", {"script": script, "args": args})

    def screenshot(self):
        return base64.b64decode(self.call("GET", "/screenshot"))

    def screenshot_of(self, name):
        """Of the element with this id."""
        (element,) = self.run("return document.getElementById(arguments[0])", name).values()
        return base64.b64decode(self.call("GET", f"/element/{element}/screenshot"))

    def window(self):
        return self.call("GET", "/window")

    def new_window(self):
        return self.call("POST", "/window/new", {"type": "window"})["handle"]

    def to_window(self, handle):
        self.call("POST", "/window", {"handle": handle})

    def close_window(self):
        self.call("DELETE", "/window")

    def to_frame(self, number):
        """Scripts run in this frame of the page from now on, or with None in the page itself."""
        self.call("POST", "/frame", {"id": number})

    def click(self, selector):
        """As a person does, who may be asked to by the browser before it lets a page be heard."""
        found = self.call("POST", "/element", {"using": "css selector", "value": selector})
        self.call("POST", f"/element/{next(iter(found.values()))}/click", {})

    def press(self, key):
        self.call("POST", "/actions", {"actions": pressed(key)})

    def quit(self):
        try:
            self.call("DELETE", "")
        except (AssertionError, OSError):
            pass    # it has ended
        self.end()

    def end(self):
        for process in reversed(self.processes):
            end(process)
        self.log.close()
        shutil.rmtree(self.profile, ignore_errors=True)


class Chromium(WebDriver):
    name = "chromium"
    # HttpsUpgrades: it asks for https first, on some names
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             "--disable-features=HttpsUpgrades", f"--host-resolver-rules=MAP {HOST} 127.0.0.1",
             f"--window-size={SIZE[0]},{SIZE[1]}"]

    def begin(self):
        needs("chromium", "chromedriver")
        self.loudspeaker = Loudspeaker(self.profile, self.log)
        self.processes += self.loudspeaker.processes
        driver = self.start("chromedriver", "--port=0", stdout=subprocess.PIPE, text=True,
                            env=os.environ | self.loudspeaker.environment)
        while not (port := re.search(r"successfully on port (\d+)", line := driver.stdout.readline())):
            check(line, "chromedriver ended")
        threading.Thread(target=driver.stdout.read, daemon=True).start()
        self.session(port[1], {
            "goog:chromeOptions": {"binary": shutil.which("chromium"),
                                   "args": self.flags + [f"--user-data-dir={self.profile}"]},
            "goog:loggingPrefs": {"browser": "ALL"}})

    def devtools(self, command, **parameters):
        return self.call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def allow_scripts(self, value):
        """Of pages that are opened from now on."""
        self.devtools("Emulation.setScriptExecutionDisabled", value=not value)

    def cover(self):
        """Puts another tab before the page: it is hidden then."""
        # What the driver does, to keep every page visible
        self.devtools("Emulation.setFocusEmulationEnabled", enabled=False)
        self.other = self.devtools("Target.createTarget", url="about:blank")["targetId"]

    def uncover(self):
        self.devtools("Target.activateTarget", targetId=self.window())
        self.devtools("Target.closeTarget", targetId=self.other)

    def errors(self):
        """Warnings and errors on the console since the last call."""
        return [entry["message"] for entry in self.call("POST", "/se/log", {"type": "browser"})
                if entry["level"] in ("SEVERE", "WARNING")]


class WebKit(WebDriver):
    """WebKitGTK's MiniBrowser: Safari's engine, as far as that goes, on another system's media framework."""
    name = "webkit"

    def begin(self):
        needs("WebKitWebDriver", "Xvfb")
        browsers = glob.glob("/usr/lib/*/webkit2gtk-4.*/MiniBrowser")
        if not browsers:
            raise Skip("no MiniBrowser here")
        number, display = os.pipe()
        self.start("Xvfb", "-displayfd", str(display), "-screen", "0", f"{SIZE[0]}x{SIZE[1]}x24", "-nolisten", "tcp",
                   stdout=subprocess.DEVNULL, pass_fds=[display])
        os.close(display)
        with open(number) as file:
            screen = file.readline().strip()
        check(screen, "Xvfb ended")
        port = free_port()
        environment = os.environ | {"DISPLAY": f":{screen}", "HOME": self.profile, "XDG_RUNTIME_DIR": self.profile,
                                    "GDK_BACKEND": "x11", "LIBGL_ALWAYS_SOFTWARE": "1"}
        # It has no rule for names, so it gets an /etc/hosts of its own in a mount namespace, where that is allowed.
        hosts = pathlib.Path(self.profile, "hosts")
        hosts.write_text(f"127.0.0.1 localhost {HOST}\n")
        apart = ["unshare", "--mount"] if os.getuid() == 0 else ["unshare", "--map-root-user", "--mount"]
        apart += ["sh", "-c", f'mount --bind "{hosts}" /etc/hosts && exec "$@"', "sh"]
        if subprocess.run(apart + ["true"], stderr=self.log).returncode != 0:
            apart, self.host = [], "localhost"
        self.start(*apart, "WebKitWebDriver", f"--port={port}",
                   stdout=self.log, env=environment)
        wait_for("WebKitWebDriver listens", 30, lambda: listens(port))
        self.session(port, {"webkitgtk:browserOptions": {"binary": browsers[-1], "args": ["--automation"]}})

    def errors(self):
        return []   # its driver does not tell


class Firefox(Browser):
    """Firefox through Marionette: "LENGTH:[0, id, command, parameters]" over TCP."""
    name = "firefox"
    preferences = {"marionette.port": 0, "media.autoplay.default": 0, "app.update.enabled": False,
                   "browser.shell.checkDefaultBrowser": False, "datareporting.policy.dataSubmissionEnabled": False,
                   "toolkit.telemetry.reportingpolicy.firstRun": False, "network.captive-portal-service.enabled": False,
                   "network.connectivity-service.enabled": False, "services.settings.server": "data:,#",
                   "media.gmp-manager.updateEnabled": False, "browser.safebrowsing.update.enabled": False,
                   "extensions.update.enabled": False, "browser.region.network.url": "",
                   "network.dns.localDomains": HOST,
                   # Or it ends what script of a page runs while another is opened, and says so as that page's error.
                   "dom.ipc.processHangMonitor": False, "dom.max_script_run_time": 0,
                   "privacy.reduceTimerPrecision": False}   # its clock would show whole milliseconds

    def __init__(self):
        binary = shutil.which("firefox-esr") or shutil.which("firefox")
        if not binary:
            raise Skip("no firefox here")
        self.profile = tempfile.mkdtemp()
        with open(os.path.join(self.profile, "user.js"), "w", encoding="utf-8") as file:
            for key, value in self.preferences.items():
                file.write(f"user_pref({json.dumps(key)}, {json.dumps(value)});\n")
        self.log = open(OUT / "firefox.log", "wb")
        self.loudspeaker = Loudspeaker(self.profile, self.log)
        self.process = subprocess.Popen(
            [binary, "--headless", "--no-remote", "--marionette", "--remote-allow-system-access",
             "--profile", self.profile], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            env=os.environ | {
                "MOZ_HEADLESS_WIDTH": str(SIZE[0]), "MOZ_HEADLESS_HEIGHT": str(SIZE[1]), "HOME": self.profile
            } | self.loudspeaker.environment)
        try:
            self.begin()
        except BaseException:
            self.end()
            raise

    def begin(self):
        port_file = pathlib.Path(self.profile, "MarionetteActivePort")
        wait_for("Firefox starts", 60, lambda: port_file.exists() and port_file.read_text().strip())
        self.socket = socket.create_connection(("127.0.0.1", int(port_file.read_text())), timeout=120)
        self.stream = self.socket.makefile("rb")
        self.read()     # its greeting
        self.id = 0
        answer = self.call("WebDriver:NewSession", pageLoadStrategy="none")
        self.version = answer["capabilities"]["browserVersion"]
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

    def go(self, url):
        self.call("WebDriver:Navigate", url=url)

    def run(self, script, *args):
        return self.call("WebDriver:ExecuteScript", script=script, args=args)["value"]

    def screenshot(self):
        return base64.b64decode(self.call("WebDriver:TakeScreenshot", full=False)["value"])

    def click(self, selector):
        found = self.call("WebDriver:FindElement", using="css selector", value=selector)["value"]
        self.call("WebDriver:ElementClick", id=next(iter(found.values())))

    def press(self, key):
        self.call("WebDriver:PerformActions", actions=pressed(key))

    def cover(self):
        """Puts another tab before the page: it is hidden then."""
        self.page = self.call("WebDriver:GetWindowHandle")["value"]
        self.other = self.call("WebDriver:NewWindow", type="tab", focus=True)["handle"]

    def uncover(self):
        self.call("WebDriver:SwitchToWindow", handle=self.other, focus=False)
        self.call("WebDriver:CloseWindow")
        self.call("WebDriver:SwitchToWindow", handle=self.page, focus=True)

    def to_frame(self, number):
        self.call("WebDriver:SwitchToFrame", id=number)

    def allow_scripts(self, value):
        """Of pages that are opened from now on."""
        self.call("Marionette:SetContext", value="chrome")
        self.run("Services.prefs.setBoolPref('javascript.enabled', arguments[0])", value)
        self.call("Marionette:SetContext", value="content")

    def errors(self):
        """Errors and warnings since the last call that name a page; the browser's own are its business."""
        self.call("Marionette:SetContext", value="chrome")
        lines = self.run("""
            const lines = Services.console.getMessageArray().filter(m => m instanceof Ci.nsIScriptError)
                .filter(m => m.sourceName.startsWith('http')).map(m => m.errorMessage);
            Services.console.reset();
            const said = Cc['@mozilla.org/consoleAPI-storage;1'].getService(Ci.nsIConsoleAPIStorage);
            for (const m of said.getEvents())
                if (['error', 'warn'].includes(m.level) && m.filename.startsWith('http'))
                    lines.push(String(m.arguments[0]));
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
        for process in [self.process] + self.loudspeaker.processes:
            end(process)
        self.log.close()
        shutil.rmtree(self.profile, ignore_errors=True)
