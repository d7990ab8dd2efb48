# SPDX-License-Identifier: GPL-2.0-only
# The files that the sections of a job file name, and how far each section goes
# in its own: those with the same filename have one file; without a filename
# each job has its own.
from collections.abc import Sequence
from dataclasses import dataclass, field
import math
import re

from ...base.problem import Problem
from .amounts import (NOTHING, SECTOR, Amount, Values, Zones, block, pattern,
                      step, zone)

READ = {"filename", "directory", "filename_format", "numjobs", "nrfiles",
        "rw"}
FEWEST = 4              # blocks that each job has to move in
READS = {"read", "randread"}


def _number(values):
    text = values.get("numjobs", "1")
    if not (text.isascii() and text.isdigit()):
        raise Problem(f"numjobs={ascii(text[:40])[1:-1]} in the job file is no "
                      "number: write it plainly, such as numjobs=4.")
    return max(1, int(text))


@dataclass(eq=False)
class File:
    """One of those that a job file names; as many alike as it has jobs."""
    number: int = 1
    length: int | None = None
    unit: int = SECTOR      # of places in it
    least: int = SECTOR
    begin: int = 0          # in the part of the target
    part: int = 0           # bytes of each

    def grow(self, one: "Range") -> None:
        """So that a section finds room in it."""
        length = one.length()
        if length:
            self.length = max(length, self.length or 0)
        self.unit = max(self.unit, one.unit)
        self.least = max(self.least, one.least())


@dataclass
class Range:
    """Of a section: where each of its jobs begins, and how far it goes."""
    values: Values
    file: File = field(default_factory=File)

    def __post_init__(self):
        values = self.values
        self.number = _number(values)
        self.offset = Amount.of(values, "offset") or NOTHING
        self.increment = Amount.of(values, "offset_increment") or NOTHING
        self.size = self._size(values)
        if not self.size and self.number > 1 and self.increment != NOTHING:
            self.size = self.increment      # up to where the next begins
        self.zones = Zones.of(values)
        self.kind = pattern(values)[0]
        self.zone = zone(values)
        self.step = step(values)
        self.unit = -(-block(values) // SECTOR) * SECTOR

    def _size(self, values):
        """None: up to the end of the file, as it is for size=0."""
        each = Amount.of(values, "filesize") if "-" not in values.get(
            "filesize", "") else None
        whole = each.times(self.files()) if each else Amount.of(values, "size")
        if not each and whole == NOTHING:
            return None
        return None if not whole or whole.share >= 1 else whole

    def files(self) -> int:
        """How many files each of its jobs has."""
        names = re.split(r"(?<!\\):", self.values.get("filename", ""))
        text = self.values.get("nrfiles", "1")
        return max(len(names), int(text) if text.isdigit() else 1)

    def said(self, members: int) -> list[str]:
        """What became of its files: all ranges of a job of fio's begin at the
        same place of a file, so it has one in each member of the target."""
        number = self.files()
        if members > 1:
            files = f"{number} files" if number > 1 else "the file"
            return [f"{files} of one job -> the {members} of the target"
                    ] if number != members else []
        if number < 2:
            return []
        return [f"{number} files of one job -> one range" + (
            "" if self.kind.startswith("rand") else
            f", in which what is in order is one stream and not {number}")]

    def length(self) -> int | None:
        """What the file must have for it, as far as bytes tell."""
        last = self.offset.plus(self.increment.times(self.number - 1))
        if self.size is None:
            known, share = 2 * last.bytes, last.share
        else:
            end = last.plus(self.size)
            known, share = end.bytes, end.share
        return math.ceil(known / (1 - share)) if share < 1 else None

    def least(self) -> int:
        if self.zone:           # zbd.py: a unit is a zone
            return self.unit
        return max(FEWEST * self.unit, -(-self.step // SECTOR) * SECTOR)


def _key(values, place, number):
    """What names the file of a section; None: each job has one of its own."""
    if values.get("filename"):
        own = ":" in values.get("directory", "") and number > 1
        return None if own else ("name", values.get("directory", ""),
                                 values["filename"])
    form = values.get("filename_format", "$jobnum")
    if "$jobnum" in form or number == 1 and "$jobname" in form:
        return None
    return ("form", form, place if "$jobname" in form else 0)


def laid(sections: Sequence[Values]) -> tuple[list["Range"], list[File]]:
    """The Ranges of sections, their Files not yet placed."""
    files: dict = {}
    ranges = []
    for place, values in enumerate(sections):
        one = Range(values)
        key = _key(values, place, one.number)
        one.file = files.setdefault(key or place, File(
            1 if key else one.number))
        one.file.grow(one)
        ranges.append(one)
    return ranges, list(files.values())
