# SPDX-License-Identifier: GPL-2.0-only
# Runs jobs/qualify as a user does, into a folder of its own.
import json
import os
from pathlib import Path
import subprocess
import time

QUALIFY = str(Path(__file__).resolve().parents[2] / "jobs" / "qualify")
# A limit that every scratch device keeps: without one nothing is judged, and
# the exit status is 2.
SPEC = """[xsr."1: 1M sequential write"]
max_mean_us = 1_000_000_000
"""


class Qualify:
    def __init__(self, folder, build):
        self.folder, self.out = folder, folder / "out"
        self.build = str(build)
        (folder / "tmp").mkdir()
        self.spec = folder / "limits.toml"
        self.spec.write_text(SPEC)
        self.environment = {**os.environ, "TMPDIR": str(folder / "tmp")}

    def command(self, *words):
        words = list(map(str, words))
        if "--resume" not in words:
            words += ["--out", str(self.out), "--build", self.build]
        return [QUALIFY, *words]

    def __call__(self, *words, seconds=600, tidy=True, **how):
        done = subprocess.run(self.command(*words), timeout=seconds, text=True,
                              capture_output=True, check=False,
                              env=self.environment, **how)
        assert "Traceback" not in done.stderr, done.stderr
        if tidy:
            self._await_nothing_left()
        return done

    def _await_nothing_left(self):
        """A browser's last processes end after it."""
        end, left = time.monotonic() + 60, True
        while left and time.monotonic() < end:
            left = os.listdir(self.environment["TMPDIR"])
            time.sleep(0.05)
        assert not left, left

    def start(self, *words):
        return subprocess.Popen(self.command(*words), text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                env=self.environment)

    def report(self):
        return json.loads((self.out / "qualify.json").read_text())

    def tests(self):
        return [target["tests"][0] for target in self.report()["targets"]]

    def rounds(self):
        """{name: text} of the finished rounds."""
        folder = self.out / "rounds"
        return {path.name: path.read_text() for path in folder.glob("*-r*.json")}

    def await_rounds(self, count, process):
        end = time.monotonic() + 180
        while not (self.out / "rounds").is_dir() or len(
                self.rounds()) < count:
            assert process.poll() is None and time.monotonic() < end, (
                process.communicate())
            time.sleep(0.02)


def sentence(done, word):
    assert done.returncode == 2 and done.stdout == "", done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("qualify: ") and word in last, done.stderr
