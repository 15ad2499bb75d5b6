"""`make sync`: does the sound stay with the picture in the browsers, for a long time, over sleep and over an unplugged microphone?"""
import contextlib
import shlex
import statistics
import subprocess
import threading
import time
import urllib.request

from clock import Clock, fragments, number_in
from driver import OUT, Chromium, Firefox, Skip, check, needs, wait_for
from machine import Machine
from measure import open_page, probe, shown
from page import PATIENCE_S, becomes_live, note, said_live, served
from sound import CAMERA, FPS, P95, is_in_step, p95, unmutes

# The loopback's other device captures what is played, at the same instant.
MODULE, DRIVER = "snd-aloop pcm_substreams=1", "/sys/bus/platform/drivers/snd_aloop"
PLAYED = "/proc/asound/card0/pcm0p/sub0/status"
# When that began, by how far it is: the machine's trigger_time may be off by tens of milliseconds.
BEGUN = f"""import statistics, time
def begun():
    before = time.monotonic()
    at = next(int(line.split()[-1]) for line in open("{PLAYED}") if line.startswith("hw_ptr"))
    return (before + time.monotonic()) / 2 - at / 48000
print(statistics.median(begun() for _ in range(99)))"""
BEEP = "aevalsrc=exprs='0.5*sin(2*PI*1000*t)*lt(mod(t,1),0.1)':sample_rate=48000:duration=10"
BACK_S = 2
UNPLUGGED_S = 10
STALL_S = 0.5   # a track that ends would stop the picture for as long as it is away
LOOK_S = 40     # of a beep each second
TRIES = 3       # where the machine is busy with other things meanwhile
KINDS = Chromium, Firefox


def sync(minutes):
    """Gives whether all was well. The browsers play side by side, and are looked at one after the other."""
    good = True

    def well(kind, step):
        """What it gives, if it goes well."""
        nonlocal good
        try:
            return step()
        except Skip as why:
            print(f"SKIPPED: {kind.name}: {why}", flush=True)
        except Exception as why:
            print(f"FAILED {kind.name}: {why or type(why).__name__}", flush=True)
            good = False
        return None

    with contextlib.ExitStack() as stack:
        runs = [(kind, stack.enter_context(contextlib.closing(stays_in_step(kind, minutes)))) for kind in KINDS]
        begun = [(kind, run) for kind, run in runs if well(kind, lambda: next(run))]
        time.sleep(60 * minutes if begun else 0)
        for kind, run in begun:
            well(kind, lambda: next(run, None))
    for kind in KINDS:
        well(kind, lambda: over_an_unplugged_microphone(kind))
    return good


@contextlib.contextmanager
def started(kind):
    browser = kind()
    try:
        if not browser.loudspeaker.processes:
            raise Skip("no pulseaudio here")
        yield browser
    finally:
        browser.quit()


def stays_in_step(kind, minutes):
    """Yields when it is to wait for the minutes."""
    with started(kind) as browser, served(browser, "sync", CAMERA) as (server, clock, show):
        show()
        becomes_live(browser, clock)
        unmutes(browser)
        failures = []

        def look(when, clock):
            probe(browser)
            try:
                judged_by_most(browser, when)
            except AssertionError as why:   # how it is later is to be known, too
                failures.append(str(why))
            ages = [1000 * age for age in clock.ages(shown(probe(browser)))]
            note(browser, f"{when} the picture is {statistics.median(ages):.0f} ms old, {p95(ages):.0f} ms at most (95 %)")

        look("at the start", clock)
        yield True
        look(f"{minutes:g} minutes later", clock)
        browser.press("p")
        clock.__exit__()    # it is a viewer, too
        server.falls_asleep()
        browser.press("p")
        wait_for("the page says that it is live after sleep", PATIENCE_S, lambda: said_live(browser))
        with Clock(server) as clock:
            look("after sleep", clock)
        check(not failures, "; ".join(failures))


def judged_by_most(browser, when):
    """Judges 95 % of the beeps: a machine that is too busy for that tells nothing, and so does not pass."""
    for _ in range(TRIES):
        if is_in_step(browser, when, seconds=LOOK_S) == P95:
            return
    check(False, f"{when} 95 % of the beeps were not judged in {TRIES} tries, as the machine is busy")


def judged_at_all(browser, when, machine):
    """The same with the virtual machine, in which the beeps may stumble: their median will do."""
    for _ in range(TRIES):
        if is_in_step(browser, when, lambda: beep_is_late_ms(machine), LOOK_S):
            return
    raise Skip(f"{when} not judged in {TRIES} tries, as the machine is busy")


def over_an_unplugged_microphone(kind):
    """The microphone is in the virtual machine. What it hears is played there at a time that is known."""
    needs("ffmpeg")
    beep = OUT / "beep.wav"
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", BEEP, "-c:a", "pcm_s32le", beep], check=True)
    with started(kind) as browser, Machine(f"{kind.name}-microphone", MODULE) as machine:
        plays(machine, beep)
        machine.start(f"[test]\nwidth = 320\nheight = 240\nfps = {FPS}\nmic = hw:Loopback,1\nauto_sleep = no\n")
        mic = lambda: machine.status()["cameras"][0]["mic"]
        why = lambda: machine.status()["cameras"][0]["mic_why"]
        wait_for("the microphone is heard", PATIENCE_S, mic)
        open_page(browser, machine.url())
        wait_for("the page says live", PATIENCE_S, lambda: said_live(browser))
        unmutes(browser)
        judged_at_all(browser, "by a microphone", machine)

        with browser.loudspeaker.heard() as beeps, pictures_come(machine) as came:
            probe(browser)
            # This ends once nobody has it open any more.
            machine.run(f"echo snd_aloop.0 >{DRIVER}/unbind & sleep 0.5; kill $(cat /run/player.pid); wait")
            unplugged = time.time()
            said = wait_for("the status says why it is silent", PATIENCE_S, why)
            time.sleep(UNPLUGGED_S)
            browser.press("i")
            info = "return document.querySelector('.info').textContent"
            wait_for("the page says why it is silent", PATIENCE_S, lambda: why() in browser.run(info))
            (OUT / f"{browser.name}-unplugged.png").write_bytes(browser.screenshot())
            plugged = time.time()
            machine.run(f"echo snd_aloop.0 >{DRIVER}/bind")
            wait_for("the microphone is heard again", PATIENCE_S, mic)
            back = time.time() - plugged
            plays(machine, beep)
            wait_for("beeps after that", PATIENCE_S, lambda: any(at > 1000 * plugged for at in beeps))
        times = [at for _, at in shown(probe(browser))]
        stall, gap = longest(times), longest(came)
        text = f"the picture stood still for {stall:.2f} s at most, and came after {gap:.2f} s at most"
        note(browser, f"/status said: {said}; {text}; the microphone was back after {back:.1f} s")
        check(stall < gap + STALL_S, text)
        silent = [at for at in beeps if unplugged + 2 < at / 1000 < plugged]
        check(not silent, f"{len(silent)} beeps without a microphone")
        check(back < BACK_S, f"the microphone was back after {back:.1f} s")
        judged_at_all(browser, "after an unplugged microphone", machine)


def longest(times):
    """The longest time from one to the next."""
    return max(after - before for before, after in zip(times, times[1:]))


@contextlib.contextmanager
def pictures_come(machine):
    """A list, to which is added when each picture comes: the machine itself may stand still."""
    times, on = [], [True]

    def follow():
        with urllib.request.urlopen(f"http://127.0.0.1:{machine.port}/stream.mp4?audio=0", timeout=60) as stream:
            for _ in fragments(stream):
                if not on:
                    return
                times.append(time.time())

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield times
    finally:
        on.clear()
        thread.join(60)


def plays(machine, file):
    machine.run(f"ffmpeg -v error -stream_loop -1 -i {file} -c copy -f alsa hw:0,0 >/run/player.log 2>&1 &\n"
                "echo $! >/run/player.pid")
    wait_for("it plays", PATIENCE_S, lambda: "RUNNING" in machine.run(f"cat {PLAYED}"))


def beep_is_late_ms(machine):
    """By how much it is captured after the picture of a second. It changes when the machine has no time to draw some pictures."""
    with urllib.request.urlopen(f"http://127.0.0.1:{machine.port}/stream.mp4?times=camera&audio=0", timeout=60) as stream:
        init, picture = next(fragments(stream))
    number = number_in(init + picture.data)
    cameras = [machine.status()["cameras"][0] for _ in range(15)]
    zero_s = statistics.median(camera["captured_us"] / 1e6 - camera["media_90k"] / 90000 for camera in cameras)
    begun_s = float(machine.run(f"python3 -c {shlex.quote(BEGUN)}"))
    late_s = begun_s - (zero_s + picture.time - number / FPS)
    return (1000 * late_s + 500) % 1000 - 500
