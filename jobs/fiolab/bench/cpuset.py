# SPDX-License-Identifier: GPL-2.0-only
"""A cpuset of one CPU: io_uring's kernel workers keep to no CPU of
cpus_allowed=, but to their process's cpuset (cpuset(7), cgroups(7))."""
import contextlib
import os
import time

from ..base.problem import Problem

OLD, NEW = "/sys/fs/cgroup/cpuset", "/sys/fs/cgroup"    # cgroup v1, v2
TRIES = 50
# For sh: puts itself into the group whose file is $0, and becomes a command.
JOIN = 'echo $$ >"$0" && exec "$@"'


def _write(folder, name, text):
    with open(os.path.join(folder, name), "w", encoding="ascii") as file:
        file.write(text)


def _fill(folder, cpu):
    """A group of v1 takes nobody before it has memory, too."""
    with open(os.path.join(folder, "..", "cpuset.mems" if os.path.exists(
            os.path.join(OLD, "cpuset.mems")) else "cpuset.mems.effective"),
            encoding="ascii") as file:
        memory = file.read().strip()
    _write(folder, "cpuset.mems", memory)
    _write(folder, "cpuset.cpus", str(cpu))


def _remove(folder):
    """What has just left it may be in it for a moment."""
    for _ in range(TRIES):
        with contextlib.suppress(OSError):
            os.rmdir(folder)
            return
        time.sleep(0.02)


def make(cpu: int, stack: contextlib.ExitStack) -> str:
    """The file that takes the pids of those who are to be in it."""
    root = OLD if os.path.exists(os.path.join(OLD, "cpuset.mems")) else NEW
    folder = os.path.join(root, f"kaio-bench-{os.getpid()}")
    try:
        if root == NEW:
            _write(root, "cgroup.subtree_control", "+cpuset")
        os.mkdir(folder)
        stack.callback(_remove, folder)
        _fill(folder, cpu)
    except OSError as error:
        raise Problem(f"no cpuset can be made in {root} ({error.strerror}), "
                      "without which io_uring's kernel workers run beside the "
                      f"CPU {cpu}: run as root, or leave it out.") from None
    return os.path.join(folder, "cgroup.procs")
