# SPDX-License-Identifier: GPL-2.0-only
"""Tests of endurance on a file in memory, without their command: made short,
gone on with as by --resume, and with something done to the target between a
load and its reading back."""
import contextlib
import dataclasses
import os
import threading

import qualifycontext
import qualifydata
from fiolab.qualify import execute
from fiolab.qualify.endurance import checkpoint, soaktest
from fiolab.qualify.suite.profiles import QUICK

MIB = 1 << 20
SIZE = 32 * MIB


def profile(seconds=2.0, **changes):
    return dataclasses.replace(QUICK, soak=seconds / soaktest.DAY, **changes)


def test_of(profile_, number=0, options=()):
    """A test, with more options of fio for its load."""
    made = soaktest.tests(profile_)[number]
    fill, load = made.phases
    return dataclasses.replace(made, phases=(fill, dataclasses.replace(
        load, stimuli=tuple(dataclasses.replace(
            one, options=(*one.options, *options)) for one in load.stimuli))))


class Lab:
    """A target, and the folder of a run on it, which the next one goes on
    with."""

    def __init__(self, folder, shm, fio, build, engine="kaio", path=None):
        """path: of a device."""
        self.path = path or os.path.join(shm, "target")
        if not path:
            with open(self.path, "wb") as file:
                file.truncate(SIZE)
        self.stack = contextlib.ExitStack()
        self.bench = qualifycontext.bench(
            self.path, fio, build, str(folder), self.stack, engine,
            claimed=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stack.close()

    def again(self):
        """As another command has it."""
        old = self.bench.executor
        self.bench = dataclasses.replace(self.bench, executor=execute.Executor(
            old.fio, old.side, old.target, old.folder, threading.Event(),
            old.has_stats))

    def run(self, profile_=None, number=0, options=(), purge=""):
        """The entry of the test, which a report may have."""
        self.bench.profile = profile_ or profile()
        self.bench.purge = purge
        test = test_of(self.bench.profile, number, options)
        found = test.entry()
        try:
            test.run(self.bench, found)
        except execute.Stopped:
            pass
        qualifydata.hold(found)
        return found

    def bytes(self, offset, count):
        with open(self.path, "rb") as file:
            file.seek(offset)
            return file.read(count)

    def put(self, offset, data):
        with open(self.path, "r+b", buffering=0) as file:
            file.seek(offset)
            file.write(data)

    def flip(self, offset):
        """One bit, as storage might."""
        byte, = self.bytes(offset, 1)
        self.put(offset, bytes([byte ^ 4]))


def before_look(monkeypatch, number, act):
    """act(run): between the load of that checkpoint and its reading back."""
    look = checkpoint.CheckpointRun._look

    def changed(self, at):
        if at == number:
            act(self)
        return look(self, at)
    monkeypatch.setattr(checkpoint.CheckpointRun, "_look", changed)


def rounds(found):
    """Those of the load."""
    return found["phases"][1]["rounds"]
