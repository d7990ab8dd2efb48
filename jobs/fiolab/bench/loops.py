# SPDX-License-Identifier: GPL-2.0-only
"""The loops without fio (jobs/loops): where make puts them, and their output;
and the kinds of sides of jobs/bench of which fio's timed run is not all."""
from collections.abc import Callable
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
from .bounds import FLOOR

BARE, CALL = "bareloop", "callloop"
FIO_LOOP = "fio-loop"       # fio's t/io_uring, on the distribution's libaio
IOPS_LINE = re.compile(r"^IOPS=([\d.]+)([KM]?), ", re.M)
MANY = {"": 1, "K": 1e3, "M": 1e6}
PATIENCE = 60
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
            cpu: int | None, env: dict | None, who: str,
            seconds: float = 0) -> Any:
    """What parse_it (ValueError: nothing good) makes of a program's output.

    seconds: what it takes at least.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8",
                                errors="replace") as out:
        with process.Child(command, cpu=cpu, env=env, stdout=out,
                           stderr=subprocess.STDOUT) as child:
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

def bare_figures(text: str) -> dict[str, float]:
    """Of what the bare loop prints; ValueError for anything else."""
    iops, cpu_us = map(float, text.split())
    if not 0 < iops < math.inf:
        raise ValueError(text)
    return {"iops": iops, "cpu_us": cpu_us}


def bare_command(campaign: Campaign, row: Cell, seed: int,
                 poll: bool = False) -> list[str]:
    """The loop without fio, as deep as the row's job."""
    depth, = row.job.values("iodepth")
    runtime = row.runtime or campaign.runtime
    return [path(BARE, campaign.asked.build), row.target.path,
            str(row.target.size), depth, str(int(row.target.direct)),
            str(round(campaign.ramp * 1000)), str(round(runtime * 1000)),
            str(seed), str(int(poll))]


def bare_run(campaign: Campaign, row: Cell, _role: str, seed: int,
             poll: bool = False) -> dict:
    """A run of it."""
    found = printed(bare_command(campaign, row, seed, poll), bare_figures,
                    campaign.asked.cpu, None, "the bare loop failed",
                    campaign.ramp + (row.runtime or campaign.runtime))
    claim.check_same(row.target)
    return {**found, "seed": seed}


def _polling_run(campaign, row, role, seed):
    return bare_run(campaign, row, role, seed, True)


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


def fio_loop_command(campaign: Campaign, row: Cell, batch: int,
                     seconds: int) -> list[str]:
    """Its offsets are of a seed of its own, and from all of the target.  It
    starts in its first second, and prints nothing of its last."""
    depth, = row.job.values("iodepth")
    return [path(FIO_LOOP, campaign.asked.build), "-a1", f"-s{batch}",
            f"-c{batch}", f"-d{depth}", "-p0", f"-r{seconds + 2}", "--",
            row.target.path]


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
SUM = Side(FLOOR, "null")     # one I/O in each of both
# How many I/Os at most each submits, and waits for, at a time.
FIO_LOOPS = {Side("fio's bare loop", ""): 1,
             Side("fio's bare loop by 32", ""): 32}
OWN = (BARE_LOOP, POLLING, SUM, *FIO_LOOPS)     # all that is here


def one_run(campaign: Campaign, row: Any, role: str, seed: int) -> dict:
    """A run of a row of jobs/bench, as the kind of its side makes it."""
    if row.spec.part == "jobs":
        return _jobs_run(campaign, row, role, seed)
    how = _polling_run if campaign.side(row, role) == POLLING else _fio_run
    return how(campaign, row, role, seed)
