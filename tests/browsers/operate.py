"""The page operates cameras and servos: those of the kernel's own drivers, in the virtual machine of tests/vm."""
import re
import time

from driver import OUT, check, wait_for
from machine import Machine
from page import note, said_live
from panel import ANNA, PATIENCE_S, press, press_button

# vivid's pictures become H.264 in vh264enc; i2c-stub is Pimoroni's HAT and a PCA9685.
MODULES = ["vivid n_devs=1 node_types=0x1", "vh264enc", "i2c-stub chip_addr=0x15,0x40", "i2c-dev"]
HAT, PCA9685 = "0x15", "0x40"
BRIGHTNESS, BUTTON = 0x980900, 0x98f900     # V4L2_CID_BRIGHTNESS; vivid's own
SET = "brightness=128,hue=0,mute=0,gain_automatic=1,menu=3,integer_menu=4,integer_64_bits=0,bitmask=0x80002000"


def mouse(browser, kind, x, y):
    browser.devtools("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)


def box(browser, selector):
    """Where it is on the screen, once it has been scrolled there: left, top, width, height."""
    return browser.run("const it = document.querySelector(arguments[0]), group = it.closest('details');"
                       "if (group) group.open = true; it.scrollIntoView({ block: 'center' });"
                       "const { left, top, width, height } = it.getBoundingClientRect();"
                       "return [left, top, width, height]", selector)


def click(browser, selector):
    left, top, width, height = box(browser, selector)
    for kind in "mousePressed", "mouseReleased":
        mouse(browser, kind, left + width / 2, top + height / 2)


def drag(browser, selector, share):
    """Drags a slider's thumb from where it is to this share of its length."""
    left, top, width, height = box(browser, selector)
    now = browser.run("const it = document.querySelector(arguments[0]);"
                      "return (it.value - it.min) / (it.max - it.min)", selector)
    # The middle of the thumb, which is 16 pixels wide, does not come to the ends.
    start, end = (left + 8 + (width - 16) * at for at in (now, share))
    mouse(browser, "mousePressed", start, top + height / 2)
    for step in range(1, 21):
        mouse(browser, "mouseMoved", start + (end - start) * step / 20, top + height / 2)
    mouse(browser, "mouseReleased", end, top + height / 2)


def write(browser, selector, text):
    click(browser, selector)
    browser.run("document.querySelector(arguments[0]).select()", selector)
    browser.devtools("Input.insertText", text=text)
    press(browser, "Enter")


def value(browser, name):
    return browser.run("const it = document.getElementById('control-' + arguments[0]);"
                       "return it?.type === 'checkbox' ? it.checked : it?.value", name)


def show(browser, machine, tab, path="yard/"):
    """Opens a camera's page with a tab of its drawer."""
    browser.open(machine.url(path))
    wait_for("the page says live", PATIENCE_S, lambda: said_live(browser))
    is_there = ("return [...document.querySelectorAll('#bar button')].some(it => it.checkVisibility()"
                " && it.textContent === arguments[0])")
    wait_for(f"{tab} is offered", PATIENCE_S, lambda: browser.run(is_there, tab))
    press_button(browser, tab)


def looks(browser, name):
    """Pictures of the page on a large screen and on a phone."""
    for width, height in (1280, 800), (390, 844):
        browser.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                         mobile=width < 400)
        time.sleep(0.5)
        (OUT / f"{browser.name}-{name}-{width}.png").write_bytes(browser.screenshot())
    browser.devtools("Emulation.clearDeviceMetricsOverride")


class Camera:
    """vivid, as another program sees it."""

    def __init__(self, machine):
        self.machine = machine
        node = machine.run("grep -lx vivid-000-vid-cap /sys/class/video4linux/*/name").split("/")[-2]
        self.path = f"/dev/{node}"
        self.ctl("-i 0 -c osd_text_mode=2,test_pattern=6,show_square=1")
        # The kernel logs what is called, with its arguments (Linux Documentation/driver-api/media/v4l2-dev.rst).
        machine.run(f"echo 3 >/sys/class/video4linux/{node}/dev_debug")

    def ctl(self, arguments):
        return self.machine.run(f"v4l2-ctl -d {self.path} {arguments}")

    def becomes(self, name, wanted):
        wait_for(f"{name} is {wanted}", PATIENCE_S, lambda: self.ctl(f"-C {name}") == f"{name}: {wanted}")


    def when_set(self, number):
        """When the control of this number was set, on the machine's clock, since the kernel's log was cleared; all times."""
        calls = self.machine.run("dmesg --raw").splitlines()
        return [float(line.split("[")[1].split("]")[0]) for line in calls
                if "VIDIOC_S_" in line and re.search(f"id(/val)?={number:#x}[,/]", line)]


class Bus:
    """The I2C bus of i2c-stub, as another program sees it."""

    def __init__(self, machine):
        self.machine = machine
        self.number = machine.run("grep -l '^SMBus stub' /sys/class/i2c-dev/*/name").split("/")[-2].removeprefix("i2c-")

    def set(self, chip, register, number, size="b"):
        self.machine.run(f"busybox i2cset -y {self.number} {chip} {register:#x} {number:#x} {size}")

    def get(self, chip, register, size="b"):
        return int(self.machine.run(f"busybox i2cget -y {self.number} {chip} {register:#x} {size}"), 16)


def config(camera, bus, keys):
    small = "width = 320\nheight = 180\nfps = 10\n"
    return (f"{ANNA}[anonymous]\n[{camera.path}]\nname = yard\n{small}{keys}\n"
            f"pan_tilt = pimoroni\ni2c_bus = {bus.number}\nrelease_s = 0\npresets = door:-30,10\n"
            f"[test]\nname = gate\n{small}pan_tilt = pca9685\ni2c_bus = {bus.number}\nrelease_s = 0\n")


def the_page_operates_a_camera(browser):
    with Machine(f"{browser.name}-operate", *MODULES) as machine:
        camera, bus = Camera(machine), Bus(machine)
        # As after power-on; the HAT's servos look ahead.
        for chip, register, number, size in (
                (HAT, 0, 0, "b"), (HAT, 1, 1450, "w"), (HAT, 3, 1450, "w"), (PCA9685, 0, 0x11, "b"), (PCA9685, 1, 4, "b"),
                (PCA9685, 0xfe, 0x1e, "b"), (PCA9685, 9, 0x10, "b"), (PCA9685, 13, 0x10, "b")):
            bus.set(chip, register, number, size)
        camera.ctl(f"-c {SET}")
        machine.start(config(camera, bus, "brightness = 100\nhue = 5"))
        log_in(browser, machine)
        sets_every_type(browser, machine, camera)
        follows_others(browser, machine, camera)
        keeps(browser, machine, camera, bus)
        turns(browser, machine, bus)
        check(not (errors := browser.errors()), f"on the console: {errors}")
        press_button(browser, "Log out")
        wait_for("the page for all", PATIENCE_S, lambda: browser.run("return !!document.querySelector('#user a')"))


def log_in(browser, machine):
    show(browser, machine, "Controls")
    why = "return document.querySelector('.controls .why').textContent"
    wait_for("why not", PATIENCE_S, lambda: browser.run(why) == "Log in to change this camera")
    click(browser, "#user a")
    wait_for("the login page", PATIENCE_S, lambda: browser.run("return !!document.querySelector('[name=user]')"))
    write_into = "document.querySelector(`[name=${arguments[0]}]`).value = arguments[1]"
    browser.run(write_into, "user", "anna")
    browser.run(write_into, "password", "secret:a")
    browser.run("window.before = true; document.querySelector('form').submit()")
    wait_for("it leads back", PATIENCE_S, lambda: browser.run("return !window.before && location.pathname") == "/yard/")
    show(browser, machine, "Controls")
    wait_for("the controls", PATIENCE_S, lambda: value(browser, "brightness") == "100")


def sets_every_type(browser, machine, camera):
    slider = "[type=range][aria-label=Brightness]"
    browser.run("window.inputs = []; document.querySelector(arguments[0]).addEventListener('input', () =>"
                " inputs.push(Date.now() / 1000))", slider)
    machine.run("dmesg -C")
    drag(browser, slider, 0.75)
    wanted = browser.run("return document.querySelector(arguments[0]).value", slider)
    check(185 < int(wanted) < 197, f"dragged to three quarters it is at {wanted}")
    camera.becomes("brightness", wanted)
    inputs, ahead, calls = browser.run("return inputs"), machine.clock_is_behind(), camera.when_set(BRIGHTNESS)
    note(browser, f"a slider was in the device {calls[0] + ahead - inputs[0]:.2f} s after it began to move, and"
         f" {calls[-1] + ahead - inputs[-1]:.2f} s after its last move; {len(inputs)} moves were {len(calls)} calls")

    click(browser, "#control-mute")
    camera.becomes("mute", 1)
    for name, shown in ("menu", "1 (Menu Item 1)"), ("integer_menu", "3 (3 0x3)"):
        box(browser, f"#control-{name}")
        browser.run("document.getElementById(arguments[0]).focus()", f"control-{name}")
        press(browser, "ArrowUp")
        camera.becomes(name, shown)
    for name, text, shown in (
            ("hue", "-7", "-7"), ("integer_32_bits", "-2147483648", "-2147483648"),
            ("integer_64_bits", "-9223372036854775808", "-9223372036854775808"), ("bitmask", "4202512", "4202512"),
            ("string", "Hé", "'Hé'")):
        write(browser, f"#control-{name}", text)
        camera.becomes(name, shown)
    check(not camera.when_set(BUTTON), "the button is pressed already")
    click(browser, "#control-button")
    wait_for("the button is pressed", PATIENCE_S, lambda: len(camera.when_set(BUTTON)) == 1)
    # What an automatic setting holds is free once that is off.
    check(browser.run("return document.getElementById('control-gain').disabled"), "the gain can be set")
    click(browser, "#control-gain_automatic")
    wait_for("the gain is free", PATIENCE_S, lambda: not browser.run("return document.getElementById('control-gain').disabled"))
    write(browser, "#control-gain", "9")
    camera.becomes("gain", 9)
    check(browser.run("return document.getElementById('control-read_only_integer_32_bits').disabled"),
          "what can only be read can be set")
    # All of it back to what it was: by the button beside it.
    for name, shown in ("bitmask", "-2147475456"), ("hue", "5"), ("menu", "3 (Menu Item 3)"):
        click(browser, f".control:has(#control-{name}) .back")
        camera.becomes(name, shown)
        wait_for("the button goes", PATIENCE_S, lambda: browser.run(
            "return document.querySelector(arguments[0]).hidden", f".control:has(#control-{name}) .back"))


def follows_others(browser, machine, camera):
    browser.run("window.seen = {}; const look = () => { seen[document.getElementById('control-brightness').value] ??="
                " Date.now() / 1000; requestAnimationFrame(look) }; look()")
    for number in 30, 220:
        machine.run("dmesg -C")
        camera.ctl(f"-c brightness={number}")
        wait_for("the page shows it", PATIENCE_S, lambda: value(browser, "brightness") == str(number))
        seen = wait_for("it is drawn", PATIENCE_S, lambda: browser.run("return seen[arguments[0]]", number))
        late = seen - camera.when_set(BRIGHTNESS)[0] - machine.clock_is_behind()
        note(browser, f"what v4l2-ctl set was on the page {late:.2f} s later")
    camera.ctl("-c gain_automatic=1")
    wait_for("the automatic is in charge", PATIENCE_S, lambda: value(browser, "gain_automatic") is True and browser.run(
        "return document.getElementById('control-gain').disabled"))


def keeps(browser, machine, camera, bus):
    """The brightness was set by v4l2-ctl, after it had been on the page; the others on the page."""
    write(browser, "#control-hue", "7")
    camera.becomes("hue", 7)
    press_button(browser, "Keep")
    said = "return document.querySelector('.controls > [role=status]').textContent"
    wait_for("it is kept", PATIENCE_S, lambda: browser.run(said) == "These values are kept for the next start.")
    looks(browser, "operate-controls")

    def restart(keys):
        machine.stop()
        camera.ctl(f"-c {SET}")
        machine.start(config(camera, bus, keys))
        show(browser, machine, "Controls")

    restart("brightness = 100\nhue = 5")
    for name, kept in ("brightness", "220"), ("hue", "7"):
        wait_for(f"the page shows {name}", PATIENCE_S, lambda: value(browser, name) == kept)
        camera.becomes(name, kept)
    camera.becomes("mute", 1)
    # The hue is another one in the config by now.
    restart("brightness = 100\nhue = 6")
    for name, kept in ("hue", "6"), ("brightness", "220"):
        wait_for(f"the page shows {name}", PATIENCE_S, lambda: value(browser, name) == kept)
        camera.becomes(name, kept)
    check("hue = 7, which was kept, gives way to the config" in machine.run("cat /run/program.log"), "it is not said")
    browser.errors()    # the browser's own words on the server that was away


def turns(browser, machine, bus):
    def pan():
        return bus.get(HAT, 1, "w")

    def rests():
        wait_for("it rests", PATIENCE_S, lambda: browser.run(
            "return fetch('ptz').then(it => it.json()).then(it => !it.moving)"))

    def channel(number):
        """The pulse of a servo at the PCA9685, in steps of 4.88 µs."""
        low, high = (bus.get(PCA9685, 6 + 4 * number + byte) for byte in (2, 3))
        return high << 8 | low

    def may_turn():
        return browser.run("return !document.querySelector('.move fieldset').disabled")

    click(browser, "#tab-move")
    wait_for("the pad", PATIENCE_S, may_turn)
    press(browser, "ArrowRight", kinds=["keyDown"])
    wait_for("it turns as long as the key is held", PATIENCE_S, lambda: pan() >= 1450 + 49)
    press(browser, "ArrowRight", kinds=["keyUp"])
    rests()
    shown = browser.run("return document.querySelector('.move output').textContent")
    check(shown == f"{round((pan() - 1450) / 9.72)}°", f"the page shows {shown}, the pulse is {pan()} µs")
    drag(browser, ".move [type=range]", 0.25)
    # A pixel of the slider is a part of a degree.
    wait_for("the slider turns it", PATIENCE_S, lambda: abs(pan() - (1450 - 45 * 9.72)) < 15)
    press_button(browser, "door")
    wait_for("it looks to the door", PATIENCE_S, lambda: (pan(), bus.get(HAT, 3, "w")) == (1158, 1547))
    looks(browser, "operate-move")

    show(browser, machine, "Move", "gate/")
    wait_for("the pad", PATIENCE_S, may_turn)
    click(browser, ".move .Home")
    wait_for("both look ahead", PATIENCE_S, lambda: (channel(0), channel(1)) == (297, 297))
    drag(browser, ".move label:nth-child(2) [type=range]", 1)
    wait_for("the slider tilts it", PATIENCE_S, lambda: channel(1) > 297 + 45)
    check(channel(0) == 297, f"it pans by tilting: {channel(0)}")
