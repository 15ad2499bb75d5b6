"""People: a browser logs in by the form and plays by its cookie; a frame in a page of another site plays by a view link."""
import base64
import json
import urllib.request

from driver import OUT, check, wait_for
from measure import open_page, moves
from rig import Pages, Server

PATIENCE_S = 60
# Of few iterations: nobody guesses here.
ANNA = """[test]
[user anna]
password = pbkdf2-sha256$1000$AQEBAQEBAQEBAQEBAQEBAQ==$tpvxVCv9hLiME3SNhpBDvUuQSqxOHrAk/yHi2W2h40A=
role = admin
"""
PASSWORD = "secret:a"


def log_in(browser, password):
    """Fills in the form that the page is, and sends it as a person would."""
    browser.run("""
        document.querySelector('[name=user]').value = 'anna';
        document.querySelector('[name=password]').value = arguments[0];
        window.before = true;
        document.querySelector('[name=password]').form.requestSubmit()""", password)
    wait_for("the next page", PATIENCE_S,
             lambda: browser.reached("return !window.before && document.readyState === 'complete'", None))


def form(browser):
    return browser.run("const field = document.querySelector('[name=password]'); return field && field.form.innerText")


def the_page_plays_after_the_login_form(browser):
    with Server(f"{browser.name}-login", ANNA) as server:
        url = server.url(host=browser.host)
        browser.open(url)
        check(form(browser), "no form")
        (OUT / f"{browser.name}-login.png").write_bytes(browser.screenshot())
        log_in(browser, "wrong")
        check("is wrong" in form(browser), f"not told what is wrong: {form(browser)}")
        browser.open(url)
        log_in(browser, PASSWORD)
        check(not form(browser), "the form again")
        open_page(browser, url)
        moves(browser)
        check(browser.run("return document.cookie") == "", "scripts can read the cookie")
        # What loads media by itself has the cookie, too.
        browser.run("""
            document.body.innerHTML = '<video src="stream.mp4" muted autoplay></video>';
            document.querySelector('video').play()""")
        wait_for("the tag plays", PATIENCE_S,
                 lambda: browser.run("return document.querySelector('video').currentTime > 1"))
        browser.errors()    # its words on 401


def the_login_form_works_without_javascript(browser):
    with Server(f"{browser.name}-login-noscript", ANNA) as server:
        browser.allow_scripts(False)
        try:
            browser.open(server.url(host=browser.host))
            log_in(browser, PASSWORD)
            pictures = set()
            wait_for("five different pictures of the screen", PATIENCE_S,
                     lambda: pictures.add(browser.screenshot()) or len(pictures) >= 5)
        finally:
            browser.allow_scripts(True)
        browser.errors()


def link(server):
    request = urllib.request.Request(server.url("links", "127.0.0.1"), b"{}", {
        "Content-Type": "application/json",
        "Authorization": "Basic " + base64.b64encode(f"anna:{PASSWORD}".encode()).decode()})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)["path"]


def a_frame_of_another_site_plays_by_a_view_link(browser):
    with Server(f"{browser.name}-link", ANNA) as server, Pages() as pages:
        def show(path):
            browser.open(f"{pages.origin('127.0.0.1')}/frame.html?{server.url(path, browser.host)}")
            browser.to_frame(0)

        def ends(script):
            try:
                return browser.run(script)
            finally:
                browser.to_frame(None)
        show(link(server) + "?bare")
        try:
            wait_for("it plays", PATIENCE_S, lambda: browser.run(
                "const video = document.querySelector('video'); return !!video && video.currentTime > 1"))
            # Who has a link may watch, and there is nothing to press that does more.
            check(not browser.run("return document.cookie"), "a cookie")
        finally:
            browser.to_frame(None)
        (OUT / f"{browser.name}-framed.png").write_bytes(browser.screenshot())
        # Nor does a session help where no link does.
        browser.open(server.url(host=browser.host))
        log_in(browser, PASSWORD)
        show("?bare")
        check(not ends("return !!document.querySelector('video, [name=password]')"), "it is shown without a link")
        browser.errors()
