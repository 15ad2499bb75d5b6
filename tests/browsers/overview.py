"""The page of several cameras."""
from driver import OUT, check, wait_for
from measure import PROBE, moves
from rig import Server

NAMES = ["front", "back", "door"]
CAMERAS = "[DEFAULT]\nwidth = 160\nheight = 120\nfps = 10\nlinger_s = 0\n" + "".join(
    f"[test {name}]\nname = {name}\n" for name in NAMES)
PATIENCE_S = 60


def watched(server):
    """The cameras that somebody watches."""
    return [camera["name"] for camera in server.status()["cameras"] if camera["clients"]]


def becomes_watched(server, names):
    wait_for(f"watched are {names}", PATIENCE_S, lambda: watched(server) == names)


def plays(browser, frame):
    browser.to_frame(frame)
    try:
        wait_for("the frame has its page", PATIENCE_S, lambda: browser.run("return !!document.getElementById('frame')"))
        browser.run(PROBE)
        moves(browser)
    finally:
        browser.to_frame(None)


def the_overview_shows_all_cameras(browser):
    with Server(f"{browser.name}-overview", CAMERAS) as server:
        browser.open(server.url(host=browser.host))
        becomes_watched(server, NAMES)
        for frame in range(len(NAMES)):
            plays(browser, frame)
        (OUT / f"{browser.name}-overview.png").write_bytes(browser.screenshot())
        # All of a picture leads to its page.
        links = browser.run(
            "return [...document.querySelectorAll('iframe')].map(frame => {"
            "  const { left, top, width, height } = frame.getBoundingClientRect();"
            "  return document.elementFromPoint(left + width / 2, top + height / 2).closest('a').getAttribute('href') })")
        check(links == [f"{name}/" for name in NAMES], f"the pictures lead to {links}")
        # Firefox says this of a frame whose script is quicker than its style sheet.
        errors = [error for error in browser.errors() if not error.startswith("Layout was forced before the page was ")]
        check(not errors, f"on the console: {errors}")


def a_camera_off_the_screen_sleeps(browser):
    with Server(f"{browser.name}-offscreen", CAMERAS) as server:
        browser.open(server.url(host=browser.host))
        becomes_watched(server, NAMES)
        plays(browser, 2)
        browser.run("document.querySelectorAll('figure')[2].style.marginTop = '5000px'")
        becomes_watched(server, NAMES[:2])
        # Its last picture is kept, to be shown until there is another.
        kept = browser.run("return Object.keys(sessionStorage)")
        check("fmp4streamer /door/ still" in kept, f"kept is {kept}")
        wait_for("it sleeps", PATIENCE_S, lambda: server.status()["cameras"][2]["state"] == "asleep")
        before = browser.run("return history.length")
        browser.run("scrollTo(0, 9999)")
        becomes_watched(server, NAMES[2:])
        plays(browser, 0)
        browser.run("scrollTo(0, 0)")
        becomes_watched(server, NAMES[:2])
        check(browser.run("return history.length") == before, "the Back button has steps that lead nowhere")


def the_overview_fits_a_phone(browser):
    with Server(f"{browser.name}-overview-phone", CAMERAS) as server:
        browser.devtools("Emulation.setDeviceMetricsOverride", width=320, height=568, deviceScaleFactor=2, mobile=True)
        try:
            browser.open(server.url(host=browser.host))
            becomes_watched(server, NAMES)
            wide, places = browser.run(
                "return [document.documentElement.scrollWidth,"
                " [...document.querySelectorAll('iframe')].map(frame => frame.getBoundingClientRect().left)]")
            check(wide <= 320 and len(set(places)) == 1, f"{wide} wide, pictures at {places}, on a screen 320 wide")
            (OUT / f"{browser.name}-overview-phone.png").write_bytes(browser.screenshot())
        finally:
            browser.devtools("Emulation.clearDeviceMetricsOverride")
