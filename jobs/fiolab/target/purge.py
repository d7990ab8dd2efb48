# SPDX-License-Identifier: GPL-2.0-only
# A purge: the target as if nothing had ever been written to it.  Only the
# claimed descriptor is purged: an ioctl on it wherever one does it; a tool is
# given the path only after that was seen to be the claimed device, and only
# where what it does ends with that device.
from collections.abc import Callable
import errno
import mmap
import os
import sys
import time

from ..base.problem import Problem
from . import blockio, erase, sysfs
from .target import Target

SMALLEST_STEP, STEPS = 64 << 20, 100
SAMPLES, BLOCK = 64, 4096
TRIM_SECONDS = 4 * 3600
NONE = "overwrite-none"
# Through fio, on the host: what is left of a last mebibyte is not discarded.
TRIM_JOB = "[purge]\nrw=trim\nbs=1M\niodepth=1\n"


def say(text: str) -> None:
    print(text, file=sys.stderr)


# --- which one

def _remote(target):
    path = target.path
    if path.startswith("/dev/") and not path.startswith("/dev/shm/"):
        return "fio-trim", "the device is on another machine: fio trims it"
    return NONE, (f"{path} is a file on another machine, where fio has no "
                  "trim for files: the tests begin with it as it is")


def _file(target):
    # Behind the end of all of it, not of the part that is used: no data.
    end = os.fstat(target.descriptor).st_size
    try:
        blockio.punch(target.descriptor, end, 1)
    except OSError as error:
        return NONE, (f"the file system of {target.path} cannot punch holes "
                      f"({error.strerror}): the tests begin with the file as "
                      "it is")
    return "punch-hole", ("a file has no purge of its own: all its blocks are "
                          "given back to the file system")


def _discards(target):
    folder = sysfs.disk(target.path)
    return bool(sysfs.number(folder, "queue/discard_max_bytes"))


def _device(target):
    method, why = erase.offer(target)
    if method:
        return method, why
    instead = f"{why}; used {{}} instead" if why else "{}"
    if _discards(target):
        return "blkdiscard", (instead.format("blkdiscard") if why else
                              "every block is discarded (BLKDISCARD)")
    lacks = f"{target.path} has no discard: the tests begin with it as it is"
    return NONE, f"{why}; {lacks}" if why else lacks


def plan(target: Target) -> tuple[str, str | None]:
    """(method, why this one) of a claimed target; changes nothing."""
    if target.host:
        return _remote(target)
    return _file(target) if target.kind == "file" else _device(target)


# --- doing it

def _step(target):
    """Bytes at a time: whole units of the device, so that none is split."""
    unit = 1 << 20
    if target.kind != "file":
        folder = sysfs.disk(target.path)
        unit = max(unit, sysfs.number(
            folder, "queue/discard_granularity") or 0)
    step = max(SMALLEST_STEP, target.given // STEPS)
    return -(-step // unit) * unit


def _in_steps(target, action, progress):
    step = _step(target)
    for start in range(0, target.given, step):
        action(target.descriptor, start, min(step, target.given - start))
        if target.given > step:
            done = min(start + step, target.given) * 100 // target.given
            progress(f"purging {target.path}: {done}%")


def _trim(target, fio):
    if fio is None:
        raise Problem(f"{target.path} is on {target.host}: only a fio there "
                      "can purge it.")
    fio(TRIM_JOB, "purge", TRIM_SECONDS)


def _do(target, method, progress, fio):
    if method == "blkdiscard":
        _in_steps(target, blockio.discard, progress)
    elif method == "punch-hole":
        _in_steps(target, blockio.punch, progress)
    elif method == "fio-trim":
        _trim(target, fio)
    elif method != NONE:
        erase.erase(target, method)


def _check_claim(target, method):
    """The methods of this machine need the claim; nothing else is touched."""
    if method in (NONE, "fio-trim"):
        return
    if target.descriptor < 0:
        raise Problem(f"{target.path} is not claimed, so it is not purged.")


def run(target: Target, method: str, progress: Callable[[str], None] = say,
        fio: Callable | None = None) -> float:
    """Seconds that the purge of target.given bytes took; what is beyond, if
    less than all of the target is to be used, stays.

    fio: of a target on another host, a function (job text, name, seconds).
    """
    _check_claim(target, method)
    start = time.monotonic()
    try:
        _do(target, method, progress, fio)
        if target.descriptor >= 0 and method != NONE:
            os.fsync(target.descriptor)
    except OSError as error:
        text = ("it does not support that" if error.errno in (
            errno.EOPNOTSUPP, errno.ENOTTY) else error.strerror)
        raise Problem(f"cannot purge {target.path} by {method} "
                      f"({text}).") from None
    seconds = time.monotonic() - start
    if method != NONE:
        progress(f"purged {target.path} by {method} in {seconds:.1f} s; "
                 f"{verify(target)}")
    return seconds


# --- what it left

def _places(size):
    """Offsets over the whole of it, the first and the last block too."""
    last = max(size - BLOCK, 0)
    return sorted({last * i // (SAMPLES - 1) // BLOCK * BLOCK
                   for i in range(SAMPLES - 1)} | {last // BLOCK * BLOCK})


def _reader(target):
    """A descriptor past the page cache, where there is a way past it."""
    try:
        return target.reopen(os.O_RDONLY | os.O_DIRECT)
    except OSError:
        return target.reopen(os.O_RDONLY)


def _nonzero(target):
    """(blocks read, how many hold anything but zeros)."""
    places, count, reader = _places(target.given), 0, _reader(target)
    try:
        with mmap.mmap(-1, BLOCK) as page:
            for place in places:
                got = os.preadv(reader, [page], place)
                count += any(page[:got])
    finally:
        os.close(reader)
    return len(places), count


def verify(target: Target) -> str:
    """Do the purged blocks read as zeros?  What some of them say, in words.

    Not every device returns zeros for what it has discarded, so that others
    are no fault.
    """
    if target.descriptor < 0:
        return "what it reads now was not looked at, on another machine"
    blocks, nonzero = _nonzero(target)
    if nonzero == 0:
        return f"all {blocks} blocks that were looked at read as zeros"
    return (f"{nonzero} of {blocks} blocks that were looked at do not read as "
            "zeros")
