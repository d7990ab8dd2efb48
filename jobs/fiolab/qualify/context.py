# SPDX-License-Identifier: GPL-2.0-only
# What the tests of a target share; and what a procedure (a test that is no
# table of stimuli) is given: the target, and the means to run fio on it with
# the engine, and to keep what it found.
from collections.abc import Callable
import contextlib
from dataclasses import dataclass
import re
import tempfile
from typing import Any

from .execute import Executor
from .suite.model import Profile


def _unsampled(*_, **__):
    return contextlib.nullcontext()


def _slug(name):
    return re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-") or "run"


@dataclass
class Bench:
    """What the tests of one target share."""
    number: int             # of the target, in the plan
    executor: Executor
    profile: Profile
    seed: int
    purge: str              # the method
    progress: Callable      # (text, seconds that the test may last yet)
    power_cut: str | None = None    # the command that cuts the target's power
    build: str = ""         # the build folder
    spec: Any = None        # the limits, where a test searches for them
    ack_log: str | None = None      # a folder that outlives the machine
    neighbour: Any = None   # the Target of --neighbour
    covered: bool = False   # all of the range was written since the last purge
    health: Any = None      # watch.healthsamples.Watch
    # (number of a phase and round, or neither) -> the context of one, in which
    # the target's health is sampled; see watch/healthsamples.py
    sampled: Callable = _unsampled

    @property
    def target(self):
        return self.executor.target

    @property
    def folder(self):
        return self.executor.folder

    def label(self, *parts):
        """The name of a file of this target."""
        return "-".join([f"t{self.number:02d}", *parts])


class Context:
    def __init__(self, bench, test):
        self.bench, self.test = bench, test
        self.target, self.profile = bench.target, bench.profile
        self.seed, self.side = bench.seed, bench.executor.side
        self.power_cut, self.ack_log = bench.power_cut, bench.ack_log
        self.local = not bench.target.clients
        self.stop = bench.executor.stop     # set: the command is to end
        self.used = {}
        self.folder = tempfile.mkdtemp(dir=bench.executor.fio.folder)

    def progress(self, text):
        self.bench.progress(f"{self.test.name}: {text}", None)

    def scaled(self, seconds):
        return self.profile.duration(seconds)

    def _file(self, name):
        """A name for a file of the results; one that was used gets a number.
        """
        stem = self.bench.label(self.test.name, _slug(name))
        self.used[stem] = self.used.get(stem, 0) + 1
        count = self.used[stem]
        return stem if count == 1 else f"{stem}-{count}"

    def fio(self, job_text, name, seconds, tolerant=False, base=True,
            over=None, executor=None):
        return (executor or self.bench.executor).run(
            job_text, self._file(name), seconds, tolerant, base, over)

    def store(self, name, content):
        """Evidence that is no fio run; its source."""
        return self.bench.folder.save_run(self._file(name), {
            "name": name, "content": content})
