# SPDX-License-Identifier: GPL-2.0-only
# Write amplification: what reached the medium over what the host wrote, of
# samples of a device's counters.  Each counts in units, those of its attribute
# (smartlog.py), so that each difference may be one off: where too little was
# written to know the ratio to some percent, there is none.
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from . import smartlog

BYTES = {"B": 1, "512 B": 512, smartlog.UNIT_OF_DATA: 512000,
         "32 MiB": 32 << 20, "GiB": 1 << 30}
MEDIA = ("media_written_bytes", "NAND_Writes_32MiB", "NAND_Writes_GiB",
         "NAND_Writes_1GiB")
# Host: the finest first, but those that smartctl names for their unit before
# the name that each 241 has of which its database says nothing.  A device that
# tells both tells them in one log.
HOST = ("data_units_written", "Host_Writes_32MiB", "Host_Writes_GiB",
        "Total_LBAs_Written")
# Micron's SATA drives count pages: those of the host, and their own.
PAGES, OWN = "Host_Program_Page_Count", ("FTL_Program_Page_Count",
                                         "Bckgnd_Program_Page_Cnt")
FEWEST = 50             # units on either side: the ratio is then known to 4%
NONE = "the device does not tell what reached its medium"
BACK = "a counter of what was written went back meanwhile"
FEW = "too little was written to tell it from the units of its counters"


@dataclass(frozen=True)
class Written:
    media: int          # bytes; or pages
    host: int
    pages: bool         # are they?
    units: float        # the fewest of either side; of several times, of each
    back: bool = False      # began a counter anew, so that no more is known?

    @property
    def ratio(self) -> float | None:
        """None: too little was written, or nobody knows how much."""
        return self.media / self.host if self.units >= FEWEST and not \
            self.back else None

    @property
    def why(self) -> str | None:
        """There is no ratio; None: there is one."""
        return BACK if self.back else FEW if self.ratio is None else None


def _grown(told, names):
    """(the first of the names that is told twice, by how much it grew, did it
    go back?)"""
    for name in names:
        values = [one[name] for one in told
                  if smartlog.is_number(one.get(name))]
        if len(values) > 1:
            return name, values[-1] - values[0], any(
                after < before for before, after in pairwise(values))
    return None, 0, False


def between(told: Sequence[dict]) -> Written | None:
    """What was written from the first to the last of the samples of one device,
    in order; None where that is not told."""
    media, more, one = _grown(told, MEDIA)
    host, by, two = _grown(told, HOST)
    if media and host:
        each = [BYTES[smartlog.ATTRIBUTES[name].unit]
                for name in (media, host)]
        return Written(more * each[0], by * each[1], False, min(by, more),
                       one or two)
    host, pages, one = _grown(told, (PAGES,))
    media, own, two = _grown(told, OWN)
    return Written(pages + own, pages, True, pages, one or two) if (
        media and host) else None


def added(found: list[Written]) -> Written | None:
    """Of several times; None of none."""
    if not found:
        return None
    return Written(sum(one.media for one in found),
                   sum(one.host for one in found), found[0].pages,
                   sum(one.units for one in found) / len(found),
                   any(one.back for one in found))
