# SPDX-License-Identifier: GPL-2.0-only
# When a campaign ends, in words: what decides, how long a cell took, what one
# that is not decided would take, and what an early end means.
import math

from ...report import wording


def _further(data, cell):
    """Until when a cell would have to go on to show its margin, or half of
    what it can show now, if each pair is worth what one was and the others
    that are not decided go on beside it."""
    seen = max((e["detectable"] or 0 for e in wording.primaries(cell)),
               default=0)
    goal = data["margin"] if seen > data["margin"] else seen / 2
    if not goal:
        return ""
    spent = sum(each["seconds"] for each in data["cells"])
    each_round = sum(each["seconds"] / len(each["pairs"])
                     for each in data["cells"]
                     if each["pairs"] and not each["closed"])
    more = each_round * len(cell["pairs"]) * ((seen / goal) ** 2 - 1)
    return (f"; effects of {100 * goal:.2g}% need about --max-time "
            f"{math.ceil((spent + more) / 10) * 10}")


def course(data: dict, cell: dict) -> str:
    """'decided after 9 pairs, 11 s', of a cell that ends when it is decided;
    else what it would take."""
    if data["pairs"] is not None or "seconds" not in cell:
        return ""
    pairs = wording.several(len(cell["pairs"]), "pair")
    after = f"after {pairs}, {wording.time(cell['seconds'])}"
    if cell["closed"]:
        return f"decided {after}"
    if not data["finished"]:
        return f"stopped {after}{_further(data, cell)}"
    found = wording.primaries(cell)
    if found and all(e["verdict"] not in wording.OPEN for e in found):
        return f"time was up {after}"   # of --precision, or between looks
    return f"inconclusive {after}{_further(data, cell)}"


def stopped(data: dict) -> str:
    """What an early end means for the verdicts; '' without one."""
    if data["finished"]:
        return ""
    pairs, _ = wording.measured(data)
    if data["pairs"] is None:
        return (f"after {wording.several(pairs, 'pair')}: the verdicts that "
                "are reached hold, as do all intervals")
    return (f"after {pairs:,} of {data['pairs'] * len(data['cells']):,} pairs: "
            "the figures stand, a verdict needs all of them")


def how_many(data: dict) -> str:
    """'20 pairs', or until when there are more."""
    if data["pairs"] is not None:
        return wording.several(data["pairs"], "pair")
    return f"pairs, until decided or for {wording.time(data['max_time_s'])},"


def rule(data: dict) -> str:
    """What the verdicts mean."""
    margin = f"{100 * data['margin']:g}%"
    level = 90 if data["pairs"] is not None else 99
    ways = ("one look, at the end" if data["pairs"] is not None else
            "p and intervals hold after every pair, so whenever one stops")
    apart = (", the primary metrics with four fifths of it" if any(
        e["role"] == "secondary" for cell in data.get("cells", ())
        for e in cell["effects"]) else "")
    many = wording.several(data["comparisons"], "comparison")
    return (f"faster or slower if p <= {data['alpha']:g} by Holm over "
            f"{many}{apart}, and beyond the A/A floor; else equivalent if "
            f"the {level}% CI is in +-{margin}; {ways}")
