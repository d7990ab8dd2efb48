# SPDX-License-Identifier: GPL-2.0-only
"""`ab run --part A --out DIR`: one part of a campaign whose sides are states of
the machine (a kernel, a firmware, a setting), each for itself.

What is run is kept as a campaign of one side against itself, so that fio,
engine, jobs, targets and their sizes are planned, kept and found again as those
of any campaign; of its runs, only those of A are made, and they belong to
parts.
"""
import argparse
from collections.abc import Sequence
from contextlib import ExitStack
import hashlib
import os
import sys
import time

from ...base import commandline, machine, progress
from ...base.problem import Problem
from ...fio import streams
from ...stats import blocks
from ...target import members
from ...target.target import Target
from .. import cli, command, planning, runner
from . import machinestate, partfolder, partreport
from .partfolder import EACH, LABELS, Part, Parts

RUNS = 20               # of each cell in a part
SAME_IOS = 50           # of each job, which must be the same in all parts
ABOUT = """Compare two states of a machine (kernels, firmware, a boot option)
that cannot be had at once: one part in each boot, A and B in turn, into one
folder, which is judged when all parts are there."""
MORE = """  jobs/ab run --part A --out DIR --side libaio --target /dev/nvme1n1
  (boot the other kernel)
  jobs/ab run --part B --out DIR
  (and back, and so on: A B B A B A A B A B)

The first part plans the campaign; later ones need only --part and --out, and
are refused where fio, the engine, a job or a target is another.  There are
verdicts when all parts are there, and none before: who ends at the first one,
of up to 10 parts of each, errs in 13 of 100 campaigns, not in 5.  The unit is
the part: runs in one boot share whatever that boot has, so that more of them
do not make a verdict, and more boots do.  Each part must have a boot of its
own; with --same-boot what differs is a setting, such as a sysctl.

Ctrl-C or SIGKILL: the same command goes on with the part, or, after another
boot, does it again."""
# What the first part is asked, and later ones may repeat.
PLANNED = ("side", "job", "target", "size", "matrix", "allow", "buffered",
           "restore", "each", "pairs", "runtime", "ramp", "cpu", "seed")
WORDS = {"pairs": "runs", "each": "parts"}      # of options with other names


def parser() -> argparse.ArgumentParser:
    new = argparse.ArgumentParser(
        "ab run", description=ABOUT, epilog=MORE,
        argument_default=argparse.SUPPRESS,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    add = new.add_argument
    add("--part", required=True, choices=LABELS, help="the state that the "
        "machine is in now")
    add("--out", required=True, metavar="DIR", help="the folder of all parts")
    add("--same-boot", action="store_true", help="parts may be of one boot, "
        "as what differs between them is a setting")
    add("--parts", dest="each", metavar="N",
        type=commandline.number(int, blocks.fewest_blocks(), 1000, "a number"),
        help=f"so many parts of A, and of B ({EACH})")
    add("--side", metavar="ENGINE", type=lambda text: [text],
        help="what is run in all parts (libaio)")
    cli.add_jobs(new)
    cli.add_where(new)
    cli.add_times(new)
    add("--runs", dest="pairs", metavar="N",
        type=commandline.number(int, 2, 10000, "a number"),
        help=f"runs of each cell in each part ({RUNS})")
    add("--json", metavar="FILE", help="a copy of the report's JSON")
    return new


# The campaign

def _planned(given):
    """As command.begin() wants it."""
    kept = {name: value for name, value in given.items()
            if name not in ("part", "same_boot", "json")}
    return {"pairs": RUNS, "each": EACH, **kept, "parts": True, "aa": True,
            "pairing": "alternate"}


def _refuse_others(given, asked):
    """A later part that asks for something else than the first."""
    for name in PLANNED:
        if name in given and given[name] != getattr(asked, name):
            raise Problem(f"--{WORDS.get(name, name)} is another than that of "
                          f"the first part ({getattr(asked, name)}): leave it "
                          "out.")


def _refuse_other_jobs(given, campaign):
    """The first part's job files, changed since."""
    if "job" in given:
        now = planning.distinct(planning.jobs_of(campaign.asked,
                                                 campaign.sides))
        if [job.text for job in now] != [job.text for job in campaign.jobs]:
            raise Problem("a job file has changed since the first part: begin "
                          "a new folder.")


def _opened(given, stack):
    """The Parts of a folder, the campaign planned or found again."""
    if not partfolder.holds_parts(given["out"]):
        campaign, _ = command.begin(_planned(given), stack)
        return Parts(campaign)
    again = {"resume": given["out"], "parts": True,
             **{name: given[name] for name in ("fio", "destroy_data")
                if name in given}}
    found = []

    def before(campaign):
        _refuse_others(given, campaign.asked)
        _refuse_other_jobs(given, campaign)
        found.append(Parts(campaign))
        found[0].load()
        _refuse_other_names(found[0])
        if not _open(found[0]):
            _refuse_another(found[0], given)
    command.go_on(again, stack, before)
    return found[0]


# The part

def _stream(campaign, cell):
    """A sum of the first I/Os of each job of a cell."""
    found = streams.logged(campaign.fio, campaign.side(cell, "A"), cell.job,
                           cell.target)
    text = repr([one[:SAME_IOS] for one in found])
    return hashlib.sha256(text.encode()).hexdigest()


def _check_streams(parts, part):
    """Refuse a part that would do other I/O than those before it."""
    campaign = parts.campaign
    part.streams = [_stream(campaign, cell) for cell in campaign.cells]
    for other in parts.finished():
        for cell, a, b in zip(campaign.cells, other.streams, part.streams):
            if a != b:
                raise Problem(
                    f"job {cell.job.name} does other I/O than in the parts "
                    "before, with the same seed: begin a new folder.")


def _same_state(one, other):
    """Modules are loaded for many a reason while a part runs."""
    return all(one.get(name) == other.get(name)
               for name in {*one, *other} - {"modules"})


def _open(parts):
    """The part that an earlier command left before its end, or None."""
    part = parts.every[-1] if parts.every else None
    return None if part is None or part.ended or part.given_up else part


def _left_open(parts, label, state, boot):
    """That part, if it can be gone on with."""
    part = _open(parts)
    if part is None:
        return None
    if part.boot_id != boot or not _same_state(part.state, state):
        part.given_up = ("another boot came before its end"
                         if part.boot_id != boot else
                         "the machine was changed before its end")
        print(f"ab run: part {len(parts.every)} ({part.label}) does not count,"
              f" as {part.given_up}.", file=sys.stderr)
        return None
    if part.label != label:
        raise Problem(f"part {len(parts.every)} ({part.label}) is not "
                      f"finished: go on with --part {part.label} first.")
    return part


def _refuse_same_boot(parts, boot, allowed):
    """A second part of one boot is no replication of a boot: refused before
    its target is written, and once more when an open one was given up."""
    before = [i for i, one in enumerate(parts.every, 1)
              if one.boot_id == boot and not one.given_up]
    if before and not allowed:
        raise Problem(f"part {before[-1]} ran in this boot, too: reboot first, "
                      "or say with --same-boot that what differs between the "
                      "parts is a setting.")
    parts.same_boot = parts.same_boot or bool(before)


def _refuse_more(parts, label):
    """More than were planned: a verdict that is looked at again and again errs
    more often than it says."""
    done = sum(one.label == label for one in parts.finished())
    if done >= parts.planned:
        raise Problem(f"all {done} parts of {label} that were planned are "
                      f"there: the report is {parts.folder.shown}/report.html;"
                      " for more, begin a new folder with --parts.")


def _refuse_another(parts, given):
    """A part that may not be begun."""
    _refuse_more(parts, given["part"])
    _refuse_same_boot(parts, machinestate.boot_id(),
                      given.get("same_boot", False))


def _refuse_other_devices(parts, state, which=("target ",)):
    """A target's name that stands for another device than before; which: how
    the names of those begin that are looked at."""
    known = parts.every[0].state if parts.every else {}
    for name, text in known.items():
        if (name.startswith(which) and name.endswith(machinestate.WHO)
                and state.get(name) != text):
            raise Problem(f"the {name} was {text} in the first part, and is "
                          f"{state.get(name, 'not told')}: a part takes the "
                          "same device.")


def _refuse_other_names(parts):
    """The same before anything is claimed or written, of what is there: after
    a boot, /dev/sdb may be another disk."""
    places = {id(cell.place): cell.place for cell in parts.campaign.cells}
    each = [Target(path, place.size) for place in places.values() for path in (
        members.listed(place.path) if place.number > 1 else [place.path])]
    _refuse_other_devices(parts, machinestate.devices(each), tuple(
        f"target {number} " for number, one in enumerate(each, 1)
        if os.path.exists(one.path)))


def _part(parts, given):
    """The part to run, old or new."""
    boot = machinestate.boot_id()
    targets = {id(cell.target): cell.target for cell in parts.campaign.cells}
    state = machinestate.read(targets.values())
    _refuse_other_devices(parts, state)
    found = _left_open(parts, given["part"], state, boot)
    if found:
        return found
    _refuse_another(parts, given)
    made = Part(given["part"], boot, state)
    _check_streams(parts, made)
    parts.every.append(made)
    parts.save()
    return made


def _measure(parts, part):
    """All runs of a part that are not there yet, cells in turn."""
    campaign, number = parts.campaign, len(parts.every) - 1
    left = [(round_, cell) for round_ in range(campaign.pairs)
            for cell in campaign.cells if (cell.id, round_) not in part.runs]
    shown = progress.Progress(len(left), len(left) * (
        campaign.ramp + campaign.runtime + commandline.STEP_OVERHEAD))
    try:
        for round_, cell in left:
            shown.tick(f"part {number + 1} ({part.label}), {cell.job.name}, "
                       f"run {round_ + 1} of {campaign.pairs}")
            start = time.time()
            found = runner.timed(campaign, cell, "A",
                                 parts.seed(round_, cell.id))
            parts.keep(number, round_, cell.id, parts.record(
                number, round_, cell.id, {
                    name: value for name, value in found.items()
                    if name not in runner.BESIDE}, start))
    finally:
        shown.clear()
    part.ended = machine.moment()
    parts.save()


def run(args: argparse.Namespace, stack: ExitStack) -> None:
    given = vars(args)
    cli.refuse(given)
    file = commandline.output(given.get("json"), 0, stack)
    parts = _opened(given, stack)
    part = _part(parts, given)
    try:
        _measure(parts, part)
    except (SystemExit, Problem):
        if part.runs:
            print("ab run: what was measured is kept: the same command goes "
                  "on with it in this boot.", file=sys.stderr)
        raise
    partreport.write(parts, file)


def main(arguments: Sequence[str]) -> None:
    commandline.main(arguments, parser(), run)
