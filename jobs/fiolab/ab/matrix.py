# SPDX-License-Identifier: GPL-2.0-only
# --matrix AXIS=VALUE,VALUE ...: a job for every combination of the values,
# made from a job file by setting these options in all of its sections.
from collections.abc import Sequence
from dataclasses import replace
import itertools
import re

from ..base.problem import Problem
from ..fio import jobfile
from ..fio.jobs import hidden
from ..fio.jobs.amounts import BLOCKS
from ..fio.jobs.optionnames import canonical

MOST = 1000             # cells
AXIS = re.compile(r"([a-z][a-z0-9_]*)=(.+)")
VALUE = re.compile(r"[A-Za-z0-9_.:%+/-]+")
# Of which a job has one in force.
ALIKE = (BLOCKS, {"direct", "buffered"}, {"rwmixread", "rwmixwrite"},
         {"cpus_allowed", "cpumask"})


def _axis(text):
    match = AXIS.fullmatch(text)
    values = match[2].split(",") if match else []
    if not match or not all(map(VALUE.fullmatch, values)):
        raise Problem(f"{text!r} is not an axis of a matrix: write "
                      "OPTION=VALUE,VALUE, such as bs=4k,128k.")
    if jobfile.reserved(match[1]) or match[1].startswith("exec_") or any(
            hidden.maps_file(match[1], value) for value in values):
        raise Problem(f"'{match[1]}' cannot be an axis of a matrix, as the "
                      "comparison itself sets it or cannot honour it.")
    if len(set(values)) < len(values):
        raise Problem(f"the axis {text} has a value twice: leave one out.")
    return canonical(match[1]), values


def axes(texts: Sequence[str]) -> list[tuple[str, list[str]]]:
    """[(option, values)] of the --matrix arguments."""
    found = [_axis(text) for text in texts]
    names = [name for name, _ in found]
    for name in names:
        if names.count(name) > 1:
            raise Problem(f"'{name}' is twice in the matrix: give all of its "
                          "values in one axis.")
    return found


def _job(job, options):
    """A copy of a job in which the options hold everywhere."""
    gone = set(options).union(*(same for same in ALIKE if same & {*options}))
    lines = [f"{name}={value}" for name, value in options.items()]
    kept = [line for line in jobfile.lines(job.text)
            if jobfile.option_of(line) not in gone]
    units = [line for line in kept if jobfile.option_of(line) == "kb_base"]
    return replace(job, label=" ".join(lines), text="\n".join(
        ["[global]", *units, *lines, "", *kept, ""]))


def expand(jobs: list[jobfile.Job],
           texts: Sequence[str] | None) -> list[jobfile.Job]:
    """The jobs, each in all combinations of the matrix."""
    found = axes(texts or [])
    if not found:
        return jobs
    names = [name for name, _ in found]
    made = [_job(job, dict(zip(names, values))) for job in jobs
            for values in itertools.product(*(values for _, values in found))]
    if len(made) > MOST:
        raise Problem(f"the matrix has {len(made)} cells, more than {MOST}: "
                      "leave out values.")
    return made
