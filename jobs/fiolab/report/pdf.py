# SPDX-License-Identifier: GPL-2.0-only
# report.pdf, printed from report.html by a headless Chromium that is found on
# PATH, with a profile of its own that is removed afterwards and a time limit.
# The PDF is whole or absent.  Without a browser there is none, and that is
# said.
import contextlib
import os
from pathlib import Path
import shutil
import subprocess
import tempfile
import time

from ..base.files import Part
from ..base.process import Child

NAMES = ("chromium", "chromium-browser", "google-chrome",
         "google-chrome-stable")
FLAGS = ("--headless", "--disable-gpu", "--disable-extensions",
         "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--disable-dev-shm-usage", "--no-first-run",
         "--no-pdf-header-footer")
LIMIT = 120                 # seconds
LEAVE, QUIET = 5, 0.3       # seconds to see its folder go, and stay away
# Chromium's socket is in a folder of its folder, and its path must be one that
# unix(7) takes (108 bytes), or it aborts.
LONGEST = 107 - len("/org.chromium.Chromium.XXXXXX/SingletonSocket")


def browser() -> str | None:
    """The path of a Chromium, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def _command(found, folder, html_path, part):
    # Chromium has no sandbox for root, and refuses to start with one.
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    return [found, *FLAGS, *root, f"--user-data-dir={folder}",
            f"--print-to-pdf={part}", Path(html_path).resolve().as_uri()]


def _folder():
    folder = tempfile.mkdtemp(prefix="kaio-pdf-")
    if len(os.fsencode(folder)) <= LONGEST:
        return folder
    os.rmdir(folder)
    return tempfile.mkdtemp(prefix="kaio-pdf-", dir="/tmp")


def _remove(folder):
    """Some of the browser's processes write there, or make it again, for a
    moment after it has ended."""
    now = time.monotonic()
    end, gone = now + LEAVE, now + QUIET
    while now < min(end, gone):
        if os.path.exists(folder):
            shutil.rmtree(folder, ignore_errors=True)
            gone = now + QUIET
        time.sleep(0.05)
        now = time.monotonic()


@contextlib.contextmanager
def _private():
    folder = _folder()
    try:
        yield folder
    finally:
        _remove(folder)


def _print(found, html_path, part):
    """None, or why it did not work."""
    with _private() as folder:
        environment = {**os.environ, "HOME": folder, "XDG_CONFIG_HOME": folder,
                       "XDG_CACHE_HOME": folder, "TMPDIR": folder}
        with Child(_command(found, folder, html_path, part), env=environment,
                   stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL) as child:
            if not child.wait(LIMIT):
                return f"was not done after {LIMIT} s"
            if child.status:
                return f"ended with status {child.status}"
    with contextlib.suppress(OSError):
        with open(part, "rb") as file:
            if file.read(5) == b"%PDF-":
                return None
    return "wrote no PDF"


def write(html_path: str, pdf_path: str) -> str | None:
    """None, or a sentence that says why there is no PDF."""
    found = browser()
    if not found:
        return ("No PDF was made, as no chromium is on PATH: install it, or "
                "print report.html from a browser.")
    try:
        with Part(os.path.abspath(pdf_path)) as part:
            why = _print(found, html_path, part.name)
            if not why:
                part.keep()
                return None
    except OSError as error:
        why = error.strerror
    return (f"No PDF was made, as {os.path.basename(found)} {why}: print "
            "report.html from a browser.")
