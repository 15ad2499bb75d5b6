"""OctoPrint, the real server, with its virtual printer: its page in Chromium, and a time-lapse of a print."""
import contextlib
import hashlib
import http.client
import json
import subprocess
import urllib.request

from driver import check, free_port, wait_for
from installed import CAMERAS, OUT, content, running, python_with
from lan import MACHINE, NAME, needs_lan
from rig import Server

# What would ask the internet, or the person who sees the page for the first time, is off.
CONFIG = """
accessControl:
  autologinAs: maker
  autologinHeadsupAcknowledged: true
  autologinLocal: true
  localNetworks: [0.0.0.0/0]
api:
  key: {key}
plugins:
  _disabled: [announcements, errortracking, softwareupdate, tracking, pluginmanager, discovery, achievements]
  classicwebcam:
    _config_version: 1
    stream: {stream}
    snapshot: {snapshot}
  virtual_printer:
    _config_version: 1
    enabled: true
serial:
  autoconnect: true
  baudrate: 115200
  port: VIRTUAL
server:
  firstRun: false
  onlineCheck: {{enabled: false}}
  pluginBlacklist: {{enabled: false}}
  seenWizards: {{corewizard: 99, classicwebcam: 99, tracking: 99}}
webcam:
  ffmpeg: /usr/bin/ffmpeg
  timelapse:
    fps: 5
    options: {{interval: 1}}
    postRoll: 0
    type: timed
"""
KEY = "0123456789ABCDEF0123456789ABCDEF"
START_S, PATIENCE_S = 180, 60
PRINT_S = 6


class OctoPrint:
    def __init__(self, port):
        self.port = port

    def ask(self, path, body=None, kind="application/json"):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body,
                                         {"X-Api-Key": KEY, "Content-Type": kind})
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def is_ready(self):
        """It is up, and the virtual printer is."""
        try:
            return self.ask("/api/connection")["current"]["state"] == "Operational"
        except (OSError, http.client.HTTPException):
            return False        # it does not listen yet, or says so in a way of its own

    def print_something(self):
        """Has the printer wait for PRINT_S seconds, and gives the addresses of the films that come of it."""
        before = self.films()
        gcode = "G28\n" + "G4 S1\n" * PRINT_S
        body = ('--x\r\nContent-Disposition: form-data; name="print"\r\n\r\ntrue\r\n--x\r\n'
                'Content-Disposition: form-data; name="file"; filename="wait.gcode"\r\n'
                f"Content-Type: application/octet-stream\r\n\r\n{gcode}\r\n--x--\r\n").encode()
        self.ask("/api/files/local", body, "multipart/form-data; boundary=x")
        return wait_for("a time-lapse", PRINT_S + 2 * PATIENCE_S, lambda: self.films() - before)

    def films(self):
        return {film["url"] for film in self.ask("/api/timelapse")["files"]}

    def film(self, url):
        with urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{self.port}{url}",
                                                           headers={"X-Api-Key": KEY}), timeout=30) as answer:
            return answer.read()


@contextlib.contextmanager
def octoprint(stream, snapshot):
    port = free_port()
    folder = OUT / "octoprint"
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(CONFIG.format(key=KEY, stream=stream, snapshot=snapshot))
    python, environment = python_with("octoprint")
    command = [python, "-m", "octoprint", "--basedir", folder]
    subprocess.run(command + ["user", "add", "maker", "--password", "secret", "--admin"], env=environment, check=True,
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    command += ["serve", "--iknowwhatimdoing", "--host", "0.0.0.0", "--port", str(port)]     # as root, too
    with running("octoprint", *command, env=environment):
        printer = OctoPrint(port)
        wait_for("OctoPrint and its virtual printer start", START_S, printer.is_ready)
        yield printer


def shows(browser, printer, host):
    """Opens the page's tab with the camera, and waits until its picture moves."""
    browser.open(f"http://{host}:{printer.port}/")
    wait_for("OctoPrint's page", PATIENCE_S, lambda: browser.run(
        "const tab = document.querySelector('#control_link a, a[href=\"#control\"]');"
        "if (tab && !document.querySelector('#page-container-loading:not([style*=none])')) tab.click();"
        "const picture = document.getElementById('webcam_image'); return picture && picture.offsetWidth > 0 && picture.naturalWidth === 640"))
    seen = set()

    def moved():
        (OUT / f"octoprint-{host}.png").write_bytes(browser.screenshot())
        seen.add(hashlib.sha256(browser.screenshot_of("webcam_image")).digest())
        return len(seen) > 3
    wait_for(f"the picture at {host} moves", PATIENCE_S, moved)


def octoprint_shows_and_films(browser):
    """By name and by address. Its page says nothing of itself to us: it holds the Referer back."""
    needs_lan()
    with Server("programs-octoprint", CAMERAS, listen="0.0.0.0") as server:
        stream = server.url("printer/stream.mjpeg", MACHINE)
        with octoprint(stream, server.url("printer/snapshot.jpg", "127.0.0.1")) as printer:
            for host in MACHINE, NAME:
                shows(browser, printer, host)
            (url,) = printer.print_something()
            film = OUT / "octoprint.mp4"
            film.write_bytes(printer.film(url))
            seen = content(film)
            check(seen.width == 640 and seen.frames >= PRINT_S, f"the time-lapse: {seen}")
            print(f"   time-lapse: {seen.frames} frames of {seen.codec}", flush=True)
