# SPDX-License-Identifier: GPL-2.0-only
# A soak in a sentence, of qualify.json, for page and terminal.
from ...report import wording
from .. import estimate


def _times(count, what):
    return f"; it {what} {count} {'time' if count == 1 else 'times'}" if (
        count) else ""


def said(test):
    """'34.1 TB were written in 3.0 days of load (144 of 144 checkpoints): 8.90
    drive writes, 2.97 a day; 61 TB were read back'; None of other tests."""
    found = test.get("endurance")
    if not found:
        return None
    written, back = (wording.decimal_size(round(found[name])) for name in (
        "written_bytes", "read_back_bytes"))
    day = found["drive_writes_per_day"]
    each = "" if day is None else f", {wording.figure(day)} a day"
    return (f"{written} were written in {estimate.clock(found['seconds'])} of "
            f"load ({found['checkpoints']} of {found['checkpoints_asked']} "
            f"checkpoints): {wording.figure(found['drive_writes'])} drive "
            f"writes{each}; "
            f"{back} were read back"
            + _times(found["broken_off"], "was broken off and went on")
            + _times(found["refilled"], "went on after filling it again")
            + f". The load is {found['load']}.")
