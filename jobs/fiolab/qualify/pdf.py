# SPDX-License-Identifier: GPL-2.0-only
# report.pdf, printed from report.html by a headless Chromium that is found on
# PATH, with a profile of its own that is removed afterwards and a time limit.
# The PDF is whole or absent.  Without a browser there is none, and that is
# said.
import contextlib
import os
from pathlib import Path
import secrets
import shutil
import subprocess
import tempfile
import time

from ..process import Child

NAMES = ("chromium", "chromium-browser", "google-chrome",
         "google-chrome-stable")
FLAGS = ("--headless", "--disable-gpu", "--disable-extensions",
         "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--disable-dev-shm-usage", "--no-first-run",
         "--no-pdf-header-footer")
LIMIT = 120                 # seconds
LEAVE = 5                   # to see its folder go


def browser():
    """The path of a Chromium, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def _command(found, folder, html_path, part):
    # Chromium has no sandbox for root, and refuses to start with one.
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    return [found, *FLAGS, *root, f"--user-data-dir={folder}",
            f"--print-to-pdf={part}", Path(html_path).resolve().as_uri()]


@contextlib.contextmanager
def _private():
    """A folder of the browser's, some of whose processes write there yet for
    a moment after it has ended."""
    folder = tempfile.mkdtemp(prefix="kaio-pdf-")
    try:
        yield folder
    finally:
        end = time.monotonic() + LEAVE
        shutil.rmtree(folder, ignore_errors=True)
        while os.path.exists(folder) and time.monotonic() < end:
            time.sleep(0.05)
            shutil.rmtree(folder, ignore_errors=True)


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


def write(html_path, pdf_path):
    """None, or a sentence that says why there is no PDF."""
    found = browser()
    if not found:
        return ("No PDF was made, as no chromium is on PATH: install it, or "
                "print report.html from a browser.")
    part = os.path.abspath(f"{pdf_path}.{secrets.token_hex(4)}.part")
    try:
        why = _print(found, html_path, part)
        if not why:
            os.replace(part, pdf_path)
            return None
    except OSError as error:
        why = error.strerror
    finally:
        with contextlib.suppress(OSError):
            os.unlink(part)
    return (f"No PDF was made, as {os.path.basename(found)} {why}: print "
            "report.html from a browser.")
