# SPDX-License-Identifier: GPL-2.0-only
# make bench-gate: what it judges, that a verdict decides and no estimate, that
# it ends when all is told or time is up; and real runs, one with a handicap.
import json
import math
from pathlib import Path
import shutil
import subprocess

import pytest

from plantedrows import planted, spec_of

from fiolab.base.problem import Problem
from fiolab.bench import bounds, cli, command, duetrows, gate, presets

ROOT = Path(__file__).resolve().parents[2]
JOBS = ROOT / "jobs"


def row(ratio, pairs=20, b="kaio", a="libaio"):
    return planted(spec_of("gate", b, a), ratio, pairs=pairs)


def test_each_bound_has_a_row_in_memory():
    rows = [spec for spec in presets.specs() if spec.part == "gate"]
    assert [(s.a, s.b) for s in rows] == list(bounds.BOUNDS)
    for spec in rows:
        assert (spec.on, spec.pairing) == ("tmpfs", "duet")
        assert spec.goals == (("cpu_us", "at most", bounds.BOUNDS[
            spec.a, spec.b]),)
    args = cli.parser().parse_args(["--gate", "--all"])
    assert cli.parts(args) == ["gate"] and cli.pairs(args) == 0
    assert command.wanted(["gate"], "") == (rows, ["tmpfs"])


def test_no_bound_is_nearer_than_its_goal():
    assert set(bounds.GOALS) == set(bounds.BOUNDS)
    for spec in presets.specs():
        if spec.part in ("defaults", "adaptive") and (
                spec.a, spec.b) in bounds.BOUNDS:
            goal = bounds.GOALS[spec.a, spec.b]
            assert goal <= bounds.BOUNDS[spec.a, spec.b]
            assert spec.goals == (("cpu_us", "at most", goal),)


@pytest.mark.parametrize("ratio, pairs, met", [
    (0.84, 20, True), (0.86, 20, False), (0.85, 20, None),
    (0.5, 8, None), (2.0, 8, None), (2.0, 0, None)])
def test_an_interval_decides_and_no_estimate(ratio, pairs, met):
    """Of few pairs there is none that holds at all looks."""
    (low, high), found = gate.within(row(ratio, pairs))
    assert found is met
    assert math.isinf(high) == (pairs < 9) == math.isinf(low)


def goals(*rows, skipped=()):
    found = gate.goals(rows, skipped)
    for goal in found:
        assert all(len(line) <= 80 for line in goal.pop("line").splitlines())
    return found


def test_it_fails_for_what_is_worse_and_says_which():
    with pytest.raises(Problem) as caught:
        gate.end(goals(row(0.84), row(0.9), row(2.0, 3)))
    assert str(caught.value).startswith(
        "worse than its recorded bound: kaio : libaio, tmpfs, depth 64: CPU us "
        "at most 0.85x.  ")
    assert "bench/bounds.py" in str(caught.value)


def test_what_it_cannot_tell_passes_with_a_sentence():
    assert gate.end(goals(row(0.84))) == "passed: all recorded bounds hold."
    said = gate.end(goals(row(0.84), row(2.0, 3, "kaio,engine_stats=1",
                                         "kaio"), row(1, 0)))
    assert said.startswith(
        "passed, but it cannot be told of kaio,engine_stats=1 : kaio, tmpfs, "
        "depth 64: CPU us at most 1.03x; kaio : libaio, ")
    said = gate.end(goals(row(0.84), skipped=["kaio : libaio, tmpfs"]))
    assert said.startswith("passed, but it cannot be told of kaio : libaio, ")


def test_a_row_that_is_told_gets_no_more_runs(monkeypatch):
    class Campaign:
        cells = [row(0.84), row(0.86), row(0.85), row(0.5, 6)]

    def run(campaign, _keep, _tick, look, one_block):
        assert one_block is gate.duetrows.one_block
        look(20)
    monkeypatch.setattr(duetrows.runner, "run", run)
    gate.run(Campaign, lambda _: None)
    assert [one.closed for one in Campaign.cells] == [True, True, False, False]


# Real runs, of the one row whose bound is far away

ONE = f"""
import sys
sys.path.insert(0, {str(JOBS)!r})
from fiolab.bench import command, presets
every = presets.specs
presets.specs = lambda cpus: [s for s in every(cpus) if (s.part, s.a, s.b) == (
    "gate", "libaio", "kaio")]
command.main()
"""


@pytest.fixture
def one_row(bench, tmp_path):
    """jobs/bench --gate of that row; (status, stdout, stderr, JSON)"""
    bench.command[:1] = ["/usr/bin/python3", "-c", ONE]

    def run(*arguments, **env):
        out = tmp_path / "out.json"
        done = bench("--gate", "--size", "16M", "--json", str(out), *arguments,
                     **env)
        return done.returncode, done.stdout, done.stderr, json.loads(
            out.read_text())
    return run


@pytest.mark.fio
@pytest.mark.slow
def test_an_honest_run_passes(one_row):
    """Or cannot tell, on a machine that is too busy."""
    status, out, err, data = one_row()
    assert status == 0, err
    assert out.splitlines()[-1].startswith("passed")
    assert data["goals"][0]["met"] in (True, None)
    assert len(data["rows"]) == 1 and data["machine"]["kernel"]
    assert data["rows"][0]["pairing"] == "duet"


@pytest.mark.fio
@pytest.mark.slow
def test_a_handicap_fails_it(one_row, fio_binary, tmp_path):
    """A thread beside kaio that takes as much time as kaio does."""
    library, fio = tmp_path / "busy.so", tmp_path / "fio"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, ROOT / "tests" /
                    "lib" / "busy_thread.c", "-lpthread"], check=True)
    fio.write_text(f"""#!/bin/sh
case $ENGINE in external:*) export LD_PRELOAD={library} BUSY=1 ;; esac
exec {shutil.which(fio_binary)} "$@"
""")
    fio.chmod(0o755)
    status, out, err, data = one_row("--max-time", "900", FIO=str(fio))
    assert status == 1, out
    assert data["goals"][0]["met"] is False and data["goals"][0]["found"] > 1
    assert "bench: worse than its recorded bound: kaio : libaio" in err


@pytest.mark.fio
def test_without_time_it_cannot_tell(one_row):
    status, out, err, data = one_row("--max-time", "1")
    assert status == 0, err
    assert "not judged: kaio : libaio" in out
    assert "passed, but it cannot be told of kaio : libaio" in out
    assert data["goals"][0]["met"] is None
