# SPDX-License-Identifier: GPL-2.0-only
# The latency of reads while writes, or trims, go on at shares of the rate that
# they do at most: a matrix of depth by share, whose points are chosen where
# neighbours differ most.  Reads are of the first half of the range, what is
# beside them in the second, as what was trimmed is read from no medium.
from dataclasses import dataclass
import os
import stat

from ...fio.metrics import figures, rate
from ...stats import refining
from .. import cells, estimate, jobtext, values
from ..suite.derive import column
from ..suite.model import Stimulus
from ..suite.verifying import section, unknown

DEPTHS = (1, 8, 32)         # of the reads, one thread
LADDER = (0, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 100)    # percent
START, THIN_START = (0, 50, 100), (0, 100)
MOST, THIN_MOST = 60, 8     # points
SECONDS = 30
STEERS = "lat_p99_us"       # where it is most unlike, more points are taken
SHOWN = ("read_iops", "lat_p50_us", "lat_p99_us", "lat_p99_9_us", "lat_max_us")


@dataclass(frozen=True)
class Kind:
    """What goes on beside the reads."""
    name: str               # of the test
    title: str
    said: str
    rw: str
    bs: str
    way: str                # fio's direction


KINDS = (Kind("beside-writes", "Reads beside writes of a set rate", "writes",
              "randwrite", "4k", "write"),
         Kind("beside-trims", "Reads beside trims of a set rate", "trims",
              "randtrim", "128k", "trim"))
CELLS = tuple(f"QD {depth} beside {share}%" for depth in DEPTHS
              for share in LADDER)


def _most(profile):
    return THIN_MOST if profile.thin else MOST


def seconds(profile, size):
    """At most: with all of the points."""
    return size / profile.write_speed + (_most(profile) + 1) * (
        profile.duration(SECONDS) + estimate.LOAD + estimate.PROCESS)


class Matrix:
    """Of one kind on one target."""

    def __init__(self, context, kind):
        self.context, self.kind = context, kind
        self.profile = context.profile
        block = 1 << 20
        self.half = context.target.size // 2 // block * block
        self.limit = 0.0        # I/Os per second of the kind alone
        self.found = {}         # {(depth, share): results}

    def _common(self, seed):
        return {"thread": 1, "norandommap": 1, "refill_buffers": 1,
                "randrepeat": 0, "time_based": 1, "randseed": seed,
                "runtime": f"{round(self.context.scaled(SECONDS) * 1000)}ms"}

    def _others(self, seed, share):
        """The section of what goes on beside; its own where share is None."""
        each = max(1, round(self.limit * (share or 0) / 100 /
                            self.profile.threads))
        return section(
            "others", stonewall=1 if share is None else None, rw=self.kind.rw,
            bs=self.kind.bs, offset=self.half, size=self.half,
            numjobs=self.profile.threads, iodepth=self.profile.depth,
            rate_iops=each if share not in (None, 100) else None,
            **self._common(seed))

    def _once(self, name, text, read, most=0.0):
        """What read says of a run, of this command or an earlier one; most:
        seconds that it may take beside the time of a point."""
        bench = self.context.bench
        label = bench.label(self.kind.name, name)

        def make():
            ran = bench.executor.run(text, label,
                                     most + self.context.scaled(SECONDS))
            return {**read(ran.jobs), "source": ran.source}
        return bench.folder.once(label, make)

    def alone(self):
        """The rate that the others do at most."""
        self.context.progress(f"{self.kind.said} alone")
        found = self._once(
            "alone", self._others(self.context.seed, None),
            lambda jobs: {"iops": self._rate_of_others(
                jobs, self.profile.threads)})
        self.limit = found["iops"]
        return found

    def _rate_of_others(self, jobs, threads):
        return rate(jobs, directions=(self.kind.way,), threads=threads)

    def point(self, depth, share):
        name = f"QD {depth} beside {share}%"
        self.context.progress(f"reads at depth {depth} beside {share}% of the "
                              f"{self.kind.said}")
        seed = jobtext.seed(self.context.seed, self.kind.name, depth, share)
        text = section("reads", stonewall=1, rw="randread", bs="4k",
                       size=self.half, iodepth=depth, **self._common(seed))
        if share:
            text += self._others(seed + 1, share)
        threads = 1 + (self.profile.threads if share else 0)
        found = self._once(f"qd{depth}-{share}", text, lambda jobs: {
            "values": self._reads(jobs, threads),
            "others": self._rate_of_others(jobs, threads) if share else 0.0})
        self.found[depth, share] = {"stimulus": name, **found}

    @staticmethod
    def _reads(jobs, threads):
        """The figures of the reads; fio makes one entry of all that run."""
        known = figures(jobs, threads)["latency"].get("read")
        latency = known and values.pool([{**known, "max_ns": max(
            job["read"]["lat_ns"]["max"] for job in jobs)}])
        return {"read_iops": rate(jobs, directions=("read",),
                                  threads=threads), **values.us(latency)}

    def fill(self):
        """Blocks that nobody wrote are read from no medium."""
        self.context.progress("all of the range is written")
        size = self.context.target.size
        self._once("fill", section(
            "fill", rw="write", bs="128k", iodepth=32, thread=1, size=size,
            refill_buffers=1), lambda jobs: {}, size / estimate.SLOWEST)

    def run(self):
        """As many points as may be, or as there is something to find."""
        self.fill()
        self.alone()
        for depth in DEPTHS:
            for share in THIN_START if self.profile.thin else START:
                self.point(depth, share)
        while len(self.found) < _most(self.profile):
            place = refining.next_place(self._known(STEERS), LADDER)
            if not place:
                break
            self.point(*place)

    def _known(self, metric):
        return {depth: {share: one["values"].get(metric)
                        for (of, share), one in self.found.items()
                        if of == depth} for depth in DEPTHS}


# What is told of it

def _cell(name, depth, result, profile):
    load = Stimulus(name, "randread", "4k", 100, 1, depth)
    return cells.plain(load, [{"results": [result]}], profile)


def _grid(matrix, metric, title):
    known = matrix._known(metric)
    shares = sorted({share for _, share in matrix.found})
    return {"title": title, "metric": metric, "unit": "us",
            "x_label": f"{matrix.kind.said}, % of their limit", "x": shares,
            "y_label": "depth", "y": list(DEPTHS),
            "z": [[known[depth].get(share) for share in shares]
                  for depth in DEPTHS]}


def _table(matrix):
    rows = [[depth, f"{share}%", one["others"],
             *(one["values"].get(metric) for metric in SHOWN)]
            for (depth, share), one in sorted(matrix.found.items())]
    return {"title": f"Reads beside {matrix.kind.said}", "rows": rows,
            "columns": ["depth", "share", f"{matrix.kind.said} IOPS",
                        *map(column, SHOWN)],
            "note": f"{matrix.kind.said} of {matrix.kind.bs} alone do "
            f"{matrix.limit:,.0f} IOPS, which is 100%; more points where p99 "
            "of neighbours differs by more than a fourth"}


def no_trims(context):
    """Why its target cannot be asked for trims; None where it can."""
    return why_no_trims(context.target)


def why_no_trims(target):
    """Why a target cannot be asked for trims; None where it can."""
    if target.clients:
        return "whether a host's target is a block device is not known here"
    return None if stat.S_ISBLK(os.stat(target.path).st_mode) else (
        "fio trims block devices only, and the target is a file")


def perform(kind):
    def run(context):
        if kind.way == "trim":
            why = no_trims(context)
            if why:
                return {"checks": [unknown((kind.name, kind.title), why)]}
        matrix = Matrix(context, kind)
        matrix.run()
        return {"cells": [_cell(one["stimulus"], depth, one, context.profile)
                          for (depth, _), one in sorted(matrix.found.items())],
                "grids": [_grid(matrix, "lat_p99_us", "p99 of reads"),
                          _grid(matrix, "lat_mean_us", "Mean of reads")],
                "tables": [_table(matrix)]}
    return run
