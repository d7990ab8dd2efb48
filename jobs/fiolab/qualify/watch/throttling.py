# SPDX-License-Identifier: GPL-2.0-only
# Did a device slow itself down while it was measured?  By the counters of its
# health log that grow when it does (smartlog.SLOWING) and by the level that
# some tell, between two neighbouring samples of a round.  A counter that a
# device does not keep is 0 for ever: which it keeps is in its identity, and
# where it keeps none, or there were no two samples, it is not known.  That of
# the warning temperature counts minutes: of a device that has no finer one, a
# sample which is as hot tells of less than a minute.
from itertools import pairwise
import math

from ...target.drive import smartlog

LEVEL, HEAT, WARNING = ("throttle_level", "temperature_c",
                        "warning_temperature_c")
FINER = LEVEL, "throttle_events"        # beside thermal management
# What of an NVMe device's identity says that it keeps a counter.
KEPT_BY = {"warning_temp_time": WARNING,
           "critical_comp_time": "critical_temperature_c",
           **{f"thm_temp{i}_{what}": "thermal_management" for i in (1, 2)
              for what in ("trans_count", "total_time")}}


def by(before, now):
    """The attributes by which it throttled from one sample to the next."""
    return [name for name, value in now.items()
            if (own := smartlog.parts(name)[1]) == LEVEL and value > 0 or
            own in smartlog.SLOWING and value > before.get(name, value)]


def _identities(known):
    """{the front of its attributes: its identity}, of a device or members."""
    members = known.get("members")
    if not members:
        return {"": known}
    return {front or f"{one.get('partition_of') or one['name']}: ": each
            for one in members for front, each in _identities(one).items()}


class Counters:
    """Those of throttling that a target, of an identity, keeps."""

    def __init__(self, known):
        self.of = _identities(known)

    def keeps(self, name, value):
        front, own = smartlog.parts(name)
        if own not in KEPT_BY:
            return own == LEVEL or own in smartlog.SLOWING
        nvme = (self.of.get(front) or {}).get("nvme") or {}
        # Where the identity does not tell, one that has counted does count.
        return bool(value or nvme.get(KEPT_BY[own]))

    def hot(self, values):
        """The temperatures of a sample that are at their warning, of devices
        that count no more than minutes of that."""
        found = []
        for front, known in self.of.items():
            nvme = known.get("nvme") or {}
            finer = nvme.get("thermal_management") or any(
                front + name in values for name in FINER)
            if not finer and values.get(front + HEAT, 0) >= (
                    nvme.get(WARNING) or math.inf):
                found.append(front + HEAT)
        return found

    def are_known(self, samples):
        """Would it be seen that a device throttled between the samples?"""
        ends = [{smartlog.parts(name)[0] for name, value in one[
            "values"].items() if self.keeps(name, value)}
                for one in (*samples[:1], *samples[-1:])]
        return len(samples) > 1 and all(each >= set(self.of) for each in ends)


def of_round(samples, counters):
    """The attributes by which it throttled in the expanded samples of a round;
    [] where it did not; None: not known."""
    pairs = pairwise(one["values"] for one in samples)
    found = [name for pair in pairs for name in by(*pair)]
    found += [name for one in samples[:1] for name in by({}, one["values"])]
    found += [name for one in samples for name in counters.hot(one["values"])]
    return list(dict.fromkeys(found)) or (
        [] if counters.are_known(samples) else None)


def by_round(samples):
    """{(the phase's number, the round's, part of the run): [sample]}"""
    found = {}
    for one in samples:
        found.setdefault((one["phase"], one["round"], one["part"]),
                         []).append(one)
    return found


def of_phase(number, rounds, groups, counters):
    """"throttling" of a phase: rounds in which it throttled, the attributes
    that tell so, and rounds of which it is not known; groups: by_round()."""
    of = {one["round"]: of_round(groups.get((number, one["round"], one.get(
        "part", 0)), []), counters) for one in rounds}
    return {"rounds": [number for number, names in of.items() if names],
            "by": list(dict.fromkeys(name for names in of.values()
                                     for name in names or ())),
            "unknown": [number for number, names in of.items()
                        if names is None]}


def _is_measured(test, phase):
    """Else it only prepares what is."""
    names = {cell["name"] for cell in test["cells"]}
    return any(result["stimulus"] in names for one in phase["rounds"]
               for result in one["results"])


def windows(test):
    """[(phase, its measurement window's rounds)]: of the phases that had to be
    steady, the last window; of a test without such, all rounds of each whose
    figures are those of a cell."""
    steady = [phase for phase in test["phases"] if phase["steady"]]
    found = []
    for phase in steady or [one for one in test["phases"]
                            if _is_measured(test, one)]:
        state = phase["steady"]
        rounds = [one["round"] for one in phase["rounds"]]
        if state:
            first, last = state["first"], state["last"]
            rounds = rounds[first - 1:last] if first else []
        if rounds:
            found.append((phase, rounds))
    return found


def in_window(phase, rounds):
    """(rounds of the window in which it throttled, those of which it is not
    known); (None, None): nothing was sampled."""
    found = phase.get("throttling")
    if not found:
        return None, None
    return tuple([number for number in rounds if number in found[key]]
                 for key in ("rounds", "unknown"))
