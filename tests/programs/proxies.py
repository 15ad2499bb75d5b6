"""HAProxy and Caddy before the program, with the texts of docs/proxy.md: the page by its WebSocket, and JPEG."""
import contextlib
import os
import pathlib
import re
import subprocess

from clock import Clock
from driver import HOST, check, free_port, listens, needs, wait_for
from installed import CAMERAS, OUT, running
from measure import open_page, probe
from page import becomes_live
from rig import Server

DOC = pathlib.Path(__file__).resolve().parents[2] / "docs" / "proxy.md"
START_S, PATIENCE_S = 30, 60
# Caddy keeps what it was told in the home of who runs it.
HOMELESS = os.environ | {"XDG_CONFIG_HOME": str(OUT), "XDG_DATA_HOME": str(OUT)}


def texts(language):
    """The blocks of docs/proxy.md in this language."""
    return re.findall(rf"^```{language}\n(.*?)^```", DOC.read_text(), re.M | re.S)


@contextlib.contextmanager
def before(server, name, text, port, *command):
    """The proxy by this text, in which the port of the program, the name and the proxy's own port are those of here."""
    config = OUT / f"{name}.conf"
    config.write_text(text.replace("127.0.0.1:8000", f"127.0.0.1:{server.port}"))
    with running(name, *command, config, env=HOMELESS) as process:
        def answers():
            check(process.poll() is None, f"it ended: see target/programs/run/{name}.log")
            return listens(port)
        wait_for(f"{name} listens", START_S, answers)
        yield f"http://{HOST}:{port}/"


def shows(browser, clock, url):
    """The page and its WebSocket, and the page of JPEG pictures."""
    open_page(browser, url + "yard/")
    becomes_live(browser, clock)
    check(probe(browser)["path"] == "ws", f"the page's path at {url}: {probe(browser)['path']}")
    browser.open(url + "printer/?path=mjpeg")
    wait_for("a JPEG picture", PATIENCE_S, lambda: browser.run(
        "return [...document.images].some(image => image.naturalWidth === 640)"))


def haproxy_passes_all_on(browser):
    needs("haproxy")
    (text,) = texts("haproxy")
    port = free_port()
    text = text.replace("*:80", f"127.0.0.1:{port}").replace("cam.example.org", HOST)
    with Server("programs-haproxy", CAMERAS) as server, Clock(server) as clock, \
            before(server, "haproxy", text, port, "haproxy", "-db", "-f") as url:
        shows(browser, clock, url)


def caddy_passes_all_on(browser):
    with Server("programs-caddy", CAMERAS) as server, Clock(server) as clock, \
            caddy(server, "caddy", texts("caddy")[0]) as url:
        shows(browser, clock, url)


def caddy_passes_all_on_with_a_password_and_a_path(browser):
    needs("caddy")
    hashed = subprocess.run(["caddy", "hash-password", "--plaintext", "secret"], stdout=subprocess.PIPE, text=True,
                            stdin=subprocess.DEVNULL, check=True).stdout.strip()
    text = texts("caddy")[1].replace("NAME HASH", f"anna {hashed}")
    with Server("programs-caddy-path", CAMERAS) as server, Clock(server) as clock, \
            caddy(server, "caddy-path", text) as url:
        url += "cam/"
        # The browser logs in once, and shows addresses without that.
        browser.go(url.replace("//", "//anna:secret@"))
        wait_for("the login", PATIENCE_S, lambda: browser.run("return location.href") == url)
        shows(browser, clock, url)


def caddy(server, name, text):
    """Without TLS, as a certificate needs the internet."""
    needs("caddy")
    port = free_port()
    text = re.sub(r"^\w+\.example\.org", f"http://{HOST}:{port}", text, flags=re.M)
    # Its address for changes of the config is the same for every Caddy of a machine.
    text = "{\n\tadmin off\n}\n" + text
    return before(server, name, text, port, "caddy", "run", "--adapter", "caddyfile", "--config")
