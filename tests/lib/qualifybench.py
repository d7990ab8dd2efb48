# SPDX-License-Identifier: GPL-2.0-only
# One target of a qualification without its command: a real file in memory, a
# real fio, a folder for what it finds.
from contextlib import ExitStack
import os
from pathlib import Path
import shutil
import threading

from fiolab.base import machine
from fiolab.fio import fiorun, sidespec
from fiolab.qualify import context, folder
from fiolab.qualify.execute import Executor
from fiolab.qualify.suite.profiles import QUICK
from fiolab.target import claim

MIB = 1 << 20
PLAN = {
    "schema": folder.Folder.SCHEMA.version, "id": "the one", "created": "now",
    "command": [],
    "seed": 1, "profile": {"name": "quick"}, "tests": [], "targets": [],
    "arguments": {"profile": "quick", "engine": "psync", "build": "/b",
                  "seed": 1, "ab": False, "scratch": False},
    "engine": {"text": "psync", "ioengine": "psync", "options": [],
               "sha256": None}, "other_engine": None,
    "fio": {"path": "fio", "version": "fio-3", "sha256": None},
    "environment": machine.describe(), "warnings": []}


class Lab:
    """bench() is what a command has; the next one is a resumed command's."""

    def __init__(self, tmp_path, shm, size=16 * MIB, block=512):
        self.tmp, self.size, self.block = tmp_path, size, block
        self.path = os.path.join(shm, "target")
        if not os.path.exists(self.path):
            Path(self.path).write_bytes(os.urandom(MIB) * (size // MIB))
        self.stack, self.said, self.stop = ExitStack(), [], None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stack.close()

    def _folder(self):
        made = folder.Folder(str(self.tmp / "out"))
        if os.path.exists(made.file("plan.json")):
            made.open(self.stack)
        else:
            made.create(self.stack)
            made.save_plan(PLAN)
        return made

    def bench(self, profile=QUICK, fio_path=None, method="punch-hole"):
        self.stack.close()
        self.stop = threading.Event()
        scratch = self.tmp / "scratch"
        scratch.mkdir(exist_ok=True)
        tool = fiorun.Fio(fio_path or shutil.which(os.environ.get("FIO", "fio")),
                       None, str(scratch))
        target = claim.prepare(self.path, 0, True, self.stack)
        target.logical_block = target.physical_block = self.block
        made = self._folder()
        run = Executor(tool, sidespec.parse("psync", ""), target, made,
                       self.stop, False)
        return context.Bench(0, run, profile, 1, method,
                             lambda text, left: self.said.append((text, left)))


def test_of(lab, test, **more):
    """The entry of a test, run to its end."""
    bench, found = lab.bench(**more), test.entry()
    test.run(bench, found)
    return found
