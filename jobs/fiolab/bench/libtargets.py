# SPDX-License-Identifier: GPL-2.0-only
# What bench-lib runs on: a file in memory, and /dev/zram0 where it is to be
# had.
from collections.abc import Sequence
import contextlib
import errno
import os
import sys
import time

from ..ab.campaign import Request
from ..base import commandline
from ..base.problem import Problem
from ..target import blockdevice, scratchfile, sysfs
from ..target.target import Target

PARTS = ("shm", "zram", "loop")
ZRAM = "/dev/zram0"
SYSFS = "/sys/block/zram0"
RESET_TRIES = 20
CONFIGFS = "/sys/kernel/config/nullb"
NULL_MODULE = "/sys/module/null_blk/parameters"
NULL_SHAPE = ("queue_mode", "submit_queues", "irqmode", "completion_nsec")


def _zram_reset():
    """Undo the size that we gave, unless somebody has written meanwhile.

    A passing look by udev makes it busy.
    """
    for _ in range(RESET_TRIES):
        with contextlib.suppress(OSError):
            if sysfs.counted(SYSFS, sysfs.WRITES) == 0:
                sysfs.write("1", SYSFS, "reset")
            return
        time.sleep(0.1)


def _zram_device(size, stack):
    """Give the device a size if it has none, and hold it; never write."""
    reason = blockdevice.held_by(blockdevice.device_number(ZRAM))
    if reason:
        raise Problem(f"{ZRAM} is in use ({reason}): leave out zram.")
    if sysfs.number(SYSFS, "disksize") == 0:
        sysfs.write(str(size), SYSFS, "disksize")
        stack.callback(_zram_reset)
    descriptor = os.open(ZRAM, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC)
    stack.callback(os.close, descriptor)


def zram(asked: Request, stack: contextlib.ExitStack) -> Target:
    """/dev/zram0 for reading, if it is to be had."""
    if blockdevice.device_number(ZRAM) is None:
        raise Problem(f"there is no {ZRAM}: modprobe zram, or leave it out.")
    try:
        _zram_device(asked.size or scratchfile.DEFAULT_SIZE, stack)
    except OSError as error:
        why = ("something holds it" if error.errno == errno.EBUSY
               else error.strerror)
        raise Problem(f"cannot use {ZRAM} ({why}): leave out zram.") from None
    return scratchfile.prepare(ZRAM, [], asked.size, False, stack)


def null(asked: Request, stack: contextlib.ExitStack) -> Target:
    """The null_blk device of --target, for reading; its label says how it
    completes I/O, as the module or, where made there, configfs has it."""
    if not asked.target:
        raise Problem("name one with --target /dev/nullb0 (modprobe null_blk "
                      "makes it).")
    path = os.path.realpath(*asked.target)
    folder = (sysfs.disk(path) if blockdevice.device_number(path) is not None
              else "")
    if sysfs.kind(folder) != "null":
        raise Problem(f"{path} is no null_blk device: name one, such as "
                      "/dev/nullb0.")
    made = scratchfile.prepare(path, [], asked.size, False, stack)
    for name in NULL_SHAPE:
        value = (sysfs.read(CONFIGFS, os.path.basename(folder), name) or
                 sysfs.read(NULL_MODULE, name))
        made.label += f", {name} {value}" if value else ""
    return made


def targets(asked: Request, parts: Sequence[str], required: bool,
            stack: contextlib.ExitStack) -> list[Target]:
    """The ready targets of these parts; zram may be missing if not required."""
    made = []
    if "shm" in parts:
        made.append(scratchfile.scratch(commandline.MEMORY, asked.size, stack))
    if "zram" in parts:
        try:
            with contextlib.ExitStack() as trial:
                made.append(zram(asked, trial))
                stack.push(trial.pop_all())
        except Problem as problem:
            if required:
                raise
            print(f"bench-lib: without zram: {problem}", file=sys.stderr)
    return made
