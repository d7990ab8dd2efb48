# SPDX-License-Identifier: GPL-2.0-only
# Jobs whose blocks begin where no block of their size ends: fio holds the place
# at which one begins to what is given to a job, but its end, where blocks are
# of one size, to the end of the whole file alone.  At random it leaves room for
# the last block; in order it goes on from wherever the one before has ended.
from ...base.problem import Problem
from .. import jobfile
from ..jobfile import Job
from . import amounts

READ = amounts.READ | {"percentage_random", "ba"}


def _in_order_at_random(values):
    """Does a random job go on in order from some of its places?"""
    kind, more = amounts.pattern(values)
    shares = values.get("percentage_random", "100").split(",")
    return kind.startswith("rand") and (
        more not in ("", "1") or any(one not in ("", "100") for one in shares))


def _aligned(values):
    """Bytes of each blockalign."""
    return [amounts.size_of(one, "blockalign", amounts.base_of(values))
            for one in filter(None, values.get("ba", "").split(","))]


def _back(values):
    """Bytes that rw=write:-4k goes back after each block, or 0."""
    kind, more = amounts.pattern(values)
    return 0 if kind.startswith("rand") or not more.startswith("-") else \
        amounts.size_of(more[1:], "rw", amounts.base_of(values))


def _why(values):
    if len(amounts.blocks(values)) > 1 and values.get(
            "bs_is_seq_rand", "0") != "0":
        return "bs_is_seq_rand"
    for size in (max(one) for one in amounts.directions(values)
                 if len(one) == 1):
        if _in_order_at_random(values) and any(
                align % size for align in _aligned(values)):
            return "blockalign"
        if 0 < _back(values) < size:
            return f"rw={values['rw']}"
    return None


def check(job: Job) -> None:
    """Refuse a job that writes for a part of a target."""
    for values in jobfile.in_force(job.text, *READ):
        why = _why(values)
        if why and amounts.pattern(values)[0] not in jobfile.READ_ONLY:
            raise Problem(
                f"job {job.name} writes blocks from places between their "
                f"multiples ({why}), and fio holds the end of such to the end "
                "of the whole target, so that the last would reach beyond "
                f"what is given to it: take {why} out, or give it all of the "
                "target.")
