"""Home Assistant, the real server: its config flows, its stills, and its stream worker that pulls from us."""
import contextlib
import gzip
import json
import pathlib
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

from driver import check, free_port, wait_for
from installed import CAMERAS, OUT, content, running, python_with
from rig import Server

CONFIG = """
homeassistant:
  name: House
http:
  server_host: 127.0.0.1
  server_port: {port}
api:
auth:
config:
camera:
stream:
logger:
  default: warning
"""
CLIENT = "http://127.0.0.1/"
TOOLS = pathlib.Path(__file__).resolve().parents[2] / "target" / "tools" / "python"
START_S, FLOW_S = 180, 60
minutes = 10    # for which its streams go on; set by __main__


class HomeAssistant:
    """A server of an empty folder, and a person who has logged in to it."""

    def __init__(self):
        self.port, self.token = free_port(), None
        self.folder = OUT / f"home-{self.port}"
        self.folder.mkdir(parents=True)
        (self.folder / "configuration.yaml").write_text(CONFIG.format(port=self.port))
        self.log = self.folder / "home-assistant.log"

    def ask(self, path, body=None, form=False):
        """The answer to a GET, or to a POST of `body`: what its JSON says, or else its bytes."""
        url = urllib.parse.urljoin(f"http://127.0.0.1:{self.port}", path)
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded" if form else "application/json"
            body = (urllib.parse.urlencode if form else json.dumps)(body).encode()
        try:
            with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=FLOW_S) as answer:
                said = answer.read()
                # It compresses playlists without being asked to.
                if answer.headers["Content-Encoding"] == "gzip":
                    said = gzip.decompress(said)
                return json.loads(said) if answer.headers.get_content_type() == "application/json" else said
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {error.code} {error.read()[:300]!r}") from None

    def is_up(self):
        try:
            return self.ask("/api/onboarding")
        except (AssertionError, OSError):
            return False

    def log_in(self):
        wait_for("Home Assistant starts", START_S, self.is_up)
        code = self.ask("/api/onboarding/users", {
            "client_id": CLIENT, "name": "Anna", "username": "anna", "password": "secret",
            "language": "en"})["auth_code"]
        self.token = self.ask("/auth/token", {
            "client_id": CLIENT, "grant_type": "authorization_code", "code": code}, form=True)["access_token"]

    def add(self, integration, *answers):
        """Goes through a config flow with these answers to its forms; the name of the camera that it makes."""
        before = self.cameras()
        step = self.ask("/api/config/config_entries/flow", {"handler": integration})
        for answer in answers:
            check(step["type"] == "form", f"{integration}: {step}")
            step = self.ask(f"/api/config/config_entries/flow/{step['flow_id']}", answer)
            check(not step.get("errors"), f"{integration} says of {answer}: {step.get('errors')}")
        check(step["type"] == "create_entry", f"{integration}: {step}")
        (camera,) = wait_for("the camera is there", FLOW_S, lambda: self.cameras() - before)
        return camera

    def cameras(self):
        return {state["entity_id"] for state in self.ask("/api/states") if state["entity_id"].startswith("camera.")}

    def still(self, camera):
        return self.ask(f"/api/camera_proxy/{camera}")

    def watch(self, camera):
        """The address of its stream's playlist, as Home Assistant's page gets it."""
        sys.path.insert(0, str(TOOLS))
        from websockets.sync.client import connect
        with connect(f"ws://127.0.0.1:{self.port}/api/websocket", open_timeout=30) as socket:
            socket.recv()
            socket.send(json.dumps({"type": "auth", "access_token": self.token}))
            check(json.loads(socket.recv())["type"] == "auth_ok", "Home Assistant's WebSocket takes no token")
            socket.send(json.dumps({"id": 1, "type": "camera/stream", "entity_id": camera}))
            answer = json.loads(socket.recv())
        check(answer.get("success"), f"{camera}: {answer}")
        master = self.ask(answer["result"]["url"]).decode()
        return urllib.parse.urljoin(answer["result"]["url"], master.splitlines()[-1])

    def segments(self, playlist):
        """{number: address} of those whose end is known."""
        text = self.ask(playlist).decode()
        first = int(re.search(r"#EXT-X-MEDIA-SEQUENCE:(\d+)", text)[1])
        paths = re.findall(r"^\./segment/.*", text, re.M)
        return {first + i: urllib.parse.urljoin(playlist, path) for i, path in enumerate(paths)}


@contextlib.contextmanager
def house():
    home = HomeAssistant()
    python, environment = python_with("homeassistant")
    command = [python, "-m", "homeassistant", "--config", home.folder]
    with running(f"home-{home.port}", *command, "--skip-pip", env=environment):
        home.log_in()
        yield home


def go_on(home, playlists, seconds):
    """How many segments each stream has after so many seconds; none of its workers may have begun again."""
    begun = time.monotonic()
    while time.monotonic() < begun + seconds:
        newest = {name: newest_segment(home, name, playlist) for name, playlist in playlists.items()}
        time.sleep(1)
    return newest


def newest_segment(home, name, playlist):
    """Its number; a worker that begins again counts up the discontinuities. Fetched it is, as by a player: a stream of
    which nobody has a segment for five minutes is ended."""
    numbers = wait_for(f"segments of {name}", FLOW_S, lambda: home.segments(playlist))
    text = home.ask(playlist).decode()
    check("#EXT-X-DISCONTINUITY-SEQUENCE:0\n" in text and "#EXT-X-DISCONTINUITY\n" not in text,
          f"{name}: the stream worker began again")
    home.ask(numbers[max(numbers)])
    return max(numbers)


def newest_content(home, playlist):
    segments = home.segments(playlist)
    return content(home.ask(urllib.parse.urljoin(playlist, "init.mp4")) + home.ask(segments[max(segments)]))


def home_assistant_pulls_streams(_):
    """Generic cameras by RTSP, fMP4 and HLS, and an MJPEG camera, each by its config flow."""
    rtsp = free_port()
    seconds = 60 * minutes
    with Server("programs-home", CAMERAS, server=f"rtsp = yes\nrtsp_port = {rtsp}\n") as server, house() as home:
        still = server.url("printer/snapshot.jpg", "127.0.0.1")
        sources = {"RTSP": f"rtsp://127.0.0.1:{rtsp}/yard", "fMP4": server.url("yard/stream.mp4", "127.0.0.1"),
                   "HLS": server.url("yard/stream.m3u8", "127.0.0.1")}
        playlists = {}
        for name, source in sources.items():
            camera = home.add("generic", {
                "stream_source": source, "still_image_url": still, "rtsp_transport": "tcp", "framerate": 2,
                "authentication": "basic", "verify_ssl": False}, {"confirmed_ok": True})
            check(content(home.still(camera)).codec == "mjpeg", f"{name}: no still")
            playlists[name] = home.watch(camera)
        before = {name: newest_segment(home, name, playlist) for name, playlist in playlists.items()}
        for name, newest in go_on(home, playlists, seconds).items():
            seen = newest_content(home, playlists[name])
            check(seen[:2] == ("h264", 640) and seen.frames > 1, f"{name}: the last segment has {seen}")
            # It makes them of two seconds, and longer ones where key frames are further apart.
            check(newest - before[name] > seconds / 10, f"{name}: only {newest - before[name]} segments in {seconds} s")
            print(f"   {name}: {newest - before[name]} segments in {seconds:.0f} s", flush=True)
        camera = home.add("mjpeg", {
            "name": "Printer", "mjpeg_url": server.url("printer/stream.mjpeg", "127.0.0.1"), "still_image_url": still,
            "username": "", "password": "", "verify_ssl": False})
        check(content(home.still(camera)).codec == "mjpeg", "MJPEG: no still")
        said = [line for line in home.log.read_text().splitlines() if re.search("stream|camera|generic|mjpeg", line)]
        check(not said, f"Home Assistant's log: {said[:5]}")
