# SPDX-License-Identifier: GPL-2.0-only
# The loops without fio (jobs/loops): where make puts them, and their output.
import os
import subprocess
import tempfile

from ..base import process
from ..base.problem import Problem
from ..fio import fiorun

BARE, CALL = "bareloop", "callloop"
PATIENCE = 60


def path(name, build):
    """Where make puts the program."""
    return os.path.join(os.path.realpath(build), "loops", name)


def program(name, build):
    """path(), if it is there."""
    found = path(name, build)
    if not os.access(found, os.X_OK):
        raise Problem(f"there is no {name} at {found}: run `make` first, or "
                      "name the build folder with --build.")
    return found


def printed(command, parse_it, cpu, env, who):
    """What parse_it (ValueError: nothing good) makes of a program's output."""
    with tempfile.TemporaryFile("w+", encoding="utf-8",
                                errors="replace") as out:
        with process.Child(command, cpu=cpu, env=env, stdout=out,
                           stderr=subprocess.STDOUT) as child:
            child.wait(PATIENCE)
        out.seek(0)
        text = out.read()
    try:
        if child.status != 0:
            raise ValueError
        return parse_it(text)
    except ValueError:
        raise Problem(f"{who} (exit status {child.status}): "
                      f"{fiorun.words(text)}") from None
