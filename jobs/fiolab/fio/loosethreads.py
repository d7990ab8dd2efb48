# SPDX-License-Identifier: GPL-2.0-only
# Threads that the pinning of fio does not hold: an engine may let go of it for
# threads of its own, as those of SPDK and DPDK and the workers of io_uring do,
# and then has more than one CPU in a run that is not a duet.
from collections.abc import Iterable
import os
from typing import Any

from .sidespec import LETTERS


def names(pids: Iterable[int], cpu: int | None) -> list[str]:
    """Of the threads of processes that may run on other CPUs than that."""
    found: set[str] = set()
    for pid in pids if cpu is not None else ():
        try:
            for tid in map(int, os.listdir(f"/proc/{pid}/task")):
                if os.sched_getaffinity(tid) != {cpu}:
                    with open(f"/proc/{pid}/task/{tid}/comm",
                              encoding="utf-8", errors="replace") as file:
                        found.add(file.read().strip())
        except OSError:         # it has just ended
            continue
    return sorted(found)


def said(cells: Iterable[Any]) -> list[str]:
    """A sentence for each side of cells that has such threads."""
    found: dict[int, set[str]] = {}
    for cell in cells:
        for role, threads in cell.loose.items():
            number = cell.b if role == "B" else cell.a
            found.setdefault(number, set()).update(threads)
    return [f"threads of side {LETTERS[number]} "
            f"({ascii(', '.join(sorted(threads)))[1:-1]}) may run on other "
            "CPUs than the one to which fio is pinned, as their engine has "
            "it: their CPU time is counted, but its IOPS and latencies may be "
            "those of more than one CPU."
            for number, threads in sorted(found.items()) if threads]
