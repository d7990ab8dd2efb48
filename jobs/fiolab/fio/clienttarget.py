# SPDX-License-Identifier: GPL-2.0-only
# The target on other machines, before the first run: it must be there, on all
# of them, and be as large as the runs take it to be; only fio can tell.  With
# --destroy-data it is then filled.
from collections.abc import Callable, Iterable
import errno
import os
from typing import Any

from ..base.problem import Problem
from ..target import claimable
from ..target.target import Target
from . import clientrun, fiorun
from .fiorun import Fio
from .jobfile import Job
from .sidespec import Side

LAST = 4096
PROBE = Job("probe", f"[probe]\nrw=read\nbs={LAST}\ndirect=0\n")


def named(path: str, clients: Iterable[clientrun.Client], size: int,
          **more: Any) -> Target:
    """The Target of a name that each of the hosts has; more: of its fields."""
    if claimable.misread(path) or not os.path.isabs(path):
        raise Problem(f"the target {path!r} on other machines must be an "
                      "absolute path without ; # $ or a backslash.")
    return Target(path, size, clients=tuple(clients), kind="remote", **more)


def _said(lost):
    host, why = lost.args
    return f"{host}: {why}" if host else why


def _error(job):
    """A read that ends early is none to fio where it is the last."""
    short = job["read"]["io_bytes"] < LAST
    return abs(job["error"]) or (errno.EIO if short else 0)


def _errors(fio, target):
    """{name: errno or 0} of reading the last block that runs would use."""
    side = Side("psync", "psync")
    options = ["ioengine=${ENGINE}", "filename=${TARGET}", f"size={LAST}",
               f"offset={target.size - LAST}", *fiorun.KEEP_FILES]
    try:
        with clientrun.Run(fio, side, PROBE, target, options) as started:
            found = started.answers(clientrun.PATIENCE)
            return {name: max(map(_error, jobs))
                    for name, jobs in found.items()}
    except clientrun.Lost as lost:
        raise Problem(f"cannot look at {target.path}: {_said(lost)}."
                      ) from None


def _may_make(target, error):
    """Not in /dev, where a misspelt disk would become a file in memory."""
    path = "/" + os.path.normpath(target.path).lstrip("/")
    return error == errno.ENOENT and target.writable and not (
        path.startswith("/dev/") and not path.startswith("/dev/shm/"))


def _refuse(target, name, error):
    if error == errno.ENOENT:
        hint = ("name one that is there" if target.writable else
                "make it, or let --destroy-data do that")
        raise Problem(f"there is no {target.path} on {name}: {hint}.")
    if error == errno.EIO:
        raise Problem(f"{target.path} on {name} cannot be read up to the "
                      f"{target.size} bytes asked for, so it is smaller: give "
                      "a smaller --size or a larger target.")
    raise Problem(f"cannot use {target.path} on {name}: "
                  f"{os.strerror(error)}.")


def check(fio: Fio, target: Target,
          may_make: Callable[[Target, int], bool] = _may_make) -> None:
    """Refuse a target that a host has not, or a smaller one."""
    for name, error in _errors(fio, target).items():
        if error and not may_make(target, error):
            _refuse(target, name, error)


def prepare(fio: Fio, target: Target) -> None:
    """Check a target; one that may be overwritten is then filled, and made
    where it is not there."""
    check(fio, target)
    if target.writable:
        try:
            clientrun.fill(fio, make=True)(target)
        except clientrun.Lost as lost:
            raise Problem(f"cannot fill {target.path}: {_said(lost)}."
                          ) from None
