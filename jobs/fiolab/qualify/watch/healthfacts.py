# SPDX-License-Identifier: GPL-2.0-only
# What the samples of a device's health come to, of a test and of a target:
# extremes, how much each counter of faults grew, write amplification; and of
# each round, whether the device throttled.
import datetime
from itertools import pairwise
from statistics import median

from ...target.drive import amplification, smartlog
from . import throttling
from .healthsamples import expanded

# Counters that are told of where they grew.
COUNTERS = (*smartlog.SLOWING, *smartlog.LOSING, *smartlog.LINKING,
            "unsafe_shutdowns", "incomplete_shutdowns")
LINKS = ("link_gt_s", "link_lanes", "sata_gbit_s")


def told(samples, names):
    """{attribute: its values, in order} of those of these names, of whichever
    device of a target."""
    found = {}
    for one in samples:
        for name, value in one["values"].items():
            if smartlog.parts(name)[1] in names:
                found.setdefault(name, []).append(value)
    return found


def own(samples, name):
    """All values of an attribute, of whichever device of a target."""
    return [value for values in told(samples, (name,)).values()
            for value in values]


def extremes(samples, name):
    found = own(samples, name)
    return {"lowest": min(found), "highest": max(found)} if found else None


def grown(*samples):
    """{attribute: by how much} of the counters that did."""
    return {name: by for name, values in told(samples, COUNTERS).items()
            if (by := smartlog.growth(values))}


def _ends(samples):
    """The first and the last value of each attribute."""
    first, last = {}, {}
    for one in samples:
        first = {**one["values"], **first}
        last.update(one["values"])
    return first, last


def amplified(samples):
    """amplification.Written of all devices of a target, or None."""
    fronts = dict.fromkeys(smartlog.parts(name)[0] for one in samples
                           for name in one["values"])
    found = [amplification.between([{
        smartlog.parts(name)[1]: value for name, value in one["values"].items()
        if smartlog.parts(name)[0] == front} for one in samples])
        for front in fronts]
    return amplification.added([one for one in found if one]) if (
        all(found)) else None


def _as_data(written):
    if written is None or written.back:
        return {"media": None, "host": None, "unit": None, "ratio": None,
                "why": written.why if written else amplification.NONE}
    return {"media": written.media, "host": written.host,
            "unit": "pages" if written.pages else "B", "ratio": written.ratio,
            "why": written.why}


def _slower(samples):
    """Attributes of links that were at times below what they were at first."""
    first, _ = _ends(samples)
    return [name for name in first if smartlog.parts(name)[1] in LINKS and
            any(one["values"].get(name, first[name]) < first[name]
                for one in samples)]


def _clock(one):
    return datetime.datetime.fromisoformat(one["at"]).timestamp()


def then(samples, begin, end):
    """What expanded samples say of a time (of time.time()), from the one before
    it to the one after it: '62 °C, throttled'; 'not known' without them."""
    near = [pair for pair in pairwise(samples)
            if _clock(pair[0]) <= end and _clock(pair[1]) >= begin]
    if not near:
        return "not known"
    heat = own([one for pair in near for one in pair], "temperature_c")
    slow = any(throttling.by(*(one["values"] for one in pair))
               for pair in near)
    more = dict.fromkeys(name for pair in near for name in grown(*pair)
                         if smartlog.parts(name)[1] not in smartlog.SLOWING)
    return ", ".join([*([f"{max(heat):g} °C"] if heat else []),
                      *(["throttled"] if slow else []),
                      *(f"{name} grew" for name in more)]) or "not known"


def _facts(samples):
    """Of expanded samples."""
    took = [one["took"] for one in samples]
    return {"count": len(samples), "took_median_s": median(took),
            "took_longest_s": max(took),
            "temperature_c": extremes(samples, "temperature_c"),
            "grown": grown(*samples), "links_slower": _slower(samples)}


def tell(tests, known):
    """Puts into tests of qualify.json what their samples come to; the "health"
    of their target, whose identity is known; None: there were none."""
    counters, every = throttling.Counters(known), []
    written, whys = [], []
    for test in tests:
        health = test.get("health")
        if not health:
            continue
        whys += health["why"]
        samples = list(expanded(health["samples"]))
        groups = throttling.by_round(samples)
        for number, phase in enumerate(test["phases"]):
            phase["throttling"] = throttling.of_phase(
                number, phase["rounds"], groups, counters)
        if samples:
            found = amplified(samples)
            health.update(_facts(samples), written=_as_data(found))
            every, written = every + samples, [*written, found]
    if not every:
        return {"count": 0, "why": whys} if whys else None
    return {**_facts(every), "why": list(dict.fromkeys(whys)),
            "written": _as_data(amplification.added(written)
                                if all(written) else None)}
