"""The threshold of motion on the page: a line on the graph of the score, dragged by mouse, finger and keys, and kept."""
import os
import tempfile

from driver import check, wait_for
from operate import box, looks, mouse
from page import said_live
from panel import ANNA, PATIENCE_S, finds_no_fault, press, press_button
from people import PASSWORD, log_in
from rig import HERE, Server

PICTURE = HERE.parent / "fixtures" / "ffmpeg" / "ffmpeg_mjpeg_default_tables.jpg"
OCTAVES = 10    # of a score, from the bottom to the top of the graph
SLIDER = "document.querySelector('.score input')"


def camera(folder):
    """One whose pictures are larger while there is a file `moved`, of other tables each while there is `varied`; with `end` it ends."""
    rest = PICTURE.read_bytes()
    tables = rest.index(b"\xff\xdb") + 10
    for name, picture in (("rest", rest), ("larger", rest[:2] + b"\xff\xfe\0\x42" + b"x" * 64 + rest[2:]),
                          ("other", rest[:tables] + bytes([rest[tables] ^ 1]) + rest[tables + 1:])):
        (folder / f"{name}.jpg").write_bytes(picture)
    return (f"[exec x]\nname = yard\nmotion = yes\nmotion_threshold = 5\ncommand = cd {folder}; while [ ! -e end ]; do "
            "if [ -e moved ]; then cat larger.jpg; else cat rest.jpg; fi || exit; "
            "if [ -e varied ]; then cat other.jpg || exit; fi; sleep 0.1; done\n" + ANNA + "[anonymous]\n")


def the_threshold_of_motion_is_dragged_and_kept(browser):
    with tempfile.TemporaryDirectory() as name:
        folder = type(HERE)(name)
        os.environ["STATE_DIRECTORY"] = name
        try:
            with Server(f"{browser.name}-motion", camera(folder)) as server:
                drags(browser, server, folder)
        finally:
            del os.environ["STATE_DIRECTORY"]


def drags(browser, server, folder):
    def motion():
        return server.status()["cameras"][0]["motion"]

    def show():
        browser.open(server.url(host=browser.host))
        wait_for("the page says live", PATIENCE_S, lambda: said_live(browser))
        offered = "return [...document.querySelectorAll('#bar button')].some(it => it.checkVisibility() && it.textContent === 'Controls')"
        wait_for("the controls are offered", PATIENCE_S, lambda: browser.run(offered))
        press_button(browser, "Controls")
        wait_for("the graph", PATIENCE_S, lambda: browser.run(f"return !!{SLIDER}"))

    def is_set(threshold):
        """On the page, and at the server."""
        return browser.run(f"return [document.querySelector('#control-motion_threshold').value, {SLIDER}.value]") == \
            [str(threshold)] * 2 and motion()["threshold"] == threshold

    def says():
        return browser.run("return document.querySelector('.score').closest('.wide').lastChild.textContent")

    def line():
        """The threshold at which the line is, by its place on the screen."""
        at, bottom, height = browser.run(
            "const [line, svg] = ['.score i', '.score svg'].map(it => document.querySelector(it).getBoundingClientRect());"
            "return [line.bottom, svg.bottom, svg.height]")
        return 2 ** ((bottom - at) / height * OCTAVES) - 1

    def path():
        return browser.run("return document.querySelector('.score path').getAttribute('d')")

    def lamp():
        return browser.run("return [document.querySelector('#state').textContent, document.documentElement.dataset.moves !== undefined]")

    # Everybody may look.
    show()
    wait_for("it learns, and says so", PATIENCE_S, lambda: "Learning" in says())
    finds_no_fault(browser, "it learns")
    wait_for("the score shows", PATIENCE_S, lambda: "L" in path() and says() == "")
    check(browser.run(f"return {SLIDER}.matches(':disabled')"), "a viewer can set it")
    left, top, width, height = box(browser, ".score")
    for kind, share in ("mousePressed", 0.5), ("mouseMoved", 0.9), ("mouseReleased", 0.9):
        mouse(browser, kind, left + width / 2, top + height * (1 - share))
    check(is_set(5), "a viewer has set it")

    browser.open(server.url("login", browser.host))
    log_in(browser, PASSWORD)
    show()
    wait_for("the score shows", PATIENCE_S, lambda: "L" in path() and says() == "")
    finds_no_fault(browser, "the score")
    check(abs(line() - 5) < 0.6, f"the line is at {line()}")

    # By keys: a step each.
    browser.run(f"{SLIDER}.focus()")
    for _ in range(3):
        press(browser, "ArrowUp")
    wait_for("the keys set it", PATIENCE_S, lambda: is_set(8))
    check(abs(line() - 8) < 0.8, f"the line is at {line()}")
    label = browser.run(f"return {SLIDER}.ariaLabel")
    check(label == "Motion threshold", f"the slider is called {label}")

    # By the mouse, and by a finger.
    left, top, width, height = box(browser, ".score")
    at = [(left + width / 2, top + height * (1 - share)) for share in (0.3, 0.5, 0.7)]
    for kind, place in zip(("mousePressed", "mouseMoved", "mouseMoved", "mouseReleased"), at + at[2:]):
        mouse(browser, kind, *place)
    dragged = round(2 ** (0.7 * OCTAVES)) - 1
    wait_for("the mouse sets it", PATIENCE_S, lambda: abs(motion()["threshold"] - dragged) < 25)
    wait_for("all show that", PATIENCE_S, lambda: is_set(motion()["threshold"]))
    for kind, place in zip(("touchStart", "touchMove", "touchEnd"), [at[2], at[1], at[1]]):
        points = [] if kind == "touchEnd" else [{"x": place[0], "y": place[1]}]
        browser.devtools("Input.dispatchTouchEvent", type=kind, touchPoints=points)
    dragged = round(2 ** (0.5 * OCTAVES)) - 1
    wait_for("the finger sets it", PATIENCE_S, lambda: abs(motion()["threshold"] - dragged) < 7)

    # What somebody else sets is seen; and what moves.
    browser.run("fetch('controls', { method: 'POST', headers: { 'Content-Type': 'application/json' },"
                " body: JSON.stringify({ motion_threshold: 12 }) })")
    wait_for("it is seen", PATIENCE_S, lambda: is_set(12))
    (folder / "moved").touch()
    wait_for("it moves", PATIENCE_S, lambda: motion()["state"] == "motion")
    wait_for("the lamp says so", PATIENCE_S, lambda: lamp() == ["Live: motion", True])
    looks(browser, "motion-lamp")
    finds_no_fault(browser, "something moves")
    (folder / "moved").unlink()
    wait_for("the lamp is off", PATIENCE_S, lambda: lamp() == ["Live", False])
    high = "return Number(document.querySelector('figcaption span').textContent.slice(2))"
    wait_for("that shows", PATIENCE_S, lambda: browser.run(high) > 12)
    looks(browser, "motion")

    press_button(browser, "Keep")
    wait_for("it is kept", PATIENCE_S, lambda: "Kept for the next start: 12" in browser.run(
        "return document.querySelector('.controls').textContent"))
    server.stop()
    server.start()
    wait_for("the program listens", 20, server.answers)
    browser.errors()    # the browser's own word on the server that was away
    browser.open(server.url("login", browser.host))
    log_in(browser, PASSWORD)
    show()
    wait_for("it holds", PATIENCE_S, lambda: is_set(12))

    # Where there is nothing to be seen it says why.
    for file, why in ("end", "the command ended"), ("varied", "the quality of its JPEG pictures changes"):
        (folder / file).touch()
        wait_for(f"it says why by {file}", PATIENCE_S, lambda: why in says())
        check(not browser.run("return document.querySelector('.score').checkVisibility()"), "a graph of nothing")
        (folder / file).unlink()
    finds_no_fault(browser, "blind")
    check(not (errors := browser.errors()), f"on the console: {errors}")
