# SPDX-License-Identifier: GPL-2.0-only
# What each figure is: PTS's, whole (of a test that is not SNIA's) or shortened.
# qualify.json has it of each test, cell and limit; the reports say it.  With a
# part of a device, by --size, SNIA's tests end long before PTS's do.
from ...report.wording import decimal_size
from .. import targetset
from ..estimate import clock
from ..suite.profiles import SHORTENED

PTS, WHOLE, CUT = "PTS", "whole", "shortened"
LEFT_OUT = "--time left it out"


def _part(used, whole, percent):
    """That --size leaves some of a target out, in words, or ""; percent: of
    it, as the profile has it."""
    return (f"{decimal_size(used)} of {decimal_size(whole)} alone (--size)"
            if used < targetset.share(whole, percent) else "")


def part_of(target, profile):
    """The same of a Target."""
    return _part(target.size, target.whole, profile.active)


def planned(test, profile, part=""):
    """Of a test, before it is run; part: part_of()."""
    if profile.scaled or not getattr(test, "keeps", True) or (
            part and test.group == "pts"):
        return CUT
    return PTS if test.group == "pts" else WHOLE


def _steady(found):
    return all(phase["steady"]["reached"] for phase in found["phases"]
               if phase["steady"])


def mark(test, found, profile, part=""):
    """A test's entry in qualify.json, after its run.  One of which --time has
    ended the search for a steady state is PTS's if there was one by then."""
    found["cuts"] = [*getattr(test, "cuts", ()), *(
        [part] if part and test.group == "pts" else [])]
    found["extent"] = planned(test, profile, part)
    if found["cuts"] and not _steady(found):
        found["extent"] = CUT
    for cell in found["cells"]:
        cell["extent"] = found["extent"]


def mark_limits(data):
    """Each by the figure that it is about; and why one has none."""
    out = {one["test"] for one in (data["time"] or {}).get("left_out", ())}
    cells = {(target["name"], test["name"], cell["name"]): cell["extent"]
             for target in data["targets"] for test in target["tests"]
             for cell in test["cells"]}
    cut = {test["name"] for target in data["targets"]
           for test in target["tests"] if test["cuts"]} if data["time"] else ()
    for one in data["limits"]:
        key = (one["target"], one["test"], one["cell"])
        one["extent"] = cells.get(key)
        if one["test"] in out or (one["test"] in cut and key not in cells
                                  and one["cell"]):
            one["why"] = f"{one['why']} ({LEFT_OUT})"


# In words, of a qualify.json

def _in_time(data):
    """Was anything shortened or left out for --time?"""
    return data["profile"]["name"] == SHORTENED


def _parts(data):
    """Of targets of which SNIA's tests had a part alone; that a profile is
    scaled down says more."""
    if data["profile"]["scaled"]:
        return []
    found = [_part(one["active_bytes"], one["size_bytes"],
                   data["profile"]["active_percent"])
             for one in data["targets"]
             if any(test["group"] == "pts" for test in one["tests"])]
    return list(dict.fromkeys(filter(None, found)))


def is_cut(data):
    """Is anything shortened, by --time or by --size?"""
    return _in_time(data) or bool(_parts(data))


def banner(data):
    """The sentence over everything; "" where nothing was cut."""
    parts = _parts(data)
    return "; ".join(filter(None, (
        _time_banner(data) if _in_time(data) else "",
        f"ONLY A PART of the device: not PTS; {', '.join(parts)}"
        if parts else "")))


def _time_banner(data):
    every = [test for target in data["targets"] for test in target["tests"]]
    short = sum(test["extent"] == CUT for test in every)
    out = len(data["time"]["left_out"])
    return (f"SHORTENED to {clock(data['time']['asked_s'])}: not "
            f"{data['profile']['of']}; {short} of {len(every)} tests are "
            f"shortened, {out} left out")


def profile(data):
    """With the name that it had before --time cut it."""
    known = data["profile"]
    return {**known, "name": known.get("of") or known["name"]}


def unlike(pairs):
    """Why the figures of two cells are not of one measurement, or None; pairs:
    {which: (test, cell)}."""
    (one, here), (two, there) = pairs.values()
    extents = [here.get("extent"), there.get("extent")]
    cuts = [one.get("cuts", []), two.get("cuts", [])]
    if CUT not in extents or (cuts[0] == cuts[1] and (
            extents[0] == extents[1] or None in extents)):
        return None
    return "; ".join(f"{which} has a figure that is {said(test) or PTS}"
                     for which, (test, _) in pairs.items())


def beside(this, other):
    """Sentences on two runs that are compared."""
    known = [is_cut(data) for data in (this, other)]
    if not any(known):
        return []
    which = ("both runs are" if all(known) else
             "this run is" if known[0] else "the other run is")
    return [f"{which} shortened: only figures that were cut in the same way "
            "are compared, and a difference of such is none of PTS"]


def said(test):
    """'PTS', or 'shortened: fewer cells'; "" of reports before it."""
    word = test.get("extent") or ""
    cuts = "; ".join(test.get("cuts", ()))
    return f"{word}: {cuts}" if word and cuts else word


def figures(test):
    """'figures: PTS', for a line of its own."""
    told = said(test)
    return f"figures: {told}" if told else ""


def left_out(data):
    """'xsr (Cross Stimulus Recovery, 22 h)', or ""."""
    return ", ".join(f"{one['test']} ({one['title']}, {clock(one['seconds'])})"
                     for one in (data.get("time") or {}).get("left_out", ()))


def on_shortened(data):
    """How many limits rest on figures that are shortened so."""
    found = sum(one.get("extent") == CUT for one in data["limits"])
    return found if found and is_cut(data) else 0
