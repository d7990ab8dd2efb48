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
from .sidespec import Side

VARIABLE = "LIBAIO_REFILL"
PROGRAM = "returns"         # jobs/loops/returns.c, in the build folder
WORDS = "0", "1"
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
    if done.stdout.rstrip("\n") not in WORDS:
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
    value = dict(side.environment).get(VARIABLE)
    if value not in (None, *WORDS):
        raise Problem(f"{VARIABLE} of {side.text} is 0 or 1: for anything else "
                      "each run would decide for itself.")
    return value is None and _looks_at_it(side)


def decided(sides: Iterable[Side], build: str,
            word: str | None = None) -> tuple[Side, ...]:
    """The sides, those that leave it open all with one decision, as two could
    differ where it hardly pays; as they are where nothing was built that could
    tell.  word: what was decided before."""
    sides = tuple(sides)
    still_open = list(filter(_is_open, sides))
    if not still_open or not (word or os.path.exists(_program(build))):
        return sides
    word = word or decision(build, os.environ)
    return tuple(replace(side, environment=(
        *side.environment, (VARIABLE, word))) if side in still_open else side
                 for side in sides)


def in_force(sides: Iterable[Side]) -> str | None:
    """What the first side that says it says."""
    return next((value for side in sides for name, value in side.environment
                 if name == VARIABLE), None)


def doubts(sides: Iterable[Side]) -> list[str]:
    """A warning of each side whose runs decide for themselves."""
    return [f"each run of {side.text} decides for itself whether system calls "
            "refill the return stack, and may not decide the same: run `make`, "
            f"or set {VARIABLE} to 0 or 1." for side in sides
            if os.environ.get(VARIABLE) not in WORDS and _is_open(side)]
