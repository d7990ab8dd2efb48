# SPDX-License-Identifier: GPL-2.0-only
# What fio is asked before anything is written: does it know each engine and
# its options, does it accept each job, does it run on the libaio.so.1 that a
# side's environment promises, and how does it count syncs?  An option that is
# no engine's own belongs in the job file, where both sides get it.
from collections.abc import Iterable, Sequence
from dataclasses import replace
import os
import re
import subprocess

from ..base import process
from ..base.problem import Problem
from ..target.scratchfile import DEFAULT_SIZE
from ..target.target import Target
from . import fiorun, jobfile, sidespec, timedrun
from .fiorun import Fio
from .jobfile import Job
from .jobs import syncing
from .sidespec import Side

# fio pads a name to 24 columns, which tells it from a message of its own.
OPTION = re.compile(r"^ *([a-z][a-z0-9_]*)(?: +|(?<=\w{24})):", re.M)
MAPPED = re.compile(r" (/(?:.*/)?libaio\.so\.1[^/\n]*)$", re.M)
OUR_MARK = b"LIBAIO_RING"   # the variable that our library alone looks at
LIBRARY_JOB = Job("library", "[library]\nrw=read\nbs=4k\n")
LIBRARY_SIZE = 1 << 20
OFFLOAD_WORKS = (3, 42)     # before it, threads stall above depth 1
PAUSE = 50                  # ms between a write and its sync
SYNC_JOB = Job("syncs", "[syncs]\nrw=write\nbs=4k\niodepth=1\nfsync=1\n"
               f"thinktime={PAUSE}ms\n")
# Engines that are no part of fio, so that it cannot be asked.
SPDK = {"spdk": ("mem_size_mb", "enable_vmd", "shm_id", "mem_single_seg",
                 "enable_sgl", "disable_pcie_sgl_merge", "initial_zone_reset",
                 "zone_append"),
        "spdk_bdev": ("spdk_conf", "spdk_json_conf", "spdk_mem",
                      "spdk_single_seg", "log_flags", "initial_zone_reset",
                      "zone_append", "env_context", "spdk_rpc_listen_addr")}
LIBRARY_SECONDS = 10        # more than a look at its maps takes


def _ask(fio, *arguments, env=None):
    """(exit status, all that fio said)"""
    try:
        done = subprocess.run([fio.path, *arguments], cwd=fio.folder, env=env,
                              stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              errors="replace", check=False,
                              timeout=fiorun.PATIENCE)
    except (OSError, subprocess.SubprocessError) as error:
        raise Problem(f"cannot ask {fio.path} for its engines ({error}): name "
                      "another fio with --fio.") from None
    return done.returncode, done.stdout


def _engine_help(fio, side):
    """(does fio take the engine, what it says of it)"""
    name = side.ioengine.removeprefix("external:")
    _, text = _ask(fio.of(side), f"--enghelp={name}",
                   env=fiorun.side_environment(side))
    return bool(OPTION.search(text) or "has no options" in text), text


def engine_options(fio: Fio, side: Side) -> set[str]:
    """The names of the engine's own options."""
    taken, text = _engine_help(fio, side)
    if not taken and fio.version:       # that of no fio is a Problem of its own
        raise Problem(f"fio refuses the engine {side.text} (name another, or "
                      f"--fio): {fiorun.words(text) or 'no message'}")
    return set(OPTION.findall(text))


def fitted(fio: Fio, side: Side, build: str) -> Side:
    """A side of our engine with the file of the build folder that fits its
    fio: that of `make`, or that of `make engines`, which fits several."""
    files = sidespec.engine_files(build)
    if side.ioengine not in files or len(files) == 1 and not side.own.fio:
        return side
    for file in files:
        one = replace(side, ioengine=file)
        taken, text = _engine_help(fio, one)
        if taken:
            return one
    raise Problem(f"no engine in {build} fits the fio of side {side.text} "
                  f"({fiorun.words(text)}): `make engines FIO_SRCS=DIR`, with "
                  "its source tree, makes one, or name it: external:PATH.")


def knows(fio: Fio, option: str) -> bool:
    """Is it an option of fio's own?  No version tells: fio is asked."""
    return f" {option}: " in _ask(fio, f"--cmdhelp={option}")[1]


def _check_side(fio, side):
    known = engine_options(fio, side)
    for option in side.options:
        name = option.partition("=")[0]
        if name not in known and name != sidespec.THREAD:
            raise Problem(f"'{name}' in '{side.text}' is not an option of that "
                          "engine: if it is one of fio, it belongs in the job "
                          "file, so that both sides get it.")


def _check_job(fio, side, job, size):
    target = Target(side.own.filename or "probe", size or DEFAULT_SIZE,
                    handed=bool(side.own.filename))
    path = os.path.join(fio.folder, "probe.fio")
    try:
        with open(path, "w", encoding="utf-8",
                  errors="surrogateescape") as file:
            file.write(job.effective(fiorun.base_options(side, target, 1)))
    except OSError as error:
        raise fiorun.no_room(path, error.strerror) from None
    status, text = _ask(fio.of(side), "--parse-only", path,
                        env=fiorun.environment(side, target))
    if status:
        raise Problem(f"fio refuses job {job.name} with engine {side.text}: "
                      f"{fiorun.words(text) or 'no message'}")


def _check_offload(fio, job):
    """Refuse what hangs in fio itself, whatever the engine."""
    if not fiorun.older(fio.version, OFFLOAD_WORKS):
        return
    for section in jobfile.in_force(job.text, "io_submit_mode", "iodepth"):
        if section.get("io_submit_mode") == "offload" and \
                section.get("iodepth", "1") != "1":
            raise Problem(
                f"job {job.name} sets io_submit_mode=offload with iodepth="
                f"{section['iodepth']}, in which {fio.version} itself often "
                "hangs, with any engine: name fio 3.42 or later with --fio, "
                "or set iodepth=1.")


def check(fio: Fio, sides: Iterable[Side], jobs: Sequence[Job],
          size: int | None) -> None:
    """Find mistakes in the sides and the jobs before anything is written."""
    for side in dict.fromkeys(sides):
        for job in jobs:
            _check_offload(fio.of(side), job)
        _check_side(fio, side)
        for job in jobs:
            _check_job(fio, side, job, size)


def _common(fio, sides):
    """The options that the engines of all sides have."""
    return set.intersection(*(engine_options(fio.of(side), side)
                              for side in sides))


def foreign(fio: Fio, sides: Sequence[Side], job: Job) -> dict[str, str]:
    """{option: engine} of what a job sets of the engine that it names, which
    not every side has."""
    return _left_out(fio, job, _common(fio, sides)) if job.values(
        "ioengine") else {}


def _left_out(fio, job, common):
    """{option: engine} of the engines that the job file names, where not every
    side's engine has it.  One that is a path is not asked, as fio would load
    it, and so run it; SPDK's are named so."""
    found = {}
    for value in set(job.values("ioengine")):
        engine = os.path.basename(value) if "/" in value \
            else value.split(":")[0]
        text = "" if "/" in value else _ask(fio, f"--enghelp={engine}")[1]
        found |= dict.fromkeys({*OPTION.findall(text), *SPDK.get(engine, ())},
                               engine)
    return {name: engine for name, engine in found.items()
            if name not in common and job.sets(name)}


def without_foreign(fio: Fio, sides: Sequence[Side],
                    jobs: Iterable[Job]) -> list[Job]:
    """The jobs without options of engines that the sides do not have: those of
    one engine in the file belong to a side."""
    common, found = None, []
    for job in jobs:
        if job.values("ioengine"):
            common = _common(fio, sides) if common is None else common
            for name, engine in sorted(_left_out(fio, job, common).items()):
                job = job.without(name, (
                    f"job {job.name} sets {name}, an option of the engine "
                    f"{engine} that not every side has: it is left out; give "
                    f"it to a side, as {engine},{name}=VALUE."))
        found.append(job)
    return found


def _maps(pid):
    """Empty for a process that has ended, as the shell of exec_prerun does."""
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8",
                  errors="surrogateescape") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    except OSError as error:
        raise Problem(f"cannot see which libaio.so.1 fio uses "
                      f"(/proc/{pid}/maps: {error.strerror}): run as root, or "
                      "with a fio that is not set-uid.") from None


def _stand_in(fio):
    """A small target of our own to ask with."""
    path = os.path.join(fio.folder, "library.tmp")
    try:
        with open(path, "wb") as file:
            file.truncate(LIBRARY_SIZE)
    except OSError as error:
        raise fiorun.no_room(path, error.strerror) from None
    return Target(path, LIBRARY_SIZE, False, "", direct=False, writable=True)


def mapped_library(fio: Fio, side: Side) -> str:
    """The libaio.so.1 in a running job of a side; "" if there is none."""
    target = _stand_in(fio)
    options = (fiorun.base_options(side, target, 1) +
               timedrun.timed_options(LIBRARY_SECONDS, 0))
    with fiorun.Run(fio, side, LIBRARY_JOB, target, options) as started:
        timedrun.await_start(started)
        found = [m[1] for pid in process.tree(started.child.pid)
                 for m in MAPPED.finditer(_maps(pid))]
    return found[-1] if found else ""


def _is_ours(library):
    try:
        with open(library, "rb") as file:
            return OUR_MARK in file.read()
    except OSError as error:
        raise Problem(f"cannot read the library {library} that is in use: "
                      f"{error.strerror}.") from None


def check_library(side: Side, mapped: str, program: str) -> None:
    """Refuse a program that runs on another libaio.so.1 than its side says."""
    if not side.library:
        if mapped and _is_ours(mapped):
            raise Problem(f"side {side.text} is to run without our library, "
                          f"but {program} uses {mapped}: unset "
                          "LD_LIBRARY_PATH and LD_PRELOAD, and take our "
                          "folder out of /etc/ld.so.conf.d.")
    elif not mapped:
        raise Problem(f"{program} uses no libaio.so.1 on side {side.text}: it "
                      "is linked statically or without libaio, so no library "
                      "can be put under it; name another with --fio.")
    elif not (os.path.exists(mapped) and
              os.path.samefile(mapped, side.library)):
        raise Problem(f"{program} uses {mapped} on side {side.text} and not "
                      f"{side.library}: it ignores LD_LIBRARY_PATH (set-uid, "
                      "set-gid, capabilities or an RPATH), or the library is "
                      "of another architecture.")
    elif not _is_ours(mapped):
        raise Problem(f"{mapped} is not our library (a copy of the "
                      "distribution's?): run `make`, or name the build folder "
                      "with --build.")


def check_libraries(fio: Fio, sides: Sequence[Side]) -> tuple[str, ...]:
    """The libaio.so.1 of each side, checked; () if no side asks for one.  A
    side of fio's libaio is to run on the distribution's even then, whatever
    this shell or the system's list of folders would put in its place."""
    asked = any(side.library for side in sides)
    mapped = {side: mapped_library(fio, side) for side in dict.fromkeys(sides)
              if not side.own.filename and (
                  asked or side.ioengine == "libaio")}
    for side, library in mapped.items():
        check_library(side, library, "fio")
    return tuple(mapped.get(side, "") for side in sides) if asked else ()


def counts_syncs(fio: Fio, side: Side) -> bool:
    """Does fio count the latency of a side's syncs from their submission on?
    If from an earlier use of the request, the pause before them is in it."""
    result, _ = fiorun.run(
        fio, side, SYNC_JOB, target := _stand_in(fio),
        [*fiorun.base_options(side, target, 1), f"size={3 * 4096}"], 1)
    shortest = min(job["sync"]["lat_ns"]["min"] for job in result["jobs"])
    return shortest < PAUSE * 1e6 / 2


def check_syncs(fio: Fio, sides: Sequence[Side],
                jobs: Iterable[Job]) -> tuple[Side, ...]:
    """The sides, each with what is known of how fio counts its syncs, if any
    job has some."""
    if not any(syncing.ever(job.text) for job in jobs):
        return tuple(sides)
    known = {side: bool(side.own.filename) or counts_syncs(fio, side)
             for side in dict.fromkeys(sides)}
    return tuple(replace(side, syncs=known[side]) for side in sides)


def uncounted(fio: Fio, sides: Iterable[Side]) -> list[str]:
    """Of sides whose syncs have no latency that can be compared."""
    return [f"{fio.of(side).version} counts the syncs of {side.text} from an "
            "earlier use of the request, not from the call (fio 3.41 does "
            "so): their latency is not compared."
            for side in dict.fromkeys(sides) if not side.syncs]
