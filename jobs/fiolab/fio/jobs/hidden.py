# SPDX-License-Identifier: GPL-2.0-only
# Lines in which fio would find options that nobody here has looked at, such as
# filename= of something that was not given to it; and buffers in a file, which
# reads would overwrite.
from ...base.problem import Problem
from . import arithmetic
from .optionnames import canonical

LONGEST = 4000          # bytes; fio's buffer has had 4096 and 8192


def maps_file(option: str, value: str) -> bool:
    """Does an option put the buffers into a file (mem=mmap:FILE)?"""
    return canonical(option) == "mem" and ":" in arithmetic.meant(value)


def check(line: str, path: str) -> None:
    """Refuse a line of the job file at path, includes expanded, of which fio
    makes others."""
    length = len(line.encode("utf-8", "surrogateescape"))
    if length > LONGEST:
        raise Problem(f"{path} has a line of {length} bytes, whose end fio "
                      "takes for a line of its own: make it shorter than "
                      f"{LONGEST}.")
    if line.strip().startswith("include"):
        raise Problem(f"{path} says '{ascii(line.strip()[:40])[1:-1]}', for "
                      "which fio would read a file that is not looked at "
                      "here: name a job file that includes it.")
