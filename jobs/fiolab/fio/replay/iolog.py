# SPDX-License-Identifier: GPL-2.0-only
"""The I/Os in a log of fio's write_iolog: of version 2, in which lines "wait"
say when it goes on (milliseconds since the start), and 3, in which each line
begins with its time in microseconds.  Source: fio's iolog.c.
"""
from collections.abc import Iterable, Iterator
import re

from ...base.problem import Problem
from .entry import DATA, IO, KINDS

HEAD = re.compile(r"fio version ([23]) iolog")
LONGEST = 4096          # of a line that fio reads
NUMBER = re.compile(r"\d{1,19}", re.A)
FILE_ACTIONS = ("add", "open", "close")


def version(begin: str) -> int:
    """Of a log that begins so; 0 where it is none."""
    found = HEAD.match(begin)
    return int(found[1]) if found else 0


def _io(words, us):
    """The I/O of "FILE ACTION OFFSET LENGTH"; None of what does none."""
    if len(words) == 2 and words[1] in FILE_ACTIONS:
        return None
    if len(words) != 4 or words[1] not in KINDS or not all(
            map(NUMBER.fullmatch, words[2:])):
        raise ValueError
    file, kind = words[:2]
    offset, length = map(int, words[2:])
    if kind in DATA and not 0 < length < 1 << 32:
        raise ValueError
    return IO(us, kind, file, offset, length)


def _lines(lines, timed):
    """(I/O or None, microseconds) of each line"""
    us = 0.0
    for line in lines:
        words = line.split()
        if len(line) >= LONGEST:
            raise ValueError
        if not words:
            continue
        if timed:
            us = float(int(words.pop(0)))
        elif len(words) >= 3 and words[1] == "wait":
            us = max(us, 1000.0 * int(words[2]))
            continue
        yield _io(words, us)


def ios(lines: Iterable[str], path: str) -> Iterator[IO]:
    """Those of the lines of a log."""
    number = 1

    def counted():
        nonlocal number
        for line in lines:
            number += 1
            yield line
    first = next(iter(lines))
    try:
        for one in _lines(counted(), version(first) == 3):
            if one:
                yield one
    except (ValueError, IndexError):
        raise Problem(f"{path}, line {number} is no line of an iolog: it is "
                      "\"FILE read OFFSET LENGTH\", in version 3 behind a "
                      "time.") from None
