# SPDX-License-Identifier: GPL-2.0-only
"""zonemode=zbd on a target without zones, in which fio makes zones of its own,
from the first byte of the target on, all empty when it starts.  Of a part of
a target that is as many whole zones, as long as is fit for its size, and in
proportion to those of the job file.  Jobs begin and end with a zone, so that
fio, which moves what does not, leaves them where they were put.
"""
from collections.abc import Sequence
from dataclasses import dataclass
import math

from .amounts import SECTOR, too_few
from .namedfiles import FEWEST, READS, File, Range

USUAL, MOST = 16, 256           # zones in a part


@dataclass(frozen=True)
class Part:
    """Where jobs go in the part of a target that is given to them."""
    zone: int               # bytes; 0: fio makes none
    begin: int              # bytes from the first of what was given
    size: int

    def lines(self, one: Range) -> list[str]:
        """For a section.  Reads beyond what this run of fio has written are
        those of a target that is full."""
        if not one.zone:
            return []
        return ["zonemode=zbd", f"zonesize={self.zone}",
                *(["read_beyond_wp=1"] if one.kind in READS else [])]

    def said(self, one: Range) -> list[str]:
        """What became of zones, in words."""
        if not one.zone:
            return []
        given = one.values.get("zonesize", "the device's")
        return [f"zonesize {given} -> {self.zone / (1 << 20):g}M (zones that "
                "fio makes)",
                *(["all zones are full"] if one.kind in READS else [])]


def _unit(ranges):
    """What a zone is a multiple of."""
    return math.lcm(SECTOR, *(one.step for one in ranges if one.zone))


def _each(ranges, file):
    """Zones without which the jobs in a file cannot be told apart."""
    return max(one.number if one.increment.bytes or one.increment.share else 1
               for one in ranges if one.file is file)


def _needed(ranges, files):
    return sum(file.number * _each(ranges, file) for file in files)


def least(ranges: Sequence[Range], files: Sequence[File]) -> int:
    """The bytes that they need; 0 where fio makes no zones."""
    if not any(one.zone for one in ranges):
        return 0
    return (_needed(ranges, files) + 1) * FEWEST * _unit(ranges)


def _wanted(ranges, files):
    """The number of zones in the files that the job file names."""
    known = max((file.length or 0 for file in files), default=0)
    if not known:
        return USUAL
    return sum((file.length or known) * file.number for file in files) // max(
        one.zone for one in ranges)


def _zone(ranges, files, base, size):
    unit, needed = _unit(ranges), _needed(ranges, files)
    most = size // (FEWEST * unit) - 1      # one may be cut by the beginning
    if most < needed:
        raise too_few(size, least(ranges, files), "zones of its jobs")
    number = max(needed, min(_wanted(ranges, files), MOST, most))
    for fewer in range(number, max(needed - 1, number // 2), -1):
        if size % (fewer * unit) == base % (size // fewer) == 0:
            return size // fewer
    return size // (number + 1) // unit * unit


def fitted(ranges: Sequence[Range], files: Sequence[File], base: int,
           size: int) -> Part:
    """The zones of a part of a target, its first byte and its bytes; they are
    as many whatever the base.  Ranges and files are made whole zones."""
    if not any(one.zone for one in ranges):
        return Part(0, 0, size)
    zone = _zone(ranges, files, base, size)
    for file in files:
        mine = [one for one in ranges if one.file is file]
        file.least = max(zone * _each(ranges, file), *(
            0 if one.zone else -(-one.least() // zone) * zone for one in mine))
        for one in mine:
            one.unit = zone if one.zone else -(-one.unit // zone) * zone
            one.step = zone if one.zone else one.step
        file.unit = max(one.unit for one in mine)
    if size % zone == 0 and base % zone == 0:
        return Part(zone, 0, size)
    return Part(zone, -base % zone, (size // zone - 1) * zone)
