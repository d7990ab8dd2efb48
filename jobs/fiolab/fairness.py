# SPDX-License-Identifier: GPL-2.0-only
# Is the comparison fair, and do its figures mean something?  What is not fair
# stops the command with a sentence; what only makes the figures worth less is
# a warning, which the report repeats.
import re

from . import jobfile
from .problem import Problem

IN_FLIGHT = 4           # times what is in flight must fit into the target
BUSY = 0.5              # load for each CPU
STOLEN = 0.05
NOT_DIRECT = {"none": "does not set direct=1",
              "some": "sets direct=1 for a part of its I/O only"}
UNITS = {"": 0, "b": 0, "k": 10, "m": 20, "g": 30, "t": 40}
SIZE = re.compile(r"(\d+)([kmgt]?)(?:i?b)?", re.I)


def _options(result):
    """{option: value} as fio took them, by job."""
    return {job["jobname"]: {**result.get("global options", {}),
                             **job.get("job options", {})}
            for job in result["jobs"]}


def same_options(sides, job, first, second):
    """fio's own account of the options of both sides, engines apart."""
    own = {"ioengine"} | {option.partition("=")[0] for side in sides
                          for option in (*side.options, *side.plant)}
    a, b = ({name: {key: value for key, value in options.items()
                    if key not in own}
             for name, options in _options(result).items()}
            for result in (first, second))
    for name in sorted({*a, *b}):
        mine, theirs = a.get(name, {}), b.get(name, {})
        for key in sorted({*mine, *theirs}):
            if mine.get(key) != theirs.get(key):
                raise Problem(
                    f"the comparison would be unfair: job {job.name} runs with "
                    f"{key}={mine.get(key)} on {sides[0].text} and with "
                    f"{key}={theirs.get(key)} on {sides[1].text}: give both "
                    "the same.")


def _one_at_a_time(result):
    """Does every job keep no more than one I/O in flight?"""
    return all(job.get("iodepth_level", {}).get("1", 0) > 99
               for job in result["jobs"])


def depth_note(sides, first, second):
    """A synchronous engine ignores iodepth: not unfair, but to be known."""
    alone = [side.text for side, result in zip(sides, (first, second))
             if _one_at_a_time(result)]
    if len(alone) != 1:
        return ""
    return f"; {alone[0]} keeps only one of them in flight, whatever iodepth"


# Sizes

def _bytes(text):
    """The largest size in '4k', '4k-64k', '4k,128k'; None in other spellings."""
    parts = re.split(r"[-,:/]", text)
    found = [SIZE.fullmatch(part) for part in parts if part]
    if not found or not all(found):
        return None
    return max(int(m[1]) << UNITS[m[2].lower()] for m in found)


def _largest(job, parse, default, *keys):
    values = [parse(value) for value in job.values(*keys)]
    return max([value for value in values if value], default=default)


def _count(text):
    return int(text) if text.isdigit() else None


def in_flight(job):
    """Bytes that the job may have in flight, as far as its text says."""
    return (_largest(job, _bytes, 4096, "bs", "blocksize") *
            _largest(job, _count, 1, "iodepth") *
            _largest(job, _count, 1, "numjobs"))


def large_enough(job, size):
    need = IN_FLIGHT * in_flight(job)
    if size < need:
        raise Problem(
            f"the target of {size >> 10} KiB is too small for job {job.name}, "
            f"which may have {need // IN_FLIGHT >> 10} KiB in flight: the same "
            f"blocks would be used again and again; give at least --size "
            f"{max(1, -(-need >> 20))}M.")


def o_direct(job, path):
    """Refuse a job that would measure the page cache of a disk."""
    part = NOT_DIRECT.get(jobfile.direct_io(job.text))
    if part:
        raise Problem(f"job {job.name} {part}, so on {path} it would measure "
                      "the page cache and not the device: set direct=1 in it, "
                      "or give --buffered if the page cache is what you mean.")


# Warnings

def buffered(job, direct, target):
    """A job without O_DIRECT, or a target in memory that has none."""
    if target.ram and not target.direct:
        return [f"{target.path} does not support O_DIRECT, so job {job.name} "
                "runs through the page cache there."]
    if direct == "all" or target.ram:
        return []
    return [f"job {job.name} {NOT_DIRECT[direct]}: its figures on "
            f"{target.path} are the page cache's and not the device's."]


def machine(cpu, found):
    """What about this machine makes figures doubtful; found: environment."""
    said = []
    if found["governor"] not in (None, "performance"):
        said.append(f"the CPU frequency governor is '{found['governor']}', so "
                    "the clock follows the load: set 'performance' for "
                    "figures that repeat.")
    load = found["load_1m"]
    if load is not None and load > BUSY * (found["cpus"] or 1):
        said.append(f"the load is {load} on {found['cpus']} CPUs, so something "
                    "else takes CPU time: stop it for figures that repeat.")
    if cpu is None and (found["cpus"] or 1) > 1:
        said.append("fio is not pinned to a CPU (--cpu all), so a side may "
                    "spend more than one CPU's time unseen in its IOPS.")
    return said


def stolen(results):
    """Of time that the hypervisor took, in any cell."""
    worst = max((max(cell.steal) for cell in results.cells if cell.steal),
                default=0)
    if worst < STOLEN:
        return []
    return [f"other virtual machines took up to {worst:.0%} of the CPU during "
            "a run (steal): pairs bear it, but repeat close calls."]
