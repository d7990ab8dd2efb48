# SPDX-License-Identifier: GPL-2.0-only
# Who uses a CPU: the threads of a process tree, what they ran and how long
# they waited for it (/proc/PID/task/TID/schedstat, ns), what kernel threads did
# in the meantime, and how a process stands before the scheduler.
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
import os
import time
from typing import NamedTuple

from ..base import process
from ..base.problem import Problem

NS = 1e9
KERNEL_PARENT = 2               # kthreadd's pid, the parent of kernel threads
LAST_CPU = 36                   # in stat, counted after the name; proc(5)
FLAGS, PF_EXITING = 6, 4        # there, too; <linux/sched.h>
TICK = os.sysconf("SC_CLK_TCK")


class Unlike(Problem):
    """Of trees that do not stand alike before the scheduler."""


class Thread(NamedTuple):
    """Of one thread: seconds that it ran and that it waited to run, and the
    CPU on which it ran last."""
    ran: float
    waited: float
    cpu: int


def _schedstat(path):
    with open(f"{path}/schedstat", encoding="ascii") as file:
        ran, waited, _ = file.read().split()
    return int(ran) / NS, int(waited) / NS


def _fields(path):
    """The fields of a stat file, behind the name in brackets."""
    with open(f"{path}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()


def threads(pid: int) -> dict[int, Thread]:
    """{tid: Thread} of a process; those that end meanwhile are left out."""
    found, folder = {}, f"/proc/{pid}/task"
    try:
        for name in os.listdir(folder):
            path = f"{folder}/{name}"
            try:
                ran, waited = _schedstat(path)
                found[int(name)] = Thread(ran, waited,
                                          int(_fields(path)[LAST_CPU]))
            except (OSError, ValueError, IndexError):
                continue
    except OSError:
        raise ProcessLookupError(pid) from None
    return found


class Moment:
    """What a tree had used at a moment; ProcessLookupError once it ends."""

    def __init__(self, pids: list[int]):
        self.time = time.time()
        self.clock = sum(process.cpu_clock(pid) for pid in pids)
        self.threads = {tid: one for pid in pids
                        for tid, one in threads(pid).items()}


@dataclass(frozen=True)
class Spent:
    """What a tree used between two moments, in seconds.

    jobs: of the threads that fio counts itself; more: of all others (io-wq's
    workers, an engine's own); elsewhere: of those last seen on another CPU.
    """
    seconds: float
    cpu: float
    jobs: float
    more: float
    waited: float
    elsewhere: float

    @property
    def asleep(self) -> float:
        """The share of the time in which it neither ran nor wanted to."""
        return max(0.0, 1 - (self.cpu + self.waited) / self.seconds)


def spent(first: Moment, last: Moment, jobs: Iterable[int],
          cpu: int | None) -> Spent:
    """jobs: the tids of the threads that fio counts itself."""
    new = Thread(0.0, 0.0, -1)
    ran = {tid: one.ran - first.threads.get(tid, new).ran
           for tid, one in last.threads.items()}
    counted = sum(ran.get(tid, 0) for tid in jobs)
    clock = last.clock - first.clock
    # A thread's schedstat lags by a tick; what is gone is in the clock alone.
    gone = clock - sum(ran.values())
    more = sum(ran.values()) - counted
    more += gone if gone > len(ran) / TICK + 0.02 * clock else 0
    return Spent(
        last.time - first.time, clock, counted, more,
        sum(one.waited - first.threads.get(tid, new).waited
            for tid, one in last.threads.items()),
        sum(ran[tid] for tid, one in last.threads.items()
            if cpu not in (None, one.cpu)))


def kernel_threads() -> dict[int, float]:
    """{pid: CPU seconds that it has used} of all kernel threads."""
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        path = f"/proc/{name}"
        try:
            if int(_fields(path)[1]) == KERNEL_PARENT:
                found[int(name)] = _schedstat(path)[0]
        except (OSError, ValueError, IndexError):
            continue
    return found


def worked(first: Mapping[int, float], last: Mapping[int, float]) -> float:
    """Seconds between two kernel_threads(); of a thread that has ended, as idle
    workers do, nobody knows what it still did."""
    return sum(max(0.0, ran - first.get(pid, 0.0))
               for pid, ran in last.items())


def busy(cpu: int) -> float:
    """Seconds in which a CPU worked, what the hypervisor took left out; in
    ticks of 10 ms."""
    with open("/proc/stat", encoding="ascii") as file:
        for line in file:
            if line.startswith(f"cpu{cpu} "):
                user, nice, system, _, _, irq, soft = map(
                    int, line.split()[1:8])
                return (user + nice + system + irq + soft) / TICK
    return 0.0


def _line(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def cgroup_of_cpu(text: str) -> str:
    """Of /proc/PID/cgroup those that share out a CPU: that of version 2, and of
    version 1 the controllers cpu and cpuset (who is moved to another group of
    memory alone, as some supervisors do, gets no other share)."""
    return " ".join(line for line in text.splitlines() if {
        "", "cpu", "cpuset"} & set(line.split(":")[1].split(",")))


def standing(pid: int) -> dict[str, str]:
    """What decides about a process's share of its CPU.  Of an autogroup the
    nice value alone: each side has one of its own, as it is a session.
    ProcessLookupError once it has ended."""
    try:
        found = {
            "scheduling class": str(os.sched_getscheduler(pid)),
            "nice value": str(os.getpriority(os.PRIO_PROCESS, pid)),
            "cgroup": cgroup_of_cpu(_line(f"/proc/{pid}/cgroup")),
            "nice value of the autogroup":
            _line(f"/proc/{pid}/autogroup").rpartition(" ")[2]}
        if int(_fields(f"/proc/{pid}")[FLAGS]) & PF_EXITING:
            raise ProcessLookupError(pid)
    except OSError:
        raise ProcessLookupError(pid) from None
    return found


def _standing(pids):
    """Of those that have not ended; a shell of the gate may still be there, and
    its cgroup is no longer its own."""
    for pid in pids:
        try:
            yield standing(pid)
        except ProcessLookupError:
            continue


def check_alike(trees: Mapping[str, Iterable[int]]) -> None:
    """A Problem where the trees (pids by role) do not stand alike;
    ProcessLookupError where one of them has ended."""
    found = {role: list(_standing(pids)) for role, pids in trees.items()}
    if not all(found.values()):
        raise ProcessLookupError
    for name in next(iter(found.values()))[0]:
        each = {role: sorted({one[name] for one in many})
                for role, many in found.items()}
        if any(values != next(iter(each.values()))
               for values in each.values()):
            said = "; ".join(f"{role} has {', '.join(map(repr, values))}"
                             for role, values in each.items())
            raise Unlike(f"the sides do not have the same {name} ({said}), so "
                         "that one gets more of the CPU: give both the same, "
                         "or --pairing alternate.")


def check_pinned(cpu: int | None, pids: Iterable[int]) -> None:
    """A Problem where one of them may run on other CPUs, too; None: all may."""
    for pid in pids if cpu is not None else ():
        try:
            allowed = os.sched_getaffinity(pid)
        except OSError:
            continue
        if allowed != {cpu}:
            raise Problem(
                f"CPU {cpu} was taken from fio in the middle of a run (is it "
                "offline, or no longer allowed?): bring it back, then go on "
                "with --resume.")
