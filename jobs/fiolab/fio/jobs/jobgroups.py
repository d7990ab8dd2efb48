# SPDX-License-Identifier: GPL-2.0-only
"""From a job file to what of it can be run on its own: fio runs the sections
of a file at once, but for those behind a barrier (stonewall, wait_for), so a
file is a Job for each group of sections between barriers, which has the
[global] options that were in force there.  `include` is expanded as fio does
it; a file that has only [global] is one job of these options.  What is no load
on a target (another engine's, or a step that does no I/O) is left out with a
sentence where it is a group of its own, and refused where it runs beside one.
"""
from collections.abc import Iterable
from dataclasses import replace
import os
import re

from ...base import commandline
from ...base.problem import Problem
from .. import jobfile
from ..jobfile import Job, option_of
from . import delays, fromhere, hidden

INCLUDE = re.compile(r"include.(.*)")
BARRIERS = ("stonewall", "wait_for_previous", "wait_for")
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


# The text of a file, includes expanded

def _read(path):
    try:
        with open(path, encoding="utf-8", errors="surrogateescape",
                  newline="\n") as file:    # the bytes are for fio to read
            return file.read()
    except OSError as error:
        raise Problem(f"cannot read the job file {path}: "
                      f"{error.strerror}.") from None


def _included(name, path):
    """As fio looks for it: from here, else beside the file that names it."""
    beside = os.path.join(os.path.dirname(path), name)
    return name if os.path.exists(name) else beside


def _check_include(path, inside):
    """inside: the files of which one includes the next, path the last."""
    if os.path.realpath(path) in map(os.path.realpath, inside):
        raise Problem(" includes ".join([*inside, path]) + ", without end: "
                      "take one of these lines out.")


def _expanded(path, inside=()):
    """The lines of a file."""
    found = []
    for line in jobfile.lines(_read(path)):
        match = INCLUDE.match(line.strip())
        if match:
            name = _included(match[1], path)
            _check_include(name, (*inside, path))
            found += _expanded(name, (*inside, path))
        elif inside and line.strip().startswith("["):
            raise Problem(f"{path} has a section of its own "
                          f"({line.strip()}), which fio takes from no file "
                          f"that another one includes, as {inside[-1]} does: "
                          "name it as a job file of its own.")
        else:
            found.append(fromhere.line(line))
    return found


def text_of(path: str) -> str:
    """A job file's text, with what it includes."""
    return "\n".join(_expanded(path))


# What is refused

def _check_places(job):
    for values in jobfile.in_force(job.text, "zonemode", "file_append"):
        if values.get("zonemode") == "zbd":
            raise Problem(f"{job.path} is for zoned devices (zonemode=zbd), "
                          "whose zones can be neither given to a job in part "
                          "nor written anew before each run: compare on a "
                          "device without zones, with another job file.")
        if values.get("file_append", "0") != "0" and job.writes():
            raise Problem(f"{job.path} appends to its file (file_append), "
                          "which so becomes longer from run to run: a "
                          "comparison cannot give each run the same.")


MAPS_FILE = re.compile(r"(mem|iomem)\s*=.*:", re.I)


def _check_options(job):
    for line in jobfile.lines(job.text):
        hidden.check(line, job.path)
        key = option_of(line)
        if "$" in key:
            raise Problem(f"{job.path} has an option with a variable in its "
                          f"name ({ascii(key)[1:-1]}), so that nobody sees "
                          "which it is: write its name.")
        if MAPS_FILE.match(line.strip()):
            raise Problem(f"{job.path} has its buffers in a file ({key}), "
                          "which reads would overwrite: leave out the file's "
                          "name.")
        if jobfile.refused(key):
            raise Problem(f"{job.path} sets '{key}', which a timed comparison "
                          "cannot honour: remove it from the job file.")


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


def check(job: Job) -> None:
    """Refuse what a comparison cannot honour."""
    _check_units(job)
    _check_places(job)
    _check_options(job)


# Its groups

def _is_on(section, key):
    """A flag, as fio takes it: 'stonewall' is 1, 'stonewall=0' is 0."""
    return section.get(key, "0") not in ("0",)


def _barrier(section):
    return any(_is_on(section, key) for key in BARRIERS)


def _grouped(text):
    """[(sections, what is in force in each)] of each group: a section is its
    lines, and before the first of a group are all of [global] so far."""
    values = iter(jobfile.in_force(text, *BARRIERS, *delays.READ, "ioengine",
                                   "create_only", "rw", "readwrite", "verify",
                                   "verify_only"))
    defaults, groups = [], []
    for section in jobfile.sections(text):
        if not jobfile.is_job(section):
            defaults.append(section)
            if groups:
                groups[-1][0].append(section)
            continue
        here = next(values)
        if not groups or _barrier(here):
            groups.append(([*defaults], []))
        groups[-1][0].append(section)
        groups[-1][1].append(here)
    return [one for group in groups for one in _staggered(*group)]


def _staggered(sections, values):
    """The groups in one that startdelay puts one after the other."""
    for numbers in delays.groups(values):
        place = iter(range(len(values)))
        yield ([one for one in sections if not jobfile.is_job(one)
                or next(place) in numbers],
               [values[number] for number in numbers])


def _engine(section):
    return section.get("ioengine", "").split(":")[0]


def _why_not(path, group, sections):
    """Why a group is no load on a target; '' where it is one."""
    others = [_engine(one) for one in sections if _engine(one) in ELSEWHERE]
    if others and len(others) < len(sections):
        raise Problem(f"{path} runs the engine {others[0]}, which "
                      f"{ELSEWHERE[others[0]]}, beside the jobs that are to be "
                      f"compared ({group}): remove its section, or put a "
                      "stonewall between.")
    if others:
        return (f"its engine, {others[0]}, {ELSEWHERE[others[0]]}, so there is "
                "nothing to compare engines by")
    if all(_is_on(one, "create_only") for one in sections):
        return "it only makes files (create_only), and the target is there"
    if all(_reads_back(one) for one in sections):
        return ("it only verifies what a run before it has written, and each "
                "run of a comparison begins with a target of its own")
    return ""


def _reads_back(section):
    kind = section.get("rw", section.get("readwrite", "read")).split(":")[0]
    checks = section.get("verify", "0") not in ("0", "null", "pattern_hdr")
    return _is_on(section, "verify_only") or (
        checks and kind in jobfile.READ_ONLY)


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


def split(path: str, text: str) -> list[Job]:
    """The Jobs of a job file's text, which has no include."""
    groups = _grouped(_whole(text))
    names = _names(groups)
    jobs, left = [], []
    for name, (sections, values) in zip(names, groups):
        why = _why_not(path, name, values)
        if why:
            left.append(f"job {name} of {path} is left out: {why}.")
        else:
            jobs.append(Job(path, _text(sections),
                            group=name if len(groups) > 1 else ""))
    if not jobs:
        raise Problem(f"{path} has no job to compare engines by: {left[0]}"
                      if left else f"{path} has no job in it: add a section "
                      "such as [randread].")
    for job in jobs:
        check(job)
    return [replace(job, notes=tuple(left)) for job in jobs]


def load(path: str) -> list[Job]:
    """The Jobs in a file; a bare name means the job shipped under it."""
    shipped = os.path.join(commandline.JOBS, path + ".fio")
    if not os.path.exists(path) and os.path.exists(shipped):
        path = os.path.realpath(shipped)
    return split(path, text_of(path))


def notes(jobs: Iterable[Job]) -> list[str]:
    """What of the files of these jobs was left out, in sentences."""
    return list(dict.fromkeys(note for job in jobs for note in job.notes))
