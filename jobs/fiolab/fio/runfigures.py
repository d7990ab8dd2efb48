# SPDX-License-Identifier: GPL-2.0-only
"""The figures that a comparison keeps of a run: those of every run, and the
latency of what only some jobs do.  That of a sync (fsync, fdatasync,
sync_file_range, as the options say; fio counts them as one) is the time from
its submission on; that of trims is told apart where a job does other I/O as
well, that of priority classes where it uses several.

Which side's syncs fio counts so, is asked once (asking.check_syncs): before
3.41 it takes those of its own libaio from an earlier use of the request, so
that at depth 1 the write before a sync is in its latency.
"""
from collections.abc import Sequence

from .jobfile import SYNCS
from .metrics import (CLASSES, DIRECTIONS, SPECIAL, figures, latency, option,
                      percentiles, together)


def _calls(job):
    """What the syncs of a job are, as its options say."""
    return " and ".join(call for call in SYNCS if option(
        job, "0", call) not in ("", "0")) or "sync"


def _found(jobs, trims):
    """[(Metric.of, the kind of I/O, fio's latency)]"""
    for job in jobs:
        if "sync" in job:
            yield "sync", _calls(job), job["sync"]["lat_ns"]
        if trims:
            yield "trim", "trim", job["trim"]["lat_ns"]
        for direction in DIRECTIONS:
            for one in job[direction].get("prios", ()):
                name = f"prio {CLASSES[one['prioclass']]}"
                yield name, name, one["lat_ns"]


def _special(jobs, trims):
    """{Metric.of: {kind of I/O: latency}} of what only some jobs do."""
    found: dict = {}
    for of, kind, one in _found(jobs, trims):
        if one["N"]:
            found.setdefault(of, {}).setdefault(kind, []).append(one)
    return {of: {kind: latency(each) for kind, each in kinds.items()}
            for of, kinds in found.items()}


def _values(of, kinds):
    """The metrics of one of these in us; a percentile needs enough I/Os."""
    whole = together(kinds.values())
    marks = percentiles(whole["bins"], whole["n"])
    found = {name: marks.get(one.percentile) if one.percentile
             else whole["mean_ns"]
             for name, one in SPECIAL.items() if one.of == of}
    return {name: value / 1000 for name, value in found.items() if value}


def of_run(jobs: Sequence[dict], syncs: bool = True) -> dict:
    """metrics.figures() of the entries of a run, and those of SPECIAL of
    which it has figures, which are latencies of their own as well.

    syncs: whether fio counts those of the side from their submission on.
    """
    kept = figures(jobs)
    special = _special(jobs, len(kept["latency"]) > 1)
    if not syncs:
        special.pop("sync", None)
    for of, kinds in special.items():
        kept |= _values(of, kinds)
        kept["latency"] = kinds | kept["latency"]
    return kept
