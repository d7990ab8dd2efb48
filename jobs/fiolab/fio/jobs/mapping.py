# SPDX-License-Identifier: GPL-2.0-only
"""Where the jobs of a job file do their I/O, put into the part of a target that
is given to them.  The files that a job file names (namedfiles.py) are laid one
behind the other, in proportion to their sizes, and everything in a file is
scaled as the file is: offset, offset_increment, size, and zones (those of
zonemode=zbd: zbd.py).  A percentage is one of the file's part.  A size that is
not known is as large as the largest that is, or, behind an offset, as large
again as what lies before it.
"""
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from ...base.problem import Problem
from . import amounts, changed, namedfiles, zbd
from .amounts import Values, Zones, size_of, too_few, zone

# What is read here, and removed from the job file.
WHERE = {"offset", "offset_increment", "offset_align",
         "zonemode", "zonesize", "zonerange", "zoneskip", "size", "filesize",
         "file_append", "read_beyond_wp"}
READ = WHERE | amounts.READ | namedfiles.READ
ZONES = 16              # of a file whose size says nothing of their number


def _shares(files, size):
    """(those that get what they need, the bytes and the lengths of others)"""
    known = max((one.length or 0 for one in files), default=0) or 1
    for one in files:
        one.length = one.length or known
    small = []
    while True:
        left = size - sum(one.least * one.number for one in small)
        total = sum(one.length * one.number for one in files
                    if one not in small)
        more = [one for one in files if one not in small and
                left * one.length < one.least * total]
        if not more:
            return small, left, total
        small += more


def _place(files, size):
    """Give each file its part of size bytes: in proportion, but no less than
    it needs."""
    if len(files) == files[0].number == 1:
        files[0].part = size
        return
    need = sum(one.least * one.number for one in files)
    if need > size:
        raise too_few(size, need, f"{sum(one.number for one in files)} files "
                      "of its jobs")
    small, left, total = _shares(files, size)
    begin = 0
    for one in files:
        one.begin = begin
        one.part = one.least if one in small else (
            left * one.length // total // one.unit * one.unit)
        begin += one.part * one.number


def _scaled(amount, file):
    share = amount.share * file.part
    return int(share + (Fraction(amount.bytes * file.part, file.length)
                        if amount.bytes else 0))


@dataclass(frozen=True)
class Mapped:
    """Bytes in the part of the target."""
    offset: int             # of the section's first job, in its file
    begin: int              # of that file
    increment: int          # to its next job, in the file
    own: int                # to its next job's file
    size: int
    number: int
    zones: Zones | None
    members: int = 1        # of the target, in each of which this holds
    more: tuple[str, ...] = ()      # lines of zonemode=zbd
    said: tuple[str, ...] = ()      # what became of what, beside values()

    def values(self) -> dict[str, int]:
        """By the names of the options, those of a file in that file."""
        zones = {"zonesize": self.zones.size, "zonerange": self.zones.range,
                 "zoneskip": self.zones.skip} if self.zones else {}
        return {"offset": self.offset, "offset_increment": self.increment,
                "size": self.size * self.members,
                "filesize": self.size, **zones}

    def lines(self, base: int, whole: int) -> list[str]:
        """For the section; none where it has all there is."""
        more = self.increment + self.own
        if not self.offset and not self.begin and self.size == whole and not (
                more and self.number > 1) and not (self.zones or self.more):
            return []
        found = [f"offset={base + self.begin + self.offset}",
                 f"size={self.size * self.members}"]
        if more and self.number > 1:
            found.append(f"offset_increment={more}")
        if self.zones:
            found += ["zonemode=strided", f"zonesize={self.zones.size}",
                      f"zonerange={self.zones.range}",
                      f"zoneskip={self.zones.skip}"]
        return [*found, *self.more]


def _zones(one, size, step):
    """Zones that fio goes around in without a rest: it begins anew at the end
    of the file, and so must the last stride end there."""
    zones, file = one.zones, one.file
    stride = zones.range + zones.skip
    wanted = max(2, file.length // stride if file.length else ZONES)
    for number in range(min(wanted, size // (2 * step)), 0, -1):
        if size % (number * step) == 0:
            break
    else:
        raise Problem(f"{size} bytes cannot be divided into strides of blocks "
                      f"of {step} bytes: give a --size that is a multiple.")
    new = size // number

    def part(length):
        return max(step, new * length // stride // step * step)
    extent = part(zones.range)
    return Zones(max(step, extent * zones.size // zones.range // step * step),
                 extent, new - extent)


def _mapped(one, size):
    file, unit = one.file, one.unit
    room = file.part
    jobs = one.number - 1
    increment = _scaled(one.increment, file) // unit * unit
    if jobs and (one.increment.bytes or one.increment.share):
        if one.least() * one.number > room:
            raise too_few(size, one.least() * one.number,
                          f"{one.number} ranges of its offset_increment")
        increment = max(unit, min(increment,
                                  (room - one.least()) // jobs // unit * unit))
    offset = min(_scaled(one.offset, file) // unit * unit,
                 max(0, room - increment * jobs - one.least()))
    left = room - offset - increment * jobs
    wanted = left if one.size is None else min(left, max(
        one.least(), _scaled(one.size, file)))
    whole = file.part == size and not offset
    zones = None
    if one.zones:
        _check_zones(one, size, left)
        zones = _zones(one, left, unit)
        wanted = left
    elif not (whole and wanted == left):
        wanted = max(1, wanted // one.step) * one.step
    own = file.part if file.number > 1 else 0
    return Mapped(offset, file.begin, increment, own, wanted, one.number,
                  zones)


def _check_zones(one, size, left):
    if one.file.begin or one.file.part != size or one.number > 1 and (
            one.increment.bytes or one.increment.share):
        raise Problem("fio begins anew with its zones (zonemode=strided) at "
                      "the end of the target alone, so a job that has them "
                      "cannot get a part of one: give it a job file of its "
                      "own.")


def part(options: Iterable[str]) -> tuple[int, int, int] | None:
    """(bytes, first byte, number of members) of the part that option lines
    give to a job of each member of a target; None where they give none."""
    found = dict(line.partition("=")[::2] for line in options)
    if "size" not in found:
        return None
    members = int(found.get("nrfiles", "1"))
    return (size_of(found["size"], "size") // members,
            size_of(found.get("offset", "0"), "offset"), members)


def mapped(sections: Sequence[Values], size: int, base: int = 0,
           members: int = 1) -> list[Mapped]:
    """Where each section goes in the size bytes of a target from base on, and
    so in each of its members; sections: READ as in force."""
    ranges, files = namedfiles.laid(sections)
    part_ = zbd.fitted(ranges, files, base, size)
    _place(files, part_.size)
    found = [_mapped(one, part_.size) for one in ranges]
    return [replace(new, begin=part_.begin + new.begin, members=members,
                    more=tuple(part_.lines(one)),
                    said=(*part_.said(one), *one.said(members)))
            for new, one in zip(found, ranges)]


def ranges(sections: Iterable[Mapped], base: int) -> list[tuple[int, int]]:
    """(first byte, byte behind the last) of each job, in fio's order, in a
    part of a target that begins at base."""
    found = []
    for one in sections:
        for place in range(one.number):
            first = base + one.begin + one.offset + place * (
                one.increment + one.own)
            found.append((first, first + one.size))
    return found


def least(sections: Sequence[Values]) -> int:
    """The bytes without which the jobs cannot be told apart."""
    ranges, files = namedfiles.laid(sections)
    return zbd.least(ranges, files) or sum(one.number * one.least
                                           for one in files)


def number_of_files(sections: Sequence[Values]) -> int:
    """How many the job file names."""
    return sum(one.number for one in namedfiles.laid(sections)[1])


def files(sections: Sequence[Values]) -> list[int]:
    """How many each job of each section has."""
    return [one.files() for one in namedfiles.laid(sections)[0]]


def zoned(sections: Sequence[Values]) -> bool:
    """Does fio make zones for a section (zonemode=zbd)?"""
    return any(map(zone, sections))


def moves(sections: Sequence[Values], found: Sequence[Mapped]) -> list[str]:
    """What mapped() made of the values of sections, in words."""
    said = {}
    for values, one in zip(sections, found):
        for key, new in one.values().items():
            if values.get(key):
                said[changed.moved(key, values, new)] = True
        said |= dict.fromkeys(one.said, True)
    number = number_of_files(sections)
    return [*said, f"{number} files -> parts of the target"
            if number > 1 and found else ""]


def strided(sections: Sequence[Values]) -> bool:
    """Has a section zones that fio repeats at the end of its file alone?"""
    return any(map(Zones.of, sections))
