# SPDX-License-Identifier: GPL-2.0-only
# What a procedure of jobs/qualify is given, with a real fio on a real target:
# so that a test can run one procedure alone.
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "jobs"))

from fiolab import device, process, side as sides  # noqa: E402
from fiolab.fio import parse  # noqa: E402
from fiolab.problem import Problem  # noqa: E402
from fiolab.qualify.profiles import QUICK  # noqa: E402

BASE = ("[global]\nioengine=${ENGINE}\nfilename=${TARGET}\ndirect=1\n"
        "group_reporting=1\nlat_percentiles=1\nclat_percentiles=0\n"
        "slat_percentiles=0\n")


@dataclass
class Target:
    path: str
    size: int
    logical_block: int = 512
    host: str | None = None


@dataclass
class Ran:
    jobs: list
    stats: list
    status: int
    messages: str
    source: str
    seconds: float


@dataclass
class Context:
    target: Target
    fio_path: str
    build: str
    folder: str
    engine: str = "kaio"
    profile: object = QUICK
    seed: int = 1
    power_cut: str | None = None
    local: bool = True
    said: list = field(default_factory=list)
    before: list = field(default_factory=list)      # called with (name)
    after: list = field(default_factory=list)

    def __post_init__(self):
        self.side = sides.parse(self.engine, self.build)

    def progress(self, text):
        self.said.append(text)

    def scaled(self, seconds):
        return self.profile.duration(seconds)

    def store(self, name, content):
        with open(self.file(f"{name}.json"), "w", encoding="utf-8") as file:
            json.dump(content, file)
        return f"runs/{name}.json"

    def file(self, name):
        return os.path.join(self.folder, name)

    def _base(self):
        if "kaio" not in self.side.ioengine:
            return BASE
        return (f"{BASE}engine_stats=1\n"
                f"stats_file={self.file('stats')}\n")

    def fio(self, job_text, name, seconds, tolerant=False, extra=(),
            base=True):
        for call in self.before:
            call(name)
        job = (self._base() if base else "") + job_text
        with open(self.file(f"{name}.fio"), "w", encoding="utf-8") as file:
            file.write(job)
        command = [self.fio_path, "--eta=never", "--output-format=json+",
                   f"--output={self.file('out')}", *extra,
                   self.file(f"{name}.fio")]
        ran = self._run(command, name, seconds)
        for call in self.after:
            call(name)
        if ran.status and not tolerant:
            raise Problem(f"fio failed: {ran.messages}")
        return ran

    def _run(self, command, name, seconds):
        for old in ("out", "stats"):
            if os.path.exists(self.file(old)):
                os.unlink(self.file(old))
        with open(self.file("messages"), "wb") as out, process.Child(
                command, cwd=self.folder, stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, "ENGINE": self.side.ioengine,
                     "TARGET": self.target.path}) as child:
            assert child.wait(seconds + 30), f"{name} hung"
        return self._result(name, child.status)

    def _result(self, name, status):
        messages = self._text("messages")
        try:
            jobs = parse(self._text("out"))["jobs"]
        except ValueError:
            jobs = []
        # What a job prints while it runs comes before the JSON.
        messages += re.split(r"^\{$", self._text("out"), 1, re.M)[0]
        stats = [json.loads(line) for line in
                 self._text("stats").splitlines()]
        source = self.store(name, {"jobs": jobs, "messages": messages})
        seconds = sum(job["job_runtime"] for job in jobs) / 1000
        return Ran(jobs, stats, status, messages, source, seconds)

    def _text(self, name):
        try:
            with open(self.file(name), encoding="utf-8",
                      errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""


def on(path, fio_path, build, folder, **more):
    """A context for a target, whose logical block is the kernel's."""
    number, block = device.device_number(path), 512
    if number is not None:
        with open(f"{device.sysfs(number)}/queue/logical_block_size",
                  encoding="ascii") as file:
            block = int(file.read())
    target = Target(path, device.size(path), block)
    os.makedirs(folder, exist_ok=True)
    return Context(target, fio_path, str(build), str(folder), **more)
