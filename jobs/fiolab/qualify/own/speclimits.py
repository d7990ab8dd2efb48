# SPDX-License-Identifier: GPL-2.0-only
# The limits of a spec on loads of the user's own, [job."FILE".JOB]: FILE is a
# job file without its .fio, or one of its groups, "FILE/GROUP".  Where only the
# file is named, that group of it is meant that has the job.
from dataclasses import replace

from ...base.problem import Problem
from ..limits import specfile
from ..limits.tomllines import quoted, shown

FRONT = f"{specfile.JOBS}/"


def option(name):
    """By which a test of that name is asked for."""
    return "--job, --suite and --replay" if name.startswith(FRONT) else \
        "--tests"


def _parts(name, tests):
    """The tests that the groups of a file are."""
    return [one for one in tests if one.name.startswith(f"{name}/")]


def _of_groups(spec, limit, tests):
    """A limit on a file that is several tests, as limits on these."""
    parts = _parts(limit.test, tests)
    found = [one.name for one in parts if limit.cell == specfile.EVERY or
             limit.cell in one.cell_names()]
    if parts and not found:
        known = sorted({cell for one in parts for cell in one.cell_names()})
        raise Problem(
            f"{shown(spec.path)}, line {limit.header}: "
            f"{shown(limit.test.removeprefix(FRONT))} has no job "
            f"{quoted(limit.cell)}: " + specfile.nearest(
                limit.cell, known, f"its jobs are {', '.join(known)}."))
    if len(found) > 1 and limit.cell != specfile.EVERY:
        raise Problem(
            f"{shown(spec.path)}, line {limit.header}: several groups of "
            f"{shown(limit.test.removeprefix(FRONT))} have a job "
            f"{quoted(limit.cell)}: name one of "
            f"{', '.join(one.removeprefix(FRONT) for one in found)}.")
    return [replace(limit, test=name) for name in found or [limit.test]]


def resolved(spec, tests):
    """A Spec whose limits name tests of a run; tests: that it has."""
    names = {one.name for one in tests}
    return replace(spec, limits=tuple(
        new for limit in spec.limits
        for new in ([limit] if limit.test in names
                    or not limit.test.startswith(FRONT)
                    else _of_groups(spec, limit, tests))))


def known(spec, tests):
    """{test: names of its cells} of the tests that the loads of a run are;
    where it has none, of those that the spec names, as of another run."""
    mine = [one for one in tests if one.name.startswith(FRONT)]
    if mine:
        return {one.name: one.cell_names() for one in mine}
    return {limit.test: set() for limit in spec.limits
            if limit.test.startswith(FRONT)}
