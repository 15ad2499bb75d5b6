"""Who shows the camera in a tag: pages of its machine, listed ones, those that don't say who they are; and nobody reads it.

On plain http, by address and by name. Loopback would not do: browsers say more of a page to what they think safe.
"""
import contextlib

import jpeg
from driver import OUT, check, wait_for
from lan import HOME, MACHINE, NAME, STRANGER, needs_lan
from rig import Pages, Server

PATIENCE_S = 30
SAYS, HIDES = "strict-origin-when-cross-origin", "no-referrer"
PICTURES = [("img", "stream.mjpeg"), ("img", "snapshot.jpg")]
VIDEO = [("video", "stream.mp4"), ("video", "snapshot.mp4")]


@contextlib.contextmanager
def machines(browser, name, camera, server=""):
    needs_lan()
    with Server(f"{browser.name}-{name}", camera, server=server, listen="0.0.0.0") as server, \
            Pages("0.0.0.0") as pages:
        yield server, pages


def outcome(browser, page, policy, tag, address):
    """What became of the tag. That the page may not read what it shows is the same everywhere."""
    browser.open("about:blank")
    browser.open(f"{page}/tags.html#{tag},{policy},{address}")
    seen = wait_for(f"{tag} {address}", PATIENCE_S, lambda: browser.run("return window.seen.shown && window.seen"))
    check(seen["read"] in ("", "SecurityError"), f"{page} reads {address} {seen['read']}")
    return seen["shown"]


def expect(browser, expected, page, policies, tags, hosts, server):
    for policy in policies:
        for host in hosts:
            for tag, path in tags:
                address = server.url(path, host)
                got = outcome(browser, page, policy, tag, address)
                check(got == expected, f"{address} in {tag} of {page}, {policy}: {got}")
    browser.errors()    # the browser's own words on who may not


def pages_of_the_machine_show_pictures(browser):
    """By address, by name, or the one by this and the other by that: with nothing configured."""
    with machines(browser, "own", jpeg.camera(f"{browser.name}-own", 5, "whole")) as (server, pages):
        for host in MACHINE, NAME:
            expect(browser, "shown", pages.origin(host), [SAYS, HIDES], PICTURES, [MACHINE, NAME], server)
        (OUT / f"{browser.name}-tags.png").write_bytes(browser.screenshot())


def pages_of_the_machine_show_video(browser):
    with machines(browser, "own-video", "[test]\nwidth = 320\nheight = 240\n") as (server, pages):
        for host in MACHINE, NAME:
            expect(browser, "shown", pages.origin(host), [SAYS, HIDES], VIDEO, [MACHINE, NAME], server)


def listed_pages_show_pictures(browser):
    with Pages("0.0.0.0") as home:
        listed = f"cors_origins = {home.origin(HOME)}"
        with machines(browser, "listed", jpeg.camera(f"{browser.name}-listed", 5, "whole"), listed) as (server, _):
            for tag, path in PICTURES:
                for policy in SAYS, HIDES:
                    browser.open("about:blank")
                    browser.open(f"{home.origin(HOME)}/tags.html#{tag},{policy},{server.url(path, MACHINE)}")
                    wait_for(f"{path}, {policy}", PATIENCE_S, lambda: browser.run("return window.seen.shown") == "shown")
            expect(browser, "kept off", home.origin(STRANGER), [SAYS], PICTURES, [MACHINE], server)


def strangers_do_not_read_pictures(browser):
    """One that says who it is does not even show them; one that hides it shows them as it would those of any camera."""
    with machines(browser, "stranger", jpeg.camera(f"{browser.name}-stranger", 5, "whole")) as (server, pages):
        expect(browser, "kept off", pages.origin(STRANGER), [SAYS], PICTURES, [MACHINE, NAME], server)
        expect(browser, "kept off", pages.origin(HOME), [SAYS], PICTURES, [MACHINE], server)
        expect(browser, "shown", pages.origin(STRANGER), [HIDES], PICTURES, [MACHINE], server)
