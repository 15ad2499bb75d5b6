"""A camera of JPEG pictures: the page, and the tags that other programs' pages have for mjpg-streamer."""
import shlex
import subprocess
import sys

from driver import OUT, check, needs, wait_for
from rig import TOOLS, Pages, Proxy, Server

PATIENCE_S = 60
COLOURS = ["red", "lime", "blue"]


def camera(name, rate, how, colours=COLOURS):
    """The section of a camera that shows pictures of these colours."""
    needs("ffmpeg")
    files = []
    for colour in colours:
        files.append(OUT / f"{name}-{colour}.jpg")
        subprocess.run(["ffmpeg", "-y", "-v", "error", "-f", "lavfi", "-i", f"color={colour}:size=320x240",
                        "-frames:v", "1", files[-1]], check=True)
    words = ["exec", sys.executable, TOOLS / "jpegs.py", rate, how, *files]
    return f"[exec {name}]\ncommand = {shlex.join(map(str, words))}\n"


def shown(browser):
    """The colour in the middle of the screen. A canvas would not tell: Firefox draws old parts to it."""
    middle = subprocess.run(["ffmpeg", "-v", "error", "-i", "-", "-vf", "crop=2:2", "-pix_fmt", "rgb24",
                             "-f", "rawvideo", "-"], input=browser.screenshot(), stdout=subprocess.PIPE, check=True).stdout
    # The page dims what it does not know to be live.
    strong = [name for name, level in zip(COLOURS, middle) if level > 80]
    return strong[0] if len(strong) == 1 else None


def all_come(browser):
    seen = set()
    wait_for("every colour", PATIENCE_S, lambda: seen.add(shown(browser)) or seen >= set(COLOURS))


def the_page_shows_jpeg_pictures(browser):
    name = f"{browser.name}-jpeg"
    with Server(name, camera(name, 3, "whole")) as server:
        browser.open(server.url(host="127.0.0.1"))
        all_come(browser)
        browser.open(server.url("?path=mjpeg", host="127.0.0.1"))
        all_come(browser)


def the_page_shows_jpeg_pictures_where_no_websocket_passes(browser):
    """From a camera that sleeps until somebody asks for its pictures."""
    name = f"{browser.name}-jpeg-proxy"
    with Server(name, camera(name, 3, "whole")) as server, Proxy(server, "/", "no-websocket") as proxy:
        server.falls_asleep()
        browser.open(proxy.url(host=browser.host))
        all_come(browser)
        browser.errors()    # the browser's own word on the WebSocket
        (OUT / f"{name}.png").write_bytes(browser.screenshot())


def jpeg_pictures_show_in_a_browser_that_cant_run_the_page(browser):
    name = f"{browser.name}-jpeg-old"
    with Server(name, camera(name, 3, "whole")) as server, Proxy(server, "/", "old") as proxy:
        server.falls_asleep()
        browser.open(proxy.url(host=browser.host))
        all_come(browser)
        browser.errors()    # the browser's own words on the modules


def an_engine_without_h264_shows_jpeg_pictures(browser):
    """Of a camera that gives both: two programs behind one proxy stand for it."""
    name = f"{browser.name}-no-h264"
    script = browser.devtools("Page.addScriptToEvaluateOnNewDocument", source="""
        delete window.VideoDecoder;
        window.MediaSource.isTypeSupported = () => false;
        HTMLMediaElement.prototype.canPlayType = () => '';
        Object.defineProperty(HTMLVideoElement.prototype, 'src', {
            get() { return '' },
            set() { setTimeout(() => this.dispatchEvent(new Event('error'))) },
        })""")
    try:
        with Server(name) as server, Server(f"{name}-pictures", camera(name, 3, "whole")) as pictures, \
                Proxy(server, "/", f"jpeg={pictures.port}") as proxy:
            browser.open(proxy.url(host=browser.host))
            all_come(browser)
            check(browser.run("return window.words.paths[document.documentElement.dataset.path]") == "JPEG pictures",
                  "it does not say what it shows")
            browser.errors()    # the page's own word on the paths before
    finally:
        browser.devtools("Page.removeScriptToEvaluateOnNewDocument", identifier=script["identifier"])


def a_picture_shows_before_the_next_one_comes(browser):
    """As ustreamer's users know: Chromium draws a part when the boundary behind it is there."""
    name = f"{browser.name}-jpeg-one"
    with Server(name, camera(name, 1, "once", ["blue"])) as server:
        browser.open(server.url("?path=mjpeg", host="127.0.0.1"))
        wait_for("the picture", PATIENCE_S, lambda: shown(browser) == "blue")
        check(server.status()["cameras"][0]["frames"] == 1, "there was another picture")


def a_page_of_another_port_shows_jpeg_pictures(browser):
    """As OctoPrint's and Mainsail's pages do: by IP address, in a tag."""
    name = f"{browser.name}-jpeg-tag"
    with Server(name, camera(name, 3, "whole")) as server, Pages() as pages:
        picture = server.url("?action=stream&1", "127.0.0.1")
        browser.open(f"{pages.origin('127.0.0.1')}/tag.html#{picture}")
        all_come(browser)
