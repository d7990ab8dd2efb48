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

from .amounts import Values

READ = ("startdelay", "runtime")
UNITS = {"": 1, "s": 1, "sec": 1, "ms": 1e-3, "msec": 1e-3, "us": 1e-6,
         "usec": 1e-6, "m": 60, "h": 3600, "d": 86400}
TIME = re.compile(r"(\d{1,12})([a-z]*)", re.A | re.I)


def seconds(text: str) -> float:
    """Of a time as fio has it, of a range of them the latest; 0 for what is
    no time, which fio then refuses."""
    match = TIME.fullmatch(text.split("-")[-1].strip())
    return int(match[1]) * UNITS.get(match[2].lower(), 0) if match else 0


def _begin(values):
    return seconds(values.get("startdelay", "0"))


def _end(values):
    """Without a runtime nobody knows."""
    lasts = seconds(values.get("runtime", "0"))
    return _begin(values) + (lasts or math.inf)


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
    ramp = dict(line.partition("=")[::2] for line in options).get("ramp_time")
    if not last or not ramp:
        return []
    more = round((seconds(ramp) + last - delay) * 1000)
    return [*([f"startdelay={round(delay * 1000)}ms"] if delay else []),
            f"ramp_time={more}ms"]
