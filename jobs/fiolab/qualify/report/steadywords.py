# SPDX-License-Identifier: GPL-2.0-only
# The steady state of a phase in words: the round in which it was reached, or
# what it came to where it was not, and where the run was resumed.
from ...report.wording import several
from ..watch import throttling
from .phrases import amount


def phases(target):
    """[(test, phase)] that had to become steady."""
    return [(test, phase) for test in target["tests"]
            for phase in test["phases"] if phase["steady"]]


def _cut_short(test, phase):
    """The test ended in this phase."""
    return test["state"] != "done" and phase is test["phases"][-1]


def late(phase):
    """Did it become steady only after the rounds that it has for that?"""
    found, by = phase["steady"], phase.get("by")
    return bool(found and by and found["reached"] and found["last"] > by)


def _part(one, name):
    return amount(100 * one[name] / one["mean"] if one["mean"] else None, "%")


def _beside(one):
    """'IOPS 1,234, range 34.19% (20.00% allowed), slope 3.10% ...'"""
    if one["mean"] is None:
        return f"{one['label']} has no window yet"
    return (f"{one['label']} {amount(one['mean'], one['unit'])}, range "
            f"{_part(one, 'measured_excursion')} "
            f"({_part(one, 'allowed_excursion')} allowed), slope "
            f"{_part(one, 'measured_slope')} "
            f"({_part(one, 'allowed_slope')} allowed)")


def missed(found):
    """What it came to in the last window, of all that was not steady."""
    rows = [_beside(one) for one in found.get("tracked", ())
            if not one["holds"]]
    return (f"; in rounds {found['first']} to {found['last']}: "
            f"{'; '.join(rows)}" if rows else "")


def throttled(phase):
    """'; the device THROTTLED in round 4', of the window; '' if in none."""
    found = phase["steady"]
    rounds, _ = throttling.in_window(phase, range(
        found.get("first") or 1, (found.get("last") or 0) + 1))
    return (f"; the device THROTTLED in round {', '.join(map(str, rounds))}"
            if rounds else "")


def steady(test, phase):
    """'reached in round 7, window 3 to 7', or that it was not, with what it
    came to; and where the run was resumed between its rounds."""
    found, breaks = phase["steady"], phase.get("breaks")
    resumed = (f"; resumed before round {', '.join(map(str, breaks))}"
               if breaks else "") + throttled(phase)
    if not found["reached"]:
        rounds = several(found["rounds"], "round")
        return (f"not reached when the test ended, after {rounds}"
                if _cut_short(test, phase) else f"NOT REACHED in {rounds}"
                ) + resumed + missed(found)
    before = f"NOT REACHED by round {phase['by']}; " if late(phase) else ""
    return (f"{before}reached in round {found['last']}, window "
            f"{found['first']} to {found['last']}{resumed}")
