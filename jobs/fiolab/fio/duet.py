# SPDX-License-Identifier: GPL-2.0-only
"""Several runs at once on one CPU: the scheduler gives each its turn every few
milliseconds, so that whatever the machine does hits all of them alike.

All set up first and then wait at a gate; when the last has come, they begin
together.  What a figure of such a run is worth is found out beside it: whether
they did begin together and all ran to the end, what share of the CPU each
had, and what others took (Found).
"""
from collections.abc import Callable, Mapping
import contextlib
from dataclasses import dataclass
import os
import time
from typing import Any, Self

from ..base import process
from ..target.target import Target
from . import cpushare, fiorun, jobfile, timedrun
from .fiorun import PATIENCE, Fio
from .jobfile import Job
from .metrics import entries, figures
from .sidespec import Side

GATE, GO = "gate", "go"         # in fio's folder: the script, and the pipe
# Opening a pipe for reading waits for who opens it for writing, so nobody
# spends CPU time on waiting; should we be killed, it ends by itself.
SCRIPT = f"""echo >> started
timeout {PATIENCE} sh -c ': < ../{GO}' || exit 1
echo >> begun
"""
MARGIN = 0.02           # seconds before the end at which the last look is due
SAMPLE = 0.01           # between looks from there on
# What is still together, and still equal; shares of the timed part.
SKEW, JITTER = 0.1, 0.05        # a share of that, or seconds
LEAST = 0.3             # of the timed part has to be seen
EQUAL, SLICES = 0.25, 0.012     # of the mean share, and seconds beside that
AWAKE = 0.1             # asleep for less than that: bound by the CPU
GRAINS = 10             # ms of CPU time, below which fio's whole ms say little


class Uneven(Exception):
    """These runs were no duet: why, as the report says it."""


class Unequal(Uneven):
    """All had enough to do, and yet they had other shares of the CPU."""


class Gate:
    """Where all wait; it opens once, for all of them."""

    def __init__(self, folder: str):
        self.pipe, script = (os.path.join(folder, name)
                             for name in (GO, GATE))
        self.writer: int | None = None
        try:
            with open(script, "w", encoding="ascii") as file:
                file.write(SCRIPT)
            os.mkfifo(self.pipe)
        except OSError as error:
            raise fiorun.no_room(script, error.strerror) from None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.writer is not None:
            os.close(self.writer)
        with contextlib.suppress(FileNotFoundError):    # with all of it
            os.unlink(self.pipe)

    def open(self) -> bool:
        """False while nobody waits there."""
        try:
            self.writer = os.open(self.pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return False
        return True


class Member(fiorun.Run):
    """A fio that waits at the gate, once in each of its jobs."""

    def __init__(self, fio: Fio, side: Side, job: Job, target: Target,
                 options: list[str]):
        self.options = options
        self.jobs = len(job.ranges(0, target.size))
        self.threads = any(one.get("thread", "0") != "0" for one in
                           jobfile.in_force(job.text, "thread"))
        super().__init__(fio, side, job, target, options)

    def _at(self, mark):
        """When the last of its jobs was there (time.time), or None."""
        try:
            found = os.stat(self.file(mark))
        except FileNotFoundError:
            return None
        return found.st_mtime if found.st_size >= self.jobs else None

    def ready(self) -> bool:
        return self._at("started") is not None

    def begun(self) -> float | None:
        """When it passed the gate (time.time)."""
        return self._at("begun")

    def counted(self, pids: list[int]) -> list[int]:
        """The threads whose CPU time fio itself counts: each job is a process
        of its own; none where jobs are threads, among others."""
        return [] if self.threads else [pid for pid in pids
                                        if pid != self.child.pid]

    def result(self, seconds: float, used: cpushare.Spent) -> dict:
        """The figures of the run.

        fio counts the CPU time of its jobs over exactly the I/Os that it
        counts; what others of its threads had beside them is added in
        proportion.  (A look from outside begins and ends in the middle of a
        turn on the CPU, of which there are fifty in half a second.)  It cuts
        user and system time to whole ms, so half of one is added to each; of
        little time, as of who sleeps, that would be most, and two sides that
        differ would seem equal, so the look from outside counts then.
        """
        kept = figures(entries(self.finish(seconds)))
        clock = used.cpu / used.seconds * 1e6 / kept["iops"] if kept[
            "iops"] else 0
        if not clock:
            raise timedrun.Idle(str(self.problem("it completed no I/O")))
        grain = 1000 * self.jobs / kept["ios"]
        own = kept["fio_cpu_us"] + grain
        known = used.jobs and kept["fio_cpu_us"] >= GRAINS * grain
        return {**kept, "clock_cpu_us": clock,
                "cpu_us": (own * (1 + used.more / used.jobs) if known
                           else clock)}


@dataclass
class Found:
    """What was seen of the runs beside their figures; shares are of the
    timed part, or of the CPU time of all of them (kernel)."""
    skew_s: float
    kernel: float               # of kernel threads, charged to none of them
    others: float               # of the CPU, that others took
    sides: dict                 # by role, see _shares()
    used: dict                  # by role, cpushare.Spent

    @classmethod
    def of(cls, used: Mapping[str, cpushare.Spent],
           begun: Mapping[str, float], kernel: float, busy: float) -> Self:
        """kernel, busy: seconds in each second, of kernel threads and of the
        CPU."""
        sides = {role: _shares(one) for role, one in used.items()}
        total = max(sum(one["cpu"] for one in sides.values()), 1e-9)
        return cls(max(begun.values()) - min(begun.values()), kernel / total,
                   max(0.0, busy - total), sides, dict(used))

    def data(self) -> dict:
        return {name: value for name, value in self.__dict__.items()
                if name != "used"}

    def judge(self) -> None:
        """Uneven if these were no duet."""
        seconds = next(iter(self.used.values())).seconds
        if self.skew_s > max(SKEW * seconds, JITTER):
            raise Uneven(f"they began {self.skew_s * 1000:.0f} ms apart")
        shares = [one["cpu"] for one in self.sides.values()]
        mean = sum(shares) / len(shares)
        bound = all(one["asleep"] < AWAKE for one in self.sides.values())
        if bound and max(shares) - min(shares) > \
                EQUAL * mean + SLICES / seconds:
            raise Unequal("their shares of the CPU were " + ", ".join(
                f"{role} {one['cpu']:.0%}" for role, one in
                self.sides.items()))


def _shares(one):
    """Of what one of them used: shares of the time (cpu, asleep), and of its
    CPU time."""
    cpu = max(one.cpu, 1e-9)
    return {"cpu": one.cpu / one.seconds, "asleep": one.asleep,
            "more": one.more / cpu, "elsewhere": one.elsewhere / cpu}


def _first_to_end(members):
    for one in members.values():
        if one.child.wait(0):
            return one
    return None


def _await(members, reached, what):
    """Until reached() is true of all of them; a failure of one goes first."""
    end = time.monotonic() + PATIENCE
    while not all(map(reached, members.values())):
        ended = _first_to_end(members)
        if ended and not reached(ended):
            ended.finish(0)
            raise ended.problem("it ended before any I/O")
        if time.monotonic() > end:
            late = next(one for one in members.values() if not reached(one))
            raise late.problem(f"{what} takes more than a minute")
        time.sleep(0.002)


def _begin(members, gate):
    """Let them all begin; when each did."""
    _await(members, lambda one: one.ready(), "set-up")
    _await(members, lambda _: gate.writer is not None or gate.open(),
           "the way to the gate")
    _await(members, lambda one: one.begun() is not None, "the start")
    return {role: one.begun() for role, one in members.items()}


def _sleep(members, until):
    """Until that moment; no longer than all of them run."""
    while time.time() < until:
        ended = _first_to_end(members)
        if ended:
            ended.finish(0)     # a failure of it
            raise Uneven(f"{ended.side.text} ended before the timed part did")
        time.sleep(max(0, min(0.05, until - time.time())))


def _moments(trees):
    return {role: cpushare.Moment(pids) for role, pids in trees.items()}


def _watch(members, begin, end, ramp):
    """(first, last looks, the trees) within [begin, end]."""
    _sleep(members, begin - ramp / 2)       # they have left the gate
    trees = {role: process.tree(one.child.pid)
             for role, one in members.items()}
    cpushare.check_alike(trees)
    _sleep(members, begin)
    first = last = _moments(trees)
    _sleep(members, end - max(MARGIN, (end - begin) / 50))
    try:
        while time.time() < end:
            last = _moments(trees)
            time.sleep(SAMPLE)
    except ProcessLookupError:
        pass
    return first, last, trees


def together(cpu: int, folder: str,
             makers: Mapping[str, Callable[[], Any]], runtime: float,
             ramp: float) -> tuple[dict[str, dict], Found]:
    """({role: figures}, Found) of runs that go on at once on a CPU.

    makers: by role what starts a Member (or what is like one), in the order
    of starting; folder: fio's, where the gate is.  Uneven if they were no
    duet; after any failure all of them have ended.
    """
    with contextlib.ExitStack() as stack:
        gate = stack.enter_context(Gate(folder))
        members = {role: stack.enter_context(make())
                   for role, make in makers.items()}
        begun = _begin(members, gate)
        seen = _watched(cpu, members, begun, runtime, ramp)
        results = {role: one.result(PATIENCE, seen.used[role])
                   for role, one in members.items()}
    seen.judge()
    return results, seen


def _watched(cpu, members, begun, runtime, ramp):
    """The Found of runs that have begun, up to the end of the timed part."""
    begin, end = max(begun.values()) + ramp, min(
        begun.values()) + ramp + runtime
    before, busy, since = cpushare.kernel_threads(), cpushare.busy(
        cpu), time.time()
    try:
        first, last, trees = _watch(members, begin, end, ramp)
        if any(last[role].time - first[role].time < LEAST * runtime
               for role in trees):
            raise timedrun.Disturbed
    except (ProcessLookupError, timedrun.Disturbed):
        for one in members.values():
            one.finish(PATIENCE)        # a failure of fio goes first
        raise timedrun.Disturbed from None
    cpushare.check_pinned(cpu, [one.child.pid for one in members.values()])
    passed = time.time() - since
    kernel = cpushare.worked(before, cpushare.kernel_threads()) / passed
    return Found.of({role: cpushare.spent(
        first[role], last[role], one.counted(trees[role]), cpu)
        for role, one in members.items()}, begun, kernel,
        (cpushare.busy(cpu) - busy) / passed)


def options_of(side: Side, part: Target, seed: int, runtime: float,
               ramp: float, offset: int = 0) -> list[str]:
    """The option lines of a run of fio in a duet, on that part of a target
    which begins at an offset."""
    return [*fiorun.base_options(side, part, seed), f"offset={offset}",
            *timedrun.timed_options(runtime, ramp)[:-1],
            f"exec_prerun=sh ../{GATE}"]
