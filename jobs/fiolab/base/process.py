# SPDX-License-Identifier: GPL-2.0-only
# Child processes: start one, wait with a time limit, read the CPU time of it
# and all of its descendants, and end them all.  fio's forked jobs start
# sessions of their own, so a process group does not reach them: they are found
# by parent and signalled through pidfds, which cannot hit a recycled pid.
# Should this process be killed, the kernel asks the child to end: fio hands
# that on to its jobs, which else went on writing, beside whatever comes next.
from collections.abc import Iterator, Sequence
import contextlib
import ctypes
import os
import resource
import select
import signal
import subprocess
import threading
import time
from typing import Any, Self

GRACE = 3
# Those that end a command; see commandline.py.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)
PR_SET_PDEATHSIG = 1        # <linux/prctl.h>
LIBC = ctypes.CDLL(None)    # loaded before any fork


@contextlib.contextmanager
def signals_later() -> Iterator[None]:
    """What would end this command waits for the end of the block."""
    if threading.current_thread() is not threading.main_thread():
        yield                       # other threads get no signals
        return
    arrived: list[int] = []
    kept = {}
    try:
        for number in ENDING:
            kept[number] = signal.signal(
                number, lambda number, _frame: arrived.append(number))
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, signal.SIG_DFL if handler is None
                          else handler)
        if arrived:
            os.kill(os.getpid(), arrived[0])


def _parents():
    """{pid: parent pid} of all processes."""
    table = {}
    for name in os.listdir("/proc"):
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                after_name = file.read().rpartition(b")")[2]
                table[int(name)] = int(after_name.split()[1])
        except (OSError, ValueError, IndexError):
            continue
    return table


def tree(pid: int) -> list[int]:
    """The process and all of its living descendants."""
    parents, found = _parents(), [pid]
    for parent in found:
        found += [child for child, p in parents.items() if p == parent]
    return found


def cpu_clock(pid: int) -> float:
    """CPU seconds that all threads of a process used, to the nanosecond."""
    clock = ctypes.c_int()
    if LIBC.clock_getcpuclockid(pid, ctypes.byref(clock)):
        raise ProcessLookupError(pid)
    return time.clock_gettime(clock.value)


def _prepared(cpu, nice):
    """What the child does before it becomes the command."""
    parent = os.getpid()

    def prepare():
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:          # it was killed before that
            os.kill(os.getpid(), signal.SIGKILL)
        if cpu is not None:
            os.sched_setaffinity(0, {cpu})
        if nice is not None:
            os.setpriority(os.PRIO_PROCESS, 0, nice)
    return prepare


class Child:
    """A running command.  Use as a context manager: on leaving, it is gone."""

    def __init__(self, command: Sequence[str], cpu: int | None = None,
                 nice: int | None = None, **popen: Any):
        self.process = subprocess.Popen(command, start_new_session=True,
                                        preexec_fn=_prepared(cpu, nice),
                                        stdin=subprocess.DEVNULL, **popen)
        self.pid = self.process.pid
        self.pidfd = os.pidfd_open(self.pid)
        self.status: int | None = None
        self.usage: resource.struct_rusage | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_):
        if self.status is None:
            self.kill()
        os.close(self.pidfd)

    def wait(self, seconds: float) -> bool:
        """True once it has ended; False if it still runs after that time."""
        if self.status is None and select.select([self.pidfd], [], [],
                                                 max(0, seconds))[0]:
            _, raw, self.usage = os.wait4(self.pid, 0)
            self.status = os.waitstatus_to_exitcode(raw)
            self.process.returncode = self.status
        return self.status is not None

    def kill(self) -> None:
        """Ask all of its processes to end; after a grace, make them."""
        handles = []
        for pid in tree(self.pid):
            try:
                handles.append(os.pidfd_open(pid))
            except OSError:
                continue
        _send(handles, signal.SIGTERM)
        end = time.monotonic() + GRACE
        while len(select.select(handles, [], [], 0)[0]) < len(handles):
            if time.monotonic() > end:
                _send(handles, signal.SIGKILL)
                break
            self.wait(0)
            time.sleep(0.01)
        for handle in handles:
            os.close(handle)
        self.wait(GRACE)


def _send(handles, number):
    for handle in handles:
        try:
            signal.pidfd_send_signal(handle, number)
        except OSError:
            continue
