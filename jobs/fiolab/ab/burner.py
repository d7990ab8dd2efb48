# SPDX-License-Identifier: GPL-2.0-only
"""A handicap of CPU time, for the duets of --self-check: a command that runs
beside its own fio and burns a given share of what that uses.  It is of fio's
process tree and session, so that a duet has to find what it burns."""
from collections.abc import Sequence
import os
import signal
import subprocess
import sys
import time

from ..base import process
from ..base.commandline import JOBS
from ..fio import duet
from ..fio.fiorun import Fio
from ..target.target import Target

PAUSE, AT_ONCE = 0.002, 0.004   # seconds
BEGUN = "begun"         # of a duet's gate, in the folder of the run
# fio runs in a folder of its own.
BURN = f"""import sys
sys.path.insert(0, {os.path.abspath(JOBS)!r})
from fiolab.ab import burner
burner.burn(float(sys.argv[1]), sys.argv[2:])"""


class Burdened(duet.Member):
    """A fio beside which SHARE of its CPU time is burned."""
    SHARE = 0.25

    def command(self, fio: Fio, target: Target) -> list[str]:
        return [sys.executable, "-c", BURN, str(self.SHARE),
                *super().command(fio, target)]

    def counted(self, pids: list[int]) -> list[int]:
        """fio's jobs alone, which are children of its main process."""
        return super().counted(pids)[1:]


def _of_fio(pid):
    """fio's processes; its jobs are children of the first."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children",
                  encoding="ascii") as file:
            return [pid, *map(int, file.read().split())]
    except OSError:             # it has just ended
        return [pid]


class Debt:
    """CPU seconds that are still to be burned, of what fio uses from the first
    look on; what this process uses for looking is counted as burned."""

    def __init__(self, share: float):
        self.share, self.begin = share, time.process_time()
        self.first: dict[int, float] = {}
        self.used: dict[int, float] = {}

    def left(self, pids: Sequence[int]) -> float:
        for pid in pids:
            try:
                now = process.cpu_clock(pid)
                self.used[pid] = now - self.first.setdefault(pid, now)
            except ProcessLookupError:
                continue            # what it had used by then counts
        burned = time.process_time() - self.begin
        return self.share * sum(self.used.values()) - burned


def _end_with_parent():
    process.LIBC.prctl(process.PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def burn(share: float, command: Sequence[str]) -> None:
    """Run a command to its end, with its exit status."""
    with subprocess.Popen(command, preexec_fn=_end_with_parent) as child:
        while child.poll() is None and not os.path.exists(BEGUN):
            time.sleep(PAUSE)       # its set-up is no I/O
        debt = Debt(share)
        while child.poll() is None:
            left = debt.left(_of_fio(child.pid))
            end = time.process_time() + min(left, AT_ONCE)
            while time.process_time() < end:
                pass
            if left < AT_ONCE:
                time.sleep(PAUSE)
    sys.exit(child.returncode % 256 if child.returncode >= 0 else
             128 - child.returncode)
