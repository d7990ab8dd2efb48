# SPDX-License-Identifier: GPL-2.0-only
"""One engine for several fios, made by make engines: it has to run in each of
them, and to be refused by each that is left out of it."""
from collections import namedtuple
import os
from pathlib import Path
import tempfile

import enginepairs
import fiorun

ROOT = Path(__file__).resolve().parents[2]
BUILD_TIME = 600  # seconds
# engine: its path; version: those inside, or the one of them that runs.
Engine = namedtuple("Engine", "engine version")


def versions(sides):
    """As the engine's sentence lists them."""
    names = [side.version for side in sides]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def make(sides, out):
    """The engine's path; AssertionError with make's output if it fails."""
    done = fiorun.Running(
        ["make", "--no-print-directory", "engines", "O=%s" % out,
         "FIO_SRCS=%s" % " ".join(side.source for side in sides)],
        ROOT, {"FIO": "", "FIO_SRC": ""}, BUILD_TIME).wait()
    assert done.rc == 0, done.text
    return ROOT / out / "engines/fio-kaio.so"


def verifies(engine, running):
    """What is wrong with a run that verifies; None if nothing."""
    with tempfile.TemporaryDirectory(prefix="kaio-one-",
                                     dir="/dev/shm") as folder:
        try:
            running.fio(engine, folder)(
                os.path.join(folder, "target"), rw="randrw", size=8 << 20,
                bsrange="4k-64k", iodepth=16, verify="crc32c").ok()
        except AssertionError as why:
            return str(why)
    return None


def inside(engine, running):
    """A cell, and (passed, failed), for a fio that it holds."""
    wrong = verifies(engine, running)
    if wrong:
        print("%s in %s, verify: %s" % (engine, running.binary, wrong))
    cell, (passed, failed) = enginepairs.pair(
        Engine(engine, running.version), running)
    return cell, (passed + (not wrong), failed + bool(wrong))


def check(sides, out):
    """{side: (cell inside, cell left out)}, and (passed, failed), for sides
    of different versions, each with its source tree."""
    cells, passed, failed = {}, 0, 0
    for running in sides:
        others = [side for side in sides if side is not running]
        cells[running], (p, f) = enginepairs.pair(
            Engine(make(others, out), versions(others)), running)
        passed, failed = passed + p, failed + f
    engine = make(sides, out)
    for running in sides:
        left_out = cells[running]
        cell, (p, f) = inside(engine, running)
        cells[running] = (cell, left_out)
        passed, failed = passed + p, failed + f
    return cells, passed, failed
