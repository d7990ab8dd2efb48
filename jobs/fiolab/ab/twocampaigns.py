# SPDX-License-Identifier: GPL-2.0-only
# `ab compare OLD NEW`: has a side changed between two campaigns?  What is
# compared is B against A in the one with B against A in the other, so that a
# machine that became slower or faster as a whole changes nothing.  The pairs
# of two campaigns have nothing to do with each other, so the effect is the
# Hodges-Lehmann shift of two samples, with the interval and the p of
# Mann-Whitney's test; margin, Holm and verdicts are those of a campaign, but
# that what is equivalent is said first (no regression of less than the margin
# is one); and so is the floor: no change inside that of A' against A.
import argparse
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
import json
import math
import os
import sys

from ..base import commandline
from ..base.problem import Problem
from ..fio import returnstack
from ..fio.metrics import CHANGES, METRICS, SPECIAL
from ..report import wording
from ..stats import paired, twosample, verdict
from . import schema
from .report import comparetext, failing

TOO_FEW = "too few pairs"       # how the reason of no verdict begins

PAIRING = 6             # in a key
MENTIONED = 5           # cells that a warning names, one by one
ALIKE = 0.01            # p of all cells together, for a warning
ABOUT = """Compare two campaigns of jobs/ab: for each cell that both have, is B
(against A) faster, slower or equivalent in NEW, compared with OLD?"""
MORE = f"""OLD and NEW are campaign folders or their report.json.
With --fail-if the exit status is {failing.STATUS} if a cell has that
verdict: slower
(IOPS), more-cpu, longer (latency), or inconclusive (IOPS or CPU); and also if
that cannot be judged: OLD has a cell that NEW lacks, the metric was not
measured, there are too few pairs, or a campaign is not finished."""


def parser() -> argparse.ArgumentParser:
    new = argparse.ArgumentParser(
        "ab compare", description=ABOUT, epilog=MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    new.add_argument("old", metavar="OLD")
    new.add_argument("new", metavar="NEW")
    failing.add_option(new, f"the exit status is {failing.STATUS} then")
    new.add_argument("--json", metavar="FILE", help="write the result to FILE")
    return new


def load(path):
    inside = os.path.join(path, "report.json")
    return schema.load(inside if os.path.isdir(path) else path)


def _key(data, cell):
    """What makes a cell the same in two campaigns; the place may move."""
    sides = {side["letter"]: side["text"] for side in data["sides"]}
    return (sides["A"], sides[cell["b"]], wording.job_name(cell),
            cell["job_text"] + (cell.get("job_b") or {"text": ""})["text"],
            wording.place(cell), cell["target"]["size"],
            cell.get("pairing", "alternate"))


def cells_of(data):
    """{key: cell}; equal cells of one campaign are told apart by number."""
    found = {}
    for cell in data["cells"]:
        key, again = _key(data, cell), 0
        while (*key, again) in found:
            again += 1
        found[(*key, again)] = cell
    return found


def differences(cell: dict, metric: str, role: str = "B") -> list[float]:
    """ln(role/A) of each pair in which the metric was measured."""
    values = [(pair["values"]["A"].get(metric),
               pair["values"][role].get(metric)) for pair in cell["pairs"]]
    return [math.log(b / a) for a, b in values if a and b]


def _changes(old, new):
    """The changes of one cell, not judged yet."""
    found = []
    for metric in METRICS:
        x, y = differences(old, metric), differences(new, metric)
        floor = [differences(cell, metric, "A'") for cell in (old, new)]
        if x and y and all(floor):
            found.append(twosample.Change(metric, x, y, twosample.interval(
                *floor, 0.95)))
    return found


def _judge(change, comparisons):
    fewest = twosample.smallest_p(len(change.old), len(change.new))
    if fewest > verdict.ALPHA:
        return "no verdict", TOO_FEW
    if change.tost_p <= verdict.ALPHA:
        return "equivalent", "90% CI inside +-2%"
    if change.p_holm <= verdict.ALPHA and change.inside_floor():
        return "inconclusive", "inside the A/A noise of both"
    if change.p_holm <= verdict.ALPHA:
        up, down = CHANGES[change.metric]
        return up if change.estimate > 0 else down, f"p {change.p_holm:.2g}"
    if fewest * comparisons > verdict.ALPHA:
        return "inconclusive", TOO_FEW + " for so many comparisons"
    return "inconclusive", f"p {change.p_holm:.2g}"


def compare(old: dict, new: dict) -> Sequence[tuple]:
    """[(key, [Change])] of the cells that both reports have, judged."""
    first, second = cells_of(old), cells_of(new)
    found = [(key, _changes(first[key], second[key])) for key in second
             if key in first]
    if not found:
        raise Problem("the two campaigns have no cell in common (sides, job, "
                      "target and size): compare campaigns of one command.")
    every = [change for _, changes in found for change in changes]
    if not every:
        raise Problem("no metric was measured in both campaigns: see their "
                      "reports.")
    for change, p in zip(every, paired.holm([change.p for change in every])):
        change.p_holm = p
    for change in every:
        change.verdict, change.reason = _judge(change, len(every))
    return found


def _only(one, other):
    """The keys of the cells that one has and the other has not."""
    there = cells_of(other)
    return [key for key in cells_of(one) if key not in there]


def named(key):
    a, b, job, _, label, *_ = key
    return f"{job}: {b} against {a}, {label}"


def _unmeasured(old, new):
    """[(key, metric, "OLD" or "NEW")] of the common cells' missing metrics.

    A metric that both lack is none of that comparison.
    """
    first, second = cells_of(old), cells_of(new)
    found = []
    for key in (key for key in first if key in second):
        for metric in METRICS:
            there = [bool(differences(cells[key], metric) and differences(
                cells[key], metric, "A'")) for cells in (first, second)]
            if any(there) and not all(there):
                found.append((key, metric, ("OLD", "NEW")[there[0]]))
    return found


def _shortened(said):
    more = len(said) - MENTIONED
    return said[:MENTIONED] + ([f"and {more} more"] if more > 0 else [])


def _alike(old, new):
    """Cells whose pairs are not independent, as the intervals take them."""
    both = {"OLD": cells_of(old), "NEW": cells_of(new)}
    found = [(name, key, *paired.neighbours(differences(
        cells[key], "cpu_us" if key[PAIRING] == "duet" else "iops")))
             for name, cells in both.items()
             for key in both["OLD"] if key in both["NEW"]]
    return [f"{named(key)}: in {name} neighbouring pairs are alike "
            f"(correlation {r:.2f}), so that its interval is too "
            "narrow" for name, key, r, p in found
            if p * len(found) < ALIKE]


def _return_stacks(old, new):
    """Of the sides that both have: are system calls refilled in one only?"""
    before, after = ({side["text"]: side["environment"].get(
        returnstack.VARIABLE, "not said") for side in data["sides"]}
        for data in (old, new))
    return [f"{returnstack.VARIABLE} of {text} (is the return stack refilled "
            f"after system calls?) is {before[text]} in OLD and {value} in NEW"
            for text, value in after.items()
            if before.get(text, value) != value]


def warnings(old: dict, new: dict) -> list[str]:
    """What differs between the campaigns, beside the cells."""
    said = [f"{name} is {old[name]} in OLD and {new[name]} in NEW"
            for name in ("runtime_s", "ramp_s", "cpu")
            if old[name] != new[name]]
    if old["fio"]["version"] != new["fio"]["version"]:
        said.append(f"OLD ran with {old['fio']['version']}, NEW with "
                    f"{new['fio']['version']}")
    said += _return_stacks(old, new)
    for key in ("kernel", "cpu_model"):
        if old["environment"][key] != new["environment"][key]:
            said.append(f"the {key} is not the same")
    for name, one, other in (("OLD", old, new), ("NEW", new, old)):
        said += _shortened([f"{named(key)} is in {name} only"
                            for key in _only(one, other)])
    said += _shortened([f"{named(key)} has no {metric} in {where}"
                        for key, metric, where in _unmeasured(old, new)])
    said += _shortened(_alike(old, new))
    if not (old["finished"] and new["finished"]):
        said.append("a campaign is not finished")
    return said


def _data(found):
    return [{"a": key[0], "b": key[1], "job": key[2], "target": key[4],
             "changes": [change.data() for change in changes]}
            for key, changes in found]


# --fail-if, for CI

def _of_metric(metric, change, verdicts):
    """What is wrong with a metric of a cell; "" for nothing."""
    if change is None:
        return f"{metric} was not measured in both"
    if change.verdict in verdicts:
        return f"{metric} {change.verdict}"
    if change.reason.startswith(TOO_FEW):
        return f"{metric} has {change.reason}"
    return ""


def _of_cell(changes, words, pairing, both, lost):
    """lost: what only one of the campaigns has; what both lack of SPECIAL,
    the job does not do."""
    by_name = {change.metric: change for change in changes}
    asked = [(name, verdicts) for verdicts, metrics in (
        failing.asked(word, pairing, both) for word in words)
        for name in metrics
        if name in {*by_name, *lost} or name not in SPECIAL]
    return dict.fromkeys(filter(None, (
        _of_metric(name, by_name.get(name), verdicts)
        for name, verdicts in asked)))


def failures(found: Sequence[tuple], words: Sequence[str],
             missing: Sequence[tuple], finished: bool,
             lost: Sequence[tuple] = ()) -> list[str]:
    """Sentences about what --fail-if WORD... looks for; [] without words.

    found: the judged changes of compare(); missing: the keys of OLD's cells
    that NEW lacks; lost: those of _unmeasured().
    """
    if not words:
        return []
    said = [] if finished else ["a campaign is not finished"]
    said += [f"{b} on {job} ({label}) is not in NEW"
             for _, b, job, _, label, *_ in missing]
    pairings = Counter(key[:PAIRING] for key, _ in found)
    return said + [f"{key[1]} on {key[2]}: {text}"
                   for key, changes in found for text in _of_cell(
                       changes, words, key[PAIRING],
                       pairings[key[:PAIRING]] > 1, [
                           metric for one, metric, _ in lost if one == key])]


def run(args: argparse.Namespace, stack: ExitStack) -> None:
    file = commandline.output(args.json, 0, stack)
    old, new = load(args.old), load(args.new)
    found = compare(old, new)
    for text in warnings(old, new):
        print(f"ab compare: warning: {ascii(text)[1:-1]}", file=sys.stderr)
    print("\n".join(comparetext.lines(found)[1:]))
    if file:
        file.save(json.loads(json.dumps(_data(found), allow_nan=False)))
    failed = failures(found, args.fail_if or (), _only(old, new),
                      old["finished"] and new["finished"],
                      _unmeasured(old, new))
    failing.end("ab compare", failed)


def main(arguments: Sequence[str]) -> None:
    commandline.main(arguments, parser(), run)
