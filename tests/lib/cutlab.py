# SPDX-License-Identifier: GPL-2.0-only
"""The power-cut test of jobs/qualify on a loop device: fixtures."""
import contextlib
import itertools
import os
import tempfile

import pytest

import qualifycontext
import qualifydata
import targets
from fiolab.base.problem import Problem
from fiolab.qualify.limits import judging, specfile
from fiolab.qualify.suite import integrity
from fiolab.qualify.suite.profiles import QUICK
from fiolab.target import claim, loopdevice
from powerstrip import PowerStrip

MIB = 1 << 20
TEST, = (test for test in integrity.TESTS if test.name == "power-cut")


def limited(found, most):
    """What is made of a limit on the time until the device is ready."""
    limit = specfile.Limit(1, "power-cut", "ready", "max_ready_s",
                           *specfile.KEYS["max_ready_s"][:2], most, "s")
    spec = specfile.Spec("x", "x", 0.95, (limit,))
    judged, = judging.judge(spec, {"name": "d", "identity": {},
                                   "tests": [found]})
    return judged["result"]


@pytest.fixture
def backing(shm):
    """The file behind device, which keeps all that it is given."""
    path = os.path.join(shm, "backing")
    with targets.sized_file(path, 32 * MIB):
        yield path


@pytest.fixture
def device(need_root, backing):
    with targets.far_loops(1) as (name,), targets.loop(backing, name=name):
        yield name


@pytest.fixture
def strip(need_root, shm, monkeypatch):
    """A device that really loses what was not flushed."""
    with targets.far_loops(2) as names:
        monkeypatch.setattr(loopdevice, "_free",
                            itertools.cycle(names).__next__)
        made = PowerStrip(shm, 32 * MIB)
        made.start()
        yield made
        made.close()


def is_claimed(device):
    try:
        os.close(os.open(device, os.O_RDONLY | os.O_EXCL))
        return False
    except OSError:
        return True


def _why_not(held):
    """What a test on the target would be told now."""
    try:
        return claim.check_same(held)
    except Problem as problem:
        return str(problem)


@pytest.fixture
def cut_of(tmp_path, fio_binary, build_dir, engine):
    """Runs the test on a device: its entry."""
    def run(device, engine_name="kaio", profile=QUICK, power_cut=None,
            claimed=False, **hooks):
        with contextlib.ExitStack() as stack:
            bench = qualifycontext.bench(
                device, fio_binary, build_dir,
                tempfile.mkdtemp(dir=tmp_path), stack,
                engine_name, profile, claimed=claimed)
            found, given = qualifycontext.run(bench, TEST,
                                              power_cut=power_cut, **hooks)
            assert not os.path.exists(os.path.join(given.folder,
                                                   "volatile.img"))
            if claimed:
                run.claims = is_claimed(device), _why_not(bench.target)
        qualifydata.hold(found)
        return found
    return run


@pytest.fixture
def cut(cut_of, device):
    """The same of device."""
    def run(*words, **how):
        found = cut_of(device, *words, **how)
        run.claims = getattr(cut_of, "claims", None)
        return found
    return run


@pytest.fixture
def cut_strip(cut_of, strip):
    """The same of strip, whose power is cut by its command."""
    def run(**how):
        found = cut_of(strip.path, power_cut=strip.command, **how)
        run.claims = getattr(cut_of, "claims", None)
        return found
    return run
