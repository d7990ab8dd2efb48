# SPDX-License-Identifier: GPL-2.0-only
# What is checked or counted once per cell, outside the timed runs: that both
# sides are asked for the same I/O, how many system calls an I/O costs, and how
# latency goes over time.
from collections.abc import Iterable, Sequence
import re
import shutil
from statistics import fmean
from typing import Any

from ..base.problem import Problem
from ..target.target import Target
from . import fairness, fiorun, inside, splitjob
from .fiorun import Fio
from .jobfile import Job
from .metrics import DIRECTIONS, figures
from .sidecommand import Failed
from .sidespec import Side

STREAM_IOS = 500
FEWEST_IOS = 50         # of each job, where a file has several
CALL_IOS = (64, 8064)       # the difference leaves start-up out
CAP = 3                     # seconds, should the device be slow
WINDOWS, SHORTEST = 200, 10     # of a log of latency: their number, and ms
# With a time in front, of fio 3.31 on.
LOGGED = re.compile(r"(?:\d+ )?(.*) (read|write|trim|sync|datasync) (\d+) "
                    r"(\d+)")


def limited(fio: Fio, side: Side, job: Job, target: Target, ios: int,
            extra: Iterable[str] = (),
            **more: Any) -> tuple[dict, dict[str, str]]:
    options = [*fiorun.base_options(side, target, 1), f"number_ios={ios}",
               f"runtime={CAP}", *extra]
    return fiorun.run(fio, side, job, target, options, CAP, **more)


def _logged(text, target):
    """The I/Os of a log, in the order of issue: (kind, place, length), and of
    a target of several members the number of that."""
    found = [m for m in map(LOGGED.fullmatch, text.splitlines()) if m]
    if target.number == 1:
        return [m.groups()[1:] for m in found]
    number = {one.path: str(n) for n, one in enumerate(target.each(), 1)}
    other = [m[1] for m in found if m[1] not in number]
    if other:
        raise Problem(f"fio does I/O on {other[0]}, which is no member of the "
                      "target: take out of the job file what names it.")
    return [(*m.groups()[1:], number[m[1]]) for m in found]


def _streams(fio, side, job, target):
    """(fio's result, the I/Os of each of its jobs).

    fio adds the I/Os of all jobs to one log, without a word of whose they
    are: where there are several, they run again with a log for each.
    """
    result, kept = limited(fio, side, job, target, STREAM_IOS,
                           ["write_iolog=iolog"], keep=["iolog"])
    number, result["cut"] = len(result["jobs"]), _cut(result)
    if number == 1:
        return result, [_logged(kept["iolog"], target)]
    names = splitjob.logs(number)
    again, kept = limited(fio, side, splitjob.Apart.of(job, result), target,
                          max(FEWEST_IOS, STREAM_IOS // number), keep=names)
    if len(again["jobs"]) != number:
        raise splitjob.unlike(job)
    result["cut"] = _cut(again)
    return result, [_logged(kept[name], target) for name in names]


def _cut(result):
    """Did time end it, and not the number of its I/Os?"""
    return any(job.get("job_runtime", 0) >= 1000 * CAP
               for job in result["jobs"])


def _split(stream):
    """(reads, writes and trims; number of syncs)"""
    data = [io for io in stream if io[0] in DIRECTIONS]
    return data, len(stream) - len(data)


def _words(io):
    """'read 0 4096', '... on member 2' of the target."""
    return " ".join(io[:3]) + "".join(f" on member {n}" for n in io[3:])


def compare_streams(a: Sequence[tuple], b: Sequence[tuple],
                    cut: bool = False) -> tuple[int | None, str]:
    """(number of equal I/Os, "") or (None, where the streams part).

    cut: one was ended by time, so that it may be shorter.

    Where a sync falls between writes in flight depends on timing, and so does
    the count at which number_ios cuts: with syncs, 5% may be missing.
    """
    (a, syncs_a), (b, syncs_b) = _split(a), _split(b)
    for i, (x, y) in enumerate(zip(a, b)):
        if x != y:
            return None, f"I/O {i + 1} is {_words(x)} against {_words(y)}"
    if cut and a and b:
        return min(len(a), len(b)), ""
    slack = 0.05 * max(len(a), len(b)) if syncs_a and syncs_b else 0
    if not a or abs(len(a) - len(b)) > slack:
        return None, f"{len(a)} I/Os against {len(b)}"
    if abs(syncs_a - syncs_b) > slack:
        return None, f"{syncs_a} syncs against {syncs_b}"
    return min(len(a), len(b)), ""


def _same_streams(sides, job, first, second, cut=False):
    """The fewest I/Os that were compared of any job."""
    fewest = []
    for number, (a, b) in enumerate(zip(first, second), 1):
        equal, where = compare_streams(a, b, cut)
        if equal is None:
            one = f", its job {number}" if len(first) > 1 else ""
            raise Problem(f"the comparison would be unfair: with the same "
                          f"seed {sides[0].text} and {sides[1].text} do "
                          f"different I/O on job {job.name}{one}: {where}.")
        fewest.append(equal)
    return min(fewest)


def _placeless(streams):
    return [[(kind, "", *more) for kind, _, *more in stream]
            for stream in streams]


def _equal(sides, job, a, b, cut):
    """(the fewest I/Os of any job that are the same, what is not the same)

    Which zone fio writes to next, of those that it makes, depends on which
    are full and which job was there first, and so on when I/Os end."""
    try:
        return _same_streams(sides, job, a, b, cut), ""
    except Problem:
        if not (job.zoned() and job.writes()):
            raise
    return (_same_streams(sides, job, _placeless(a), _placeless(b), cut),
            ", but for their places, as which zone fio goes on in depends on "
            "when I/Os end")


def rehearse(fio: Fio, side: Side, job: Job, target: Target) -> None:
    """Refuse a job that writes outside of what is given to it, before it is
    given the target; see inside.py.  What only an engine knows has no
    stand-in."""
    if job.writes() and not target.handed:
        with inside.stand_in(fio, job, target) as other:
            inside.check(job, _streams(fio, side, inside.played(job),
                                       other)[1], other.size)


def _inside(fio, side, job, target):
    """_streams() of a job that kept inside of the target."""
    result, streams = _streams(fio, side, job, target)
    inside.check(job, streams, target.size)
    target.check_size(job)
    return result, streams


def proven(fio: Fio, side: Side, job: Job, target: Target) -> None:
    """Refuse a job of which the first I/Os on a target are not where they
    were put."""
    _inside(fio, side, job, target)


def logged(fio: Fio, side: Side, job: Job,
           target: Target) -> list[list[tuple]]:
    """The first I/Os of each of a job's jobs, its syncs left out, as they may
    fall anywhere between writes in flight."""
    rehearse(fio, side, job, target)
    return [_split(one)[0] for one in _inside(fio, side, job, target)[1]]


Run = tuple[Side, Job, Target]      # what is run on what


def same_stream(fio: Fio, one: Run, other: Run) -> str:
    """Refuse an unfair comparison; else say what was checked."""
    (first, a), (second, b) = (_inside(fio, *run) for run in (one, other))
    sides, job = (one[0], other[0]), one[1]
    if other[1] is not job:
        return ("the job files differ, and so does the I/O, which was not "
                "compared" + fairness.differences(first, second))
    fairness.same_options(sides, job, first, second,
                          {"filename"} if one[2] is not other[2] else set())
    if len(a) != len(b):
        raise Problem(f"the comparison would be unfair: job {job.name} is "
                      f"{len(a)} jobs on {sides[0].text} and {len(b)} on "
                      f"{sides[1].text}: give both the same.")
    equal, but = _equal(sides, job, a, b, first["cut"] or second["cut"])
    each = f" of each of {len(a)} jobs" if len(a) > 1 else ""
    return (f"first {equal} I/Os{each} identical on both sides{but}" +
            fairness.depth_note(sides, first, second))


def parse_calls(text: str) -> int:
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


def calls_per_io(fio: Fio, side: Side, job: Job,
                 target: Target) -> float | None:
    """System calls per I/O, from two untimed runs; None where not possible."""
    if not shutil.which("strace"):
        return None
    try:
        (calls0, ios0), (calls1, ios1) = (
            _calls(fio, side, job, target, ios) for ios in CALL_IOS)
    except Failed:
        raise
    except (Problem, ValueError):
        return None
    return (calls1 - calls0) / (ios1 - ios0) if ios1 > ios0 else None


def _averaged(text):
    """{direction: [[ms, ns]]} of fio's log of means, "ms, ns, direction, ...";
    of several jobs, which each have a line for a window, the mean."""
    found: dict[str, dict[int, list[float]]] = {}
    for line in text.splitlines():
        ms, ns, direction, *_ = map(int, line.split(",")[:3])
        found.setdefault(DIRECTIONS[direction], {}).setdefault(
            ms, []).append(ns)
    return {direction: [[ms, fmean(several)]
                        for ms, several in sorted(windows.items())]
            for direction, windows in found.items()}


def over_time(fio: Fio, side: Side, job: Job, target: Target,
              seconds: float) -> dict[str, list[list[float]]]:
    """{direction: [[ms since the start, mean latency in ns]]} of a run of its
    own, in windows of fio's; without a ramp, whose time is part of it."""
    window = max(SHORTEST, round(seconds * 1000 / WINDOWS))
    options = [*fiorun.base_options(side, target, 1), "time_based=1",
               f"runtime={round(seconds * 1000)}ms", "write_lat_log=over",
               f"log_avg_msec={window}", "per_job_logs=0"]
    _, kept = fiorun.run(fio, side, job, target, options, seconds,
                         keep=["over_lat.log"])
    return _averaged(kept["over_lat.log"])
