# SPDX-License-Identifier: GPL-2.0-only
# What is checked or counted once per cell, outside the timed runs: that both
# sides are asked for the same I/O, and how many system calls an I/O costs.
import re
import shutil

from . import fairness, fio as fio_runs
from .metrics import DIRECTIONS, figures
from .problem import Problem

STREAM_IOS = 500
CALL_IOS = (64, 8064)       # the difference leaves start-up out
CAP = 3                     # seconds, should the device be slow
LOGGED = re.compile(r" (read|write|trim|sync|datasync) (\d+) (\d+)$")


def limited(fio, side, job, target, ios, extra=(), **more):
    options = [*fio_runs.base_options(side, target, 1), f"number_ios={ios}",
               f"runtime={CAP}", *extra]
    return fio_runs.run(fio, side, job, target, options, CAP, **more)


def _stream(fio, side, job, target):
    """(fio's result, the I/Os in the order of issue); None instead of these
    if several jobs share the log."""
    result, kept = limited(fio, side, job, target, STREAM_IOS,
                            ["write_iolog=iolog"], keep=["iolog"])
    if len(result["jobs"]) > 1:
        return result, None
    return result, [m.groups() for m in
                    map(LOGGED.search, kept["iolog"].splitlines()) if m]


def _split(stream):
    """(reads, writes and trims; number of syncs)"""
    data = [io for io in stream if io[0] in DIRECTIONS]
    return data, len(stream) - len(data)


def compare_streams(a, b):
    """(number of equal I/Os, "") or (None, where the streams part).

    Where a sync falls between writes in flight depends on timing, and so does
    the count at which number_ios cuts: with syncs, 5% may be missing.
    """
    (a, syncs_a), (b, syncs_b) = _split(a), _split(b)
    for i, (x, y) in enumerate(zip(a, b)):
        if x != y:
            return None, f"I/O {i + 1} is {' '.join(x)} against {' '.join(y)}"
    slack = 0.05 * max(len(a), len(b)) if syncs_a and syncs_b else 0
    if not a or abs(len(a) - len(b)) > slack:
        return None, f"{len(a)} I/Os against {len(b)}"
    if abs(syncs_a - syncs_b) > slack:
        return None, f"{syncs_a} syncs against {syncs_b}"
    return min(len(a), len(b)), ""


def same_stream(fio, sides, job, target):
    """Refuse an unfair comparison; else say what was checked."""
    (first, a), (second, b) = (_stream(fio, side, job, target)
                               for side in sides)
    fairness.same_options(sides, job, first, second)
    note = fairness.depth_note(sides, first, second)
    if a is None or b is None:
        return ("I/O streams not compared (the job file has several jobs)" +
                note)
    equal, where = compare_streams(a, b)
    if equal is None:
        raise Problem(f"the comparison would be unfair: with the same seed "
                      f"{sides[0].text} and {sides[1].text} do different I/O "
                      f"on job {job.name}: {where}.")
    return f"first {equal} I/Os identical on both sides{note}"


def parse_calls(text):
    """Total calls in a `strace -c` summary."""
    for line in text.splitlines():
        fields = line.split()
        if len(fields) >= 5 and fields[-1] == "total":
            return int(fields[3])
    raise ValueError("no total")


def _calls(fio, side, job, target, ios):
    result, kept = limited(fio, side, job, target, ios, keep=["calls"],
                            wrap=["strace", "-f", "-c", "-o", "calls"])
    return parse_calls(kept["calls"]), figures(result["jobs"])["ios"]


def calls_per_io(fio, side, job, target):
    """System calls per I/O, from two untimed runs; None where not possible."""
    if not shutil.which("strace"):
        return None
    try:
        (calls0, ios0), (calls1, ios1) = (
            _calls(fio, side, job, target, ios) for ios in CALL_IOS)
    except (Problem, ValueError):
        return None
    return (calls1 - calls0) / (ios1 - ios0) if ios1 > ios0 else None
