"""What stands around the picture: for eyes, fingers and keys, and for who has none of one of them."""
import pathlib
import time

from driver import OUT, Skip, check, wait_for
from page import playing, said_live
from rig import MODULES, Server

PATIENCE_S = 60
STUB = pathlib.Path(__file__).with_name("stub.js").read_text()
# Of user anna: "secret:a".
ANNA = ("[user anna]\nrole = admin\npassword = "
        "pbkdf2-sha256$1000$AQEBAQEBAQEBAQEBAQEBAQ==$tpvxVCv9hLiME3SNhpBDvUuQSqxOHrAk/yHi2W2h40A=\n")
KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}


def press(browser, key, shift=False, kinds=("keyDown", "keyUp")):
    text = {"Enter": "\r"}.get(key, key if len(key) == 1 else None)
    for kind in kinds:
        options = {"text": text} if text and kind == "keyDown" else {}
        browser.devtools("Input.dispatchKeyEvent", type=kind, key=key, modifiers=8 if shift else 0,
                         windowsVirtualKeyCode=KEYS.get(key, ord(key[0].upper())), **options)


def focused(browser):
    """What has the focus, in words."""
    return browser.run("const it = document.activeElement;"
                       "return it === document.body ? '' : it.ariaLabel || it.textContent.trim() || it.title || it.id || it.tagName")


def press_button(browser, word):
    browser.run("[...document.querySelectorAll('button')].find(it => it.checkVisibility()"
                " && it.textContent.trim() === arguments[0]).click()", word)


class Stubbed:
    """A page whose camera has controls and turns, by stub.js."""

    def __init__(self, browser):
        self.browser = browser

    def __enter__(self):
        self.script = self.browser.devtools("Page.addScriptToEvaluateOnNewDocument", source=STUB)["identifier"]

    def __exit__(self, *_):
        self.browser.devtools("Page.removeScriptToEvaluateOnNewDocument", identifier=self.script)


def posted(browser):
    return [(address, body) for address, body, _ in browser.run("return window.posted")]


def finds_no_fault(browser, what):
    """By axe-core's rules, in the dark and in the light."""
    axe = MODULES / "axe-core" / "axe.min.js"
    if not axe.exists():
        raise Skip("no axe-core in target/tools (make test installs it)")
    for scheme in "dark", "light":
        browser.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        browser.run(axe.read_text() + "; window.faults = null; axe.run({ preload: false }).then(({ violations }) => {"
                    " window.faults = violations.map(it => `${it.id}: ${it.nodes.map(one => one.target)}`) })")
        wait_for("axe", PATIENCE_S, lambda: browser.run("return window.faults !== null"))
        faults = browser.run("return window.faults")
        check(not faults, f"{what}, {scheme}: {faults}")
    browser.devtools("Emulation.setEmulatedMedia", features=[])


def nobody_is_kept_out(browser):
    with Stubbed(browser), Server(f"{browser.name}-axe") as server:
        browser.open(server.url(host=browser.host))
        wait_for("the page says live", PATIENCE_S, lambda: said_live(browser))
        finds_no_fault(browser, "live")
        for tab in "Picture", "Controls", "Move", "Info":
            press_button(browser, tab)
            time.sleep(0.5)
            browser.run("for (const it of document.querySelectorAll('details')) it.open = true")
            finds_no_fault(browser, tab)
        press_button(browser, "Close")
        press_button(browser, "Pause")
        finds_no_fault(browser, "paused")
        press_button(browser, "Play")
        server.stop()
        wait_for("the page says that the server is away", PATIENCE_S, lambda: not said_live(browser))
        finds_no_fault(browser, "away")
        server.start()
        wait_for("the program listens", 20, server.answers)
        browser.errors()    # the browser's own word on the server that was away
    with Server(f"{browser.name}-axe-all", "[test a]\nname = yard\n[exec b]\nname = door\ncommand = false\n" + ANNA
                + "[anonymous]\ncameras = yard, door\n") as server:
        browser.open(server.url(host=browser.host))
        wait_for("the states", PATIENCE_S, lambda: browser.run(
            "return [...document.querySelectorAll('figure > a')].map(it => it.textContent).join()") == "yardLive,doorOffline")
        finds_no_fault(browser, "all cameras")
        browser.open(server.url("login", browser.host))
        finds_no_fault(browser, "login")
        browser.open(server.url("door/", browser.host))
        wait_for("the way back", PATIENCE_S, lambda: not browser.run("return document.getElementById('back').hidden"))
        finds_no_fault(browser, "lost")
        check(browser.run("return document.title").startswith("door"), "a title without the camera")
        browser.errors()


def the_keyboard_reaches_everything(browser):
    with Stubbed(browser), playing(browser, "keyboard"):
        seen = []
        while len(seen) < 40 and (not seen or seen[-1]):
            press(browser, "Tab")
            seen.append(focused(browser))
        check(seen[-1] == "", f"no way out: {seen}")
        check(seen[:-1] == ["Pause", "Save", "Full screen", "Picture", "Controls", "Move", "Info"], f"the order: {seen}")
        # The drawer: its tabs by arrows, all it has by Tab, and Escape back to the button.
        for word in seen[:5]:
            press(browser, "Tab")
        check(focused(browser) == "Controls", focused(browser))
        press(browser, "Enter")
        wait_for("the drawer", PATIENCE_S, lambda: browser.run("return !!document.querySelector('.control')"))
        tab = browser.run("return document.activeElement.id")
        check(tab == "tab-controls", f"the focus is on {tab}")
        press(browser, "ArrowRight")
        press(browser, "ArrowLeft")
        check(browser.run("return document.activeElement.id") == "tab-controls", "the arrows do not change tabs")
        inside = set()
        for _ in range(40):
            press(browser, "Tab")
            inside.add(focused(browser))
        check("" in inside and "Keep" in inside and "Close" in inside, f"not reached: {inside}")
        browser.run("document.querySelector('#control-brightness').closest('details').open = true;"
                    "document.querySelector('[type=range][aria-label=Brightness]').focus()")
        press(browser, "ArrowRight")
        wait_for("a slider's key", PATIENCE_S, lambda: ("controls", {"brightness": 141}) in map(tuple, posted(browser)))
        press(browser, "Escape")
        check(browser.run("return document.getElementById('drawer').hidden"), "Escape does not close the drawer")
        check(focused(browser) == "Controls", f"the focus is on {focused(browser)}")
        for key, wanted in ("v", {"Left", "Home", "Zoom in", "door"}), ("i", {"Copy", "Close"}), ("r", {"Turn", "Edges"}):
            press(browser, key)
            inside = set()
            for _ in range(40):
                press(browser, "Tab")
                inside.add(focused(browser))
            check(wanted | {""} <= inside, f"not reached by {key}: {wanted - inside}")
        press(browser, "Escape")
        # Keys with Shift and Caps Lock.
        press(browser, "G", shift=True)
        check(browser.run("return document.getElementById('frame').className") == "grid", "no grid by G")
        press(browser, "g")
        press(browser, "=")
        check(browser.run("return document.getElementById('zoom').textContent") == "1.3×", "= does not zoom")
        press(browser, "0")
        check(browser.run("return document.getElementById('zoom').hidden"), "0 does not show all")
        check(not (errors := browser.errors()), f"on the console: {errors}")


def controls_are_set(browser):
    with Stubbed(browser), playing(browser, "controls"):
        press_button(browser, "Controls")
        wait_for("the controls", PATIENCE_S, lambda: browser.run("return !!document.querySelector('.control')"))
        browser.run("stub.delay_ms = 300; for (const it of document.querySelectorAll('details')) it.open = true")
        # Dragged: one request at a time, the newest value last, and no echo meanwhile.
        drag = ("const it = document.querySelector('[type=range][aria-label=Brightness]');"
                "it.value = arguments[0]; it.dispatchEvent(new Event(arguments[1]))")
        for value in range(150, 190):
            browser.run(drag, value, "input")
        # In one, as each answer has the stub's own contrast.
        values = browser.run(
            "push({ type: 'controls', values: { brightness: { value: 3, active: true }, contrast: { value: 5 } } });"
            "return ['brightness', 'contrast'].map(it => document.getElementById('control-' + it).value)")
        check(values == ["189", "5"], f"brightness, contrast: {values}")
        browser.run(drag, 190, "change")
        wait_for("the newest value", PATIENCE_S, lambda: posted(browser)[-1:] == [("controls", {"brightness": 190})])
        sent = len(posted(browser))
        check(sent < 20, f"{sent} requests for 41 changes")
        check(browser.run("return mostUnderWay") == 1, "two requests at once")
        # Typed: nor is that taken away.
        write_over = "const it = document.querySelector('#control-contrast'); it.focus(); it.select()"
        browser.run(write_over)
        browser.devtools("Input.insertText", text="77")
        browser.run("push({ type: 'controls', values: { contrast: { value: 6 }, brightness: { value: 190 } } })")
        press(browser, "Enter")
        wait_for("what was typed", PATIENCE_S, lambda: posted(browser)[-1:] == [("controls", {"contrast": 77})])
        # What came meanwhile is shown when it is left without a change.
        browser.run("stub.delay_ms = 0")
        contrast = "return document.querySelector('#control-contrast').value"
        wait_for("the answer", PATIENCE_S, lambda: browser.run("return stub.value('contrast')") == 77)
        browser.run(write_over)
        browser.devtools("Input.insertText", text="7")
        browser.run("push({ type: 'controls', values: { contrast: { value: 8 } } })")
        check(browser.run(contrast) == "7", "what is typed is taken away")
        browser.run("const it = document.querySelector('#control-contrast'); it.value = ''; it.blur()")
        wait_for("what came meanwhile", PATIENCE_S, lambda: browser.run(contrast) == "8")
        # An automatic setting off: what it held can be set. Back to the config's value; a button; what is refused.
        held = "return document.querySelector('#control-exposure_time_absolute').disabled"
        check(browser.run(held), "what an automatic setting holds can be set")
        browser.run("const it = document.querySelector('#control-auto_exposure');"
                    "it.value = 1; it.dispatchEvent(new Event('change'))")
        wait_for("it is free", PATIENCE_S, lambda: not browser.run(held))
        browser.run("document.querySelector('#control-brightness').parentElement.querySelector('.back').click()")
        wait_for("the config's value", PATIENCE_S,
                 lambda: browser.run("return document.querySelector('#control-brightness').value") == "140")
        press_button(browser, "Force Key Frame")
        wait_for("the button", PATIENCE_S, lambda: posted(browser)[-1:] == [("controls", {"force_key_frame": 1})])
        large = browser.run("return document.querySelector('#control-big').value")
        check(large == "9007199254740993", f"a large number became {large}")
        check(browser.run("return document.querySelector('#control-privacy').disabled"), "what can only be read can be set")
        # Who may not sees, and reads why.
        browser.run("stub.controls.writable = false; stub.controls.why = 'Log in to change the camera'")
        press_button(browser, "Info")
        browser.run("document.getElementById('tab-controls').click()")
        wait_for("why not", PATIENCE_S, lambda: browser.run(
            "return document.querySelector('.controls .why').textContent") == "Log in to change the camera")
        check(browser.run("return document.querySelector('.controls fieldset').disabled"), "it can be changed")
        check(not (errors := browser.errors()), f"on the console: {errors}")


def the_camera_turns_while_a_key_is_held(browser):
    def of(name):
        return [(body, at) for address, body, at in browser.run("return window.posted") if name in body]

    with Stubbed(browser), playing(browser, "move"):
        press(browser, "ArrowLeft")
        check(not posted(browser), "an arrow turns the camera while Move is closed")
        press_button(browser, "Move")
        wait_for("the pad", PATIENCE_S, lambda: browser.run("return !!document.querySelector('.pad button')"))
        press(browser, "ArrowLeft")
        wait_for("a step", PATIENCE_S, lambda: posted(browser) == [("ptz", {"pan_by": -1})])
        # Held: renewed until released.
        at = browser.run("const { x, y } = document.querySelector('.In').getBoundingClientRect(); return [x + 9, y + 9]")
        mouse = {"x": at[0], "y": at[1], "button": "left", "clickCount": 1}
        browser.devtools("Input.dispatchMouseEvent", type="mousePressed", **mouse)
        wait_for("it is renewed", PATIENCE_S, lambda: len(of("zoom_speed")) >= 5)
        browser.devtools("Input.dispatchMouseEvent", type="mouseReleased", **mouse)
        wait_for("it stops", PATIENCE_S, lambda: of("zoom_speed")[-1][0] == {"zoom_speed": 0})
        count = len(of("zoom_speed"))
        gaps = [after[1] - before[1] for before, after in zip(of("zoom_speed"), of("zoom_speed")[1:-1])]
        check(max(gaps) < 450, f"renewed after {max(gaps):.0f} ms, and the server waits for 500")
        time.sleep(1)
        check(len(of("zoom_speed")) == count, "it goes on")
        # What another viewer does is seen.
        browser.run("push({ type: 'ptz', ...stub.ptz, axes: { ...stub.ptz.axes,"
                    " pan: { ...stub.ptz.axes.pan, value: -33 } } })")
        check("-33°" in browser.run("return document.querySelector('.move').textContent"), "another viewer's move is not seen")
        press_button(browser, "door")
        wait_for("the preset", PATIENCE_S, lambda: posted(browser)[-1:] == [("ptz", {"preset": "door"})])
        press(browser, "Escape")
        before = len(posted(browser))
        press(browser, "ArrowLeft")
        time.sleep(0.5)
        check(len(posted(browser)) == before, "an arrow turns the camera while Move is closed")
        check(not (errors := browser.errors()), f"on the console: {errors}")


def a_picture_is_saved_as_it_is_seen(browser):
    with playing(browser, "save", "[test]\nname = yard\nwidth = 320\nheight = 240\n") as (server, clock):
        save = ("HTMLAnchorElement.prototype.click = function () { window.file = [this.download, this.href] };"
                "[...document.querySelectorAll('#bar button')].find(it => it.textContent === 'Save').click()")
        wait_for("the name", PATIENCE_S, lambda: browser.run("return document.getElementById('name').textContent") == "yard")
        press_button(browser, "Picture")
        for word in "Turn", "Mirror", "Grid":
            press_button(browser, word)
        for when in "at once", "after a reload":
            browser.run(save)
            wait_for("the file", PATIENCE_S, lambda: browser.run("return !!window.file"))
            browser.run("window.size = null; const it = new Image(); it.onload = () => {"
                        " const pen = document.createElement('canvas').getContext('2d'); pen.drawImage(it, 0, 0);"
                        " window.size = [it.naturalWidth, it.naturalHeight, ...pen.getImageData(5, 5, 1, 1).data] };"
                        "it.src = window.file[1]")
            size = wait_for("the picture", PATIENCE_S, lambda: browser.run("return window.size"))
            name = browser.run("return window.file[0]")
            check(name.startswith("yard 20") and size[:2] == [240, 320], f"{when}: {name}, {size}")
            # The first block of the number's row is white: turned it is at the top right, mirrored back at the left.
            check(size[2] > 180, f"{when}: not mirrored: {size}")
            pressed = browser.run("return [...document.querySelectorAll('[aria-pressed=true]')].map(it => it.textContent)")
            check(browser.run("return document.getElementById('frame').className") == "grid", f"{when}: no grid")
            check(pressed == ["90°", "Mirror", "Grid"], f"{when}: pressed are {pressed}")
            browser.open(server.url(host=browser.host))
            wait_for("the page says live", PATIENCE_S, lambda: said_live(browser))
            wait_for("the name", PATIENCE_S, lambda: browser.run("return document.getElementById('name').textContent") == "yard")
        browser.run("localStorage.clear()")


def a_camera_without_a_name_is_known_by_its_own(browser):
    with playing(browser, "nameless"):
        names = "return [document.getElementById('name').textContent, document.title]"
        wait_for("its own name", PATIENCE_S, lambda: browser.run(names) == ["test picture", "test picture – live camera"])


def who_may_not_watch_is_told(browser):
    with playing(browser, "denied", "[test]\nname = yard\n") as (server, clock):
        server.stop()
        server.config.write_text(server.config.read_text() + ANNA)
        server.start()
        wait_for("the program listens", 20, server.answers)
        word = "return [document.documentElement.dataset.state, document.getElementById('message').textContent]"
        wait_for("it is told", PATIENCE_S, lambda: browser.run(word) == ["denied", "Log in to see this camera"])
        (OUT / f"{browser.name}-denied.png").write_bytes(browser.screenshot())
        finds_no_fault(browser, "denied")
        browser.run("document.getElementById('login').click()")
        wait_for("the login page", PATIENCE_S, lambda: browser.run("return !!document.querySelector('[name=user]')"))
        (OUT / f"{browser.name}-login.png").write_bytes(browser.screenshot())
        browser.run("document.querySelector('[name=user]').value = 'anna';"
                    "document.querySelector('[name=password]').value = 'secret:a';"
                    "document.querySelector('form').submit()")
        wait_for("the page says live", PATIENCE_S, lambda: said_live(browser))
        wait_for("the button", PATIENCE_S, lambda: browser.run("return !!document.querySelector('#user button')"))
        # A link for somebody else.
        press_button(browser, "Link")
        press_button(browser, "Make a link")
        link = wait_for("the link", PATIENCE_S, lambda: browser.run("return document.querySelector('.found input')?.value"))
        check("/t/" in link, link)
        press_button(browser, "Log out")
        wait_for("the login page", PATIENCE_S, lambda: browser.run("return !!document.querySelector('[name=user]')"))
        browser.open(link)
        wait_for("the page says live", PATIENCE_S, lambda: said_live(browser))
        time.sleep(1)
        shown = browser.run("return [...document.querySelectorAll('#bar button, #user *')].filter(it => it.checkVisibility())"
                            ".map(it => it.textContent.trim())")
        check("Link" not in shown and "Log in" not in shown, f"by a link there are {shown}")
        browser.errors()    # the browser's own words on 401


def what_is_at_hand_fades(browser):
    """Over a live picture, without a move, and comes back."""
    with playing(browser, "fades"):
        faded = "return getComputedStyle(document.getElementById('bar')).opacity === '0'"
        wait_for("the buttons fade", PATIENCE_S, lambda: browser.run(faded))
        check(browser.run("return document.getElementById('state').checkVisibility({ checkOpacity: true })"), "the state fades")
        for what, act in (("the pointer", lambda: browser.devtools("Input.dispatchMouseEvent", type="mouseMoved", x=50, y=300)),
                          ("a key", lambda: press(browser, "Tab"))):
            act()
            wait_for(f"{what} brings them", PATIENCE_S, lambda: not browser.run(faded))
            if what != "a key":
                wait_for("they fade", PATIENCE_S, lambda: browser.run(faded))
        time.sleep(5)
        check(not browser.run(faded), "what has the focus fades")


def fingers_zoom_and_come_back(browser):
    with playing(browser, "fingers"):
        zoom = "const it = document.getElementById('zoom'); return it.hidden ? '' : it.textContent"

        def tap():
            # All in one, as a busy machine would be too late for a person's second tap.
            browser.run("for (const type of ['pointerdown', 'pointerup', 'pointerdown', 'pointerup'])"
                        " document.getElementById('stage').dispatchEvent(new PointerEvent(type,"
                        " { pointerId: 1, clientX: 400, clientY: 300 }))")
        tap()
        check(browser.run(zoom) == "2.5×", f"a double tap: {browser.run(zoom)}")
        time.sleep(0.5)
        tap()
        check(browser.run(zoom) == "", f"a second one: {browser.run(zoom)}")
        press(browser, "+")
        check(browser.run(zoom) == "1.3×", browser.run(zoom))
        browser.run("document.getElementById('zoom').click()")
        check(browser.run(zoom) == "", "the button does not show all")
        small = browser.run("return [...document.querySelectorAll('button, a, select')].filter(it => it.checkVisibility())"
                            ".map(it => [it.textContent, it.getBoundingClientRect()])"
                            ".filter(([, { width, height }]) => width < 44 || height < 44).map(([text]) => text)")
        check(not small, f"too small for a finger: {small}")
