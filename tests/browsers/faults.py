"""What faults left of recordings: the files that tests/vm/recorded.rs keeps."""
import pathlib
import shutil

from driver import OUT, Skip, check, wait_for
from rig import Server

KEPT = pathlib.Path(__file__).resolve().parents[2] / "target" / "checks" / "vm" / "recorded"
PATIENCE_S = 60

PLAY = """
    const video = window.video = document.createElement('video');
    video.muted = true;
    video.onerror = () => window.why = video.error.message || String(video.error.code);
    window.why = '';
    video.src = arguments[0];
    video.defaultPlaybackRate = video.playbackRate = 16;
    // At such a pace not every picture is shown.
    video.onended = () => { video.currentTime = video.duration - 0.01; window.played = true };
    window.played = false;
    video.play().catch(why => window.why = String(why))"""

# The number in the row of blocks at the picture's top: see numbers_in_pictures in tests/support.
NUMBER = """
    const canvas = document.createElement('canvas'), block = Math.floor(video.videoWidth / 40) & ~1;
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    const context = canvas.getContext('2d');
    context.drawImage(video, 0, 0);
    let number = 0;
    for (let index = 2; index < 34; index++)
        number = number * 2 + (context.getImageData(index * block + block / 2, block / 2, 1, 1).data[0] >= 128);
    return number"""


def what_faults_left_plays(browser):
    files = sorted(KEPT.glob("[0-9]*.mp4"), key=lambda path: int(path.stem))
    if not files:
        raise Skip("no files are kept: tests/vm/run recorded makes them")
    folder = OUT / f"{browser.name}-faults"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "yard" / "2027-01-01").mkdir(parents=True)
    (folder / ".fmp4streamer").touch()
    names = []
    for file in files:
        number = int(file.stem)
        names.append(f"2027-01-01/{number // 3600:02}-{number // 60 % 60:02}-{number % 60:02}+0000.mp4")
        shutil.copy(file, folder / "yard" / names[-1])
    camera = "[test]\nname = yard\nrecord = events\n"
    with Server(folder.name, camera, f"record_dir = {folder}\nrecord_keep_free = 0") as server:
        browser.open(server.url("recordings", browser.host))
        for file, name in zip(files, names):
            browser.run(PLAY, server.url(f"recordings/{name}", browser.host))
            wait_for(f"{file} has an end", PATIENCE_S, lambda: browser.run(
                "return why || played && !video.seeking && video.readyState >= 2"))
            check(not (why := browser.run("return why")), f"{file}: {why}")
            # judged.rs wrote it down.
            last, seen = int(file.with_suffix(".last").read_text()), browser.run(NUMBER)
            check(seen == last, f"{file}: it ends with picture {seen}, not {last}")
    shutil.rmtree(folder)
