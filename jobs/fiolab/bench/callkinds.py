# SPDX-License-Identifier: GPL-2.0-only
# System calls per I/O by kind, counted by strace in two runs of fio.
from collections.abc import Sequence
import re
import shutil

from ..ab.results import Cell
from ..base.problem import Problem
from ..fio import streams
from ..fio.fiorun import Fio
from ..fio.jobfile import Job
from ..fio.metrics import figures
from ..fio.sidespec import Side
from ..target.target import Target

STRACE = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$",
                    re.M)
READERS = ("io_getevents", "io_pgetevents")
SHOWN_CALLS = ("io_submit", *READERS)


def parse_kinds(text: str) -> dict[str, int]:
    """{system call: how often} of a `strace -c` summary; "all": their sum."""
    calls = {m[2]: int(m[1]) for m in STRACE.finditer(text)}
    calls["all"] = calls.pop("total", 0)
    return calls


def _count(fio, one, job, target, ios):
    result, kept = streams.limited(fio, one, job, target, ios, keep=["calls"],
                                   wrap=["strace", "-f", "-c", "-o", "calls"])
    return parse_kinds(kept["calls"]), figures(result["jobs"])["ios"]


def kinds_per_io(fio: Fio, one: Side, job: Job, target: Target,
                 names: Sequence[str] = SHOWN_CALLS) -> dict[str, float]:
    """{system call: per I/O}, "all" of them, too; {} without strace."""
    if not shutil.which("strace"):
        return {}
    try:
        (calls0, ios0), (calls1, ios1) = (
            _count(fio, one, job, target, ios) for ios in streams.CALL_IOS)
    except Problem:
        return {}
    if "io_submit" not in calls1 or ios1 <= ios0:
        return {}
    return {name: (calls1.get(name, 0) - calls0.get(name, 0)) / (ios1 - ios0)
            for name in (*names, "all")}


def kinds_lines(cell: Cell, kinds: dict) -> list[str]:
    """System calls per I/O by kind, a line for each."""
    lines = ["", f"system calls per I/O, {cell.target.label}, under strace",
             f"  {'':<15} {'A':>9} {'B':>9}"]
    if not all(kinds.values()):
        return [*lines, "  not counted (needs a working strace)"]
    return lines + [f"  {name:<15}" + "".join(
        f" {kinds[letter][name]:>9.3f}" for letter in "AB")
        for name in SHOWN_CALLS]
