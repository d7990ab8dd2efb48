# SPDX-License-Identifier: GPL-2.0-only
"""startdelay of the jobs of a file.  Where each begins when those before it
have ended, by their runtime, they are groups one after the other, like those
behind a stonewall.  Where they overlap, that some have loaded the target before
the others begin is part of the load: then the delays are kept, beyond the
shortest, and each job's ramp lasts until the last has begun and has had its
own, so that the timed part is the same for all.
"""
from collections.abc import Iterable, Sequence
import math
import re

from ...base.problem import Problem
from .amounts import Values

READ = ("startdelay", "runtime")
UNITS = {"": 1, "s": 1, "ms": 1e-3, "msec": 1e-3, "us": 1e-6, "usec": 1e-6,
         "m": 60, "h": 3600, "d": 86400}
TIME = re.compile(r"(\d{1,12})([a-z]*)", re.A | re.I)


def seconds(values: Values, key: str) -> float:
    """Of a time as fio has it, 0 where it is not set.  In a unit that fio does
    not know it is one of microseconds, and of 1.5 it takes the 1."""
    text = values.get(key) or "0"
    match = TIME.fullmatch(text)
    if not match or match[2].lower() not in UNITS:
        raise Problem(f"{key}={ascii(text[:40])[1:-1]} in the job file is no "
                      "plain time, and fio may take it for something else: "
                      "write it such as 90s, 10m or 500ms.")
    return int(match[1]) * UNITS[match[2].lower()]


def _begin(values):
    """Of a range the latest."""
    return max(seconds({"startdelay": one}, "startdelay")
               for one in values.get("startdelay", "0").split("-"))


def _end(values):
    """Without a runtime nobody knows."""
    return _begin(values) + (seconds(values, "runtime") or math.inf)


def groups(sections: Sequence[Values]) -> list[list[int]]:
    """The numbers of the sections that overlap, in the order of time."""
    found: list[list[int]] = []
    end = 0.0
    for number in sorted(range(len(sections)),
                         key=lambda number: _begin(sections[number])):
        one = sections[number]
        if not found or _begin(one) >= end:
            found.append([])
        found[-1].append(number)
        end = max(end, _end(one))
    return [sorted(numbers) for numbers in found]


def kept(sections: Iterable[Values]) -> list[float]:
    """Seconds that each section begins after the first of them."""
    found = list(map(_begin, sections))
    return [delay - min(found) for delay in found]


def lines(delay: float, last: float, options: Iterable[str]) -> list[str]:
    """For a section, of which the last begins after `last` seconds; none for
    a run without a ramp, which is not timed."""
    known = dict(line.partition("=")[::2] for line in options)
    if not last or not known.get("ramp_time"):
        return []
    more = round((seconds(known, "ramp_time") + last - delay) * 1000)
    return [*([f"startdelay={round(delay * 1000)}ms"] if delay else []),
            f"ramp_time={more}ms"]
