# SPDX-License-Identifier: GPL-2.0-only
# Is every write there, after a power cut, that was acknowledged as synced?
# Blocks of one generation are written over a region and flushed; then a second
# generation at random with O_DSYNC, several in flight, while fio logs each
# write that completed; then the power goes.  Afterwards each acknowledged
# block must be of the second generation to its last byte, and no other block
# may be of neither.  fio's own verify_state looks at the same region, too.
#
# A real device needs the user's command, run by fio's --trigger.  The quick
# profile cuts a scratch disk for real, under load, and does so without syncs
# as well: if then nothing is lost, the drill proves nothing, and fails.
import contextlib
import os
import shlex
import threading
import time

import numpy as np

from .. import device
from ..problem import Problem
from . import blockio, cache, claim, generations, identity
from .generations import BLOCK, NEW, OLD
from .verifying import (FAIL, PASS, UNKNOWN, check, fault, mismatches,
                        patience, verified)
from .volatiledisk import VolatileDisk, missing

DRILL, REGION = 32 << 20, 1 << 30       # bytes
CUT_AT = 4                  # a drill is cut at 1/4 of the blocks
LEAST = 100                 # acknowledged writes, to speak of a test
RATE, TRIGGER = 50_000, 2   # IOPS at most, so that it runs when the cut comes
RETURN = 300                # seconds until a real device must be back
SYNCED, OTHERS, FIO, REAL = (
    ("power-cut synced", "Every acknowledged synced write is there"),
    ("power-cut others", "Blocks that nobody wrote are unharmed"),
    ("power-cut verify_state", "fio's verify_state agrees"),
    ("power-cut is real", "Without syncs, acknowledged writes are lost"))


def seconds(profile, _size):
    return 15 if profile.thin else 60


# What fio runs

def _fio(context, path, size, tag, name, options, **how):
    """A run on a device that may be another than the target: fio would add a
    second filename= to the first, so the usual lines in front are left out."""
    front = ["[global]", "ioengine=${ENGINE}", *context.side.options, ""]
    job = verified("power", filename=path.replace(":", "\\:"), direct=1,
                   size=size, bs=BLOCK, allow_file_create=0,
                   verify_pattern=generations.pattern(tag),
                   randrepeat=0, allrandrepeat=0,
                   randseed=context.seed,
                   **{"iodepth": context.profile.depth, **options})
    return context.fio("\n".join(front) + job, name,
                       patience(size), base=False, **how)


def _prepare(context, path, size):
    """With another checksum than the second: fio would take an old block for
    a new one, as each is consistent in itself."""
    _fio(context, path, size, OLD, "old", {"rw": "write", "end_fsync": 1,
                                           "verify": "md5"})


def _log(context, name):
    return os.path.join(context.folder, f"acknowledged-{name}")


def _second(context, path, size, name, sync, extra=(), **options):
    """The run that the cut hits."""
    return _fio(context, path, size, NEW, name, {
        "rw": "randwrite", "sync": sync, "write_lat_log": _log(context, name),
        "log_offset": 1, "disable_slat": 1, "disable_clat": 1,
        "verify_state_save": 1, **options}, tolerant=True,
        extra=(f"--aux-path={context.folder}", *extra))


def _fio_agrees(context, path, size, acked):
    """fio's verify_state: it looks at the writes in their order, up to the
    first of the last ones that was still in flight.  One read at a time, as
    it would else have begun to read what lies beyond.  It takes for complete
    what failed, or is older than the last iodepth writes: what it blames of
    these is no loss."""
    ran = _fio(context, path, size, NEW, "verify_state", {
        "rw": "randwrite", "verify_only": 1, "do_verify": 1, "iodepth": 1,
        "verify_state_load": 1, "verify_fatal": 0, "continue_on_error":
        "verify"}, tolerant=True, extra=(f"--aux-path={context.folder}",))
    wrong = sorted({at // BLOCK for at in mismatches(ran.messages)})
    lost = sum(1 for block in wrong if acked[block])
    # Not every version counts those that it found wrong as read.
    read = max(len(wrong), sum(job["read"]["total_ios"] for job in ran.jobs))
    why = None if wrong else fault(ran)
    good = not why and not lost and read >= LEAST and \
        len(wrong) <= context.profile.depth
    return check(*FIO, PASS if good else FAIL, why or
                 f"it read {read:,} blocks, up to the first that it takes for "
                 f"in flight, and {lost:,} that were acknowledged were wrong" +
                 (f" (and {len(wrong) - lost:,} that were not)"
                  if len(wrong) > lost else ""), ran.source)


# What came of it

def _judge(context, name, ran, path, size):
    """The checks of a run that was cut."""
    depth = context.profile.depth
    acked = generations.acknowledged(_log(context, name) + "_lat.1.log", size)
    old, new = generations.look(path, size)
    count, lost = int(acked.sum()), int((acked & ~new).sum())
    # Of those in flight, any part may have arrived.
    begun = int((~acked & ~old).sum())
    source = context.store(f"{name} found", {
        "run": ran.source, "blocks": len(acked), "acknowledged": count,
        "lost": lost, "neither": int((~old & ~new).sum()),
        "new but not acknowledged": int((new & ~acked).sum()),
        "first lost": int(np.argmax(acked & ~new)) * BLOCK if lost else None})
    few = count < LEAST or count == len(acked)
    return [
        check(*SYNCED, FAIL if lost else UNKNOWN if few else PASS,
              f"{lost:,} of {count:,} acknowledged writes were lost, with "
              f"{depth} in flight" + (
                  ": the cut came too early or too late" if few else ""),
              source),
        check(*OTHERS, PASS if begun <= depth else FAIL,
              f"{begun:,} blocks changed that were not acknowledged, and "
              f"{depth} were in flight", source),
        _fio_agrees(context, path, size, acked)]


class Cutter(threading.Thread):
    """Cuts once the device has completed so many writes."""

    def __init__(self, path, cut, count):
        super().__init__(daemon=True)
        self.stat = device.sysfs(device.device_number(path)) + "/stat"
        self.cut, self.last = cut, self._writes() + count
        self.ended = threading.Event()
        self.was = False

    def _writes(self):
        with open(self.stat, encoding="ascii") as file:
            return int(file.read().split()[4])

    def run(self):
        while not self.ended.is_set():
            if self._writes() >= self.last:
                self.cut()
                self.was = True
                return
            time.sleep(0.001)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join()


def _drill(context, disk, name, sync):
    """(the run that was cut, its checks), after the disk is back."""
    with disk.attached() as (path, cut):
        _prepare(context, path, DRILL)
        with Cutter(path, cut, DRILL // BLOCK // CUT_AT) as cutter:
            ran = _second(context, path, DRILL, name, sync)
    if not cutter.was:
        return [check(*SYNCED, UNKNOWN, "fio ended before the cut: "
                      f"{fault(ran) or 'it was too fast'}", ran.source)]
    with disk.attached() as (path, _):
        return _judge(context, name, ran, path, DRILL)


def _is_real(found):
    """Without syncs both we and fio have to miss something."""
    bare, *_, fio = found
    lost = bare["result"] == FAIL and fio["result"] == FAIL
    return check(*REAL, PASS if lost else FAIL, bare["text"] +
                 f", and of fio's verify_state {fio['text']}" + (
                     "" if lost else ": the drill proves nothing"),
                 bare["source"])


def drill(context):
    """A cut with syncs, and one without."""
    disk = VolatileDisk(context.folder, DRILL)
    with contextlib.ExitStack() as stack:
        stack.callback(disk.remove)
        context.progress("cutting the power of a scratch disk under load")
        found = _drill(context, disk, "synced", "dsync")
        context.progress("the same without syncs")
        found.append(_is_real(_drill(context, disk, "unsynced", None)))
    for one in found:
        one["text"] = f"On a scratch disk, not on the target: {one['text']}"
    return found


# A real device

def _await_return(path, size):
    """True once the device is back, whole."""
    end = time.monotonic() + RETURN
    while time.monotonic() < end:
        with contextlib.suppress(OSError, EOFError):
            raw = blockio.Raw(path, size)
            try:
                raw.read(size - BLOCK, BLOCK)
                return True
            finally:
                raw.close()
        time.sleep(0.5)
    return False


def _why_no_cut(noted):
    """What the user's command said of itself; None where it succeeded."""
    try:
        with open(noted, encoding="ascii") as file:
            status = file.read().strip()
    except FileNotFoundError:
        return "fio did not run the command of --power-cut"
    return None if status == "0" else (
        f"the command of --power-cut failed (exit status {status}), so there "
        "may have been no cut")


@contextlib.contextmanager
def _let_go(place):
    """Nothing of ours is open while the power is cut: a device that somebody
    holds open comes back under another name."""
    held, place.claim = place.claim, None
    try:
        if held:
            held.close()
        yield
    finally:
        place.claim = held


def _cut(context, command, path, size):
    """(the run, why there was no cut or None)"""
    noted = os.path.join(context.folder, "cut")
    with _let_go(context.target):
        ran = _second(context, path, size, "synced", "dsync", (
            f"--trigger-timeout={TRIGGER}",
            f"--trigger=({command}); echo $? >{shlex.quote(noted)}"),
            rate_iops=min(RATE, size // BLOCK // (2 * TRIGGER)))
    return ran, _why_no_cut(noted)


def _take_back(context, before, had_switch):
    """The device again, as it was before the cut.  Where it is another, or
    somebody has taken it, a Problem: no test writes there any more."""
    place = context.target
    other = identity.same(before, identity.describe(place.path))
    if other:
        raise Problem(f"what came back as {place.path} after the power cut is "
                      f"not the device that went: {other}")
    if place.claim:
        claim.renew(place.claim)
    # A drive that had no power has its own default.
    return had_switch and cache.again(place.path, context.profile.write_cache)


def real(context, command):
    """The user's command cuts the power of the target, and gives it back.
    That it really did is the command's word: its exit status."""
    path = context.target.path
    size = min(context.target.size, REGION) // BLOCK * BLOCK
    before = identity.describe(path)
    has_switch = cache.now(path) is not None
    context.progress("writing; then the power is cut")
    _prepare(context, path, size)
    ran, why = _cut(context, command, path, size)
    if not _await_return(path, size):
        return [check(*SYNCED, FAIL, f"the device did not come back in "
                      f"{RETURN} s", ran.source)]
    said = _take_back(context, before, has_switch)
    if why:
        return [check(*SYNCED, UNKNOWN, why, ran.source)]
    first, *rest = _judge(context, "synced", ran, path, size)
    return [{**first, "text": "; ".join(filter(None, (first["text"], said)))},
            *rest]


def run(context):
    command = context.power_cut
    if not context.local:
        why = "the target is on another host"
    elif command:
        return {"checks": real(context, command)}
    elif context.profile.thin:
        why = missing()
        if not why:
            return {"checks": drill(context)}
    else:
        why = "give --power-cut COMMAND, which cuts and gives back its power"
    return {"checks": [check(*SYNCED, UNKNOWN, why)]}
