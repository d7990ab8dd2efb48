# SPDX-License-Identifier: GPL-2.0-only
# The summary on the terminal, in 79 columns: the result, the limits, the
# checks, and the steady state of each test.  What they rest on is in
# report.html.
from ...report import wording
from ...report.terminal import fitted, narrow, warnings
from ...report.wording import several
from .. import prewritten
from ..endurance import soakwords
from ..fleet import fleettext, seats
from ..limits import specfile
from ..own import ownwords
from ..records import recorded
from ..shorter import figuremarks
from ..tails import neighbourtarget
from . import cachewords, healthwords, kernelpage, phrases, steadywords

RESULTS = {"pass": "pass", "fail": "FAIL", "not measured": "not measured"}
ROOM, COLUMN = 24, 14       # of a limit's name beside its figures; of those
LIMIT = "  {:<12} {:<24} {:>14} {:>14} {:>9}"
STATES = {"done": "done", "failed": "FAILED", "stopped": "stopped",
          "not run": "not run"}


# The head

def _head(data):
    profile, lines = data["profile"], []
    if profile["scaled"]:
        lines += [phrases.SCALED, ""]
    if figuremarks.is_cut(data):
        lines += [*fitted(figuremarks.banner(data), ""), ""]
    for target in data["targets"]:
        serial = target["identity"].get("serial")
        sample = recorded.sample(target)
        lines += fitted(f"{target['name']}: {phrases.device(target)}, "
                        f"{wording.decimal_size(target['size_bytes'])}"
                        + (f", serial {serial}" if serial else "")
                        + (f", {sample}" if sample else ""), "")
        lines += fitted(prewritten.said(target))
        lines += fitted(seats.said(target) or "")
        lines += fitted(neighbourtarget.said(target))
    for name, text in recorded.fields(data):
        lines += fitted(f"{name}: {text}", "")
    return lines + fitted(
        f"{profile['name']}: T{profile['threads']} QD{profile['depth']}, "
        f"active range {profile['active_percent']:g}%, write cache "
        f"{cachewords.of(data)}; "
        f"{data['engine']} on {data['fio']['version']}", "") + [
            line for said in _readings(data)
            for line in fitted(phrases.sentence(said), "")]


def _readings(data):
    """Of PTS, where some of it was run."""
    return data["profile"].get("readings", ()) if any(
        test["group"] == "pts" for target in data["targets"]
        for test in target["tests"]) else ()


def _verdict(data):
    lines = fitted(phrases.headline(data).upper() if data["result"] == "fail"
                   else phrases.headline(data), "")
    if not data["finished"]:
        lines += fitted("Stopped early: what was measured is here, the rest "
                        "was not.", "")
    return ["", *lines]


# Limits and checks

def _limit(data, one):
    """One line, or a few where something in it is long; and why."""
    name, metric = phrases.where(one, data), phrases.metric_of(one)
    name += f": {metric}" if metric not in name else ""
    asked, bound = (phrases.ascii_only(made(one))
                    for made in (phrases.bar, phrases.bound))
    result = RESULTS[one["result"]]
    name += " (shortened)" if figuremarks.on_shortened(
        {**data, "limits": [one]}) else ""
    line = f"line {one['line']}" if one["line"] else ""
    if len(name) > ROOM or max(len(asked), len(bound)) > COLUMN:
        lines = fitted(f"{result:<12} {name}", more=" " * 13)
        lines += fitted(f"asked for {asked}, is {bound}"
                        + (f"; {line}" if line else ""), " " * 15)
    else:
        lines = [LIMIT.format(result, name, asked, bound, line).rstrip()]
    return lines + (fitted(phrases.sentence(one["why"]), " " * 15)
                    if one["why"] and one["result"] != "pass" else [])


def _limits(data):
    if not data["limits"]:
        return ["", "No limit was given: the checks alone decide."]
    lines = ["", LIMIT.format("limits", "", "asked for",
                              f"{100 * phrases.confidence(data):g}% bound",
                              "").rstrip()]
    for one in data["limits"]:
        lines += _limit(data, one)
    return lines


def _checks(data):
    lines, many = [], len(data["targets"]) > 1
    for target, test, check in phrases.checks(data):
        where = f"{target['name']}, " if many else ""
        lines += fitted(f"{RESULTS[check['result']]:<12} {where}"
                        f"{check['title']}: {phrases.ended(check['text'])}",
                        more=" " * 13)
    return ["", "  checks", *lines] if lines else []


# Tests

def _test(test):
    steady = [phase for phase in test["phases"] if phase["steady"]]
    lines = fitted(f"{STATES[test['state']]:<12} {test['title']}, "
                   f"{wording.time(test['seconds'])}"
                   + (f": {phrases.sentence(test['why'])}" if test["why"]
                      else ""),
                   more=" " * 13)
    for phase in steady:
        where = f"{phase['title']}: " if len(steady) > 1 else ""
        said = steadywords.steady(test, phase)
        lines += fitted(f"{where}steady state {said}", " " * 15)
    for told in (*ownwords.figures(test), soakwords.said(test),
                 figuremarks.figures(test), healthwords.said(test)):
        lines += fitted(told, " " * 15) if told else []
    return lines + ([] if kernelpage.is_quiet(test) else fitted(
        kernelpage.said(test), " " * 15))


def _tests(data):
    lines = []
    for target in data["targets"]:
        lines += ["", f"  tests of {target['name']}"[:79]]
        for test in target["tests"]:
            lines += _test(test)
        told = healthwords.summary(target)
        lines += fitted(told) if told else []
    return lines


# Comparisons

def _compared(title, rows):
    """How many of each verdict, and what changed."""
    tally = ", ".join(f"{count} {word}"
                      for word, count in phrases.verdicts(rows))
    lines = ["", *fitted(f"{title}: of {several(len(rows), 'figure')} "
                         f"{tally or 'none'}.", "")]
    for row in phrases.changed(rows):
        lines += fitted(f"{row['verdict']:<12} {row['test']}, {row['cell']}, "
                        f"{row['label']}: {wording.percent(row['ratio'])}",
                        more=" " * 13)
    return lines


def _against(data):
    found = data["against"]
    return _compared(f"Against {found['other'].get('path') or 'another run'}",
                     found["rows"]) if found else []


def _engines(data):
    found = data["ab"]
    if not found:
        return []
    return [*_compared(f"{found['engine']} beside {found['compared_with']}",
                       found["rows"]),
            *fitted(phrases.sentence(found["verdicts_of_the_spec"]), "")]


def _of_test(test):
    phases = ("name", "title", "steady", "breaks", "by", "throttling")
    health = test.get("health")
    own = test["cells"] if test["group"] == specfile.JOBS else []
    return {**test, "tables": [], "grids": [], "cells": [
        {"name": one["name"], "values": one["values"]} for one in own],
            "health": health and {**health, "samples": []}, "phases": [
                {name: one.get(name) for name in phases}
                for one in test["phases"]]}


def _summary(data):
    """Without the thousands of texts that are not shown."""
    return {**data, "targets": [
        {**target, "tests": list(map(_of_test, target["tests"]))}
        for target in data["targets"]]}


def lines(data):
    """The summary as lines."""
    data = wording.cleaned(
        _summary(data), lambda text: phrases.ascii_only(
            narrow(wording.line(text))))
    found = [*_head(data), *_verdict(data),
             *fleettext.lines(data.get("fleet")), *_limits(data),
             *_checks(data), *_tests(data), *_against(data), *_engines(data),
             *warnings(data), ""]
    if data["profile"]["scaled"]:
        found += [f"{phrases.SCALED}.", ""]
    out = figuremarks.left_out(data)
    if out:
        found += [*fitted(f"Left out for the time: {out}.", ""), ""]
    return [phrases.ascii_only(line) for line in [
        *found, "All figures, and the evidence of each: report.html and "
        "qualify.json.", *fitted(wording.made(data.get("version")), "")]]
