# SPDX-License-Identifier: GPL-2.0-only
"""Whether our library refills the processor's return stack (aio/refill.h) on a
side.  Each process would measure and decide for itself: a comparison asks once,
and sets LIBAIO_REFILL for all runs of the side, so that no two differ by it,
and the report's environment of the side says it."""
from collections.abc import Iterable, Mapping
from dataclasses import replace
import os
import subprocess

from ..base.problem import Problem
from . import fiorun
from .sidespec import Side

VARIABLE = "LIBAIO_REFILL"
PROGRAM = "returns"         # jobs/loops/returns.c, in the build folder
PATIENCE = 20               # seconds; it takes a hundredth of one


def _program(build):
    return os.path.join(os.path.realpath(build), "loops", PROGRAM)


def decision(build: str, environment: Mapping[str, str]) -> str:
    """ "1" or "0": are calls refilled, here, in this environment?"""
    path = _program(build)
    try:
        done = subprocess.run([path, "decision"], env=dict(environment),
                              stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, errors="replace", check=True,
                              timeout=PATIENCE)
    except FileNotFoundError:
        raise Problem(f"there is no {PROGRAM} at {path}, which says whether "
                      "system calls refill the return stack: run `make` "
                      "first, or name the build folder with --build."
                      ) from None
    except (OSError, subprocess.SubprocessError) as error:
        raise Problem(f"{path} does not say whether system calls refill the "
                      f"return stack ({error}): set {VARIABLE} to 0 or 1."
                      ) from None
    if done.stdout not in ("0\n", "1\n"):
        raise Problem(f"{path} says {done.stdout[:40]!r}, and not whether "
                      "system calls refill the return stack: run `make` "
                      "again.")
    return done.stdout.strip()


def _looks_at_it(side):
    """Has the side our library inside, as one that knows the variable?"""
    path = side.library or side.ioengine.removeprefix("external:")
    if not path.startswith("/"):
        return False
    try:
        with open(path, "rb") as file:
            return VARIABLE.encode() in file.read()
    except OSError as error:
        raise Problem(f"cannot read {path}: {error.strerror}.") from None


def _is_open(side):
    return VARIABLE not in dict(side.environment) and _looks_at_it(side)


def decided(sides: Iterable[Side], build: str) -> tuple[Side, ...]:
    """The sides, each with its decision in the environment; as they are where
    nothing was built that could tell."""
    if not os.path.exists(_program(build)):
        return tuple(sides)
    return tuple(
        replace(side, environment=(*side.environment, (
            VARIABLE, decision(build, fiorun.side_environment(side)))))
        if _is_open(side) else side for side in sides)


def doubts(sides: Iterable[Side]) -> list[str]:
    """A warning of each side whose runs decide for themselves."""
    return [f"each run of {side.text} decides for itself whether system calls "
            "refill the return stack, and may not decide the same: run `make`, "
            f"or set {VARIABLE} to 0 or 1." for side in sides
            if VARIABLE not in os.environ and _is_open(side)]
