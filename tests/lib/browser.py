# SPDX-License-Identifier: GPL-2.0-only
"""A headless Chromium, driven by selenium.

    with Browser() as browser:
        page = browser.open("/path/report.html", width=390, dark=True)
        page.evaluate("document.title"); page.problems; page.requests

A page is there until the next is opened.
"""
import base64
import importlib.util
import json
import shutil
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
         "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync",
         "--disable-extensions", "--disable-dev-shm-usage",
         "--hide-scrollbars")
LOGS = ("browser", "performance")       # its console; what its network did
TIMEOUT = 300
HEIGHT = 844


def find():
    """The path of a Chromium that can be driven, or None."""
    if importlib.util.find_spec("selenium") and shutil.which("chromedriver"):
        return next(filter(None, map(shutil.which, NAMES)), None)
    return None


class Browser:
    def __enter__(self):
        from selenium import webdriver      # other tests need none
        from selenium.webdriver.chrome.service import Service
        options = webdriver.ChromeOptions()
        options.binary_location = find()
        for flag in FLAGS:
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", dict.fromkeys(LOGS, "ALL"))
        # Without its path, later seleniums ask a program of their own for it.
        self.driver = webdriver.Chrome(options=options, service=Service(
            executable_path=shutil.which("chromedriver")))
        self.driver.set_page_load_timeout(TIMEOUT)
        return self

    def __exit__(self, *_):
        self.driver.quit()

    def call(self, method, **params):
        """The result of a command of the DevTools protocol."""
        return self.driver.execute_cdp_cmd(method, params)

    def open(self, path, width=1280, dark=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width,
                  height=HEIGHT, deviceScaleFactor=1, mobile=width < 600)
        self.call("Emulation.setEmulatedMedia", features=[{
            "name": "prefers-color-scheme",
            "value": "dark" if dark else "light"}])
        page = Page(self, width)
        page.read_logs()        # of the page before
        page.logs = {name: [] for name in LOGS}
        self.driver.get(Path(path).resolve().as_uri())
        return page


class Page:
    def __init__(self, browser, width):
        self.browser, self.width = browser, width
        self.logs = {name: [] for name in LOGS}
        self.call = browser.call

    def evaluate(self, expression):
        found = self.call("Runtime.evaluate", expression=expression,
                          returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def read_logs(self):
        """The browser's logs so far; it forgets them."""
        for name, lines in self.logs.items():
            lines += self.browser.driver.get_log(name)
        return self.logs

    @property
    def problems(self):
        """Whatever was written to the console, by the page or about it.  (A
        dialog ends every command with an error.)"""
        return self.read_logs()["browser"]

    @property
    def requests(self):
        """The addresses that were asked for, but for data in the page."""
        events = [json.loads(line["message"])["message"]
                  for line in self.read_logs()["performance"]]
        asked = [event["params"]["request"]["url"] for event in events
                 if event["method"] == "Network.requestWillBeSent"]
        return [url for url in asked if not url.startswith("data:")]

    def screenshot(self, path, limit=6000):
        """The whole page, down to a limit, as PNG."""
        height = self.evaluate("document.documentElement.scrollHeight")
        clip = {"x": 0, "y": 0, "width": self.width, "scale": 1,
                "height": min(height, limit)}
        shot = self.call("Page.captureScreenshot", format="png", clip=clip,
                         captureBeyondViewport=True)
        Path(path).write_bytes(base64.b64decode(shot["data"]))
