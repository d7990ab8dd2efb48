# SPDX-License-Identifier: GPL-2.0-only
# The plan of a campaign: from the arguments to the content of campaign.json,
# which holds everything that --resume needs, and back.
import argparse
from dataclasses import asdict, replace
import datetime
import os
import secrets
import sys

from ..base import commandline, machine, runfolder
from ..base.commandline import disk
from ..base.files import fingerprint
from ..base.problem import Problem
from ..fio import fairness, jobfile, sidespec
from ..stats import paired, pairing, verdict
from ..target import claimable, extents, medium, scratchfile
from . import cli, matrix, reportdata, restore, selfcheck
from .campaignfolder import CampaignFolder

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# Arguments that are not the campaign's own.
OTHER = ("resume", "out", "json", "destroy_data")
WITH_RESUME = ("resume", "json", "destroy_data", "fio")


def refuse(args):
    """Options that contradict each other."""
    if args.resume:
        new = cli.parser()
        given = [name for name, value in vars(args).items()
                 if name not in WITH_RESUME
                 and value is not new.get_default(name)]
        if given:
            raise Problem("--resume goes on with a campaign as it was planned:"
                          f" leave out --{given[0].replace('_', '-')}.")
        return
    if args.side and (args.a or args.b):
        raise Problem("--a and --b are short for the first two --side: give "
                      "either.")
    if args.aa and args.self_check:
        raise Problem("--self-check has an A/A of its own: leave out --aa.")
    if args.looks and (args.pairs or args.quick):
        raise Problem("--looks fixes the number of pairs: leave out --pairs "
                      "and --quick.")
    if args.client is not None and not args.target:
        raise Problem("--client needs --target: what is the file or device on "
                      "each host?")


def settle(args):
    """The defaults, and the paths that must not depend on here."""
    for name, value in cli.defaults().items():
        if getattr(args, name) is commandline.UNSET:
            setattr(args, name, value)
    args.pairs = (args.looks[-1] if args.looks else args.pairs or
                  (6 if args.quick else 20))
    args.build = os.path.abspath(args.build)
    args.fio = commandline.find_fio(args.fio)


def _texts(args):
    texts = args.side or [args.a or "libaio", args.b or "kaio"]
    if args.aa:
        return [texts[0]] * 2
    if args.self_check:
        return [texts[0]] * 3
    if len(texts) < 2:
        raise Problem(f"--side {texts[0]} alone compares nothing: give another "
                      "--side, or --aa to compare it with itself.")
    if len(texts) > len(LETTERS):
        raise Problem(f"{len(texts)} sides are more than {len(LETTERS)}: leave "
                      "some out.")
    return texts


def sides_of(args):
    return tuple(sidespec.parse(text, args.build) for text in _texts(args))


def _pinned(args, jobs):
    """The jobs as --cpu has them, which pins nothing on other machines."""
    if args.cpu is None or args.client:
        return jobs
    for name, _ in matrix.axes(args.matrix or []):
        if name in jobfile.PINNING:
            raise Problem(f"'{name}' cannot be an axis of a matrix, as fio is "
                          f"pinned to CPU {args.cpu}: add --cpu all.")
    return [replace(job, pinned=True) for job in jobs]


def jobs_of(args):
    """From the files, or for a resumed campaign as they were then."""
    if getattr(args, "job_texts", None):
        return [jobfile.Job(**job) for job in args.job_texts]
    jobs = [jobfile.load(path) for path in args.job or ["randread"]]
    jobs = _pinned(args, matrix.expand(jobs, args.matrix))
    if args.self_check:
        selfcheck.refuse(args, jobs)
    return jobs


def planted(sides, options):
    """The sides of a self-check: B is A with a handicap."""
    return (sides[0], replace(sides[1], plant=options,
                              text=f"{sides[0].text} + handicap"), sides[2])


def folder(args):
    """The campaign folder; without --out a new one in the build folder."""
    if args.out:
        return CampaignFolder(args.out)
    return runfolder.fresh(os.path.join(disk(args), datetime.datetime.now(
        ).strftime("ab-%Y%m%d-%H%M%S")), CampaignFolder)


def _remote_target(args, path):
    if claimable.misread(path) or not os.path.isabs(path):
        raise Problem(f"the target {path!r} on other machines must be an "
                      "absolute path without ; # $ or a backslash.")
    size = args.size or scratchfile.DEFAULT_SIZE
    return scratchfile.Target(
        path, size, False, f"{path} on each host", writable=args.destroy_data,
        written=extents.Written(size, known=args.destroy_data))


def remote_targets(args):
    return [_remote_target(args, path) for path in dict.fromkeys(args.target)]


def _is_disk(path):
    """Of a target, also one that will be created; False for no place."""
    path = os.path.realpath(path)
    path = path if os.path.exists(path) else os.path.dirname(path)
    return os.path.exists(path) and not medium.identify(path)[0]


def refuse_buffered(args, jobs):
    """Before anything is written; what a disk of other hosts is, only they
    know, so every target there counts as one."""
    places = args.target or ([] if args.self_check else [disk(args)])
    for path in [] if args.buffered else places:
        if args.client or _is_disk(path):
            for job in jobs:
                fairness.o_direct(job, path)


def stand_in(cell, target):
    """A copy of a cell on a target of this machine, for the checks."""
    return replace(cell, target=target, calls={}, stream="", restore=None)


def _files(one):
    return [fingerprint(path) for path in (
        one.ioengine.removeprefix("external:"), one.library)
        if path.startswith("/")]


def _side_data(letter, one, library):
    return {"letter": letter, "text": one.text, "ioengine": one.ioengine,
            "options": list(one.options), "plant": list(one.plant),
            "environment": dict(one.environment), "library": library or None,
            "files": _files(one)}


def _sides_data(session):
    libraries = session.live.libraries or [None] * len(session.sides)
    return [_side_data(*each) for each in zip(LETTERS, session.sides,
                                              libraries)]


def _target_data(target):
    ours = target.created and scratchfile.OURS.fullmatch(
        os.path.basename(target.path))
    found = "" if target.writable else ", as found (not pre-written)"
    return {"path": target.path, "label": target.label + found,
            "size": target.size,
            "ram": target.ram, "o_direct": target.direct,
            "writable": target.writable, "created": target.created,
            "written": target.written and extents.data(target.written),
            "scratch": os.path.dirname(target.path) if ours else None}


def _cells_data(session, made, letters):
    found = []
    for place, target in enumerate(made):
        for number, job in enumerate(session.jobs):
            direct = jobfile.direct_io(job.text) if target.direct else "none"
            for letter in letters[1:]:
                found.append({
                    "id": len(found), "job": number, "target": place,
                    "b": letter, "direct": direct, "why": target.why(direct),
                    "stream": "", "calls": {"A": None, "B": None},
                    "seed": pairing.pair_seed(session.args.seed, len(found),
                                              0)})
    return found


def _warnings(session, made, direct):
    found = restore.warnings(session.jobs, session.args.restore)
    if not session.clients:     # else nothing is measured on this machine
        found += fairness.machine(session.args.cpu, direct)
    for target in made:
        found += target.doubts()
        for job in session.jobs:
            io = jobfile.direct_io(job.text)
            found += [] if session.clients else fairness.buffered(job, io,
                                                                  target)
    return found


def _title(args, sides):
    if args.self_check:
        return f"self-check with {sides[0].text}"
    if args.aa:
        return f"{sides[0].text} against itself (A/A)"
    others = ", ".join(one.text for one in sides[1:])
    return f"{others} against {sides[0].text}"


def new(session, made):
    """The content of campaign.json."""
    args, here = session.args, machine.describe(session.args.cpu)
    sides = _sides_data(session)
    kept = {key: value for key, value in vars(args).items()
            if key not in OTHER}
    return {
        "schema": CampaignFolder.SCHEMA, "id": secrets.token_hex(8),
        "title": _title(args, session.sides),
        "created": datetime.datetime.now(datetime.timezone.utc).strftime(
            "%Y-%m-%dT%H:%M:%SZ"),
        "command": ["jobs/ab", *sys.argv[1:]], "arguments": kept,
        "seed": args.seed, "pairs": args.pairs,
        "looks": list(args.looks) if args.looks else None,
        "alpha": paired.look_alpha(len(args.looks or ())),
        "margin": verdict.MARGIN, "runtime_s": args.runtime,
        "ramp_s": args.ramp, "cpu": args.cpu,
        "fio": {"path": session.fio.path, "version": session.fio.version,
                "sha256": fingerprint(session.fio.path)},
        "clients": session.clients, "environment": here, "sides": sides,
        "jobs": [asdict(job) for job in session.jobs],
        "targets": [_target_data(target) for target in made],
        "cells": _cells_data(session, made, [s["letter"] for s in sides]),
        "warnings": _warnings(session, made, here), "self_check": None,
        "stopped_at": None}


# Back again

def arguments(plan, given):
    """The arguments of a resumed campaign."""
    try:
        args = argparse.Namespace(**plan["arguments"])
        args.job_texts = plan["jobs"]
        args.resume, args.out, args.json = given.resume, None, given.json
        args.destroy_data = given.destroy_data
        args.fio = (plan["fio"]["path"] if given.fio is commandline.UNSET
                    else commandline.find_fio(given.fio))
        return args
    except (KeyError, TypeError) as error:
        raise Problem(f"the campaign in {given.resume} lacks {error}: it was "
                      "not written by this jobs/ab.") from None


def check_cpu(args):
    """Is there still the CPU to which the campaign is pinned?"""
    allowed = sorted(os.sched_getaffinity(0))
    if args.cpu is not None and args.cpu not in allowed:
        raise Problem(f"the campaign is pinned to CPU {args.cpu}, which may "
                      f"not be used here ({allowed}): go on where it may, or "
                      "begin a new one.")


def complete(plan, found):
    """Is there nothing left to run?"""
    return bool(plan["stopped_at"]) or all(
        cell.done(pair) for cell in found.cells
        for pair in range(plan["pairs"]))


def _same_fio(fio, known):
    if fio.version != known["version"]:
        raise Problem(f"the campaign ran with {known['version']}, and "
                      f"{fio.path} is {fio.version}: name the same with "
                      "--fio.")
    if known.get("sha256") not in (None, fingerprint(fio.path)):
        raise Problem(f"{fio.path} is not the fio that the campaign began "
                      "with, though of its version: name the same with --fio.")
    known["path"] = fio.path    # where it is now, for the report's commands


def same(session, plan):
    """Refuse to go on with another engine, library or fio."""
    if getattr(session, "fio", None) is None:
        return
    _same_fio(session.fio, plan["fio"])
    for one, known in zip(session.sides, plan["sides"]):
        if _files(one) != known["files"]:
            raise Problem(f"the engine or library of side {known['text']} has "
                          "changed since the campaign began: begin a new one.")


def plain_jobs(plan):
    """{name: text} of the job files that repeat the cells' runs."""
    found = {}
    for cell in plan["cells"]:
        for letter, one in reportdata.two(plan, cell):
            found[reportdata.job_name(cell, letter)] = reportdata.plain_job(
                plan, cell, one)
    return found
