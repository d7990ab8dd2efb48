# SPDX-License-Identifier: GPL-2.0-only
# qualify.json: all that was found, and what it means; and the reports on it.
import os
import sys

from ..base import machine
from ..base.problem import Problem
from ..base.version import VERSION
from ..report import pdf
from ..target.drive import smartlog
from ..target.target import QUALIFY
from . import engines, prewritten, readings
from .fleet import batch, interference
from .limits import against, healthlimits, judging, outcome
from .records import exporters, manifest, signature
from .report import (csvreport, healthcsv, healthwords, phrases, schema,
                     steadywords, textreport)
from .shorter import figuremarks
from .tails import neighbourtarget
from .watch import healthcheck, healthfacts, kernelerrors

PDF = "report.pdf"
RESUMED = ("the run was resumed at {}, {}: no round from before a break is in "
           "a measurement window after it.")
NOT_READ = ("{}, so what it reported of {} during the tests is not known, and "
            "not judged.")
NOT_FINISHED = "the run is not finished: jobs/qualify {} goes on with it."


def _profile(profile):
    return {"name": profile.name, "title": profile.title,
            "threads": profile.threads, "depth": profile.depth,
            "active_percent": profile.active,
            "write_cache": profile.write_cache, "minute_s": profile.minute,
            "scaled": profile.scaled, "of": profile.of or profile.name,
            "readings": readings.said(profile)}


def going_on(qualification):
    """The options that go on with it, as they can be given."""
    return f"--resume {qualification.folder.shown}" + (
        " --destroy-data" if qualification.writes else "")


def _time(time):
    """Without what is for --resume alone."""
    return time and {name: one for name, one in time.items() if name != "cuts"}


def _excused(qualification):
    """The tests that are to provoke errors."""
    return {test.name for test in qualification.tests if test.provokes}


def _checks(worker, known):
    """Those that are of no single test."""
    excused = _excused(worker.qualification)
    after = worker.after        # None: the run was stopped before its end
    made = (kernelerrors.check(worker.tests, excused),
            after and healthcheck.check(known["smart"], after["smart"],
                                        after["why"]))
    return [one for one in made if one]


def _target(worker, known):
    target, after = worker.target, worker.after or {"smart": None, "why": None}
    samples = worker.qualification.asked.sample
    for test, found in zip(worker.qualification.tests, worker.tests):
        profile = worker.qualification.profile
        figuremarks.mark(test, found, profile,
                         figuremarks.part_of(target, profile))
    return {**target.data(QUALIFY), "identity": known["identity"],
            "sample": samples[worker.number] if samples else None,
            "neighbour": neighbourtarget.data(
                worker.qualification.plan.get("neighbour")),
            "smart": {"before": known["smart"], "after": after["smart"],
                      "why": known["smart_why"] or after["why"],
                      "rows": smartlog.rows(known["smart"], after["smart"])},
            "health": healthfacts.tell(worker.tests, known["identity"]),
            "write_cache": known.get("write_cache"),
            "purge": known["purge"],
            "written": prewritten.summary(worker.tests),
            "checks": _checks(worker, known), "tests": worker.tests}


def _place(target, part):
    """Where a target went on in that part of the run; None if nowhere."""
    for test in target["tests"]:
        rounds = [(phase, one) for phase in test["phases"]
                  for one in phase["rounds"]]
        found = next(((phase["title"], one["round"]) for phase, one in rounds
                      if one["part"] >= part), None)
        if found or (not rounds and test["part"] >= part):
            phase, number = found or (None, None)
            return {"target": target["name"], "test": test["name"],
                    "phase": phase, "round": number}
    return None


def _resumed(times, targets):
    """When, and where each target went on."""
    return [{"at": at, "places": [place for place in (
        _place(target, part) for target in targets) if place]}
            for part, at in enumerate(times, 1)]


def _not_read(target):
    """Why the kernel's log was not read, a sentence each."""
    whys = {test["kernel"]["why"] for test in target["tests"]
            if test["kernel"] and test["kernel"]["why"]}
    return [NOT_READ.format(why, target["name"]) for why in sorted(whys)]


def _kaio(engine):
    """What tells one build of the engine from another."""
    if not os.path.basename(engine["ioengine"]).startswith("fio-kaio"):
        return None
    return f"{os.path.basename(engine['ioengine'])}, sha256 " \
           f"{engine['sha256'] or 'unknown'}"


def _warnings(qualification, targets, finished):
    found = [*qualification.plan["warnings"], *qualification.warnings,
             *qualification.folder.strange]
    found += [RESUMED.format(one["at"], phrases.places(one["places"]))
              for one in _resumed(qualification.plan.get("resumed", ()),
                                  targets)]
    found += prewritten.warnings(targets)
    for target in targets:
        found += _not_read(target)
        found += healthwords.warnings(target)
        for test in target["tests"]:
            found += [f"{target['name']}, {test['name']}: steady state was "
                      f"not reached by round {phase['by']}; it is that of "
                      f"round {phase['steady']['last']}."
                      for phase in test["phases"] if steadywords.late(phase)]
            left = {one["why"] for one in test["cells"] if "why" in one}
            found += [f"{target['name']}, {test['name']}: stimuli were left "
                      f"out, as {why}." for why in sorted(left)]
    found += interference.warnings(qualification.interference)
    if not finished:
        found.append(NOT_FINISHED.format(going_on(qualification)))
    return list(dict.fromkeys(found))


def _record(qualification):
    """Of the head of the report; None where nothing was given."""
    spec, operator = qualification.spec, qualification.asked.operator
    found = dict(spec.record) if spec else {}
    return {"operator": operator, "fields": found} if (
        operator or found) else None


def _spec(spec):
    return spec and {"path": spec.path, "name": spec.name,
                     "confidence": spec.confidence}


def _measured(qualification, finished):
    """The content of qualify.json, but for what it is compared with, and for
    its verdict."""
    plan = qualification.plan
    targets = [_target(*each) for each in zip(qualification.workers,
                                              plan["targets"])]
    return {
        "schema": schema.REPORT.version, "version": VERSION,
        "created": machine.moment(),
        "finished": finished, "command": plan["command"],
        "seed": plan["seed"], "engine": plan["engine"]["text"],
        "ioengine": plan["engine"]["ioengine"], "kaio": _kaio(plan["engine"]),
        "refill": plan.get("refill"),
        "fio": {key: plan["fio"][key] for key in ("path", "version")},
        "environment": plan["environment"],
        "profile": _profile(qualification.profile),
        "time": _time(qualification.time),
        "record": _record(qualification),
        "spec": _spec(qualification.spec),
        "resumed": _resumed(plan.get("resumed", ()), targets),
        "targets": targets, "limits": [], "result": "not measured",
        "ab": None, "against": None, "fleet": None,
        "interference": qualification.interference,
        "warnings": _warnings(qualification, targets, finished)}


def _compare_engines(qualification, data):
    """--ab, of the targets that came to the end of it."""
    found = [(one.target.name, one.pairs) for one in qualification.workers
             if one.pairs]
    if found:
        data["ab"] = engines.summary(qualification, found)


def _compare(qualification, data):
    """A report without the comparison is better than none."""
    try:
        data["against"] = against.compare(data, qualification.other,
                                          qualification.asked.against)
    except Problem as problem:
        data["warnings"].append(f"--against compared nothing: {problem}")


def _judge(qualification, data):
    """Limits, the comparison with another run, and the result."""
    tests = [test for target in data["targets"] for test in target["tests"]]
    if qualification.spec:
        spec = qualification.spec
        data["limits"] = [one for target in data["targets"] for one in (
            *judging.judge(spec, target), *healthlimits.judge(
                spec, target, _excused(qualification)))]
    figuremarks.mark_limits(data)
    if qualification.other:
        _compare(qualification, data)
    checks = [check for _, _, check in phrases.checks(data)]
    data["result"] = outcome.result(data["limits"], checks, tests)


def make(qualification, finished):
    """The content of qualify.json."""
    data = _measured(qualification, finished)
    _compare_engines(qualification, data)
    _judge(qualification, data)
    if len(data["targets"]) > 1:
        data["fleet"] = batch.summary([(None, data)])
    return data


def publish(qualification, data):
    """All reports; what was found goes to stdout."""
    folder = qualification.folder
    schema.check(data)
    folder.forget(PDF)          # of an earlier command: not made every time
    folder.save_report(data)
    samples = healthcsv.text(data)
    if samples:
        folder.save_result("health.csv", samples)
    # Half of the time that the command takes to start is matplotlib's.
    from .report import htmlreport
    folder.save_result("report.html", htmlreport.render(data))
    lines = textreport.lines(data)
    folder.save_result("report.txt", "\n".join(lines) + "\n")
    folder.save_result("report.csv", csvreport.text(data))
    print("\n".join(lines))
    print(f"Report: {folder.shown}/report.html")
    exporters.write(data, exporters.renewed(qualification.forms, folder.path),
                    folder.path)
    if data["finished"]:
        _finish(qualification, folder)


def _finish(qualification, folder):
    """The PDF; and when nothing more is written, the manifest of all."""
    if qualification.pdf:
        why = pdf.write(folder.file("report.html"), folder.file(PDF))
        if why:
            print(f"qualify: no {PDF}: {why}", file=sys.stderr)
    left = folder.seal()
    print(f"Manifest: {folder.shown}/{manifest.NAME}, sha256 "
          f"{manifest.digest(folder.file(manifest.NAME))}")
    for name in left:
        print(f"qualify: the manifest leaves out {ascii(name)[1:-1]}: it is no "
              "file.", file=sys.stderr)
    if qualification.key:
        signature.sign(folder.path, qualification.key)
        print(f"Signed: {folder.shown}/{qualification.key.file}")
