# SPDX-License-Identifier: GPL-2.0-only
"""A campaign as campaign.json has it, which is all that --resume needs, and
back."""
from dataclasses import asdict, fields, replace

from ..fio import clientrun
from ..fio.jobfile import Job
from ..fio.sidespec import LETTERS, Side
from ..stats.pairing import planned_orders
from ..target.scratchfile import Target
from .campaign import Campaign, Request
from .campaignfolder import CampaignFolder
from .results import Cell

SAME = ("id", "title", "created", "command", "alpha", "margin", "environment",
        "clients", "targets", "warnings", "stopped_at")


def how(campaign):
    """How it is run and judged, as campaign.json and report.json have it."""
    asked = campaign.asked
    return {"seed": asked.seed, "pairs": asked.pairs,
            "looks": asked.looks and list(asked.looks),
            "alpha": campaign.alpha, "margin": campaign.margin,
            "runtime_s": asked.runtime, "ramp_s": asked.ramp}


def side_data(letter, side):
    """A side as campaign.json and report.json have it."""
    return {"letter": letter, "text": side.text, "ioengine": side.ioengine,
            "options": list(side.options),
            "environment": dict(side.environment),
            "library": side.library or None}


def _side_of(data):
    return Side(data["text"], data["ioengine"], tuple(data["options"]),
                tuple(data["environment"].items()), data["library"] or "",
                tuple(data["plant"]))


def target_of(data):
    return Target(data["path"], data["size"], data["ram"], data["label"],
                  data["o_direct"], data["writable"])


def _numbers(things):
    return {id(one): number for number, one in enumerate(things)}


def _cells_data(campaign):
    jobs, places = _numbers(campaign.jobs), _numbers(campaign.targets)
    return [{"id": cell.id, "job": jobs[id(cell.job)],
             "target": places[id(cell.place)], "b": campaign.letter(cell),
             "direct": cell.direct, "why": cell.why, "stream": cell.stream,
             "calls": {role: cell.calls.get(role) for role in "AB"},
             "seed": cell.seed} for cell in campaign.cells]


def written(campaign):
    """The content of campaign.json."""
    return {
        "schema": CampaignFolder.SCHEMA,
        **{name: getattr(campaign, name) for name in SAME},
        "arguments": asdict(campaign.asked), **how(campaign),
        "cpu": campaign.asked.cpu, "fio": campaign.binary, "self_check": None,
        "sides": [{**side_data(letter, side), "plant": list(side.plant),
                   "files": files} for letter, side, files in zip(
                       LETTERS, campaign.sides, campaign.files)],
        "jobs": [asdict(job) for job in campaign.jobs],
        "cells": _cells_data(campaign)}


def _request(found):
    known = {field.name for field in fields(Request)}
    asked = Request(**{name: value for name, value in
                       found["arguments"].items() if name in known})
    return replace(asked, seed=found["seed"], pairs=found["pairs"],
                   looks=found["looks"], runtime=found["runtime_s"],
                   ramp=found["ramp_s"], cpu=found["cpu"])


def read(found):
    """The Campaign of the content of a campaign.json that was checked."""
    asked = _request(found)
    jobs = [Job(**job) for job in found["jobs"]]
    letters = [side["letter"] for side in found["sides"]]
    return Campaign(
        asked, tuple(map(_side_of, found["sides"])), jobs,
        files=[side["files"] for side in found["sides"]],
        binary=found["fio"],
        cells=[Cell(cell["id"], jobs[cell["job"]], planned_orders(
            asked.seed, cell["id"], asked.pairs, asked.looks or ()),
            found["targets"][cell["target"]], b=letters.index(cell["b"]),
            direct=cell["direct"], why=cell["why"], seed=cell["seed"],
            stream=cell["stream"], calls=cell["calls"])
            for cell in found["cells"]],
        **{**{name: found[name] for name in SAME},
           "clients": clientrun.parse(asked.client)})
