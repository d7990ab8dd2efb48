# SPDX-License-Identifier: GPL-2.0-only
# A target of several members, files or devices, on all of which each job does
# its I/O, as fio has it of filename=A:B and nrfiles=N.  Each is claimed,
# written, looked at and let go of as one alone is, and to the same size; no
# byte of any is written before all of them are claimed and known to be fit.
from collections.abc import Collection, Sequence
from contextlib import ExitStack
import os
import re
import stat

from ..base.problem import Problem
from . import extents, scratchfile
from .scratchfile import Check, unchecked
from .target import Target

BETWEEN = re.compile(r"(?<!\\):")
BEGINS = ("/", "./", "../")
# Characters of a list: fio 3.28 and before take 4096 of a value.
LONGEST = 4000


def listed(text: str) -> list[str]:
    """The paths of a list as fio has it."""
    return [one.replace("\\:", ":") for one in BETWEEN.split(text)]


def paths(text: str) -> list[str]:
    """The paths that --target names: several where it is a list, of which each
    member begins with /, ./ or ../.  What is there under the whole of the name
    is one, as in /dev/disk/by-path, where names have colons."""
    found = listed(text)
    if os.path.lexists(text) or not all(one.startswith(BEGINS)
                                        for one in found):
        return [text]
    return found


def _what(path):
    """What a name stands for, equal for two names of one thing."""
    try:
        info = os.stat(path)
    except OSError:
        return os.path.realpath(path)
    return (info.st_rdev if stat.S_ISBLK(info.st_mode) else
            (info.st_dev, info.st_ino))


def _check(names):
    known: dict = {}
    for name in names:
        other = known.setdefault(_what(name), name)
        if other is not name:
            raise Problem(f"{other} and {name} are one and the same: name each "
                          "member of a target once.")
    gone = [name for name in names if not os.path.exists(name)]
    if gone and len(gone) < len(names):
        raise Problem(f"there is no {gone[0]}, but other members of the target "
                      "are there: name what is there, or only new files (a "
                      "colon that is part of a name is written \\:).")


def fits(named: str) -> bool:
    """Does fio take a list that is so long?"""
    return len(named) <= LONGEST


def _joined(each, check, **more):
    """The Target that they are, ready for runs."""
    if len({one.ram for one in each}) > 1:
        raise Problem("one member of the target is in memory and another is "
                      "not: name members that are alike, or each as a --target "
                      "of its own.")
    size = min(one.size for one in each)
    for one in each:
        one.size = one.given = size
    target = Target(
        "", size, each[0].ram, ", ".join(dict.fromkeys(
            one.label for one in each)), kind=each[0].kind, given=size,
        writable=each[0].writable, created=each[0].created,
        number=len(each), members=tuple(each), **more)
    if not fits(target.named):
        raise Problem(f"the names of the target's {len(each)} members are "
                      f"longer than the {LONGEST} characters that fio takes: "
                      "name fewer.")
    target.path = target.name = target.named
    check(target)
    for one in each:
        scratchfile.ready(one)
    target.direct = all(one.direct for one in each)
    target.written = extents.joined(one.written for one in each)
    return target


def prepare(names: Sequence[str], writes: Sequence[str], size: int | None,
            destroy: bool, stack: ExitStack, check: Check = unchecked,
            allowed: Collection[str] = ()) -> Target:
    """scratchfile.prepare(), of one target or of several members; size: of
    each."""
    if len(names) == 1:
        return scratchfile.prepare(names[0], writes, size, destroy, stack,
                                   check, allowed)
    _check(names)
    return _joined([scratchfile.take(name, writes, size, destroy, stack,
                                     allowed=allowed)
                    for name in names], check)


def scratch(folder: str, size: int, number: int, stack: ExitStack,
            check: Check = unchecked) -> Target:
    """scratchfile.scratch(), of one file or of several; size: of each."""
    if number == 1:
        return scratchfile.scratch(folder, size, stack, check)
    return _joined([scratchfile.take_scratch(folder, size, stack)
                    for _ in range(number)], check,
                   scratch=os.path.realpath(folder))
