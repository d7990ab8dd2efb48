# SPDX-License-Identifier: GPL-2.0-only
"""What report.json has of the duets of a cell, and how the text and the page
say it."""
from collections.abc import Iterable
import math
import statistics
from typing import Any

import numpy as np

from ...report.wording import figure, percent
from ..duets import RULE, paced

ASLEEP = 0.5            # a side that sleeps for more of the time than that
SLEEPS = 0.1            # whoever sleeps for less is bound by the CPU
SEEN = 0.05             # shares below that are not worth a word
ROLES = ("A", "B", "A'")


def _middle(values: Iterable[float | None]) -> dict | None:
    known = [value for value in values if value is not None]
    return {"median": statistics.median(known),
            "max": max(known)} if known else None


def _place_effect(pairs, metric):
    """ln of what the third of the target with the largest figures has more
    than that with the smallest, by least squares: ln(B/A) is the effect of the
    sides, and that of B's third less that of A's.  None if B has not been in
    all of them."""
    rows, d, seen = [], [], set()
    for pair in pairs:
        places = pair["duet"]["parts"]
        a, b = (pair["values"][role][metric] for role in "AB")
        if places and a and b:
            thirds = range(len(ROLES))
            rows.append([1.0, *((places["B"] == third) - (places["A"] == third)
                                for third in thirds)])
            d.append(math.log(b / a))
            seen.add(places["B"])
    if len(seen) < len(ROLES):
        return None
    found = np.linalg.lstsq(np.array(rows, float), np.array(d), rcond=None)[0]
    return float(np.ptp(found[1:]))


def summary(cell: Any) -> dict | None:
    """The `duet` of a cell in report.json; None of one that is none."""
    pairs = cell.ordered()
    if cell.pairing != "duet" or not pairs:
        return None
    each = [pair["duet"] for pair in pairs]
    return {
        **{name: _middle(one[name] for one in each)
           for name in ("skew_s", "kernel", "others")},
        "sides": {role: {name: statistics.median(
            one["sides"][role][name] for one in each)
            for name in each[0]["sides"][role]} for role in ROLES},
        "paced": any(paced(cell.job_of(role).text) for role in "AB"),
        "repeats": [{"pair": pair["pair"], "why": why} for pair in pairs
                    for why in pair["duet"]["repeats"]],
        "place_effect": {metric: _place_effect(pairs, metric)
                         for metric in cell.metrics}}


# Words

def _share(share):
    return f"{100 * share:.1f}%"


def _shares(found, letter):
    said = ", ".join(f"{letter if role == 'B' else role} {one['cpu']:.0%}"
                     for role, one in found["sides"].items())
    others = found["others"]
    more = f"; others {others['median']:.0%}" if others else ""
    return (f"three at once on one CPU (a duet), of which they had: {said}"
            f"{more}; began {1000 * found['skew_s']['median']:.0f} ms apart "
            f"(worst {1000 * found['skew_s']['max']:.0f})")


def _pace(cell, found):
    """What limits I/O here: the CPU, or something that the sides wait for."""
    asleep = {role: one["asleep"] for role, one in found["sides"].items()}
    letters = {"A": "A", "B": cell["b"]}
    long = [letter for role, letter in letters.items()
            if asleep[role] > ASLEEP]
    if long:
        return (f"{' and '.join(long)} slept most of the time ("
                + ", ".join(f"{letter} {asleep[role]:.0%}"
                            for role, letter in letters.items())
                + "): CPU per I/O is not what limits IOPS here")
    if found.get("paced"):
        return ("the job says itself how much I/O there is (rate, thinktime), "
                "so IOPS do not follow from CPU per I/O; fio may spin while it "
                "waits, and that is in it")
    away = max(one["elsewhere"] for one in found["sides"].values())
    cpu = next((e for e in cell["effects"] if e["metric"] == "cpu_us"), None)
    if max(asleep.values()) < SLEEPS and away < SEEN and cpu:
        a, b = (1e6 / cpu["median"][role] for role in "AB")
        return ("a CPU is all that limits these runs, so IOPS (and bandwidth "
                "and mean latency) follow from CPU per I/O: a whole CPU gives "
                f"{figure(a)} on A, {figure(b)} on {cell['b']} "
                f"({percent(1 / cpu['ratio'])}); for percentiles of latency "
                "give --pairing alternate")
    return ""


def _unseen(cell, found):
    """CPU time that fio does not see, or that nobody was charged for."""
    said = []
    for role, letter in (("A", "A"), ("B", cell["b"])):
        one = found["sides"][role]
        if one["more"] > SEEN:
            said.append(f"{_share(one['more'])} of {letter}'s CPU time was of "
                        "threads that fio does not count (they are counted "
                        "here)")
        if one["elsewhere"] > SEEN:
            said.append(f"{_share(one['elsewhere'])} of it was on other CPUs, "
                        "where no pin holds it")
    kernel = found["kernel"]
    said.append(f"kernel threads, charged to nobody: {_share(kernel['median'])}"
                " of the sides' CPU time (on all CPUs, for whomever)")
    return "; ".join(said)


def _again(found):
    repeats = found["repeats"]
    if not repeats:
        return ""
    return (f"attempts that were no duet: {len(repeats)}, the first of pair "
            f"{repeats[0]['pair'] + 1}, as {repeats[0]['why']} ({RULE})")


def _places(cell, found):
    names = {e["metric"]: e["name"] for e in cell["effects"]}
    said = ", ".join(f"{names[m]} {100 * d:.1f}%" for m, d in
                     found["place_effect"].items() if d is not None
                     and m in names)
    return f"effect of the third of the target: {said}" if said \
        else ""


def sentences(cell: dict) -> list[str]:
    """What is said of a cell's pairing, a sentence each."""
    found = cell.get("duet")
    if not found:
        why = cell.get("no_duet")
        return [f"one run after the other, no duet: {why}"] if why else []
    return list(filter(None, (
        _shares(found, cell["b"]), _pace(cell, found), _unseen(cell, found),
        _places(cell, found), _again(found))))
