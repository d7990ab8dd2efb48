# SPDX-License-Identifier: GPL-2.0-only
"""A row of a benchmark: a cell of a campaign that keeps its runs whole; those
of jobs/bench, each made of a Spec; and their lines in the report."""
from collections.abc import Sequence
from dataclasses import dataclass, field
import itertools
import math
import statistics
from typing import Any, NamedTuple

from ..ab import duets, planning
from ..ab.campaign import Request
from ..ab.results import Cell
from ..fio.jobfile import Job
from ..fio.metrics import TABLE
from ..target.target import Target
from . import textreport

# The short ones of TABLE, which has more to say of the CPU.
NAMES = {**{name: TABLE[name].label for name in (
    "iops", "iops_per_cpu", "p50_us", "p99_us", "wall_s")}, "cpu_us": "CPU us"}
TITLES = {
    "defaults": "defaults", "adaptive": "submit=adaptive", "spin": "spin=",
    "batch": "iodepth_batch=16", "cells": "cells (CPU us of an I/O)",
    "jobs": "64 jobs: wall time of start, 200 I/Os each, and end",
    "polling": "iodepth_batch_complete_min=0",
    "scaling": "1, 2 and 4 jobs on two CPUs; CPU us of each I/O",
    "depth1": "depth 1 with spin= and without; CPU us of each I/O",
    "fio-loop": "fio's bare loop, t/io_uring -a1",
    "null": "null_blk", "gate": "recorded bounds of CPU per I/O"}
ROW = "    {:<9}{:>9}{:>9} {:>6} {:>11} {:>11}  {}"
CELL_ROW = "  {:<34}{:>6} {:>11} {:>11}  {}"


class Spec(NamedTuple):
    part: str
    a: str                  # the sides, as text
    b: str
    on: str                 # a target's name
    job: Job
    goals: tuple            # (metric, kind, limit) each
    beside: tuple = ()      # metrics that no goal asks for
    pairing: str = duets.ALTERNATE

    def metrics(self) -> tuple[str, ...]:
        """A duet's IOPS say how a CPU was shared, unless that is asked for."""
        if self.part == "jobs":
            return ("wall_s",)
        asked = {*self.beside, *(metric for metric, *_ in self.goals)}
        if self.pairing == duets.ALTERNATE:
            asked.add("iops")
        return tuple(m for m in NAMES if m in asked)


def job(depth: int, rw: str = "randread", bs: str = "4k", direct: int = 1,
        more: Sequence[str] = ()) -> Job:
    options = [f"rw={rw}", f"bs={bs}", f"direct={direct}", f"iodepth={depth}",
               "filename=${TARGET}"]        # which all of its jobs share
    return Job(rw + ".fio", "\n".join([f"[{rw}]", *options, *more, ""]))


def title(spec: Spec) -> str:
    depth, = spec.job.values("iodepth")
    if spec.part == "cells":
        direct = "direct" if spec.job.values("direct") == ["1"] else "buffered"
        return (f"{spec.job.name} {spec.job.values('bs')[0]} depth {depth} "
                f"{direct}")
    beside = [f", {number} job{'s' * (number != '1')}"
              for number in spec.job.values("numjobs")]
    if spec.part == "polling":
        beside.append(", polling")
    return f"{spec.b} : {spec.a}, {spec.on}, depth {depth}{''.join(beside)}"


@dataclass
class Row(Cell):
    spec: Any = None            # a Spec, of jobs/bench
    runs: list = field(default_factory=list)    # as the JSON has them
    calls: dict = field(default_factory=dict)   # of some rows alone
    group: str = ""             # the cpuset's file, where one needs it

    def role(self, metric: str) -> str:
        return "primary"

    @property
    def name(self) -> str:
        return title(self.spec)

    def add(self, run: dict) -> None:
        super().add(run)
        if "failed" in run:
            return
        beside = ["seed", "options"]
        if run["steal"] is not None:    # else nobody looked
            beside += ["steal", "repeats", "duet"]
        self.runs.append({
            "block": run["pair"], "order": self.orders[run["pair"]],
            "role": run["role"], **run["values"],
            **{name: run[name] for name in beside if name in run}})

    def figures(self, role: str, name: str) -> list:
        """A figure of all runs of a role."""
        return [run[name] for run in self.runs if run["role"] == role]

    def data(self) -> dict:
        return {"part": self.spec.part, "name": self.name,
                "pairing": self.spec.pairing,
                "a": self.spec.a, "b": self.spec.b, "target": self.spec.on,
                "job_text": self.job.text, "calls_per_io": self.calls,
                "stream": self.stream, "runs": self.runs,
                "effects": [textreport.effect_data(e)
                            for e in self.effects.values()]}


def row(asked: Request, number: int, spec: Spec, target: Target,
        sides: Sequence[str], runtime: float | None = None,
        ramp: float | None = None) -> Row:
    """The Row of a Spec; sides: the texts of the campaign's."""
    return planning.cell_of(asked, number, spec.job, target, kind=Row,
                            a=sides.index(spec.a), b=sides.index(spec.b),
                            metrics=spec.metrics(), runtime=runtime, spec=spec,
                            pairing=spec.pairing, ramp=ramp)


def _value(metric, values):
    middle = statistics.median(values)
    return f"{middle:,.0f}" if middle >= 1000 else f"{middle:.3g}"


def _tail(effect):
    return (f"{math.exp(effect.estimate):.3f}", textreport.span(effect.ci95),
            textreport.span(effect.floor), effect.verdict)


def _row_lines(one):
    if one.spec.part == "cells":
        return [CELL_ROW.format(one.name, *_tail(effect))
                for effect in one.effects.values()]
    return ["  " + one.name, *[
        ROW.format(NAMES[metric], *[_value(metric, one.series(role, metric))
                                    for role in "AB"], *_tail(effect))
        for metric, effect in one.effects.items()]]


def lines(rows: Sequence[Row]) -> list[str]:
    """The report on all rows, by part."""
    found = []
    for part, group in itertools.groupby(rows, lambda one: one.spec.part):
        tail = ("B : A", "95% CI", "A/A", "verdict on B")
        head = (CELL_ROW.format("", *tail) if part == "cells" else
                ROW.format("", "A", "B", *tail))
        found += ["", TITLES[part], head]
        for one in group:
            found += _row_lines(one)
    return found
