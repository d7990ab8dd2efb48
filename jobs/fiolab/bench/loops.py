# SPDX-License-Identifier: GPL-2.0-only
"""The loops without fio (jobs/loops): where make puts them, and their output;
and the kinds of sides of jobs/bench of which fio's timed run is not all."""
from collections.abc import Callable
from dataclasses import replace
import math
import os
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
            cpu: int | None, env: dict | None, who: str) -> Any:
    """What parse_it (ValueError: nothing good) makes of a program's output."""
    with tempfile.TemporaryFile("w+", encoding="utf-8",
                                errors="replace") as out:
        with process.Child(command, cpu=cpu, env=env, stdout=out,
                           stderr=subprocess.STDOUT) as child:
            child.wait(PATIENCE)
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
                    "the bare loop failed")
    claim.check_same(row.target)
    return {**found, "seed": seed}


def _polling_run(campaign, row, role, seed):
    return bare_run(campaign, row, role, seed, True)


def _ceiling_run(campaign, row, role, seed):
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
    return {**found, "p50_us": found["lat_p50_us"]}


BARE_LOOP = Side("bare loop", "")
POLLING = Side("polling bare loop", "")     # what a spin can reach at most
CEILING = Side("fio's null + bare loop", "null")    # what any engine can
KINDS: dict[Side, Callable[..., dict]] = {
    BARE_LOOP: bare_run, POLLING: _polling_run, CEILING: _ceiling_run}


def one_run(campaign: Campaign, row: Any, role: str, seed: int) -> dict:
    """A run of a row of jobs/bench, as the kind of its side makes it."""
    if row.spec.part == "jobs":
        return _jobs_run(campaign, row, role, seed)
    kind = KINDS.get(campaign.side(row, role), _fio_run)
    return kind(campaign, row, role, seed)
