# SPDX-License-Identifier: GPL-2.0-only
# Write amplification: what reached the medium over what the host wrote, of two
# samples of a device's counters.  Each counts in units, those of its attribute
# (smartlog.py), so that each difference may be one off: where too little was
# written to know the ratio to some percent, there is none.
from dataclasses import dataclass

from . import smartlog

BYTES = {"B": 1, "512 B": 512, smartlog.UNIT_OF_DATA: 512000,
         "32 MiB": 32 << 20, "GiB": 1 << 30}
MEDIA = ("media_written_bytes", "NAND_Writes_32MiB", "NAND_Writes_GiB",
         "NAND_Writes_1GiB")
# Host: the finest first.  A device that tells both tells them in one log.
HOST = ("data_units_written", "Total_LBAs_Written", "Host_Writes_32MiB",
        "Host_Writes_GiB")
# Micron's SATA drives count pages: those of the host, and their own.
PAGES, OWN = "Host_Program_Page_Count", ("FTL_Program_Page_Count",
                                         "Bckgnd_Program_Page_Cnt")
FEWEST = 50             # units on either side: the ratio is then known to 4%
NONE = "the device does not tell what reached its medium"
FEW = "too little was written to tell it from the units of its counters"


@dataclass(frozen=True)
class Written:
    media: int          # bytes; or pages
    host: int
    pages: bool         # are they?
    units: float        # the fewest of either side; of several times, of each

    @property
    def ratio(self) -> float | None:
        """None: too little was written."""
        return self.media / self.host if self.units >= FEWEST else None


def _grown(first, last, names):
    """(the first of the names that both have, by how much it grew)"""
    for name in names:
        if smartlog.is_number(first.get(name)) and smartlog.is_number(
                last.get(name)):
            return name, last[name] - first[name]
    return None, None


def between(first: dict, last: dict) -> Written | None:
    """What was written between two samples of one device; None where that is
    not told, or a counter went back."""
    media, more = _grown(first, last, MEDIA)
    host, by = _grown(first, last, HOST)
    if media and host:
        if more < 0 or by < 0:
            return None
        each = [BYTES[smartlog.ATTRIBUTES[name].unit]
                for name in (media, host)]
        return Written(more * each[0], by * each[1], False, min(by, more))
    _, pages = _grown(first, last, (PAGES,))
    _, own = _grown(first, last, OWN)
    if pages is None or own is None or min(pages, own) < 0:
        return None
    return Written(pages + own, pages, True, pages)


def added(found: list[Written]) -> Written | None:
    """Of several times; None of none."""
    if not found:
        return None
    return Written(sum(one.media for one in found),
                   sum(one.host for one in found), found[0].pages,
                   sum(one.units for one in found) / len(found))
