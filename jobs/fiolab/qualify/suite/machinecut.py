# SPDX-License-Identifier: GPL-2.0-only
# A power cut that takes this machine with it.  --ack-log is a folder in memory
# that outlives the machine: the engine's log is there.  What else is known of
# the cut is a round of the results, from just before the command until its end;
# who resumes the run on a later boot judges the cut by both.
import contextlib
import mmap
import os
import tempfile

from ...base.problem import Problem
from ...target import claimable
from . import acklog

BOOT = "/proc/sys/kernel/random/boot_id"
# <linux/mman.h>: MAP_SHARED_VALIDATE | MAP_SYNC, which only such a mapping can
# be: what is stored there is stored, without the kernel's help.
AT_ONCE = 0x80003


def check_folder(folder: str) -> None:
    """Problem, if what is stored in files there may go with the machine, or if
    fio would look elsewhere."""
    if claimable.misread(folder):
        raise Problem(f"--ack-log {folder!r} {claimable.MISREAD}: name another "
                      "folder.")
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.truncate(mmap.PAGESIZE)
            mmap.mmap(file.fileno(), mmap.PAGESIZE, flags=AT_ONCE).close()
    except OSError as error:
        raise Problem(f"the log cannot be kept in {folder} ({error.strerror}):"
                      " name a folder of a file system that is mounted with "
                      "DAX, on memory that outlives this machine.") from None


def boot() -> str:
    """By which the kernel names the time since the machine was started."""
    with open(BOOT, encoding="ascii") as file:
        return file.read().strip()


class Kept:
    """What is kept of the cuts of a target.  path: of the engine's log."""

    def __init__(self, context):
        self.folder = context.bench.folder
        self.name = context.bench.label(context.test.name, "begun")
        self.path = os.path.join(context.ack_log,
                                 f"kaio-{self.folder.id}-acknowledged")

    def note(self, number, writer):
        """The command is about to cut for the number-th time."""
        self.folder.save_round(self.name, {
            "number": number, "boot": boot(), "key": writer.log.count("key"),
            "begun": writer.begun})

    def forget(self):
        """It came to its end, and did not take the machine."""
        self.folder.forget_round(self.name)

    def left(self, number):
        """(the note, the log) of that cut, if it took the machine; None if
        not."""
        found = self.folder.load_round(self.name)
        if not found or found["number"] != number or found["boot"] == boot():
            return None
        with contextlib.suppress(OSError, ValueError):
            log = acklog.AckLog(self.path)
            if log.count("key") == found["key"]:
                return found, log
        raise Problem(f"cut {number + 1} took this machine and the log in "
                      f"{os.path.dirname(self.path)} as well, so that nothing "
                      "is known of it: begin a new run, with another "
                      "--ack-log.")

    def remove(self):
        """All of it, once there will be no more cuts."""
        self.forget()
        with contextlib.suppress(OSError):
            os.unlink(self.path)
