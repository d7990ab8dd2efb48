# SPDX-License-Identifier: GPL-2.0-only
# What every power cut has, whatever cuts: the fio that writes and syncs while
# the power goes, with the engine's log of what was acknowledged (acklog.py);
# the moment of the cut; and what became of the writes.
import errno
import os
import random
import secrets
import threading
import time

from ...base import files
from ...base.problem import Problem
from ...fio import fiorun, sidespec
from ...target import blockio, sysfs
from .. import jobtext
from ..execute import Executor
from . import acklog
from .verifying import fault, patience, section

BLOCK, LARGEST = 4096, 16   # bytes of the smallest write; of the largest, in it
LEAST = 100                 # acknowledged writes, before any cut
PAUSE = 1.0                 # seconds after these, at most
RETURN = 300                # seconds that a cut may last, and the return, too
LOOK = 0.02                 # seconds between two looks at the log, the device
GRACE = 1.0                 # until fio has seen that its device is gone
EVERY = 64                  # writes between two syncs: more than are in flight,
                            # so that some come back that no sync covers
# What each cut in turn has to be survived by.
SYNCS = ({"sync": "dsync"}, {"fsync": EVERY}, {"fdatasync": EVERY})


def _executor(context):
    """With our engine, which alone has the log."""
    mine = context.bench.executor
    if os.path.basename(mine.side.ioengine) == sidespec.ENGINE_FILE:
        return mine
    side = sidespec.parse("kaio", context.bench.build)
    return Executor(mine.fio, side, mine.target, mine.folder, mine.stop, True)


def _log(path, size, unit):
    """A new one of a range."""
    try:
        return acklog.AckLog.made(path, size, unit, secrets.randbits(64))
    except OSError as error:
        raise Problem("the log of what is acknowledged cannot be written to "
                      f"{path} ({files.reason(error)}): make room there, "
                      f"{size // unit * acklog.UNIT.itemsize >> 10} KiB."
                      ) from None


class Cutter(threading.Thread):
    """Cuts at a random moment, once enough is acknowledged, and sees when the
    device is back.

    cut: a function; why there was no cut, or None.  over: is set once fio
    should have seen that its device went.  ready: seconds from the end of cut
    until it was back; None: it was not.
    """

    def __init__(self, log, pause, cut, is_back, stop):
        super().__init__(daemon=True)
        self.log, self.pause, self.cut = log, pause, cut
        self.is_back, self.stop = is_back, stop
        self.least = log.count("acks") + LEAST
        self.ended, self.over = threading.Event(), threading.Event()
        self.was, self.ready = False, None
        self.why = "the cut did not come to its end"

    def run(self):
        while self.log.count("acks") < self.least:
            if self.ended.wait(LOOK):
                return
        if self.ended.wait(self.pause):
            return
        self.was = True
        try:
            self.why = self.cut()
        except OSError as error:
            self.why = f"the cut failed ({error.strerror})"
        except Problem as problem:
            self.why = f"the cut failed: {problem}"
        finally:
            self._await_return()

    def _await_return(self):
        start, taken = time.monotonic(), 0
        while taken < RETURN and not self.stop.is_set():
            if self.is_back():
                self.ready = time.monotonic() - start
                break
            time.sleep(LOOK)
            taken = time.monotonic() - start
            if taken > GRACE:
                self.over.set()
        self.ended.wait(start + GRACE - time.monotonic())
        self.over.set()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join()


class Writer:
    """Writes to a device of which the power is cut again and again.

    path: where its log is to be; log: one that is there already.  begun: what
    is known of the run that is to be cut, before it.
    """

    def __init__(self, context, size, path=None, log=None):
        self.context, self.executor = context, _executor(context)
        self.unit = max(BLOCK, context.target.logical_block)
        whole, self.begun = self.unit * LARGEST, None
        self.trimmed = False        # for the next cut
        self.seen = None            # after the last cut
        self.log = log or _log(
            path or os.path.join(context.folder, "acknowledged"),
            size // whole * whole, self.unit)

    def _fio(self, path, name, seconds, over=None, **options):
        """A run on a device that may be another than the target: fio would add
        a second filename= to the first, so the usual lines in front are left
        out.  In threads, as fio itself must not end before its last I/O."""
        front = ["[global]", "ioengine=${ENGINE}", *fiorun.KEEP_FILES,
                 *self.executor.side.options, ""]
        job = section("power", filename=path.replace(":", "\\:"), direct=1,
                      size=self.log.size, thread=1, ack_log=self.log.path,
                      serialize_overlap=1, randrepeat=0, allrandrepeat=0,
                      iodepth=self.context.profile.depth, **options)
        return self.context.fio("\n".join(front) + job, name, seconds,
                                tolerant=True, base=False, over=over,
                                executor=self.executor)

    def fill(self, path):
        """All of it, synced."""
        ran = self._fio(path, "fill", patience(self.log.size), rw="write",
                        bs=self.unit * LARGEST, end_fsync=1)
        why = fault(ran)
        if why or not self.log.floor().all():
            raise Problem("the range could not be written before the power "
                          f"was cut: {why or 'not all of it is synced'}.")

    def _trim(self, path):
        """All of it, where the device can: what is written then is new to it,
        and no overwriting, which null_blk, for one, never caches.  Is it?"""
        if not sysfs.number(sysfs.disk(path), "queue", "discard_max_bytes"):
            return False
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            blockio.discard(descriptor, 0, self.log.size)
        finally:
            os.close(descriptor)
        acklog.forget(self.log)
        return True

    def prepare(self, path, number):
        """Before a run that is cut: what it finds is flushed, and each second
        time trimmed.  OSError; path: of a device that was claimed, the claim's
        own, as a name may by now be another's."""
        self._go_on(path)
        self.trimmed = number % 2 == 1 and self._trim(path)

    def load(self, path, number, sync, cut, is_back=lambda: True):
        """{what is known before the look} of a run that is cut: random writes
        of one to 16 units.  tried: the cut was; broke: the device failed
        before."""
        seed = jobtext.seed(self.context.seed, "power-cut", number, *sync)
        self.begun = {"sync": next(iter(sync), "none"),
                      "trimmed": self.trimmed,
                      "before": acklog.counts(self.log)}
        pause = random.Random(seed).uniform(0, PAUSE)
        with Cutter(self.log, pause, cut, is_back,
                    self.context.stop) as cutter:
            ran = self._fio(
                path, f"cut {number}", 2 * RETURN, cutter.over, rw="randwrite",
                bsrange=f"{self.unit}-{self.unit * LARGEST}", norandommap=1,
                time_based=1, runtime=2 * RETURN, randseed=seed, **sync)
        why = cutter.why if cutter.was else (
            f"fio ended before the cut: {fault(ran) or 'it was too fast'}")
        errors = {job["error"] for job in ran.jobs}
        return {**self.ended(self.begun, ran.source, why, cutter.ready,
                             any(errors)), "tried": cutter.was,
                "broke": not cutter.was and errno.EIO in errors}

    def ended(self, begun, run=None, why=None, ready=None, failed=False):
        """{what is known before the look} of a run that has begun so.  run: the
        source, None where the machine went with it."""
        now, before = acklog.counts(self.log), begun["before"]
        acks = now["acks"] - before["acks"]
        return {
            **begun, "run": run, "why": why, "failed": failed,
            "ready_s": ready, "acknowledged": acks,
            "synced": acks if begun["sync"] == "sync" else
            max(0, now["synced"] - before["acks"])}

    def look(self, path, cut, atomic=0):
        """The same, with what became of the writes; and what was seen.  The
        log stays as it is until the next cut: who has to look once more finds
        the same."""
        self.seen = acklog.look(path, self.log)
        found = acklog.judge(self.log, self.seen, cut["before"],
                             self.context.target.logical_block, atomic)
        return {**cut, **found}, self.seen

    def _go_on(self, path):
        """What was found must be there from now on.  It may be in a cache: fio
        writes on where the power goes and returns without an error."""
        if self.seen:
            blockio.flush(path)
            acklog.settle(self.log, self.seen)
            self.seen = None
