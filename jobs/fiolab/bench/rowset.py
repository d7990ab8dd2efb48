# SPDX-License-Identifier: GPL-2.0-only
# A row of jobs/bench: two sides, a job, a target and the goals; how each kind
# of row makes one run (fio, the loop without fio, 64 jobs from start to end);
# and its lines in the report.
from collections import namedtuple
from dataclasses import dataclass, replace
import itertools
import math
import statistics
import time

from ..ab import runner
from ..fio import fiorun
from ..fio.jobfile import Job
from ..fio.metrics import TABLE
from ..fio.sidespec import Side
from ..target import claim
from . import inmemory, loops, textreport

BARE = "bare loop"
POLL = "polling bare loop"      # what a spin can reach at most
CEILING = "fio's null + bare loop"      # what any engine can reach at most
LOOPS = (BARE, POLL, CEILING)
NULL = "null"                   # fio's engine that does nothing
LOOP_SIDES = {BARE: Side(BARE, ""), POLL: Side(POLL, ""),
              CEILING: Side(CEILING, NULL)}
JOBS = ("numjobs=64", "number_ios=200")     # of each of them
JOBS_CAP = 10                               # seconds
LEAST_RUNTIME = 0.2
NAMES = {name: TABLE[name].label for name in ("iops", "p50_us", "wall_s")}
TITLES = {
    "defaults": "defaults", "adaptive": "submit=adaptive", "spin": "spin=",
    "batch": "iodepth_batch=16", "cells": "cells (IOPS of kaio : libaio)",
    "jobs": "64 jobs: wall time of start, 200 I/Os each, and end"}
ROW = "    {:<7}{:>9}{:>9} {:>6} {:>11} {:>11}  {}"
CELL_ROW = "  {:<34}{:>6} {:>11} {:>11}  {}"

# part; sides as text; a target's name; Job; goals: (metric, kind, limit).
Spec = namedtuple("Spec", "part a b on job goals")


def job(depth, rw="randread", bs="4k", direct=1, more=()):
    options = [f"rw={rw}", f"bs={bs}", f"direct={direct}", f"iodepth={depth}"]
    return Job(rw + ".fio", "\n".join([f"[{rw}]", *options, *more, ""]))


def title(spec):
    depth, = spec.job.values("iodepth")
    if spec.part == "cells":
        direct = "direct" if spec.job.values("direct") == ["1"] else "buffered"
        return (f"{spec.job.name} {spec.job.values('bs')[0]} depth {depth} "
                f"{direct}")
    return f"{spec.b} : {spec.a}, {spec.on}, depth {depth}"


def _fio_run(plan, row, role, seed):
    found = runner.timed(plan, row, role, seed)
    return {**textreport.slim(found), "p50_us": found["lat_p50_us"]}


def _figures(text):
    iops, cpu_us = map(float, text.split())
    if not 0 < iops < math.inf:
        raise ValueError(text)
    return {"iops": iops, "cpu_us": cpu_us}


def loop_run(plan, row, seed, poll=False):
    """A run of the loop without fio, as deep as the row's job."""
    depth, = row.job.values("iodepth")
    command = [plan.bareloop, row.target.path,
               str(row.target.size), depth, str(int(row.target.direct)),
               str(round(plan.ramp * 1000)), str(round(plan.runtime * 1000)),
               str(seed), str(int(poll))]
    found = loops.printed(command, _figures, plan.fio.cpu, None,
                          "the bare loop failed")
    claim.check_same(row.target)
    return {**found, "seed": seed}


def _ceiling_run(plan, row, seed):
    """Half as long each: fio with an engine that does nothing, and the loop.
    The time of an I/O is the sum."""
    half = replace(plan, runtime=max(plan.runtime / 2, LEAST_RUNTIME))
    own = runner.timed(half, row, "A", seed)
    bare = loop_run(half, row, seed)
    return {"iops": 1 / (1 / own["iops"] + 1 / bare["iops"]),
            "cpu_us": own["cpu_us"] + bare["cpu_us"],
            "null_iops": own["iops"], "bare_iops": bare["iops"], "seed": seed}


def _against_loop(plan, row, role, seed):
    if role == "B":
        return _fio_run(plan, row, role, seed)
    if row.spec.a == CEILING:
        return _ceiling_run(plan, row, seed)
    return loop_run(plan, row, seed, row.spec.a == POLL)


def _jobs_run(plan, row, role, seed):
    one = plan.sides[role == "B"]
    options = [*fiorun.base_options(one, row.target, seed), *JOBS]
    start = time.monotonic()
    fiorun.run(plan.fio, one, row.job, row.target, options, JOBS_CAP)
    return {"wall_s": time.monotonic() - start, "seed": seed}


@dataclass
class Plan(inmemory.Plan):
    bareloop: str = ""          # the program's path


@dataclass
class Row(inmemory.Cell):
    spec: Spec = None
    plan: Plan = None

    @property
    def name(self):
        return title(self.spec)

    @property
    def one_run(self):
        if self.spec.part == "jobs":
            return _jobs_run
        return _against_loop if self.spec.a in LOOPS else _fio_run

    def metrics(self):
        if self.spec.part == "jobs":
            return ["wall_s"]
        asked = {metric for metric, *_ in self.spec.goals}
        return [m for m in NAMES if m == "iops" or m in asked]

    def effect(self, metric):
        one, = (e for e in self.effects if e.metric == metric)
        return one

    def data(self):
        return {"part": self.spec.part, "name": self.name,
                "a": self.spec.a, "b": self.spec.b, "target": self.spec.on,
                "job_text": self.job.text, "calls_per_io": self.calls,
                "stream": self.stream, "runs": self.runs,
                "effects": [textreport.effect_data(e) for e in self.effects]}


def _value(metric, values):
    middle = statistics.median(values)
    return f"{middle:,.0f}" if metric == "iops" else f"{middle:.3g}"


def _tail(effect):
    return (f"{math.exp(effect.estimate):.3f}", textreport.span(effect.ci95),
            textreport.span(effect.floor), effect.verdict)


def _row_lines(row):
    if row.spec.part == "cells":
        return [CELL_ROW.format(row.name, *_tail(row.effect("iops")))]
    return ["  " + row.name, *[
        ROW.format(NAMES[e.metric], *[_value(e.metric, row.series(
            role, e.metric)) for role in "AB"], *_tail(e))
        for e in row.effects]]


def lines(rows):
    """The report on all rows, by part."""
    found = []
    for part, group in itertools.groupby(rows, lambda row: row.spec.part):
        tail = ("B : A", "95% CI", "A/A", "verdict on B")
        head = (CELL_ROW.format("", *tail) if part == "cells" else
                ROW.format("", "A", "B", *tail))
        found += ["", TITLES[part], head]
        for row in group:
            found += _row_lines(row)
    return found
