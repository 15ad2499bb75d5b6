"""Debian's rclone takes each finished recording to an object store, as docs/recipes.md has it: S3, by PyPI's moto."""
import os
import pathlib
import re
import subprocess

from driver import OUT as RECORDED, check, free_port, listens, needs, wait_for
from installed import OUT, python_with, running
from recordings import CAMERA, PATIENCE_S, recorded

RECIPES = pathlib.Path(__file__).resolve().parents[2] / "docs" / "recipes.md"


def rclone_takes_recordings_to_a_store(_):
    needs("rclone")
    python, environment = python_with("moto")
    port = free_port()
    settings = {"TYPE": "s3", "PROVIDER": "Other", "ENDPOINT": f"http://127.0.0.1:{port}",
                "ACCESS_KEY_ID": "key", "SECRET_ACCESS_KEY": "secret", "REGION": "us-east-1"}
    os.environ.pop("AWS_CA_BUNDLE", None)   # with it rclone 1.60 has no S3 at all
    os.environ |= {f"RCLONE_CONFIG_STORE_{name}": value for name, value in settings.items()}

    def rclone(*arguments):
        return subprocess.run(["rclone", "--config", OUT / "rclone.conf", *arguments],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True).stdout

    command = re.search(r"^record_done_command = rclone .*$", RECIPES.read_text(), re.M)[0]
    with running("moto", python, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port), env=environment):
        wait_for("the store listens", PATIENCE_S, lambda: listens(port))
        rclone("mkdir", "store:recordings")
        # The program is ended for a moment within, which ends the first one.
        with recorded("programs-store", CAMERA + command + "\n"):
            kept = RECORDED / "programs-store-recordings" / "yard"
            first = min(path.relative_to(kept) for path in kept.glob("*/*.mp4"))
            wait_for("it is in the store", PATIENCE_S, lambda: rclone("lsf", "-R", "--files-only", "store:recordings").decode().split())
            check(rclone("cat", f"store:recordings/yard/{first}") == (kept / first).read_bytes(), f"{first} is another one there")
