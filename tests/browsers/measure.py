"""What a picture says of itself: its frame number, and so its age."""
import collections
import pathlib
import statistics
import time

from driver import check, wait_for

PROBE = pathlib.Path(__file__).with_name("probe.js").read_text()

# latencies in ms; of the frames that passed in the time, the share that was never seen on the screen, and the number
# that the browser itself says that it dropped
Figures = collections.namedtuple("Figures", "median p95 unseen dropped")


def open_page(browser, url):
    browser.open(url, PROBE)


def probe(browser):
    """What the probe has seen since the last call. Fails when the page was loaded anew: the probe went with it."""
    check(browser.run("return !!window.probe"), "the page was loaded anew")
    return browser.run("return window.probe.take()")


def number(browser):
    """The frame number that is shown now."""
    def ask():
        seen = probe(browser)
        check(not seen["wrong"] or seen["newest"] is not None, f"a picture without a number: {seen['wrong']}")
        return seen["newest"] is not None and [seen["newest"]]
    return wait_for("a picture", 40, ask)[0]


def moves(browser):
    first = number(browser)
    wait_for("the picture moves on", 20, lambda: number(browser) > first)


def first_picture_ms(seen):
    """After the page's load event; None when the probe came too late to see it."""
    return seen["first"] - seen["loaded"] if seen["fresh"] and seen["first"] and seen["loaded"] else None


def shown(seen):
    """[(number, wall clock in s)]"""
    page, wall = seen["clocks"]
    return [(number, (at - page + wall) / 1000) for number, at in seen["shown"]]


def latency(browser, clock, seconds):
    """Figures of the next seconds."""
    before = probe(browser)["dropped"]
    time.sleep(seconds)
    seen = probe(browser)
    numbers = [number for number, _ in seen["shown"]]
    check(len(numbers) > 1, f"only {len(numbers)} pictures in {seconds} s")
    check(all(a < b for a, b in zip(numbers, numbers[1:])), "a picture came after a newer one")
    time.sleep(0.5)     # so that the clock has them too
    ages = sorted(1000 * age for age in clock.ages(shown(seen)))
    check(ages, "no picture that the server has sent")
    passed = numbers[-1] - numbers[0] + 1
    return Figures(statistics.median(ages), ages[len(ages) * 95 // 100], 1 - len(numbers) / passed,
                   None if seen["dropped"] is None else seen["dropped"] - (before or 0))
