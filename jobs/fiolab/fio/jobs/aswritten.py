# SPDX-License-Identifier: GPL-2.0-only
"""A job as its file has it: in the places that it names, where jobs/ab puts
them into a part of a target in proportion, and for its own time.  What does
not fit into the target is refused.  A file that the job file names by bytes is
as long as they say; one of which sizes are shares, or not said, is as long as
all the rest of the target (of several such, each an equal part); one that is
alone has all of the target.  Zones (zonemode) are fitted as jobs/ab does it.
"""
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from ...base.problem import Problem
from .. import jobfile
from ..jobfile import Job
from . import amounts, delays, mapping, namedfiles
from .amounts import Amount, Values
from .mapping import Mapped
from .namedfiles import File, Range

# What says for how long, and how much.
KEPT = {"time_based", "runtime", "ramp_time", "io_size", "number_ios", "loops",
        *jobfile.STEADY}


def _outside(end: int | Fraction, room: int, what: str) -> Problem:
    return Problem(f"its I/O goes up to byte {int(end):,}, outside of the "
                   f"{room:,} bytes of {what}: name a larger target, or sizes "
                   "that it has, such as size=50%.")


def _in(amount: Amount, one: Range) -> int:
    """Bytes in the file of a section; a share is one of whole blocks."""
    return amount.bytes + int(amount.share * one.file.part
                              ) // one.unit * one.unit


def _end(one: Range) -> int:
    """The byte of its file behind its last job's; 0: where the file ends."""
    if one.size is None:
        return 0
    last = one.offset.plus(one.increment.times(one.number - 1)).plus(one.size)
    return 0 if last.share else last.bytes


def _place(ranges: Sequence[Range], files: Sequence[File], size: int) -> None:
    """Give each file its part of size bytes."""
    if len(files) == files[0].number == 1:
        files[0].part = size
        return
    for file in files:
        ends = [_end(one) for one in ranges if one.file is file]
        file.part = -(-max(ends) // file.unit) * file.unit if all(ends) else 0
    named = sum(file.part * file.number for file in files)
    others = [file for file in files if not file.part]
    left = size - named
    if left < sum(file.least * file.number for file in others):
        raise _outside(named + sum(file.least * file.number
                                   for file in others), size, "the target")
    for file in others:
        each = left // sum(one.number for one in others)
        file.part = max(file.least, each // file.unit * file.unit)
    begin = 0
    for file in files:
        file.begin = begin
        begin += file.part * file.number
    if begin > size:
        raise _outside(begin, size, "the target")


def _mapped(one: Range, size: int) -> Mapped:
    file, jobs = one.file, one.number - 1
    offset, increment = (_in(x, one) for x in (one.offset, one.increment))
    left = file.part - offset - increment * jobs
    wanted = left if one.size is None else _in(one.size, one)
    if wanted > left or left < one.step:
        raise _outside(offset + increment * jobs + max(wanted, one.step),
                       file.part, "the target" if file.part == size else
                       "its part of the target")
    if not wanted:          # to fio size=0 is all of a device, used or not
        raise Problem("its size comes to no block: name a larger one, or none, "
                      "for all there is.")
    if not (offset == 0 and wanted == file.part == size):
        # Of what is no whole number of blocks, the last would lie outside.
        wanted = wanted // one.step * one.step or wanted
    return Mapped(offset, file.begin, increment,
                  file.part if file.number > 1 else 0, wanted, one.number,
                  None)


def mapped(sections: Sequence[Values], size: int, base: int = 0,
           members: int = 1) -> list[Mapped]:
    """mapping.mapped(), as written."""
    ranges, files = namedfiles.laid(sections)
    if any(one.zone or one.zones for one in ranges):
        return mapping.mapped(sections, size, base, members)
    _place(ranges, files, size)
    return [replace(_mapped(one, size), members=members,
                    said=tuple(one.said(members))) for one in ranges]


@dataclass(frozen=True)
class AsWritten(Job):
    """timed: false for a run that is of so many I/Os."""
    timed: bool = True

    @classmethod
    def of(cls, job: Job) -> "AsWritten":
        return cls(job.path, job.text, job.label, job.pinned, job.group,
                   job.notes)

    def _dropped(self):
        found = super()._dropped()
        return found - KEPT if self.timed else found

    def _gone(self, options):
        found = super()._gone(options)
        return found - (KEPT - set(map(jobfile.option_of, options))
                        ) if self.timed else found

    def _laid(self, *part):
        return mapped(self._where(), *part)

    def _begins(self, late, options):
        if not (late and self.timed):
            return []
        return [f"startdelay={round(late * 1000)}ms"]


def length(values: Values) -> float:
    """Seconds that a section asks for, with its ramp; 0 where an amount ends
    it."""
    runs = delays.seconds(values, "runtime")
    return runs and runs + delays.seconds(values, "ramp_time")


def amount(values: Values, size: int) -> int:
    """Bytes after which each job of a section of so many ends by itself."""
    asked = Amount.of(values, "io_size") or amounts.NOTHING
    loops = values.get("loops", "1")
    return (asked.bytes + int(asked.share * size) or size) * (
        int(loops) if loops.isdigit() else 1)
