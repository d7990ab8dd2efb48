# SPDX-License-Identifier: GPL-2.0-only
# The text of a job file, with `include` expanded as fio does it.
import os
import re

from ...base.problem import Problem
from .. import jobfile
from . import fromhere

INCLUDE = re.compile(r"include.(.*)")
DEEPEST = 64    # files of which one includes the next


def _read(path):
    try:
        with open(path, encoding="utf-8", errors="surrogateescape",
                  newline="\n") as file:    # the bytes are for fio to read
            return file.read()
    except OSError as error:
        raise Problem(f"cannot read the job file {path}: "
                      f"{error.strerror}: name one that can be read."
                      ) from None


def _included(name, path):
    """As fio looks for it: from here, else beside the file that names it."""
    beside = os.path.join(os.path.dirname(path), name)
    return name if os.path.exists(name) else beside


def _check_include(path, inside):
    """inside: the files of which one includes the next, path the last."""
    if os.path.realpath(path) in map(os.path.realpath, inside):
        raise Problem(" includes ".join([*inside, path]) + ", without end: "
                      "take one of these lines out.")
    if len(inside) > DEEPEST:
        raise Problem(f"{inside[0]} includes files that include others, more "
                      f"than {DEEPEST} deep, down to {path}: put what they "
                      "hold into fewer.")


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


def named(path: str) -> list[str]:
    """The files that a job file includes itself."""
    return [_included(match[1], path) for match in (
        INCLUDE.match(line.strip()) for line in jobfile.lines(_read(path)))
            if match]


def text_of(path: str) -> str:
    """A job file's text, with what it includes."""
    return "\n".join(_expanded(path))
