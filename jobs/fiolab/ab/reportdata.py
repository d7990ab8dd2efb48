# SPDX-License-Identifier: GPL-2.0-only
# From a plan (campaign.json) and its results to report.json, and to the
# verdicts: whether they were measured just now or are read again makes no
# difference.
from itertools import groupby
import math
import os
import shlex
import statistics

from ..base.version import VERSION
from ..fio import fiorun
from ..fio.jobfile import Job
from ..fio.metrics import CHANGES, METRICS
from ..fio.sidespec import Side
from ..stats import paired, verdict
from ..target.scratchfile import Target
from . import schema


def _measured(pairs, metric):
    """The pairs in which a metric was measured in all three runs."""
    return [pair for pair in pairs if all(
        values[metric] is not None for values in pair["values"].values())]


def _differences(pairs, metric, role):
    """ln(role/A) of each pair."""
    return [math.log(pair["values"][role][metric] /
                     pair["values"]["A"][metric]) for pair in pairs]


class Group:
    """The effects of one cell, or of one host in it."""

    def __init__(self, pairs):
        self.pairs = {metric: _measured(pairs, metric) for metric in METRICS}
        self.effects = {}

    def metrics(self):
        return [metric for metric in METRICS if self.pairs[metric]]

    def data(self):
        return [_effect_data(effect, self.pairs[metric])
                for metric, effect in self.effects.items()]


def _evaluate(groups):
    """Fill .effects, all those of equally many pairs at once."""
    wanted = [(group, metric) for group in groups for metric in
              group.metrics()]

    def length(item):
        return len(item[0].pairs[item[1]])
    for _, same in groupby(sorted(wanted, key=length), length):
        same = list(same)
        d, floor = ([_differences(group.pairs[metric], metric, role)
                     for group, metric in same] for role in ("B", "A'"))
        for (group, metric), effect in zip(same, verdict.many(
                [metric for _, metric in same], d, floor)):
            group.effects[metric] = effect
    for group in groups:        # in the order of the metrics again
        group.effects = {m: group.effects[m] for m in group.metrics()}
    return [e for group in groups for e in group.effects.values()]


def _ratios(interval):
    if math.isinf(interval[0]):
        return None
    return [math.exp(bound) for bound in interval]


def _effect_data(effect, pairs):
    known = METRICS[effect.metric]
    seen = paired.detectable(effect.d)
    return {
        "metric": known.name, "name": known.label, "unit": known.unit,
        "role": known.role, "better": known.better,
        "median": {role: statistics.median(
            pair["values"][role][effect.metric] for pair in pairs)
            for role in "AB"},
        "ratio": math.exp(effect.estimate), "ci95": _ratios(effect.ci95),
        "ci90": _ratios(effect.ci90),
        "aa": {"ratio": math.exp(effect.floor_estimate),
               "ci95": _ratios(effect.floor)},
        "p": effect.p, "p_holm": effect.p_holm, "tost_p": effect.tost_p,
        "verdict": effect.verdict, "reason": effect.reason,
        "detectable": None if math.isinf(seen) else math.expm1(seen),
        "n": len(effect.d)}


# One cell

def side_of(data):
    return Side(data["text"], data["ioengine"], tuple(data["options"]),
                tuple(data["environment"].items()), data["library"] or "",
                tuple(data["plant"]))


def target_of(data):
    return Target(data["path"], data["size"], data["ram"], data["label"],
                  data["o_direct"], data["writable"])


def plain_job(plan, cell, side):
    """The job file that repeats a run of a side with plain fio, which has to
    make a target that was made for the campaign."""
    known = plan["targets"][cell["target"]]
    job, target = Job(**plan["jobs"][cell["job"]]), target_of(known)
    options = fiorun.base_options(side_of(side), target,
                                  cell.get("seed") or 1)
    options += [line for line in fiorun.timed_options(
        plan["runtime_s"], plan["ramp_s"]) if "exec_prerun" not in line]
    if known.get("created"):
        options = [line for line in options
                   if line not in fiorun.KEEP_FILES]
    return job.effective(fiorun.literal(options, side_of(side), target))


def job_name(cell, letter):
    """The file in the campaign folder that holds plain_job()."""
    return f"cell-{cell['id']}-{letter}.fio"


def _command(plan, cell, letter, side, folder):
    """A shell line; every word of it is quoted."""
    env = [f"{name}={value}" for name, value in side["environment"].items()]
    pin = ["taskset", "-c", str(plan["cpu"])] if plan["cpu"] is not None else []
    target = plan["targets"][cell["target"]]
    words = [*(["env", *env] if env else []), *([] if plan["clients"] else pin),
             plan["fio"]["path"], "--output-format=json+",
             *([] if target["writable"] else ["--readonly"])]
    path = os.path.join(folder, "jobs", job_name(cell, letter))
    if plan["clients"]:
        for client in plan["clients"]:
            words += [f"--client={client['address']}", path]
    else:
        words.append(path)
    return shlex.join(words)


def two(plan, cell):
    """[("A", side), ("B", side)] of a cell; B is the one that it compares."""
    b, = (side for side in plan["sides"] if side["letter"] == cell["b"])
    return [("A", plan["sides"][0]), ("B", b)]


def _changes(plan, cell, options):
    """What of the user's job file the runs replaced or dropped."""
    job = Job(**plan["jobs"][cell["job"]])
    return job.changes(options) if options else ""


def _disturbances(plan, results):
    """Of this machine's CPU; nothing of it is known of other machines."""
    if plan["clients"] or not results.steal:
        steal = None
    else:
        steal = {"mean": statistics.fmean(results.steal),
                 "max": max(results.steal)}
    return {"steal": steal,
            "repeats": None if plan["clients"] else results.repeats}


def _cell_data(plan, cell, results, group, hosts, folder):
    job, sides = plan["jobs"][cell["job"]], two(plan, cell)
    target = plan["targets"][cell["target"]]
    pairs = results.ordered()
    ab = {m: [p["order"] == "AB" for p in group.pairs[m]]
          for m in group.effects}
    return {
        "id": cell["id"], "job": Job(**job).name, "job_path": job["path"],
        "job_text": job["text"], "b": cell["b"],
        "target": {key: target[key] for key in ("path", "label", "size")} |
        {"why": cell["why"], "direct": cell["direct"],
         "written": target.get("written")},
        "changes": _changes(plan, cell, results.options),
        "stream": cell["stream"], "calls_per_io": cell["calls"],
        "command": {letter: _command(plan, cell, letter, side, folder)
                    for letter, side in sides},
        "effective": {letter: plain_job(plan, cell, side)
                      for letter, side in sides},
        "order_effect": {m: paired.order_effect(e.d, ab[m])
                         for m, e in group.effects.items()},
        **_disturbances(plan, results),
        "discarded": [results.discarded[pair]
                      for pair in sorted(results.discarded)],
        "pairs": pairs, "effects": group.data(),
        "latency": results.latency(),
        "hosts": {host: {"effects": one.data()}
                  for host, one in hosts.items()}}


def evaluate(results, alpha):
    """([(Group, {host: Group})] of the cells, all effects, judged)"""
    found = [(Group(cell.ordered()), {host: Group(
        [{**cell.pairs[pair], "values": values[pair]}
         for pair in sorted(values)]) for host, values in cell.hosts.items()})
        for cell in results.cells]
    effects = _evaluate([group for cell, hosts in found
                         for group in (cell, *hosts.values())])
    verdict.judge_all(effects, CHANGES, alpha)
    return found, effects


def decided(found):
    """Has every primary effect of the combined figures a verdict?"""
    return all(cell.effects[m].verdict not in ("inconclusive", "no verdict")
               for cell, _ in found for m in ("iops", "cpu_us")
               if m in cell.effects)


def make(plan, results, folder, finished, warnings):
    """The whole report.json."""
    found, effects = evaluate(results, plan["alpha"])
    if not finished:
        verdict.withhold(effects)
    keep = ("title", "created", "command", "seed", "pairs", "looks", "alpha",
            "margin", "runtime_s", "ramp_s", "environment",
            "self_check")
    return {
        "schema": schema.VERSION, "version": VERSION,
        **{key: plan[key] for key in keep},
        "cpu": None if plan["clients"] else plan["cpu"],
        "finished": finished, "comparisons": len(effects),
        "fio": plan["fio"],
        "clients": [client["name"] for client in plan["clients"]],
        "sides": [{key: side[key] for key in (
            "letter", "text", "ioengine", "options", "environment", "library")}
            for side in plan["sides"]],
        "cells": [_cell_data(plan, cell, measured, group, hosts, folder)
                  for cell, measured, (group, hosts) in zip(
                      plan["cells"], results.cells, found)],
        "warnings": warnings}
