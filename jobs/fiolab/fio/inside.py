# SPDX-License-Identifier: GPL-2.0-only
# Does a job keep inside of what was given to it?  jobfile.py refuses the
# options that are known to lead out of it, but each new fio may have one more.
# So a job that writes is rehearsed before it gets the target: on a stand-in of
# our own, a sparse file in the command's private folder (on it a loop device,
# where the target is a device), of which only a part is given to the job, and
# that is small enough for a few I/Os to get around in.  What fio logs of both,
# the rehearsal and the first run on the target, must lie inside what was given.
from collections.abc import Iterable, Iterator, Sequence
import contextlib
from dataclasses import replace
import os

from ..base.problem import Problem
from ..target import blockdevice, loopdevice
from ..target.target import Target
from . import jobfile, splitjob
from .fairness import largest_block
from .fiorun import Fio
from .jobfile import Job

BLOCKS, FEWEST = 500, 16        # I/Os that the part of the stand-in holds
SMALLEST, LARGEST = 1 << 20, 64 << 20
TIMES = 4                       # so much larger than its part is a stand-in
# How the I/O is done, not where: a stand-in may be in memory.
MANNER = {*jobfile.CACHING, "atomic", "nowait", "hipri"}


def check(job: Job, streams: Sequence[Iterable[tuple]], size: int,
          begin: int = 0) -> None:
    """Refuse a job that did an I/O outside of the size bytes from begin on
    that were given to it, or of the range in them that is one of its jobs'."""
    places = job.ranges(begin, size)
    if len(places) != len(streams):
        raise splitjob.unlike(job)
    for number, (stream, (first, end)) in enumerate(zip(streams, places), 1):
        for kind, place, length, *_ in stream:
            if kind not in ("sync", "datasync") and not (
                    first <= int(place) <= end - int(length)):
                which = f"its job {number}" if len(places) > 1 else "it"
                raise Problem(
                    f"job {job.name} leaves what was given to it: a {kind} of "
                    f"{length} bytes at {place}, and {which} was to keep to "
                    f"the bytes from {first} to {end}: take out of the job "
                    "file what moves its offsets.")


def _part(job, target):
    """Bytes that a job gets of a stand-in."""
    block = largest_block(job)
    wanted = max(min(max(BLOCKS * block, SMALLEST), LARGEST), FEWEST * block,
                 job.least())
    return min(-(-wanted // SMALLEST) * SMALLEST, target.size)


def _is_manner(line):
    return jobfile.option_of(line) in MANNER


def played(job: Job) -> Job:
    """The job as it is rehearsed."""
    return replace(job, text="\n".join(
        line for line in jobfile.lines(job.text) if not _is_manner(line)))


def _file(path, part, times, device, stack):
    """The Target that stands for a member, a device or a file."""
    with open(path, "wb") as file:
        stack.callback(os.unlink, path)
        file.truncate(times * part)
    return Target(_device(path, stack) if device else path, part, True,
                  "stand-in", direct=False, writable=True)


def _device(path, stack):
    """A loop device on it; the file itself, where there is none."""
    with contextlib.suppress(Problem):
        return loopdevice.make(path, stack, writable=True, direct=False)
    return path


@contextlib.contextmanager
def stand_in(fio: Fio, job: Job, target: Target) -> Iterator[Target]:
    """A Target of our own of which a job gets a part; gone afterwards."""
    part, times = _part(job, target), 1 if job.strided() else TIMES
    paths = [os.path.join(fio.folder, f"stand-in{number or ''}")
             for number in range(target.number)]
    with contextlib.ExitStack() as stack:
        made = [_file(path, part, times, blockdevice.device_number(
            one.path) is not None, stack)
            for path, one in zip(paths, target.each())]
        yield made[0] if target.number == 1 else replace(
            made[0], number=len(made), members=tuple(made))
        for path in paths:
            Target(path, part, kind="file", whole=times * part).check_size(job)
