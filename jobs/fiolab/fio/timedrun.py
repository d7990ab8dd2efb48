# SPDX-License-Identifier: GPL-2.0-only
# A timed run of fio on this machine, and the CPU time that all of its processes
# use while the timed part runs.
import os
import time

from ..base import process
from ..base.problem import Problem
from ..target.target import Target
from . import cpushare, loosethreads, runfigures
from .fiorun import LATENCY, PATIENCE, Fio, Run, base_options
from .jobfile import Job
from .metrics import entries
from .sidespec import Side

SAMPLE = 0.02           # seconds between looks at fio's CPU clocks


def timed_options(runtime: float, ramp: float) -> list[str]:
    """Option lines of a timed run; exec_prerun tells when the ramp begins."""
    return ["time_based=1", f"runtime={round(runtime * 1000)}ms",
            f"ramp_time={round(ramp * 1000)}ms", *LATENCY,
            "exec_prerun=touch started"]


class Disturbed(Exception):
    """This process got no CPU for so long that it missed the timed part."""


class Idle(Problem):
    """No I/O in the timed part: fio was starved, if it happens only once."""


def await_start(run_: Run) -> float:
    """The moment (time.time) at which fio's first job ended its set-up.  (All
    of the run may be over when this process gets a CPU again.)"""
    end, mark = time.monotonic() + PATIENCE, run_.file("started")
    while not os.path.exists(mark):
        if run_.child.wait(0.005) and not os.path.exists(mark):
            run_.finish(0)
            raise run_.problem("it ended before any I/O")
        if time.monotonic() > end:
            raise run_.problem("set-up takes more than a minute")
    return os.stat(mark).st_mtime


def _clocks(pids):
    return time.time(), sum(process.cpu_clock(pid) for pid in pids)


def _samples(run_, begin, end, cpu):
    """([(time, CPU seconds)] of fio's processes, all within the timed part,
    their threads that are not pinned)"""
    run_.child.wait(begin - time.time())
    pids, found = process.tree(run_.child.pid), []
    loose = loosethreads.names(pids, cpu)
    try:
        while time.time() < end:
            found.append(_clocks(pids))
            run_.child.wait(min(SAMPLE, end - time.time()))
    except ProcessLookupError:      # the first of them has ended
        pass
    return [sample for sample in found if sample[0] < end], loose


def _cpu_rate(run_, runtime, ramp, cpu):
    """(CPU seconds per second of fio's whole process tree, in the timed part,
    its threads that are not pinned to a CPU)

    From the processes' CPU clocks, between the end of the ramp and the last
    look before the end of the runtime, so start-up, layout, ramp and tear-down
    are in neither the CPU time nor the I/Os.  (The rusage of wait4 holds all
    of them, while fio does not count the ramp's I/Os; fio's own usr and sys
    do not see the threads of an engine.)
    """
    begin = await_start(run_) + ramp
    found, loose = _samples(run_, begin, begin + runtime, cpu)
    if not found or found[-1][0] - found[0][0] < runtime / 2:
        run_.finish(runtime + PATIENCE)     # a failure of fio goes first
        # (The shell that told of the start may have ended late, instead.)
        if time.time() < begin + runtime:
            raise run_.problem(
                "it was over before its time, as a job is that only verifies, "
                "of which fio does one pass with some engines: give a larger "
                "--size, or a shorter --runtime")
        raise Disturbed
    (t1, cpu1), (t2, cpu2) = found[0], found[-1]
    return (cpu2 - cpu1) / (t2 - t1), loose


def timed(fio: Fio, side: Side, job: Job, target: Target, seed: int,
          runtime: float, ramp: float) -> dict:
    """One timed run: the figures that the comparison keeps of it."""
    options = base_options(side, target, seed) + timed_options(runtime, ramp)
    ramp += job.lasts()
    cpu = fio.of(side).cpu
    with Run(fio, side, job, target, options) as started:
        rate, loose = _cpu_rate(started, runtime, ramp, cpu)
        cpushare.check_pinned(cpu, [started.child.pid])
        result = started.finish(runtime + ramp + PATIENCE)
        kept = runfigures.of_run(entries(result), side.syncs)
        if not kept["iops"] > 0 or not rate > 0:
            raise Idle(str(started.problem("it completed no I/O")))
    usage, done = started.child.usage, started.commands.done
    return {**kept, "cpu_us": rate * 1e6 / kept["iops"],
            "rusage_s": usage.ru_utime + usage.ru_stime, "seed": seed,
            "options": options, **({"commands": done} if done else {}),
            **({"loose": loose} if loose else {})}
