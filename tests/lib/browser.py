# SPDX-License-Identifier: GPL-2.0-only
"""A headless Chromium, driven by its DevTools protocol over a pipe (JSON with
a NUL after each message), so that no driver, port or package is needed.

    with Browser(folder) as browser:
        page = browser.open("/path/report.html", width=390, dark=True)
        page.evaluate("document.title"); page.problems; page.requests
"""
import base64
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
         "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync",
         "--disable-extensions", "--disable-dev-shm-usage",
         "--hide-scrollbars",
         "--remote-debugging-pipe")
# Chromium reads from 3 and writes to 4.
CONNECT = """import os, sys
os.dup2(int(sys.argv[1]), 3)
os.dup2(int(sys.argv[2]), 4)
os.execv(sys.argv[3], sys.argv[3:])"""
TIMEOUT = 300
HEIGHT = 844


def find():
    """The path of a Chromium, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


def _high(descriptor):
    """The same file at a number that 3 and 4 cannot meet."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 10)
    os.close(descriptor)
    return moved


class Browser:
    def __init__(self, folder=None):
        self.folder = tempfile.mkdtemp(prefix="chromium-", dir=folder)
        self.number, self.left, self.events = 0, b"", []
        theirs_in, self.to = map(_high, os.pipe())
        self.of, theirs_out = map(_high, os.pipe())
        self.process = subprocess.Popen(
            [sys.executable, "-c", CONNECT, str(theirs_in), str(theirs_out),
             find(), *FLAGS, f"--user-data-dir={self.folder}", "about:blank"],
            pass_fds=(theirs_in, theirs_out), stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True)
        os.close(theirs_in)
        os.close(theirs_out)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.call("Browser.close")
            self.process.wait(10)
        except (OSError, AssertionError, subprocess.TimeoutExpired):
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self.to)
        os.close(self.of)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _message(self, end):
        """The next message; what it is, the caller decides."""
        while b"\0" not in self.left:
            ready, _, _ = select.select([self.of], [], [],
                                        max(0, end - time.monotonic()))
            assert ready, "chromium does not answer"
            more = os.read(self.of, 1 << 20)
            assert more, "chromium has ended"
            self.left += more
        one, _, self.left = self.left.partition(b"\0")
        return json.loads(one)

    def call(self, method, session=None, **params):
        """The result of one command; events meanwhile are kept."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.to, data):]
        end = time.monotonic() + TIMEOUT
        while True:
            found = self._message(end)
            if found.get("id") == self.number:
                assert "error" not in found, (method, found["error"])
                return found["result"]
            self.events.append(found)

    def wait(self, method, session):
        """Until an event of that name has come."""
        def seen(event):
            return (event.get("method") == method
                    and event.get("sessionId") == session)
        end = time.monotonic() + TIMEOUT
        while not any(map(seen, self.events)):
            self.events.append(self._message(end))

    def open(self, path, width=1280, dark=False):
        target = self.call("Target.createTarget", url="about:blank")
        session = self.call("Target.attachToTarget", flatten=True,
                            targetId=target["targetId"])["sessionId"]
        page = Page(self, session, width)
        page.call("Emulation.setDeviceMetricsOverride", width=width,
                  height=HEIGHT, deviceScaleFactor=1, mobile=width < 600)
        page.call("Emulation.setEmulatedMedia", features=[{
            "name": "prefers-color-scheme",
            "value": "dark" if dark else "light"}])
        for domain in ("Runtime", "Log", "Network", "Page"):
            page.call(f"{domain}.enable")
        page.call("Page.navigate", url=Path(path).resolve().as_uri())
        self.wait("Page.loadEventFired", session)
        return page


class Page:
    def __init__(self, browser, session, width):
        self.browser, self.session, self.width = browser, session, width

    def call(self, method, **params):
        return self.browser.call(method, self.session, **params)

    def evaluate(self, expression):
        found = self.call("Runtime.evaluate", expression=expression,
                          returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def _events(self, *methods):
        self.evaluate("1")      # all that came before it is here then
        return [event["params"] for event in self.browser.events
                if event.get("sessionId") == self.session
                and event["method"] in methods]

    @property
    def problems(self):
        """Whatever was written to the console, by the page or about it."""
        return self._events("Runtime.consoleAPICalled", "Log.entryAdded",
                            "Runtime.exceptionThrown",
                            "Page.javascriptDialogOpening")

    @property
    def requests(self):
        """The addresses that were asked for, but for data in the page."""
        asked = self._events("Network.requestWillBeSent")
        return [one["request"]["url"] for one in asked
                if not one["request"]["url"].startswith("data:")]

    def screenshot(self, path, limit=6000):
        """The whole page, down to a limit, as PNG."""
        height = self.evaluate("document.documentElement.scrollHeight")
        clip = {"x": 0, "y": 0, "width": self.width, "scale": 1,
                "height": min(height, limit)}
        shot = self.call("Page.captureScreenshot", format="png", clip=clip,
                         captureBeyondViewport=True)
        Path(path).write_bytes(base64.b64decode(shot["data"]))
