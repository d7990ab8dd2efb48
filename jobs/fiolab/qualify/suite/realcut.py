# SPDX-License-Identifier: GPL-2.0-only
# The power cut of a real device: the user's command, run by fio's --trigger,
# cuts its power and gives it back.  Nothing of ours is open meanwhile, as a
# device that somebody holds comes back under another name; and what comes back
# must be the same device, free, and is claimed and set as before.
import contextlib
import os
import shlex
import time

from ...base.problem import Problem
from ...target import blockio, claim, identity, sysfs, writecache
from ..execute import Stopped
from . import generations
from .cutruns import SYNCED, judge, prepare, second
from .generations import BLOCK
from .verifying import UNKNOWN, judged, unknown

REGION = 1 << 30            # bytes
RATE, TRIGGER = 50_000, 2   # IOPS at most, so that it runs when the cut comes
RETURN = 300                # seconds until the device must be back
NAMES = ("serial", "wwid", "backing_file", "inode")     # of one device alone
SETTINGS = ("power-cut settings", "The device is set as before the cut")


def _is_back(target):
    """To its last block."""
    try:
        with blockio.opened(target) as raw:
            raw.read((target.size // BLOCK - 1) * BLOCK, BLOCK)
        return True
    except OSError:
        return False


def _await_return(context):
    """True once the device is back, whole."""
    end = time.monotonic() + RETURN
    while not _is_back(context.target):
        if time.monotonic() > end:
            return False
        if context.stop.wait(0.5):
            raise Stopped
    return True


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


def _run(context, command, size):
    """(the run, why there was no cut or None)"""
    noted = os.path.join(context.folder, "cut")
    with claim.let_go(context.target):
        ran = second(context, context.target.path, size, "synced", "dsync", (
            f"--trigger-timeout={TRIGGER}",
            f"--trigger=({command}); echo $? >{shlex.quote(noted)}"), RETURN,
            rate_iops=min(RATE, size // BLOCK // (2 * TRIGGER)))
    return ran, _why_no_cut(noted)


def _set_back(path, before):
    """The settings of its queue."""
    disk = sysfs.disk(path)
    for name, _ in identity.SETTINGS:
        if identity.describe(path).get(name) != before.get(name) is not None:
            with contextlib.suppress(OSError):
                sysfs.write(str(before[name]), disk, "queue", name)


def _settings(context, before, had_switch):
    """The check that the device is set as before.  A drive that had no power
    has its own default, and a device that comes back a new queue."""
    path, fields = context.target.path, identity.SETTINGS
    said = [had_switch and writecache.again(path, context.profile.write_cache)]
    if not had_switch:          # then it is as the kernel takes it to be
        fields = (identity.WRITE_CACHE, *fields)
    if before["kind"] != "file":
        _set_back(path, before)
    elif not before["below"]:
        said.append("The device below the file is not known.")
    said.append(identity.same(before, identity.describe(path), fields))
    said = " ".join(filter(None, said))
    return unknown(SETTINGS, said) if said else judged(
        SETTINGS, None, "write cache, scheduler and queue size are as they "
        "were")


def _take_back(context, before, size):
    """The claim.  Where it is another device, or somebody has taken it, a
    Problem: no test writes there any more."""
    target = context.target
    other = identity.same(before, identity.describe(target.path),
                          identity.DEVICE)
    if not other and not any(before.get(name) for name in NAMES):
        old, new = generations.look(target.path, size)
        other = None if (old | new).any() else "it holds nothing of ours."
    if other:
        raise Problem(f"what came back as {target.path} after the power cut is "
                      f"not the device that went: {other}")
    claim.renew(target)


def _failed(context, before, had_switch, size, problem):
    """The Problem of a run that failed, once the device is taken back."""
    said = None
    try:
        if _await_return(context):
            _take_back(context, before, size)
            found = _settings(context, before, had_switch)
            said = found["text"] if found["result"] == UNKNOWN else None
    except Problem as other:
        said = str(other)
    return Problem(" ".join(filter(None, (str(problem), said))))


def cut(context, command):
    """The checks.  That there was a cut is the command's word: its exit
    status."""
    path = context.target.path
    size = min(context.target.size, REGION) // BLOCK * BLOCK
    before = identity.describe(path)
    had_switch = writecache.now(path) is not None
    context.progress("writing; then the power is cut")
    prepare(context, path, size)
    claim.check_same(context.target)
    try:
        ran, why = _run(context, command, size)
    except Problem as problem:
        raise _failed(context, before, had_switch, size, problem) from None
    if not _await_return(context):
        return [judged(SYNCED, ran.source, "", "the device did not come back "
                       f"in {RETURN} s")]
    _take_back(context, before, size)
    found = ([unknown(SYNCED, why, ran.source)] if why else
             judge(context, "synced", ran, path, size,
                   "after fio had stopped submitting"))
    # Last, as udev may set what has just come back.
    return [*found, _settings(context, before, had_switch)]
