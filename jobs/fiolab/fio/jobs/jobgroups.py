# SPDX-License-Identifier: GPL-2.0-only
"""From a job file to what of it can be run on its own: fio runs the sections
of a file at once, but for those behind a barrier (stonewall, wait_for), so a
file is a Job for each group of sections between barriers, which has the
[global] options that were in force there.  A file that has only [global] is
one job of these options.  What is no load on a target (another engine's, or a
step that does no I/O) is left out with a sentence.
"""
from collections.abc import Iterable
from dataclasses import replace
import os

from ...base import commandline
from ...base.problem import Problem
from .. import jobfile
from ..jobfile import Job, option_of
from . import amounts, delays, hidden, includes, written

REPLAYS = {"read_iolog", "replay_redirect"}
BARRIERS = ("stonewall", "wait_for")
# Engines that do no I/O on a file or block device, and what they do.
ELSEWHERE = {
    **dict.fromkeys(("cpuio",), "burns CPU time"),
    **dict.fromkeys(("page_fault",), "touches memory"),
    **dict.fromkeys(("null", "exec"), "does no I/O"),
    **dict.fromkeys(("net", "netsplice", "rdma", "libiscsi", "http", "nbd",
                     "nfs", "rbd", "rados", "gfapi", "gfapi_async", "libhdfs",
                     "libblkio", "librpma_apm_client", "librpma_apm_server",
                     "librpma_gpspm_client", "librpma_gpspm_server",
                     "dfs"),
                    "talks to another machine or program"),
    **dict.fromkeys(("filecreate", "filestat", "filedelete", "dircreate",
                     "dirstat", "dirdelete", "fileoperations", "ftruncate",
                     "falloc", "e4defrag"), "makes, moves or removes files"),
    **dict.fromkeys(("dev-dax", "libpmem", "libcufile", "libhipfile", "mtd"),
                    "needs memory or hardware of its own")}


# What is refused

def _check_places(job):
    for values in jobfile.in_force(job.text, "zonemode", "zoneskip",
                                   "file_append"):
        if values.get("zonemode") == "zbd" and values.get(
                "zoneskip", "0") != "0":
            raise Problem(f"{job.path} skips zones (zonemode=zbd, zoneskip), "
                          "and fio begins anew at the end of the target "
                          "alone, which may lie behind what is given to a "
                          "job: leave out zoneskip.")
        if values.get("file_append", "0") != "0" and job.writes():
            raise Problem(f"{job.path} appends to its file (file_append), "
                          "which so becomes longer from run to run: "
                          "runs cannot all be given the same.")


def _check_options(job, replays):
    for line in jobfile.lines(job.text):
        hidden.check(line, job.path)
        key = option_of(line)
        if "$" in key:
            raise Problem(f"{job.path} has an option with a variable in its "
                          f"name ({ascii(key)[1:-1]}), so that nobody sees "
                          "which it is: write its name.")
        if hidden.maps_file(key, jobfile.value_of(line)):
            raise Problem(f"{job.path} has its buffers in a file ({key}), "
                          "which reads would overwrite: leave out the file's "
                          "name.")
        if key in REPLAYS and replays:
            continue
        if key == "read_iolog":
            raise Problem(f"{job.path} replays a log (read_iolog), of which "
                          "fio does each I/O once, where the log says, and "
                          "ends: neither a time nor a part of a target can be "
                          "given to it; compare a job that does such I/O by "
                          "itself.")
        if jobfile.refused(key):
            raise Problem(f"{job.path} sets '{key}', which runs here cannot "
                          "honour: remove it from the job file.")


def _bases(text):
    """By which kb_base fio counts the lines of each section: it takes what a
    job has from [global] as it was counted there."""
    default = "1024"
    for section in filter(any, jobfile.sections(text)):
        here = [default, *(jobfile.value_of(line) for line in section
                           if option_of(line) == "kb_base")][-1]
        yield here
        default = default if jobfile.is_job(section) else here


def _check_units(job):
    if len(set(_bases(job.text))) > 1:
        raise Problem(f"{job.path} does not set kb_base in its first section "
                      "for all of them, so 4k is not the same everywhere in "
                      "it: set it once, in a [global] section in front.")


def check(job: Job, replays: bool = False) -> None:
    """Refuse what no part of a target can be given to; replays: are logs of
    I/O read by whoever runs it?"""
    _check_units(job)
    _check_places(job)
    _check_options(job, replays)


# Its groups

def _is_on(section, key):
    """A flag, as fio takes it: 'stonewall' is 1, 'stonewall=0' is 0."""
    return section.get(key, "0") not in ("0",)


def _barrier(section, here, before):
    """Does a section wait for the end of jobs of the group before it?  One of
    an earlier group has ended already.  here, before: the names in them."""
    name = section.get("wait_for", "")
    return (_is_on(section, "stonewall") or
            bool(name) and (name in here or name not in before))


def _grouped(text):
    """[(sections, what is in force in each)] of each group: a section is its
    lines, and before the first of a group are all of [global] so far."""
    values = iter(jobfile.in_force(text, *BARRIERS, *delays.READ, "ioengine",
                                   "create_only", *written.READ))
    defaults, groups, names = [], [], []
    for section in jobfile.sections(text):
        if not jobfile.is_job(section):
            defaults.append(section)
            if groups:
                groups[-1][0].append(section)
            continue
        here = next(values)
        if not groups or _barrier(here, names[-1], set().union(*names[:-1])):
            groups.append(([*defaults], []))
            names.append(set())
        groups[-1][0].append(section)
        groups[-1][1].append(here)
        names[-1].add(jobfile.header(section))
    return [one for group in groups for one in _staggered(*group)]


def _staggered(sections, values):
    """The groups in one that startdelay puts one after the other."""
    for numbers in delays.groups(values):
        yield _chosen(sections, values, numbers)


def _chosen(sections, values, numbers):
    """Of a group, the jobs of these numbers."""
    place = iter(range(len(values)))
    return ([one for one in sections if not jobfile.is_job(one)
             or next(place) in numbers],
            [values[number] for number in numbers])


def _engine(section):
    return section.get("ioengine", "").split(":")[0]


def _beside(path, sections, values):
    """A group without those of its jobs that are no load on a target, where
    others are, and a sentence on each of them."""
    kept = [number for number, one in enumerate(values)
            if _engine(one) not in ELSEWHERE]
    if len(kept) in (0, len(values)):
        return (sections, values), []
    names = [jobfile.name_of(one) for one in sections if jobfile.is_job(one)]
    beside = "+".join(names[number] for number in kept)
    said = [f"job {names[number]} of {path} is left out: its engine, "
            f"{_engine(one)}, {ELSEWHERE[_engine(one)]}; {beside}, beside "
            "which fio runs it, is run without it."
            for number, one in enumerate(values) if number not in kept]
    return _chosen(sections, values, kept), said


def _why_not(sections):
    """Why a group is no load on a target; '' where it is one."""
    others = [_engine(one) for one in sections if _engine(one) in ELSEWHERE]
    if others:
        return (f"its engine, {others[0]}, {ELSEWHERE[others[0]]}, so it is "
                "no load on a target")
    if all(_is_on(one, "create_only") for one in sections):
        return "it only makes files (create_only), and the target is there"
    if any(amounts.zone(one) and "trim" in amounts.pattern(one)[0]
           for one in sections):
        return ("it resets zones, and those that fio makes on a target without "
                "zones are all empty when it starts")
    if all(_only_reads(one) for one in sections):
        return next(filter(None, map(written.why_not, sections)), "")
    return ""


def _only_reads(section):
    return (amounts.pattern(section)[0] in jobfile.READ_ONLY or
            _is_on(section, "verify_only"))


def _text(sections):
    """Of a group, without what made it one."""
    return "\n".join(line for section in sections for line in section
                     if option_of(line) not in BARRIERS)


def _names(groups):
    """A name for each: of its jobs, the first where there are many."""
    found = []
    for sections, _ in groups:
        jobs = [jobfile.name_of(one) for one in sections if jobfile.is_job(one)]
        name = "+".join(jobs) if len(jobs) < 3 else f"{jobs[0]}+{len(jobs) - 1}"
        found.append(name)
    return [name if found.count(name) == 1 else
            f"{name}.{found[:place].count(name) + 1}"
            for place, name in enumerate(found)]


def _whole(text):
    """Options that are all [global]'s make one job."""
    sections = jobfile.sections(text)
    if any(map(jobfile.is_job, sections)) or not any(
            map(jobfile.header, sections)):
        return text
    return f"{text}\n[job]\n"


def split(path: str, text: str, replays: bool = False) -> list[Job]:
    """The Jobs of a job file's text, which has no include; replays: see
    check()."""
    groups, left = [], []
    for group in _grouped(_whole(text)):
        group, said = _beside(path, *group)
        groups.append(group)
        left += said
    jobs = []
    for name, (sections, values) in zip(_names(groups), groups):
        why = _why_not(values)
        if why:
            left.append(f"job {name} of {path} is left out: {why}.")
        else:
            jobs.append(Job(path, _text(sections),
                            group=name if len(groups) > 1 else ""))
    if not jobs:
        raise Problem(f"{path} has no job that can be run here: {left[0]}"
                      if left else f"{path} has no job in it: add a section "
                      "such as [randread].")
    for job in jobs:
        check(job, replays)
    return [replace(job, notes=tuple(left)) for job in jobs]


def path_of(name: str) -> str:
    """That of a job file; a bare name means the job shipped under it."""
    shipped = os.path.join(commandline.JOBS, name + ".fio")
    return os.path.realpath(shipped) if not os.path.exists(
        name) and os.path.exists(shipped) else name


def load(name: str) -> list[Job]:
    """The Jobs in a file."""
    path = path_of(name)
    return split(path, includes.text_of(path))


def notes(jobs: Iterable[Job]) -> list[str]:
    """What of the files of these jobs was left out, in sentences."""
    return list(dict.fromkeys(note for job in jobs for note in job.notes))
