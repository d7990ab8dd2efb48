# SPDX-License-Identifier: GPL-2.0-only
# Of a job text: does it sync what it writes while it runs, and each write?
from .. import jobfile
from . import amounts


def ever(text: str) -> bool:
    """Does any section of a job text sync while it runs?"""
    return any(value not in ("", "0")
               for section in jobfile.in_force(text, *jobfile.SYNCS)
               for value in section.values())


def each_write(text: str) -> bool:
    """Does every section of a job text that writes sync after each write?"""
    found = [section for section in jobfile.in_force(
        text, "rw", *jobfile.SYNCS)
             if amounts.pattern(section)[0] not in jobfile.READ_ONLY]
    return bool(found) and all("1" in (section.get("fsync"), section.get(
        "fdatasync")) for section in found)
