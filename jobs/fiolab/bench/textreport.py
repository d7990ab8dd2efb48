# SPDX-License-Identifier: GPL-2.0-only
"""What the reports of both benchmarks have: figures, goals, the last lines and
an effect in the JSON."""
import math
import textwrap
from typing import Any

from ..base.version import VERSION
from ..report import wording
from ..stats.verdict import Effect


def wrapped(text: str) -> list[str]:
    """Lines that fit, indented."""
    return textwrap.wrap(text.replace("\n", " "), 79, initial_indent="  ",
                         subsequent_indent="    ", break_on_hyphens=False)


def ratio(d: float) -> str:
    value = math.exp(d)
    return f"{value:.3g}" if value < 999.5 else f"{value:.0f}"


def span(pair: tuple[float, float]) -> str:
    return "n/a" if math.isinf(pair[0]) else "-".join(map(ratio, pair))


def goal(text: str, found: Any, shown: str, met: bool | None) -> dict:
    """A line of the list of goals; met: None where it was not judged."""
    word = {True: "met", False: "MISSED", None: "not judged"}[met]
    return {"goal": text, "found": found, "met": met,
            "line": "\n".join(wrapped(f"{word}: {text}: {shown}"))}


def end(goals: list[dict], seed: int) -> list[str]:
    """The last lines on stdout; takes the lines out of the goals."""
    return [*(["", "goals", *[goal.pop("line") for goal in goals]] if goals
              else []), "", f"To repeat the order and the I/O: --seed {seed}",
            wording.made(VERSION)]


def _finite(pair):
    return None if math.isinf(pair[0]) else list(pair)


def effect_data(effect: Effect) -> dict:
    return {"metric": effect.metric, "d": effect.d, "floor_d": effect.floor_d,
            "estimate": effect.estimate, "ci95": _finite(effect.ci95),
            "ci90": _finite(effect.ci90), "aa_ci95": _finite(effect.floor),
            "p": effect.p, "p_holm": effect.p_holm, "verdict": effect.verdict,
            "reason": effect.reason}
