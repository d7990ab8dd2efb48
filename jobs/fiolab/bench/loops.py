# SPDX-License-Identifier: GPL-2.0-only
"""The loops without fio (jobs/loops): where make puts them, and their output;
and the kinds of sides of jobs/bench of which fio's timed run is not all."""
from collections.abc import Callable
import contextlib
from dataclasses import replace
from functools import partial
import math
import os
import re
import subprocess
import tempfile
import time
from typing import Any

from ..ab import runner
from ..ab.campaign import Campaign
from ..ab.results import Cell
from ..base import process
from ..base.problem import Problem
from ..fio import fiorun
from ..fio.sidespec import Side
from ..target import claim

BARE, CALL = "bareloop", "callloop"
FIO_LOOP = "fio-loop"       # fio's t/io_uring, on the distribution's libaio
IOPS_LINE = re.compile(r"^IOPS=([\d.]+)([KM]?), ", re.M)
MANY = {"": 1, "K": 1e3, "M": 1e6}
PATIENCE = 60
LEAST_RUNTIME = 0.2
JOBS = ("numjobs=64", "number_ios=200")     # of each of them
JOBS_CAP = 10                               # seconds


def path(name: str, build: str) -> str:
    """Where make puts the program."""
    return os.path.join(os.path.realpath(build), "loops", name)


def program(name: str, build: str) -> str:
    """path(), if it is there."""
    found = path(name, build)
    if not os.access(found, os.X_OK):
        raise Problem(f"there is no {name} at {found}: run `make` first, or "
                      "name the build folder with --build.")
    return found


def printed(command: list[str], parse_it: Callable[[str], Any],
            cpu: int | None, env: dict | None, who: str, seconds: float = 0,
            watch: Callable[[process.Child], Any] = lambda _: None) -> Any:
    """What parse_it (ValueError: nothing good) makes of a program's output.

    seconds: what it takes at least; watch: called while it runs.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8",
                                errors="replace") as out:
        with process.Child(command, cpu=cpu, env=env, stdout=out,
                           stderr=subprocess.STDOUT) as child:
            watch(child)
            child.wait(seconds + PATIENCE)
        out.seek(0)
        text = out.read()
    try:
        if child.status != 0:
            raise ValueError
        return parse_it(text)
    except ValueError:
        raise Problem(f"{who} (exit status {child.status}): "
                      f"{fiorun.words(text)}") from None


# Kinds of sides

def _figures(text):
    iops, cpu_us = map(float, text.split())
    if not 0 < iops < math.inf:
        raise ValueError(text)
    return {"iops": iops, "cpu_us": cpu_us}


def bare_run(campaign: Campaign, row: Cell, _role: str, seed: int,
             poll: bool = False) -> dict:
    """A run of the loop without fio, as deep as the row's job."""
    depth, = row.job.values("iodepth")
    runtime = row.runtime or campaign.runtime
    command = [path(BARE, campaign.asked.build), row.target.path,
               str(row.target.size), depth, str(int(row.target.direct)),
               str(round(campaign.ramp * 1000)), str(round(runtime * 1000)),
               str(seed), str(int(poll))]
    found = printed(command, _figures, campaign.asked.cpu, None,
                    "the bare loop failed", campaign.ramp + runtime)
    claim.check_same(row.target)
    return {**found, "seed": seed}


def _polling_run(campaign, row, role, seed):
    return bare_run(campaign, row, role, seed, True)


def _sum_run(campaign, row, role, seed):
    """Half as long each: fio with an engine that does nothing, and the loop.
    The time of an I/O is the sum."""
    half = replace(row, runtime=max((row.runtime or campaign.runtime) / 2,
                                    LEAST_RUNTIME))
    own = runner.timed(campaign, half, role, seed)
    bare = bare_run(campaign, half, role, seed)
    return {"iops": 1 / (1 / own["iops"] + 1 / bare["iops"]),
            "cpu_us": own["cpu_us"] + bare["cpu_us"],
            "null_iops": own["iops"], "bare_iops": bare["iops"], "seed": seed}


def _jobs_run(campaign, row, role, seed):
    side = campaign.side(row, role)
    options = [*fiorun.base_options(side, row.target, seed), *JOBS]
    start = time.monotonic()
    fiorun.run(campaign.fio, side, row.job, row.target, options, JOBS_CAP)
    return {"wall_s": time.monotonic() - start, "seed": seed}


def _fio_run(campaign, row, role, seed):
    found = runner.timed(campaign, row, role, seed)
    return {**found, "p50_us": found["lat_p50_us"],
            "p99_us": found["lat_p99_us"],
            "iops_per_cpu": 1e6 / found["cpu_us"]}


# fio's own bare loop

def loop_iops(text: str, seconds: int) -> float:
    """The mean of the lines that t/io_uring prints, one a second: but for the
    first, in which it starts, so many seconds; ValueError for fewer."""
    lines = [float(value) * MANY[unit]
             for value, unit in IOPS_LINE.findall(text)][1:]
    if len(lines) != seconds or not all(lines):
        raise ValueError(text)
    return sum(lines) / seconds


def _share(child, seconds):
    """Of a CPU that it gets while it counts; None where that was missed."""
    found = []
    for pause in (1, seconds):
        child.wait(pause)
        with contextlib.suppress(ProcessLookupError):
            found.append((time.monotonic(), process.cpu_clock(child.pid)))
    if len(found) < 2:
        return None
    (t1, cpu1), (t2, cpu2) = found
    return (cpu2 - cpu1) / (t2 - t1)


def _fio_loop_run(campaign, row, _role, _seed, batch):
    """Its offsets are of a seed of its own, and from all of the target.  It
    starts in its first second, and prints nothing of its last."""
    seconds = math.ceil(row.runtime or campaign.runtime)
    depth, = row.job.values("iodepth")
    shares = []
    iops = printed(
        [path(FIO_LOOP, campaign.asked.build), "-a1", f"-s{batch}",
         f"-c{batch}", f"-d{depth}", "-p0", f"-r{seconds + 2}", "--",
         row.target.path], partial(loop_iops, seconds=seconds),
        campaign.asked.cpu, None, "fio's bare loop failed", seconds + 2,
        lambda child: shares.append(_share(child, seconds)))
    claim.check_same(row.target)
    if not shares[0]:
        raise Problem("this machine is too busy to measure the CPU time of "
                      "fio's bare loop: stop what else runs here.")
    return {"iops": iops, "cpu_us": shares[0] * 1e6 / iops,
            "iops_per_cpu": iops / shares[0]}


def more_seconds(side: Side) -> int:
    """That a run of a side takes beside what is asked for."""
    return 2 if side in FIO_LOOPS else 0


def check_fio_loop(campaign: Campaign) -> None:
    """A Problem where it is not there, or not of the fio in use."""
    build, mine = os.path.realpath(campaign.asked.build), campaign.fio.version
    where = path(FIO_LOOP, build)
    if not os.access(where, os.X_OK):
        raise Problem(f"there is no {where}: `make bench` builds it, where "
                      "make has the source tree of this fio.")
    with open(os.path.join(build, "fio", ".version"), encoding="utf-8") as file:
        tree = file.read().strip()
    if tree != mine:
        raise Problem(f"the build folder has the bare loop of {tree}, and this "
                      f"fio is {mine}: give make and this the same FIO.")
    told = subprocess.run([where, "-h"], stdin=subprocess.DEVNULL, text=True,
                          capture_output=True, timeout=PATIENCE, check=False)
    if not {"-a", "-r"} <= set(told.stdout.split()):
        raise Problem(f"t/io_uring of {mine} has not the options -a and -r, "
                      "which came with fio 3.29.")


BARE_LOOP = Side("bare loop", "")
POLLING = Side("polling bare loop", "")     # what a spin can reach at most
SUM = Side("fio's null + bare loop", "null")     # one I/O in each of both
# How many I/Os at most each submits, and waits for, at a time.
FIO_LOOPS = {Side("fio's bare loop", ""): 1,
             Side("fio's bare loop by 32", ""): 32}
KINDS: dict[Side, Callable[..., dict]] = {
    BARE_LOOP: bare_run, POLLING: _polling_run, SUM: _sum_run,
    **{side: partial(_fio_loop_run, batch=batch)
       for side, batch in FIO_LOOPS.items()}}


def one_run(campaign: Campaign, row: Any, role: str, seed: int) -> dict:
    """A run of a row of jobs/bench, as the kind of its side makes it."""
    if row.spec.part == "jobs":
        return _jobs_run(campaign, row, role, seed)
    kind = KINDS.get(campaign.side(row, role), _fio_run)
    return kind(campaign, row, role, seed)
