# SPDX-License-Identifier: GPL-2.0-only
# What fio is asked before anything is written: does it know each engine and
# its options, and does it accept each job?  An option that is no engine's own
# belongs in the job file, where both sides get it.
import os
import re
import subprocess

from . import fio as fio_runs
from .problem import Problem
from .target import DEFAULT_SIZE, Target

# fio pads a name to 24 columns, which tells it from a message of its own.
OPTION = re.compile(r"^ *([a-z][a-z0-9_]*)(?: +|(?<=\w{24})):", re.M)


def _ask(fio, *arguments, env=None):
    """(exit status, all that fio said)"""
    try:
        done = subprocess.run([fio.path, *arguments], cwd=fio.folder, env=env,
                              stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              errors="replace", check=False,
                              timeout=fio_runs.PATIENCE)
    except (OSError, subprocess.SubprocessError) as error:
        raise Problem(f"cannot ask {fio.path} for its engines ({error}): name "
                      "another fio with --fio.") from None
    return done.returncode, done.stdout


def engine_options(fio, side):
    """The names of the engine's own options."""
    name = side.ioengine.removeprefix("external:")
    _, text = _ask(fio, f"--enghelp={name}")
    known = set(OPTION.findall(text))
    if not known and "has no options" not in text:
        raise Problem(f"fio refuses the engine {side.text}: "
                      f"{fio_runs.words(text) or 'no message'}")
    return known


def _check_side(fio, side):
    known = engine_options(fio, side)
    for option in side.options:
        name = option.partition("=")[0]
        if name not in known:
            raise Problem(f"'{name}' in '{side.text}' is not an option of that "
                          "engine: if it is one of fio, it belongs in the job "
                          "file, so that both sides get it.")


def _check_job(fio, side, job, size):
    target = Target("probe", size or DEFAULT_SIZE, False, "")
    path = os.path.join(fio.folder, "probe.fio")
    with open(path, "w", encoding="utf-8") as file:
        file.write(job.effective(fio_runs.base_options(side, target, 1)))
    status, text = _ask(fio, "--parse-only", path,
                        env=fio_runs.environment(side, target))
    if status:
        raise Problem(f"fio refuses job {job.name} with engine {side.text}: "
                      f"{fio_runs.words(text) or 'no message'}")


def check(fio, sides, jobs, size):
    """Find mistakes in the sides and the jobs before anything is written."""
    for side in dict.fromkeys(sides):
        _check_side(fio, side)
        for job in jobs:
            _check_job(fio, side, job, size)
