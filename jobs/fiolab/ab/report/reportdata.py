# SPDX-License-Identifier: GPL-2.0-only
"""From a campaign to report.json, and to the job files that repeat its
runs."""
import math
import os
import shlex
import statistics
from typing import Any

from ...base.version import VERSION
from ...fio import fiorun, timedrun
from ...fio.metrics import METRICS
from ...fio.sidespec import LETTERS
from ...stats import verdict
from ...target.target import CAMPAIGN, REPORT
from .. import campaignfolder, duets, evaluation, schema
from ..campaign import Campaign
from ..results import Cell
from . import duetdata


def _ratios(interval):
    if math.isinf(interval[0]):
        return None
    return [math.exp(bound) for bound in interval]


def _effect_data(metric, effect, pairs, role):
    known = METRICS[metric]
    seen = effect.detectable
    return {
        "metric": known.name, "name": known.label, "unit": known.unit,
        "role": role, "better": known.better,
        "median": {role: statistics.median(
            pair["values"][role][metric] for pair in pairs)
            for role in "AB"},
        "ratio": math.exp(effect.estimate), "ci95": _ratios(effect.ci95),
        "ci90": _ratios(effect.ci90),
        "aa": {"ratio": math.exp(effect.floor_estimate),
               "ci95": _ratios(effect.floor)},
        "p": effect.p, "p_holm": effect.p_holm, "tost_p": effect.tost_p,
        "verdict": effect.verdict, "reason": effect.reason,
        "detectable": None if math.isinf(seen) else math.expm1(seen),
        "n": len(effect.d)}


def _effects_data(cell, effects):
    return [_effect_data(metric, effect, effects.pairs[metric],
                         cell.role(metric))
            for metric, effect in effects.items()]


# What repeats a run

def _plain_job(campaign, cell, role):
    """The job file that repeats a run of a side with plain fio, of a duet that
    of its first block; it has to make a target that was made for the campaign.
    """
    side, target = campaign.side(cell, role), cell.place_of(role)
    seed, gone = cell.seed or 1, fiorun.KEEP_FILES if target.created else ()
    options = (duets.options(campaign, cell, role, duets.third(cell, role, 0),
                             seed, target) if cell.pairing == duets.DUET else
               [*fiorun.base_options(side, target, seed),
                *timedrun.timed_options(campaign.runtime, campaign.ramp)])
    options = [line for line in options
               if line not in gone and "exec_prerun" not in line]
    return cell.job_of(role).effective(fiorun.literal(options, side, target))


def _job_name(cell, letter):
    """The file in the campaign folder that holds _plain_job()."""
    return f"cell-{cell.id}-{letter}.fio"


def _by_role(campaign, cell, made):
    """{role: made(campaign, cell, role)}"""
    return {role: made(campaign, cell, role) for role in "AB"}


def plain_jobs(campaign: Campaign) -> dict[str, str]:
    """{name: text} of the job files that repeat the cells' runs."""
    return {_job_name(cell, letter): text for cell in campaign.cells
            for letter, text in _by_role(campaign, cell, _plain_job).items()}


def _command(campaign, cell, letter):
    """A shell line; every word of it is quoted."""
    side = campaign.side(cell, letter)
    cpu, nice = campaign.cpu(side), side.own.nice
    env = [f"{name}={value}" for name, value in side.environment]
    pin = ["taskset", "-c", str(cpu)] if cpu is not None else []
    words = [*(["env", *env] if env else []),
             *([] if campaign.clients else pin),
             *([] if nice is None else ["nice", "-n", str(nice)]),
             side.own.fio or campaign.binary["path"], "--output-format=json+",
             *([] if cell.place_of(letter).writable else ["--readonly"])]
    path = os.path.join(campaign.folder.path, "jobs", _job_name(cell, letter))
    if campaign.clients:
        for client in campaign.clients:
            words += [f"--client={client['address']}", path]
    else:
        words.append(path)
    before, after = (shlex.join(["sh", "-c", command]) if command else ""
                     for command in (side.own.before, side.own.after))
    return (f"{before} && " if before else "") + shlex.join(words) + (
        f"; {after}" if after else "")


# One cell

def _disturbances(campaign, cell):
    """Of this machine's CPU; nothing of it is known of other machines."""
    if campaign.clients or not cell.steal:
        steal = None
    else:
        steal = {"mean": statistics.fmean(cell.steal), "max": max(cell.steal)}
    return {"steal": steal,
            "repeats": None if campaign.clients else cell.repeats}


def _target_data(cell, place):
    known = {**place.data(CAMPAIGN), "why": cell.why, "direct": cell.direct}
    return {key: known[key] for key in REPORT}


def _of_b(cell):
    """What B has for itself, of a job and a target; None: it is A's."""
    job, place = cell.job_b, cell.place_b
    return {"job_b": job and {"name": job.name, "path": job.path,
                              "text": job.text},
            "target_b": place and _target_data(cell, place)}


def found_data(campaign: Campaign, cell: Cell, **more: Any) -> dict:
    """What was found of a cell, and what more is to be told of it."""
    return {
        "id": cell.id, "job": cell.job.name, "job_path": cell.job.path,
        "job_text": cell.job.text, "b": campaign.letter(cell),
        "target": _target_data(cell, cell.place), **_of_b(cell),
        "changes": cell.changes(),
        "pairing": cell.pairing, "no_duet": cell.no_duet,
        "duet": duetdata.summary(cell),
        "stream": cell.stream, "calls_per_io": cell.calls, **more,
        "seconds": cell.seconds, "closed": cell.closed,
        "order_effect": cell.effects.order_effects(),
        **_disturbances(campaign, cell),
        "discarded": [cell.discarded[pair]
                      for pair in sorted(cell.discarded)],
        "commands": cell.commands.data(),
        "pairs": cell.ordered(), "effects": _effects_data(cell, cell.effects),
        "latency": cell.latency(), "fio_cpu": cell.fio_cpu(),
        "timeline": cell.timeline or None,
        "hosts": {host: {"effects": _effects_data(cell, effects)}
                  for host, effects in cell.host_effects.items()}}


def _cell_data(campaign, cell):
    return found_data(campaign, cell,
                      command=_by_role(campaign, cell, _command),
                      effective=_by_role(campaign, cell, _plain_job))


def frame(campaign: Campaign, comparisons: int, **more: Any) -> dict:
    """All that a report says of the campaign as a whole."""
    return {
        "title": campaign.title, "created": campaign.created,
        "command": campaign.command, **campaignfolder.how(campaign),
        "environment": campaign.environment, "self_check": None,
        "cpu": None if campaign.clients else campaign.asked.cpu, **more,
        "comparisons": comparisons, "fio": campaign.binary,
        "clients": [client["name"] for client in campaign.clients],
        "sides": [campaignfolder.side_data(letter, side, fio)
                  for letter, side, fio in zip(
                      LETTERS, campaign.sides, campaign.other_fios())]}


def make(campaign: Campaign, finished: bool, warnings: list[str]) -> dict:
    """The whole report.json."""
    effects = evaluation.evaluate(campaign.cells, campaign.alpha,
                                  campaign.anytime)
    if not finished and not campaign.anytime:
        verdict.withhold(effects)
    return {
        "schema": schema.REPORT.version, "version": VERSION,
        **frame(campaign, len(effects), finished=finished),
        "cells": [_cell_data(campaign, cell) for cell in campaign.cells],
        "warnings": warnings}
