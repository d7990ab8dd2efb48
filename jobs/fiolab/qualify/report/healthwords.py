# SPDX-License-Identifier: GPL-2.0-only
# The device's health during the tests, in words: of a test and of a target a
# line, for page and terminal; and what is a warning.
from ...report import wording
from ...report.wording import several
from ...target.drive import smartlog
from ..watch import throttling

THROTTLED = ("{}, {}: the device throttled in round {} of {}, in the "
             "measurement window (by {}), so that its figures are of a device "
             "that slowed itself down.")
SLOWER = "the link of {} became slower during the tests ({})."


def titles(names):
    """'media errors, sda: light throttling'"""
    found = []
    for name in names:
        front, own = smartlog.parts(name)
        known = smartlog.ATTRIBUTES.get(own)
        title = known.title if known else own
        if title[1:2].islower():        # PCIe stays
            title = title[:1].lower() + title[1:]
        found.append(front + title)
    return ", ".join(found)


def degrees(low, high):
    """'31 to 58 °C'"""
    low, high = (f"{value:g}" for value in (low, high))
    return f"{low} °C" if low == high else f"{low} to {high} °C"


def _heat(found):
    heat = found["temperature_c"]
    return [degrees(heat["lowest"], heat["highest"]) if heat
            else "no temperature"]


def _written(found):
    ratio = found["written"]["ratio"]
    return [] if ratio is None else [f"write amplification {ratio:.2f}"]


def _grown(found):
    return [f"{titles([name])} +{amount:g}"
            for name, amount in found["grown"].items()]


def facts(found):
    """'31 to 58 °C, write amplification 2.13, media errors +1'; None where
    nothing was sampled."""
    if not found or not found.get("count"):
        return None
    return ", ".join([*_heat(found), *_written(found), *_grown(found)])


def _rounds(test):
    """'; throttled in round 3, 4 of Rounds'"""
    return "".join(
        f"; THROTTLED in round {', '.join(map(str, found['rounds']))} of "
        f"{phase['title']}" for phase in test["phases"]
        if (found := phase.get("throttling")) and found["rounds"])


def said(test):
    """A sentence on the health during a test, or None."""
    found = test.get("health")
    told = facts(found)
    if not found or not (told or found["why"]):
        return None
    whys = "".join(f" {why}" for why in found["why"])
    if told is None:
        return f"The health of the device was not sampled.{whys}"
    return (f"The health of the device, {several(found['count'], 'sample')}: "
            f"{told}{_rounds(test)}.{whys}")


def summary(target):
    """Of all tests, with what it cost; None where nothing was sampled."""
    found = target.get("health")
    told = facts(found)
    if told is None:
        return None
    return (f"During the tests: {told}; {several(found['count'], 'sample')}, "
            f"each took {wording.time(found['took_median_s'])} (at most "
            f"{wording.time(found['took_longest_s'])}).")


def warnings(target):
    """Windows in which it throttled, a link that became slower, and logs that
    were not read, a sentence each."""
    found = []
    for test in target["tests"]:
        for phase, rounds in throttling.windows(test):
            hot, _ = throttling.in_window(phase, rounds)
            if hot:
                found.append(THROTTLED.format(
                    target["name"], test["name"], ", ".join(map(str, hot)),
                    phase["title"], titles(phase["throttling"]["by"])))
    health = target.get("health") or {}
    if health.get("links_slower"):
        found.append(SLOWER.format(target["name"],
                                   titles(health["links_slower"])))
    return found + [f"{target['name']}: {why}"
                    for why in health.get("why", ())]
