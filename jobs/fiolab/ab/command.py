# SPDX-License-Identifier: GPL-2.0-only
"""jobs/ab from its arguments to its report: a new campaign is planned into
campaign.json, a resumed one is read from it; from there on both are the same.
"""
import argparse
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
import math
import os
import sys
from typing import Any

from ..base import commandline, privatefolder, progress
from ..base.files import fingerprint
from ..base.problem import Problem
from ..fio import asking, clientrun, fairness, fiorun, returnstack
from ..stats import sequential
from ..stats.verdict import count_pairs
from ..target import scratchfile
from . import (campaignfolder, cli, evaluation, places, planning, publish,
               runner, twocampaigns)
from .campaign import Campaign
from .campaignfolder import CampaignFolder
from .report import exporters
from .series import historycommand

STAND_IN = 64 << 20     # bytes, for what is checked of a host's target here


def _find_fio(campaign, path, stack):
    campaign.fio = fiorun.Fio(commandline.find_fio(path), campaign.asked.cpu,
                              privatefolder.folder(stack))


def _ask_fio(campaign, sides):
    """Find the mistakes that fio can name, before anything is written; the
    libaio.so.1 of each side, if any asks for one."""
    asked = campaign.asked
    for side, jobs in dict.fromkeys(
            (side, tuple(campaign.jobs_of(number)))
            for number, side in enumerate(sides)):
        asking.check(campaign.fio, [side], jobs, asked.size)
    libraries = asking.check_libraries(campaign.fio, sides)
    campaign.sides = asking.check_syncs(campaign.fio, campaign.sides,
                                        campaign.jobs)
    if campaign.clients:
        places.remote(campaign)
        clientrun.check(campaign.clients, sides, campaign.writing(),
                        campaign.destroy)
    return libraries


def _output(campaign, path, stack):
    """The file of --json, with room for as many runs as there will be."""
    cells = len(campaign.asked.target or ("memory", "disk")) * len(
        campaign.jobs) * (len(campaign.sides) - 1)
    runs = campaign.max_time / _seconds(campaign) if campaign.anytime else (
        3 * campaign.pairs * cells)
    return commandline.output(path, round(runs), stack)


def _save(campaign):
    campaign.folder.save_plan(campaignfolder.written(campaign))


def _check_cpus(campaign):
    """May the CPUs be used to which the campaign is pinned?"""
    allowed = sorted(os.sched_getaffinity(0))
    for cpu in sorted(campaign.cpus()):
        if cpu not in allowed:
            raise Problem(f"the campaign is pinned to CPU {cpu}, which may "
                          f"not be used here ({allowed}): go on where it may, "
                          "or begin one on another.")


# A new one

def _warn_of_few_pairs(campaign):
    """Can every primary comparison reach a verdict?"""
    count = sum(len(cell.primary) for cell in campaign.cells)
    need, pairs, remedy = campaign.fewest, campaign.pairs, ""
    if campaign.anytime:
        each = sum(_seconds(campaign) * (1.2 if cell.pairing == "duet" else 3)
                   for cell in campaign.cells)
        pairs = int(campaign.max_time / each)
        remedy = f": give --max-time {math.ceil(2 * need * each)}"
    if pairs < need:
        print(f"ab: {count_pairs(pairs)} cannot tell faster from slower: with "
              f"{count} comparisons that takes at least {need} pairs{remedy}.",
              file=sys.stderr)


def _known(fio):
    return {"path": fio.path, "version": fio.version,
            "sha256": fingerprint(fio.path)}


def _know_files(campaign, libraries):
    """What the campaign runs on, which must be the same if it goes on."""
    campaign.files = list(map(planning.files_of, campaign.sides))
    if libraries:
        campaign.sides = tuple(replace(side, library=library) for
                               side, library in zip(campaign.sides, libraries))
    campaign.binary = _known(campaign.fio)
    campaign.fios = [_known(campaign.fio.of(side)) if side.own.fio else None
                     for side in campaign.sides]


def begin(given: dict, stack: ExitStack) -> tuple[Campaign, Any]:
    """(a new campaign, the file of --json)"""
    asked = cli.request(given)
    campaign = planning.begun(asked, given.get("destroy_data", False))
    _check_cpus(campaign)
    commandline.step_aside(campaign.cpus())
    _find_fio(campaign, asked.fio, stack)
    campaign.sides = tuple(asking.fitted(campaign.fio, side, asked.build)
                           for side in campaign.sides)
    if not campaign.clients:        # else each host decides for itself
        campaign.sides = returnstack.decided(campaign.sides, asked.build)
    planning.leave_out_foreign(campaign)
    _know_files(campaign, _ask_fio(campaign, campaign.sides))
    file = _output(campaign, given.get("json"), stack)
    for job in campaign.jobs:
        fairness.in_flight(job)     # before a mistake costs a target
    planning.refuse_buffered(campaign)
    planning.refuse_trims(campaign)
    campaign.folder = planning.folder(asked.build, given.get("out"))
    campaign.folder.create(stack)
    planning.plan(campaign, stack)
    if not asked.parts:
        _warn_of_few_pairs(campaign)
    _save(campaign)
    return campaign, file


# One that goes on

def _same_fio(fio, known):
    if fio.version != known["version"]:
        raise Problem(f"the campaign ran with {known['version']}, and "
                      f"{fio.path} is {fio.version}: name the same with "
                      "--fio.")
    if known.get("sha256") not in (None, fingerprint(fio.path)):
        raise Problem(f"{fio.path} is not the fio that the campaign began "
                      "with, though of its version: name the same with --fio.")
    known["path"] = fio.path    # where it is now, for the report's commands


def _same(campaign, sides):
    """Refuse to go on with another engine, library or fio."""
    _same_fio(campaign.fio, campaign.binary)
    for side, known, files in zip(sides, campaign.sides, campaign.files):
        if planning.files_of(side) != files:
            raise Problem("the engine, library or fio of side "
                          f"{known.text} has changed since the campaign "
                          "began: begin a new one.")


def go_on(given: dict, stack: ExitStack,
          before: Callable = lambda campaign: None) -> tuple[Campaign, Any]:
    """(the campaign of --resume, made ready after before(campaign), --json)"""
    folder = CampaignFolder(given["resume"])
    campaign = campaignfolder.read(folder.open(stack))
    campaign.folder = folder
    campaign.destroy = given.get("destroy_data", False)
    if campaign.asked.parts != given.get("parts", False):
        raise Problem(f"{folder.shown} holds "
                      + ("parts: go on with `ab run --part`."
                         if campaign.asked.parts else
                         "a campaign that has no parts: give another --out."))
    if not campaign.asked.parts:
        campaign.load(folder)
    if campaign.anytime:
        _longer(campaign, given.get("max_time"))
        evaluation.close(campaign)
    left = not campaign.complete()
    if left:
        _check_cpus(campaign)       # before this process leaves them to fio
    commandline.step_aside(campaign.cpus())
    if left:
        sides = planning.sides_again(campaign)
        _find_fio(campaign, given.get("fio", campaign.binary["path"]), stack)
        _ask_fio(campaign, sides)
        _same(campaign, sides)
    file = _output(campaign, given.get("json"), stack)
    if left:
        before(campaign)
        places.again(campaign, stack)
    return campaign, file


def _longer(campaign, seconds):
    """--resume --max-time: for so long in all."""
    if seconds:
        campaign.asked = replace(campaign.asked, max_time=seconds)
        _save(campaign)


# Its runs

def _check(campaign, tick):
    """Fairness and system calls of the cells that have none yet."""
    left = [cell for cell in campaign.cells if not cell.stream]
    with ExitStack() as stack:
        here = left
        if campaign.clients and left:
            local = scratchfile.scratch(commandline.disk(campaign.asked.build),
                                        STAND_IN, stack)
            here = [replace(cell, target=local, calls={}, stream="",
                            restore=None) for cell in left]
        runner.check(campaign, here, tick)
        for cell, other in zip(left, here):
            cell.stream, cell.calls = other.stream, other.calls
            if campaign.clients:
                cell.stream += ", on this machine"
    _save(campaign)


def _seconds(campaign):
    """What a run takes, about."""
    late = sum(job.lasts() for job in campaign.jobs)
    return late / len(campaign.jobs) + campaign.ramp + campaign.runtime + (
        clientrun.STEP_OVERHEAD if campaign.clients
        else commandline.STEP_OVERHEAD)


def _progress(campaign, checks):
    left, each = 3 * sum(campaign.pairs - len(cell.pairs) - len(cell.discarded)
                         for cell in campaign.cells), _seconds(campaign)
    if campaign.anytime:
        left = max(1, round((campaign.max_time - campaign.measured()) / each))
    return progress.Progress(left + checks, left * each +
                             checks * commandline.CHECK_SECONDS)


def _look(campaign, pairs):
    """After so many pairs: what is decided?"""
    if campaign.anytime and pairs in sequential.looks(pairs):
        evaluation.close(campaign)


def _measure(campaign):
    """All runs that are not there yet, with progress."""
    checks = 3 * sum(not cell.stream for cell in campaign.cells)
    shown = _progress(campaign, checks)
    try:
        if checks:
            _check(campaign, shown.tick)
        runner.run(campaign, campaign.folder.save_run, shown.tick,
                   clientrun.timed if campaign.clients else runner.timed,
                   lambda pairs: _look(campaign, pairs),
                   changed=lambda: _save(campaign))
    finally:
        shown.clear()


def compare(args: argparse.Namespace, stack: ExitStack) -> None:
    cli.refuse(given := vars(args))
    exporters.check(given.get("format", ()), given.get("out"))
    campaign, file = (go_on(given, stack) if given.get("resume")
                      else begin(given, stack))
    ending = None
    try:
        if not campaign.complete():
            _measure(campaign)
    except (SystemExit, Problem) as error:
        ending = error
    if campaign.whole_pairs():
        found = publish.write(campaign, ending, file, lambda data: (
            exporters.write(data, given.get("format", ()),
                            campaign.folder.path, given.get("fail_if"))))
        if ending is None:
            publish.judge(campaign, found)
            exporters.fail(found, given.get("fail_if"), "ab")
    elif ending is not None:
        publish.say_how_to_go_on(campaign)
    else:
        raise Problem("no pair was left to judge: every one was discarded.")
    if ending is not None:
        raise ending


def main(arguments: Sequence[str] | None = None) -> None:
    """jobs/ab: a campaign, or what is done with several."""
    words = sys.argv[1:] if arguments is None else arguments
    if words[:1] == ["compare"]:
        twocampaigns.main(words[1:])
    elif words[:1] == ["history"]:
        historycommand.main(words[1:])
    elif words[:1] == ["export"]:
        exporters.main(words[1:])
    elif words[:1] == ["run"]:
        from .series import partcommand     # which plans as this does
        partcommand.main(words[1:])
    else:
        words, line = cli.divided(words)
        commandline.main(words, cli.parser(line), compare)
