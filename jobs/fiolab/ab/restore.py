# SPDX-License-Identifier: GPL-2.0-only
# The state of a target that a job writes to, brought back before each run:
# else each run finds what the one before it left (a fragmented file, a device
# with other mappings), which is the drift that pairs can bear least.
#   fill   every byte is written again in order, and synced
#   trim   the same after all blocks were discarded (a hole in a file)
#   none   nothing; the report warns
# What a job verifies that only reads is always written by fio before each run.
from collections.abc import Callable, Sequence
from functools import partial
import os
import stat

from ..base.problem import Problem
from ..fio import fiorun
from ..fio.fiorun import Fio
from ..fio.jobfile import Job
from ..fio.jobs import written
from ..fio.sidespec import Side
from ..target import blockio, scratchfile
from ..target.target import Target


def _discard_one(target):
    descriptor = target.reopen(os.O_WRONLY)
    try:
        is_block = stat.S_ISBLK(os.fstat(descriptor).st_mode)
        give_back = blockio.discard if is_block else blockio.punch
        give_back(descriptor, 0, target.size)
    finally:
        os.close(descriptor)


def _discard(target):
    for one in target.each():
        _discard_one(one)


def fill(target: Target) -> None:
    for one in target.each():
        scratchfile.fill(one, quiet=True)


def trim(target: Target) -> None:
    try:
        _discard(target)
    except OSError as error:
        raise Problem(f"{target.path} cannot discard blocks ({error.strerror})"
                      ": give --restore fill.") from None
    fill(target)


HOW = {"fill": fill, "trim": trim, "none": None}


PSYNC = Side("psync", "psync")      # any engine writes the same
SLOWEST = 1 << 20       # bytes in a second


def _verifiable(fio, job, target):
    fiorun.run(fio, PSYNC, written.Written(job, target.size), target,
               fiorun.base_options(PSYNC, target, 1),
               target.size / SLOWEST)


def overwrites(job: Job) -> bool:
    """Is anything written to its target, by it or for it?"""
    return job.writes() or written.needed(job)


def chosen(fio: Fio, job: Job,
           choice: str | None) -> Callable[[Target], None] | None:
    """The function of a target for a job; None where nothing is to be done."""
    if written.needed(job):
        return partial(_verifiable, fio, job)
    return HOW[choice or "fill"] if job.writes() else None


def warnings(jobs: Sequence[Job], choice: str | None) -> list[str]:
    names = ", ".join(job.name for job in jobs if job.writes())
    if choice != "none" or not names:
        return []
    return [f"with --restore none, each run of {names} finds what the run "
            "before it has written."]
