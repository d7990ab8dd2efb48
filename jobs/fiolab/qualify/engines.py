# SPDX-License-Identifier: GPL-2.0-only
# --ab: does a verdict depend on the engine?  After the tests, the engine
# beside another one in pairs of runs, as jobs/ab has them (A' A B or B A A',
# one seed in each), on two cells of the IOPS test; and the limits of the spec
# on these cells, judged with either engine's runs.
import math
from statistics import fmean

import numpy as np

from ..fio.metrics import CHANGES, TABLE
from ..stats import verdict
from ..stats.pairing import ROLES, SEQUENCES, planned_orders
from . import cells, estimate, jobtext, phaserun, prewritten
from .execute import Executor
from .limits import judging
from .suite import pts

TEST = "iops"               # whose cells these are
CELLS = (("4K", 100), ("4K", 0))
PAIRS, FEW = 10, 6
METRICS = ("iops", "lat_mean_us", "lat_p99_us")
NOTE = ("{pairs} pairs of runs for each cell, back to back and in random "
        "order, with a pair of {other} and itself beside each as the noise "
        "floor; {count} comparisons, corrected by Holm's method.")


def other_text(text):
    """The engine to compare with."""
    return "kaio" if text.split(",")[0] == "libaio" else "libaio"


def pairs_of(profile):
    return FEW if profile.thin else PAIRS


def loads(profile):
    return jobtext.loads([pts.cell(*cell) for cell in CELLS], profile)


def seconds(profile, size):
    """Of all pairs on one target."""
    return 3 * pairs_of(profile) * sum(
        estimate.of_loads([load], profile, size) for load in loads(profile))


def _one(bench, executor, load, number, name):
    """The values and the source of one run."""
    if jobtext.writes(load.stimulus) < 1:
        prewritten.before_reads(bench, lambda text: bench.progress(text, None))
    known = jobtext.seed(bench.seed, "engines", load.name, number)
    text = jobtext.text([load], bench.profile, bench.target.size, [known])
    ran = executor.run(text, name, jobtext.seconds(load, bench.profile))
    found, _ = phaserun.measured(load, *ran.named(load.name))
    return {"values": found, "source": f"{ran.source}#{load.name}"}


def _block(bench, executors, load, order, number):
    """{role: run} of a pair and its floor."""
    stem = bench.label("engines", load.name, f"r{number:04d}")
    return bench.folder.once(stem, lambda: {
        role: _one(bench, executors[role == "B"], load, number,
                   f"{stem}-{place}")
        for place, role in enumerate(SEQUENCES[order])})


def run(bench, qualification):
    """{cell: [{role: run}]} of one target."""
    mine = bench.executor
    other = Executor(mine.fio, qualification.other_side, bench.target,
                     bench.folder, mine.stop, qualification.other_has_stats)
    found = {load.stimulus.name: [] for load in loads(bench.profile)}
    pairs, size = pairs_of(bench.profile), bench.target.size
    orders = {load.index: planned_orders(bench.seed, load.index, pairs)
              for load in loads(bench.profile)}
    for number in range(pairs):
        left = seconds(bench.profile, size) * (pairs - number) / pairs
        for load in loads(bench.profile):
            bench.progress(f"engines: {load.stimulus.name}, pair {number + 1} "
                           f"of {pairs}", left)
            found[load.stimulus.name].append(_block(
                bench, (other, mine), load, orders[load.index][number],
                number))
    return found


# What they say

def _series(blocks, role, metric):
    return [block[role]["values"][metric] for block in blocks]


def _logs(blocks, role, metric):
    """ln(role/A) of each block."""
    return list(np.log(np.divide(_series(blocks, role, metric),
                                 _series(blocks, "A", metric))))


def _ratios(ends):
    return None if math.inf in map(abs, ends) else [math.exp(x) for x in ends]


def _row(target, cell, blocks, metric, effect):
    known = TABLE[metric]
    return {"target": target, "test": TEST, "cell": cell, "metric": metric,
            "label": known.short, "unit": known.unit, "better": known.better,
            "this": fmean(_series(blocks, "B", metric)),
            "other": fmean(_series(blocks, "A", metric)),
            "ratio": math.exp(effect.estimate), "ci95": _ratios(effect.ci95),
            "p": effect.p, "p_holm": effect.p_holm, "n": len(blocks),
            "verdict": effect.verdict, "reason": effect.reason}


def _rows(found):
    """found: [(target, {cell: blocks})]"""
    places = [(target, cell, blocks, metric) for target, one in found
              for cell, blocks in one.items() for metric in METRICS
              if all(None not in _series(blocks, role, metric)
                     for role in ROLES)]
    effects = [verdict.Effect(metric, _logs(blocks, "B", metric),
                              _logs(blocks, "A'", metric))
               for _, _, blocks, metric in places]
    verdict.judge_all(effects, CHANGES)
    return [_row(*place, effect) for place, effect in zip(places, effects)]


def _cell(name, blocks, role, profile):
    """A cell of qualify.json, of one engine's runs."""
    rounds = [{"results": [{"stimulus": name, **block[role]}]}
              for block in blocks]
    stimulus = next(load.stimulus for load in loads(profile)
                    if load.stimulus.name == name)
    return cells.plain(stimulus, rounds, profile)


def _judged(qualification, target, found, role):
    """The results of the spec's limits with one engine's runs."""
    test = {"name": TEST, "state": "done", "why": None, "phases": [],
            "cells": [_cell(name, blocks, role, qualification.profile)
                      for name, blocks in found.items()]}
    rows = judging.judge(qualification.spec, {
        "name": target, "identity": {}, "tests": [test]})
    return {(row["cell"], row["key"]): row["result"] for row in rows
            if row["test"] == TEST and row["cell"] in found}


def _verdicts(qualification, found):
    made = []
    for target, one in found if qualification.spec else ():
        mine, other = (_judged(qualification, target, one, role)
                       for role in "BA")
        made += [{"target": target, "cell": cell, "key": key,
                  "this": result, "other": other[cell, key]}
                 for (cell, key), result in mine.items()]
    return made


def _sentence(verdicts, this, other):
    unlike = [f"{one['cell']} {one['key']}: {one['this']} with {this}, "
              f"{one['other']} with {other}" for one in verdicts
              if one["this"] != one["other"]]
    if not verdicts:
        return "no limit of the spec is on these cells"
    if not unlike:
        return (f"each of {len(verdicts)} limits on these cells has the same "
                "result with either engine")
    return "; ".join(unlike)


def summary(qualification, found):
    """The "ab" of qualify.json; found: [(target, {cell: blocks})]."""
    this, other = qualification.side.text, qualification.other_side.text
    rows, verdicts = _rows(found), _verdicts(qualification, found)
    return {"engine": this, "compared_with": other,
            "verdicts_of_the_spec": _sentence(verdicts, this, other),
            "note": NOTE.format(pairs=pairs_of(qualification.profile),
                                other=other, count=len(rows)),
            "rows": rows, "verdicts": verdicts}
