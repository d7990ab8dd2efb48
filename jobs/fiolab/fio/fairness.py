# SPDX-License-Identifier: GPL-2.0-only
# Is the comparison fair, and do its figures mean something?  What is not fair
# stops the command with a sentence; what only makes the figures worth less is
# a warning, which the report repeats.
from collections.abc import Iterable, Sequence
import re
from typing import Any

from ..base.problem import Problem
from ..target.target import Target
from . import jobfile
from .jobfile import Job
from .jobs import amounts, arithmetic, straying
from .metrics import IO_KINDS, VERIFY, WITH_VERIFY
from .sidespec import Side

IN_FLIGHT = 4           # times what is in flight must fit into the target
MENTIONED = 6           # options in which two job files differ
BUSY = 0.5              # load for each CPU
STOLEN = 0.05
NOT_DIRECT = {"none": "does not set direct=1",
              "some": "sets direct=1 for a part of its I/O only"}
VERIFYING = {
    VERIFY: "{} of the I/Os of job {} are the reads of its verify, which IOPS, "
    "CPU and bandwidth count, too: do_verify=0 leaves them out.",
    WITH_VERIFY: "{} of the I/Os of job {} are reads of its load and of its "
    "verify, which fio counts as one: do_verify=0 leaves the latter out."}
ONE = r"(\d{1,12})([kmgt]?)i?b?"
SIZE = re.compile(ONE, re.A | re.I)
RANGE = f"{ONE}[-:]{ONE}"
SHARE = rf"{ONE}(/\d*)?"
SHARES = rf"({SHARE}(:{SHARE})*:?)?"      # of a direction; none: those of bs=


def _options(result):
    """{option: value} as fio took them, by job."""
    return {job["jobname"]: {**result.get("global options", {}),
                             **job.get("job options", {})}
            for job in result["jobs"]}


def differences(first: dict, second: dict) -> str:
    """': bs=4k against 8k' of two runs of different job files."""
    (a, *_), (b, *_) = (_options(one).values() for one in (first, second))
    found = [f"{key}={a.get(key)} against {b.get(key)}"
             for key in sorted({*a, *b} - {"ioengine", "filename"})
             if a.get(key) != b.get(key)]
    left = len(found) - MENTIONED
    more = f" and {left} more" if left > 0 else ""
    return f": {', '.join(found[:MENTIONED])}{more}" if found else ""


def same_options(sides: Sequence[Side], job: Job, first: dict,
                 second: dict, own: Iterable[str] = ()) -> None:
    """fio's own account of the options of both sides, engines apart, and what
    else is their own."""
    own = {"ioengine", *own, *(option.partition("=")[0] for side in sides
                               for option in (*side.options, *side.plant))}
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


def depth_note(sides: Sequence[Side], first: dict, second: dict) -> str:
    """A synchronous engine ignores iodepth: not unfair, but to be known."""
    alone = [side.text for side, result in zip(sides, (first, second))
             if _one_at_a_time(result)]
    if len(alone) != 1:
        return ""
    return f"; {alone[0]} keeps only one of them in flight, whatever iodepth"


# Sizes

# fio takes what it understands of a value and drops the rest: bs=4x is 4 bytes
# and iodepth=4q is 4.  So what is not in a plain spelling is refused.

def _bytes(text, base):
    """The largest size in '4k', '4k,128k' or '4k-64k'."""
    return max(amounts.size_of(part, "bs", base)
               for part in re.split(r"[-,:/]", text) if SIZE.fullmatch(part))


def _split_bytes(text, base):
    """The same of '4k/60:64k/40,8k'."""
    return max(_bytes(part.split("/")[0], base)
               for part in re.split("[,:]", text) if part)


def _count(text, _):
    return int(text)


def _base(job):
    """The kb_base of its sections, of which jobgroups.py lets in one alone."""
    return max(map(amounts.base_of, jobfile.in_force(job.text, "kb_base")),
               default=1024)


# option -> (its plain spelling, an example of it, what it counts)
# of bs=4k-64k fio's reads are of 4k and its writes of 64k
SIZES = (re.compile(rf"({ONE})?(,({ONE})?){{0,2}}", re.A | re.I),
         "4k or 4k,128k, or a range as bsrange=4k-64k", _bytes)
RANGES = (re.compile(rf"({RANGE})?(,({RANGE})?){{0,2}}", re.A | re.I),
          "4k-64k or 4k-8k,64k-128k", _bytes)
SPLIT = (re.compile(rf"{SHARES}(,{SHARES}){{0,2}}", re.A | re.I),
         "4k/60:64k/40 or 4k/60:64k/40,8k", _split_bytes)
COUNT = (re.compile(r"[1-9]\d{0,8}", re.A), "64", _count)
PLAIN = {"bs": SIZES, "bsrange": RANGES, "bssplit": SPLIT, "iodepth": COUNT,
         "numjobs": COUNT}


def _plain(job, key, text):
    """The number that a value means, the variables in it replaced."""
    spelling, example, meaning = PLAIN[key]
    meant = arithmetic.meant(text)
    if not re.search(r"\d", meant) or not spelling.fullmatch(meant):
        raise Problem(f"job {job.name} sets {key}={ascii(text[:40])[1:-1]}, "
                      "which fio may take for something else: write it "
                      f"plainly, such as {key}={example}.")
    return meaning(meant, _base(job))


def _largest(job, default, *keys):
    return max((_plain(job, key, value) for key in keys
                for value in job.values(key)), default=default)


def largest_block(job: Job) -> int:
    """Bytes of the largest I/O of the job, as far as its text says."""
    sizes = [key for key in PLAIN if PLAIN[key] is not COUNT]
    return _largest(job, 4096, *sizes)


def in_flight(job: Job) -> int:
    """Bytes that the job may have in flight, as far as its text says."""
    return (largest_block(job) * _largest(job, 1, "iodepth") *
            _largest(job, 1, "numjobs"))


def large_enough(job: Job, size: int) -> None:
    need = IN_FLIGHT * in_flight(job)
    if size < need:
        raise Problem(
            f"the target of {size >> 10} KiB is too small for job {job.name}, "
            f"which may have {need // IN_FLIGHT >> 10} KiB in flight: the same "
            f"blocks would be used again and again; give at least --size "
            f"{max(1, -(-need >> 20))}M.")


def _step(job, values):
    """Bytes that rw=write:N leaves out after each block; None where a section
    does nothing in order."""
    kind, text = amounts.pattern(values)
    if kind.startswith("rand"):
        return 0 if text or "percentage_random" in values else None
    match = SIZE.fullmatch(text.removeprefix("-") or "0")
    if not match:
        raise Problem(f"job {job.name} sets rw={ascii(values['rw'][:40])[1:-1]}"
                      ", which fio may take for something else: write it "
                      "plainly, such as rw=write:64k.")
    return 0 if text.startswith("-") else _bytes(match[0],
                                                 amounts.base_of(values))


def _in_order(job):
    """(block, step) of what goes in order in blocks that fio does not make
    smaller where the part ends: of which a direction has one size alone."""
    return sorted({(*sizes, step) for values in jobfile.in_force(
        job.text, *straying.READ) for sizes in amounts.directions(values)
        if len(sizes) == 1 and (step := _step(job, values)) is not None})


def ends_inside(job: Job, size: int) -> None:
    """Refuse a job whose last write would begin in the first size bytes and
    end behind them: fio looks for the end of the file alone."""
    if not job.writes():
        return
    straying.check(job)
    for block, step in _in_order(job):
        if 0 < size % (block + step) < block:
            raise Problem(
                f"the last block of {block} bytes of job {job.name} would "
                f"reach beyond the {size >> 20} MiB that are given to it, "
                "into what lies behind: give a --size that is a multiple "
                f"of {block + step} bytes.")


def goes_around_inside(job: Job) -> None:
    """Refuse a job with zones for a part of a target: fio begins anew with
    them at the end of the whole."""
    if job.strided():
        raise Problem(f"job {job.name} goes through its target in zones "
                      "(zonemode=strided), and fio begins anew with them at "
                      "the end of the target alone: give it a target that "
                      "ends where --size does.")


def fits(job: Job, target: Target) -> None:
    """Refuse a target that is too small for a job, or of which it would leave
    the part that is used."""
    large_enough(job, target.used)
    if target.is_part():
        ends_inside(job, target.size)
        goes_around_inside(job)


def o_direct(job: Job, path: str, otherwise: str = ", or give --buffered if "
             "the page cache is what you mean") -> None:
    """Refuse a job that would measure the page cache of a disk."""
    part = NOT_DIRECT.get(jobfile.direct_io(job.text))
    if part:
        raise Problem(f"job {job.name} {part}, so on {path} it would measure "
                      "the page cache and not the device: set direct=1 in it"
                      f"{otherwise}.")


# Warnings

def buffered(job: Job, direct: str, target: Target) -> list[str]:
    """A job without O_DIRECT, or a target in memory that has none."""
    if target.ram and not target.direct:
        return [f"{target.path} does not support O_DIRECT, so job {job.name} "
                "runs through the page cache there."]
    if direct == "all" or target.ram:
        return []
    return [f"job {job.name} {NOT_DIRECT[direct]}: its figures on "
            f"{target.path} are the page cache's and not the device's."]


def machine(cpu: int | None, found: dict) -> list[str]:
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


def stolen(cells: Iterable[Any]) -> list[str]:
    """Of time that the hypervisor took, in any cell."""
    worst = max((max(cell.steal) for cell in cells if cell.steal),
                default=0)
    if worst < STOLEN:
        return []
    return [f"other virtual machines took up to {worst:.0%} of the CPU during "
            "a run (steal): pairs bear it, but repeat close calls."]


def _shares(cell, name):
    """What share of a cell's I/Os are of that kind, by side."""
    for role, pool in cell.pools.get(name, {}).items():
        yield pool.n / sum(one[role].n for kind, one in cell.pools.items()
                           if role in one and kind in IO_KINDS)


def verified(cells: Iterable[Any]) -> list[str]:
    """What the reads of a verify are in the figures of each job."""
    found: dict[tuple, list[float]] = {}
    for cell in cells:
        for name in VERIFYING:
            found.setdefault((cell.job, name), []).extend(
                _shares(cell, name))
    return [VERIFYING[name].format(
        f"{min(shares):.0%} to {max(shares):.0%}", job.name)
        for (job, name), shares in found.items() if shares]
