# SPDX-License-Identifier: GPL-2.0-only
# The report: one HTML file that needs nothing else, no script, no network.
# Here qualify.json becomes what qualify.html.j2 shows; that escapes all of it
# but the pictures, which svg.py makes.
from ...report import page, svg, wording
from .. import prewritten
from ..fleet import fleetpage, seats
from ..records import recorded
from ..shorter import figuremarks
from ..tails import neighbourtarget
from . import (cachewords, devicepage, healthwords, kernelpage, phrases,
               steadywords, testpage)

FAILED = 6                  # named under the headline


# The result

def failures(data):
    """What failed, one line each: checks first, as they are of data that are
    lost, and there are fewer."""
    many = len(data["targets"]) > 1
    made = [f"{target['name'] + ', ' if many else ''}{check['title']}: "
            f"{check['text']}" for target, _, check in phrases.checks(data)
            if check["result"] == "fail"]
    return made + [phrases.failure(one, data) for one in data["limits"]
                   if one["result"] == "fail"]


def _steady_count(data):
    found = [phase["steady"]["reached"] for target in data["targets"]
             for _, phase in steadywords.phases(target)]
    return sum(found), len(found)


def _states(data):
    found = [test["state"] for target in data["targets"]
             for test in target["tests"]]
    return [(word, found.count(word)) for word in (
        "failed", "stopped", "not run", "done") if word in found]


def summary(data):
    made = [check["result"] for _, _, check in phrases.checks(data)]
    return {"headline": phrases.headline(data), "failures": failures(data),
            "limits": phrases.tally(one["result"] for one in data["limits"]),
            "checks": phrases.tally(made), "steady": _steady_count(data),
            "states": _states(data)}


def _target(target, number):
    tests = [testpage.made(test, f"t{number}-{i}", target["identity"])
             for i, test in enumerate(target["tests"])]
    rows, left = devicepage.smart(target)
    return {**target, "anchor": f"t{number}", "tests": tests,
            "fields": devicepage.fields(target), "smart_rows": rows,
            "smart_left": left, "health_said": healthwords.summary(target),
            "kernel_quiet": kernelpage.are_quiet(tests),
            "device": phrases.device(target), "seat_said": seats.said(target),
            "written_said": prewritten.said(target),
            "neighbour_said": neighbourtarget.said(target)}


# Comparisons

def against(found):
    """The rows, what changed first, and how many of each verdict."""
    rows = found["rows"]
    changed = phrases.changed(rows)
    return {**found, "changed": changed,
            "rest": [row for row in rows if row not in changed],
            "tally": phrases.verdicts(rows)}


# The page

def _anchors(data):
    """{(target, test): anchor}"""
    return {(target["name"], test["name"]): f"t{i}-{j}"
            for i, target in enumerate(data["targets"])
            for j, test in enumerate(target["tests"])}


def _titles(data):
    return {(target["name"], test["name"]): test["title"]
            for target in data["targets"] for test in target["tests"]}


def again(data):
    """The words of the command that repeats it: into a new folder, with the
    same seed."""
    words, skip = [], False
    for word in data["command"]:
        if not skip and word != "--out" and not word.startswith("--out="):
            words.append(word)
        skip = word == "--out"
    known = any(word.startswith("--seed") for word in words)
    return words if known else [*words, "--seed", str(data["seed"])]


def _environment():
    made = page.environment()
    made.filters.update(
        rmark=phrases.MARKS.get, rtone=phrases.TONES.get, bar=phrases.bar,
        again=again, bound=phrases.bound, amount=phrases.amount,
        plain=phrases.plain, time=wording.time, decimal=wording.decimal_size,
        day=phrases.day,
        sources=phrases.sources, sentence=phrases.sentence,
        heading=phrases.heading, metric_of=phrases.metric_of,
        signed=phrases.signed,
        unit=lambda name: phrases.UNITS.get(name, name),
        part=lambda x: "n/a" if x is None else f"{x:.1f}%")
    made.tests["figure"] = lambda x: isinstance(x, (int, float)) or x is None
    return made


def render(data):
    """The page as text."""
    data = wording.cleaned(data)
    with svg.styled():
        targets = [_target(target, i)
                   for i, target in enumerate(data["targets"])]
    return _environment().get_template("qualify.html.j2").render(
        data=data, targets=targets, summary=summary(data),
        write_cache=cachewords.of(data), recorded=recorded.fields(data),
        confidence=phrases.confidence(data),
        anchors=_anchors(data), titles=_titles(data), many=len(targets) > 1,
        fleet=fleetpage.prepared(data.get("fleet")),
        interference=data.get("interference"),
        banner=figuremarks.banner(data), left_out=figuremarks.left_out(data),
        shown_failures=FAILED, against=data["against"] and against(
            data["against"]))
