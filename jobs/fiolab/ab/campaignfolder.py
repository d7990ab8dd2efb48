# SPDX-License-Identifier: GPL-2.0-only
"""The folder of a campaign: campaign.json (all of the Campaign that --resume
needs, and back), runs/NNNNNN.json (one file for each run), the job files that
repeat them, and the reports."""
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
import os
import re

from ..base import runfolder
from ..base.files import dump
from ..base.problem import Problem
from ..base.runfolder import RUNS
from ..fio import clientrun
from ..fio.jobfile import Job
from ..fio.metrics import METRICS
from ..fio.sidesettings import Own
from ..fio.sidespec import LETTERS, Side
from ..stats.pairing import planned_orders
from ..target.target import CAMPAIGN, Target
from . import schema
from .campaign import Campaign, Request
from .results import Cell

# What campaign.json and a Campaign call the same.
SAME = ("id", "title", "created", "command", "alpha", "margin", "environment",
        "warnings")
RUN_NAME = re.compile(r"(\d{6,})\.json")


class CampaignFolder(runfolder.Folder):
    PLAN, SCHEMA = "campaign.json", schema.PLAN
    KIND, COMMAND = "campaign", "jobs/ab"

    def save_run(self, number: int, run: dict) -> None:
        """Compact: the latency bins are most of it."""
        self._save(os.path.join(RUNS, f"{number:06d}.json"), "a run",
                   dump(run, separators=(",", ":")))

    def save_report(self, content: dict) -> None:
        self._save("report.json", "the report", dump(content, indent=1))

    def save_jobs(self, texts: Mapping[str, str]) -> None:
        """The job files of the commands that repeat a run."""
        try:
            os.makedirs(self.file("jobs"), exist_ok=True)
        except OSError as error:
            raise self.full(error, "the job files") from None
        for name, text in texts.items():
            self._save(os.path.join("jobs", name), "the job files", text)

    def runs(self) -> Iterator[tuple[int, dict]]:
        """(number, run) of every file that holds one, in order.

        Others are left alone, with a sentence in .strange; a run that is
        missing for it is made again by --resume.
        """
        try:
            names = sorted(os.listdir(self.file(RUNS)),
                           key=lambda name: (len(name), name))
        except OSError as error:
            raise Problem(f"cannot read {self.shown}/{RUNS}: {error.strerror}."
                          ) from None
        for name in names:
            match = RUN_NAME.fullmatch(name)
            run = self._read(name) if match else None
            if match and run is not None:
                yield int(match[1]), run
            else:
                self.disown(name, f"it is not a run of {self.COMMAND}, whole")

    def disown(self, name: str, why: str) -> None:
        self.strange.append(f"{RUNS}/{ascii(name)[1:-1]} is ignored: {why}.")


def how(campaign: Campaign) -> dict:
    """How it is run and judged, as campaign.json and report.json have it."""
    asked = campaign.asked
    return {"seed": asked.seed, "pairs": asked.pairs or None,
            "max_time_s": campaign.max_time if campaign.anytime else None,
            "precision": asked.precision, "alpha": campaign.alpha,
            "margin": campaign.margin, "runtime_s": asked.runtime,
            "ramp_s": asked.ramp}


def side_data(letter: str, side: Side, fio: dict | None = None) -> dict:
    """A side as campaign.json and report.json have it; fio: another than the
    campaign's."""
    return {"letter": letter, "text": side.text, "ioengine": side.ioengine,
            "options": list(side.options),
            "environment": dict(side.environment),
            "library": side.library or None, "own": side.own.given(),
            "fio": fio}


def _side_of(data):
    return Side(data["text"], data["ioengine"], tuple(data["options"]),
                tuple(data["environment"].items()), data["library"] or "",
                tuple(data["plant"]), Own(**data.get("own", {})))


def _numbers(things):
    return {id(one): number for number, one in enumerate(things)}


def _cells_data(campaign):
    jobs, places = _numbers(campaign.jobs), _numbers(campaign.targets)
    return [{"id": cell.id, "job": jobs[id(cell.job)],
             "target": places[id(cell.place)],
             "job_b": jobs.get(id(cell.job_b)),
             "target_b": places.get(id(cell.place_b)),
             "b": campaign.letter(cell), "direct": cell.direct,
             "why": cell.why, "stream": cell.stream,
             "calls": {role: cell.calls.get(role) for role in "AB"},
             "seed": cell.seed, "pairing": cell.pairing,
             "no_duet": cell.no_duet, "metrics": list(cell.metrics),
             "timeline": cell.timeline or None}
            for cell in campaign.cells]


def _one(things, cell, key):
    """What B has for itself."""
    number = cell.get(key)
    return None if number is None else things[number]


def written(campaign: Campaign) -> dict:
    """The content of campaign.json."""
    return {
        "schema": schema.PLAN.version,
        **{name: getattr(campaign, name) for name in SAME},
        "arguments": asdict(campaign.asked), **how(campaign),
        "cpu": campaign.asked.cpu, "fio": campaign.binary, "self_check": None,
        "sides": [{**side_data(letter, side, fio), "plant": list(side.plant),
                   "files": files} for letter, side, fio, files in zip(
                       LETTERS, campaign.sides, campaign.other_fios(),
                       campaign.files)],
        "clients": campaign.clients,
        "jobs": [asdict(job) for job in campaign.jobs],
        "targets": [target.data(CAMPAIGN) for target in campaign.targets],
        "devices": campaign.devices,
        "cells": _cells_data(campaign)}


def _later(data):
    """What earlier plans have no word of: how a cell's pairs are made, and its
    latency over time."""
    return {"pairing": data.get("pairing", "alternate"),
            "no_duet": data.get("no_duet", ""),
            "metrics": tuple(data.get("metrics", METRICS)),
            "timeline": data.get("timeline") or {}}


def _job_of(data):
    known = {one.name: data[one.name] for one in fields(Job)
             if one.name in data}       # a later version may add to them
    return Job(**{**known, "notes": tuple(data.get("notes", ()))})


def read(found: dict) -> Campaign:
    """The Campaign of the content of a campaign.json that was checked."""
    asked = Request(**{field.name: found["arguments"].get(
        field.name, field.default) for field in fields(Request)})
    jobs = list(map(_job_of, found["jobs"]))
    clients = clientrun.parse(asked.client)
    targets = [Target.of(one, CAMPAIGN, clients=tuple(clients))
               for one in found["targets"]]
    return Campaign(
        asked, tuple(map(_side_of, found["sides"])), jobs,
        files=[side["files"] for side in found["sides"]],
        fios=[side.get("fio") for side in found["sides"]],
        binary=found["fio"], targets=targets,
        cells=[Cell(cell["id"], jobs[cell["job"]], planned_orders(
            asked.seed, cell["id"], asked.pairs),
            targets[cell["target"]], b=LETTERS.index(cell["b"]),
            direct=cell["direct"], why=cell["why"], seed=cell["seed"],
            stream=cell["stream"], calls=cell["calls"],
            job_b=_one(jobs, cell, "job_b"),
            place_b=_one(targets, cell, "target_b"), **_later(cell))
            for cell in found["cells"]],
        clients=clients, devices=found.get("devices", {}),
        **{name: found[name] for name in SAME})
