# SPDX-License-Identifier: GPL-2.0-only
"""The data that jobs verify which only read.  In a job file a run before them
has written it; here each of their runs begins with a target of its own, so a
job like them, which writes the same blocks in order, is run before each.
"""
from collections.abc import Iterable
from dataclasses import dataclass
import re

from ...base.problem import Problem
from .. import jobfile
from ..jobfile import Job
from . import amounts, mapping

# Of the options of a job, those that say what fio writes to be verified.
KEPT = ("kb_base", "verify", "verify_interval", "verify_offset",
        "verify_pattern", "verify_pattern_interval")
READ = amounts.READ | {*KEPT, "verify_only", "zonemode", "zonesize"}
UNCHECKED = ("0", "null")


def checks(values: amounts.Values) -> bool:
    """Does a section only read, and verify what it reads?  A pattern alone
    (verify_pattern) is verified, too."""
    alone = "pattern" if "verify_pattern" in values else "0"
    return (amounts.pattern(values)[0] in jobfile.READ_ONLY and
            values.get("verify", alone) not in UNCHECKED)


def _size(values):
    """Bytes of its blocks, 0 if they are of several sizes; by those of writes
    fio knows what it verifies."""
    return amounts.only_block({**values, "rw": "rw"})


def why_not(values: amounts.Values) -> str:
    """Why what a section verifies cannot be written before; '' if it can."""
    if values.get("verify_only", "0") != "0":
        return ("it does no I/O but verifies once what a run before it has "
                "written (verify_only)")
    if not checks(values):
        return ""
    if values.get("zonemode", "none") != "none" or "zonesize" in values:
        return ("it verifies what a run before it has written in zones, which "
                "are others in each run")
    if not _size(values):
        return ("it verifies blocks of several sizes, and which is where only "
                "the run that has written them tells")
    return ""


def needed(job: Job) -> bool:
    """Is what a job reads to be written by fio, for it to be verified?"""
    return not job.writes() and any(map(checks, jobfile.in_force(
        job.text, *READ)))


def _lines(values):
    """Of a section, how each of its jobs writes what it verifies."""
    found = [f"{key}={values[key]}" for key in KEPT if key in values]
    for line in found:
        if re.search(r"[\x00-\x1f]", line):
            raise Problem(f"'{ascii(line[:40])[1:-1]}' has a character that "
                          "ends a line: take it out of the variable that it "
                          "comes from.")
    return [*found, f"bs={_size(values)}"]


def _place(one, first, end):
    """rw=, offset= and size= of a job that ends with its last whole block."""
    block, skip = _size(one), amounts.skip(one)
    more = (end - first - block) // (block + skip)
    size = more * (block + skip) + block
    return [f"rw=write:{skip}" if skip else "rw=write", f"offset={first}",
            f"size={size}"]


@dataclass(frozen=True)
class Written:
    """The job that writes what another one verifies, in all of a target."""
    job: Job
    size: int               # of the target, in bytes

    @property
    def name(self) -> str:
        return f"{self.job.name}, of which the data is written"

    def effective(self, options: Iterable[str]) -> str:
        """One job of fio after the other, as several may have one place."""
        text, lines = self.job.text, ["[global]", *options, "do_verify=0",
                                      "stonewall", "end_fsync=1"]
        sections = jobfile.in_force(text, *READ)
        places = self.job.placed([f"size={self.size}"])
        for number, (values, one) in enumerate(zip(sections, places)):
            for first, end in dict.fromkeys(mapping.ranges([one], 0)):
                if checks(values):
                    lines += [f"[{number}]", *_lines(values),
                              *_place(values, first, end)]
        return "\n".join([*lines, ""])
