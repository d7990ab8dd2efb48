# SPDX-License-Identifier: GPL-2.0-only
# jobs/bench without its runs: the rows, the report and the goals on planted
# figures, and the loop device, which goes whatever happens (root only).
import math
import os
from pathlib import Path
import signal
import subprocess
import time
from contextlib import ExitStack

import pytest

ROOT = Path(__file__).resolve().parents[2]
from plantedrows import TEXTS, judged, planted, spec_of
import targets as real
from fiolab.ab import evaluation, runner
from fiolab.ab.campaign import Campaign, Request
from fiolab.base.problem import Problem
from fiolab.bench import (callkinds, cli, command as bench, costs, goalset,
                          loops, presets, rowset)
from fiolab.bench.bounds import FLOOR, LIBRARY
from fiolab.fio import fiorun
from fiolab.fio.metrics import CHANGES
from fiolab.fio.sidespec import Side
from fiolab.stats import verdict
from fiolab.target import blockdevice, loopdevice

AUTO, FIXED = "kaio,spin=auto", "kaio,spin=50us"


ADAPTIVE = "kaio,submit=adaptive"


@pytest.mark.parametrize("spec, limit", [
    (spec_of("defaults"), 0.85), (spec_of("defaults", a=FLOOR), 1.02),
    (spec_of("defaults", "kaio,engine_stats=1", "kaio"), 1.01),
    (spec_of("adaptive", ADAPTIVE, on="zram"), 0.60),
    (spec_of("adaptive", ADAPTIVE, on="tmpfs"), 0.60),
    (spec_of("batch"), 1.0), (spec_of("gate", LIBRARY), 0.86)])
def test_the_goals_of_the_cpu_time(spec, limit):
    assert spec.pairing == "duet" and spec.metrics() == ("cpu_us",)
    assert judged(planted(spec, limit * 0.99)) == [True]
    assert judged(planted(spec, limit * 1.01)) == [False]


@pytest.mark.parametrize("spec, limit", [
    (spec_of("defaults", a="io_uring"), 1.05),
    (spec_of("adaptive", ADAPTIVE, "kaio", "loop"), 0.97),
    (spec_of("adaptive", ADAPTIVE, "kaio", "disk"), 0.97)])
def test_the_goals_of_the_iops(spec, limit):
    assert judged(planted(spec, limit * 1.01)) == [True]
    assert judged(planted(spec, limit * 0.99)) == [False]


def test_an_interval_that_holds_the_limit_is_not_judged():
    assert judged(planted(spec_of("defaults"), 0.85)) == [None]
    assert judged(planted(spec_of("defaults"), 0.80, pairs=5)) == [None]
    assert judged(planted(spec_of("defaults"), 0.80, pairs=6)) == [True]
    for kind, met in ((goalset.MOST, True), (goalset.LEAST, True)):
        assert goalset.beyond((0, 0), kind, 1) is met
        assert goalset.beyond((-math.inf, math.inf), kind, 1) is None


def test_what_a_row_lost_is_not_judged():
    row = planted(spec_of("defaults"))
    row.pairs.clear()
    assert judged(row) == [None]


def test_cells_whose_blocks_were_dropped_are_not_judged():
    cells = [spec for spec in presets.specs() if spec.part == "cells"][:3]
    rows = [planted(spec, pairs=14) for spec in cells]
    assert judged(*rows) == [True]
    rows[1].pairs.clear()
    assert judged(*rows) == [None]


def test_spinning_has_a_goal_for_both_metrics():
    spec = spec_of("spin", FIXED, "kaio")
    assert judged(planted(spec, iops=1.36, p50_us=0.69)) == [True, True]
    assert judged(planted(spec, iops=1.34, p50_us=0.71)) == [False, False]


def test_auto_is_to_get_half_of_the_gain():
    auto = spec_of("spin", AUTO, "kaio", "loop")
    fixed = planted(spec_of("spin", FIXED, "kaio"), iops=1.44, p50_us=0.6)
    assert judged(fixed, planted(auto, 1.21))[2:] == [True, True]
    assert judged(fixed, planted(auto, 1.19))[2:] == [False, True]
    assert judged(planted(auto, 1.21)) == [None, True]
    none = planted(spec_of("spin", FIXED, "kaio"), iops=0.9, p50_us=1)
    assert judged(none, planted(auto, 0.9))[2:] == [None, False]


def test_not_worse_is_a_matter_of_the_verdict():
    spec = spec_of("spin", AUTO, "kaio", "zram")
    assert judged(planted(spec, 0.95)) == [False]
    assert judged(planted(spec, 0.999)) == [True]       # equivalent
    assert judged(planted(spec, 1.05)) == [True]
    assert judged(planted(spec, 1.05, pairs=4)) == [None]
    jobs = spec_of("jobs")
    assert judged(planted(jobs, 1.05)) == [False]
    assert judged(planted(jobs, 0.95)) == [True]


def test_an_estimate_alone_meets_no_goal():
    noisy = [0.03 + (-1) ** i * 0.03 * i for i in range(10)]
    effect = verdict.Effect("iops", noisy, noisy)
    verdict.judge_all([effect], CHANGES)
    assert effect.estimate > 0 and effect.verdict == "inconclusive"
    assert goalset._not_worse(effect, 1) is None


def test_the_cells_have_one_goal():
    cells = [spec for spec in presets.specs() if spec.part == "cells"]
    assert len(cells) == len({spec.job.text for spec in cells}) == 64
    rows = [planted(spec) for spec in cells]
    rows[5:6] = [planted(cells[5], 1.2)]
    assert judged(*rows) == [None]      # 10 pairs are too few for 64
    rows = [planted(spec, pairs=14) for spec in cells]
    assert judged(*rows) == [True]
    rows[7] = planted(cells[7], 1.1, pairs=14)
    assert judged(*rows) == [False]
    lines = rowset.lines(rows)
    assert all(len(line) <= 80 for line in lines) and len(lines) == 3 + 64
    assert sum(line.endswith("more CPU") for line in lines) == 1


def test_the_goal_of_the_system_calls():
    for calls, met in ((1.02, True), (1.021, False), (None, None)):
        row = planted(spec_of("defaults"), 0.5)
        row.calls = {"A": None, "B": calls}
        assert judged(row) == [True, met]


def test_what_did_not_run_is_not_judged():
    assert judged(skipped=["kaio : libaio, zram, depth 64"]) == [None]


def test_the_report_fits_and_names_each_row():
    rows = [planted(spec, 1.234) for spec in presets.specs()
            if spec.part != "cells"]
    len(evaluation.evaluate(rows))
    lines = rowset.lines(rows)
    assert all(len(line) <= 80 for line in lines)
    for row in rows:
        assert "  " + row.name in lines
    assert sum("1.234" in line for line in lines) == sum(
        len(row.metrics) for row in rows)


def test_every_part_has_rows_or_is_measured_apart():
    assert {spec.part for spec in presets.specs()} == (
        {*cli.PARTS, *cli.LONG_PARTS, presets.GATE} - {"cpu", "memory"})
    assert {spec.on for spec in presets.specs()} == set(bench.TARGETS)


def test_only_the_targets_that_the_parts_need():
    args = cli.parser().parse_args(["--only", "memory"])
    assert bench.wanted(cli.parts(args), "") == ([], ["tmpfs"])
    args = cli.parser().parse_args(["--cells", "--only", "adaptive"])
    parts = cli.parts(args)
    assert parts == ["adaptive", "cells"]
    assert bench.wanted(parts, "")[1] == ["zram", "tmpfs", "loop", "disk"]


def test_what_the_bare_loop_prints():
    assert loops.bare_figures("12.5 3\n") == {"iops": 12.5, "cpu_us": 3}
    for text in ("", "1", "0 1", "nan 1", "inf 1", "x 1", "1 2 3"):
        with pytest.raises(ValueError):
            loops.bare_figures(text)


# What is no pair

def test_cpu_by_depth(monkeypatch):
    cost = {1: 2.0, 16: 1.9, 64: 2.2}

    def timed(_, row, role, seed):
        depth, = map(int, row.job.values("iodepth"))
        return {"cpu_us": cost[depth] * (1 + seed / 2**40) *
                (3 if role == "A" and depth == 1 else 1)}
    monkeypatch.setattr(runner, "timed", timed)
    monkeypatch.setattr(loops, "bare_run", lambda _, row, role, seed: {
        "cpu_us": {"1": 1, "16": 2, "64": 4}[row.job.values("iodepth")[0]]})
    sides = tuple(Side(text, "") for text in ("libaio", "kaio"))
    campaign = Campaign(Request(pairs=8, seed=1), sides, [])
    sweep, ticks = costs.Sweep(campaign, None, tuple(cost)), []
    sweep.run(ticks.append)
    assert len(ticks) == sweep.count() == 4 * 3 * 3
    assert sweep.spread("B") == pytest.approx(2.2 / 1.9)
    assert sweep.spread("A") == pytest.approx(6 / 1.9)
    assert sweep.spread(costs.BARE) == pytest.approx(4)
    assert sweep.lines()[-2].split() == ["kaio", "2.00", "1.90", "2.20"]
    assert sweep.lines()[-1].split() == ["bare", "loop", "1.00", "2.00",
                                         "4.00"]
    assert judged(sweep=sweep) == [False]
    cost[64] = 2.05
    sweep = costs.Sweep(campaign, None, tuple(cost))
    sweep.run(ticks.append)
    assert judged(sweep=sweep) == [True]


def test_memory_is_what_grows_but_the_buffer(monkeypatch):
    pages = {("null", 4096): 4095 * 500, ("kaio", 4096): 4095 * 4800}
    monkeypatch.setattr(costs, "_own", lambda fio, one, target, depth:
                        10**6 + pages.get((one.text, depth), 0))
    for text, value in (("null", 500), ("kaio", 704)):
        one = Side(text, "")
        assert costs._per_unit(None, one, None) == pytest.approx(value)


def test_the_lines_about_memory():
    lines = costs.memory_lines({"null": 470.1, "io_uring": None})
    assert all(len(line) <= 80 for line in lines)
    assert [line.split()[-1] for line in lines[-2:]] == ["470", "measured"]


def test_memory_of_a_process():
    assert costs._resident(os.getpid()) > 1 << 20
    with pytest.raises(Problem, match="leave out the part memory"):
        costs._resident(2**22 + 1)


def test_the_waiting_of_fio_is_not_counted(monkeypatch):
    kinds = {"clock_nanosleep": 0.25, "nanosleep": 0, "wait4": 0.25, "all": 2}
    monkeypatch.setattr(callkinds, "kinds_per_io", lambda *_: kinds)
    assert costs.calls_per_io(None, None, None, None) == 1.5
    kinds.clear()
    assert costs.calls_per_io(None, None, None, None) is None


def test_a_run_without_io_is_repeated_but_not_for_ever(monkeypatch):
    calls = []

    def timed(*_):
        calls.append(1)
        if len(calls) < 3 or stuck:
            raise runner.timedrun.Idle("it completed no I/O")
        return {"iops": 1}
    monkeypatch.setattr(runner.timedrun, "timed", timed)
    stuck = False
    assert runner._undisturbed() == {"iops": 1, "repeats": 2}
    stuck = True
    with pytest.raises(Problem, match="completed no I/O"):
        runner._undisturbed()
    assert len(calls) == 3 + runner.ATTEMPTS


# The loop device

@pytest.fixture
def backing(tmp_path):
    if real.why_no_root():
        pytest.skip(real.why_no_root())
    with real.shm_dir() as folder:
        path = os.path.join(folder, "backing")
        with real.sized_file(path, 1 << 20):
            yield path


def backed(path):
    return [name for name, file in blockdevice.loop_files() if file == path]


def await_none(path):
    end = time.monotonic() + 60         # a look by udev may delay it
    while backed(path):
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_loop_device_for_reading(backing):
    with ExitStack() as stack:
        device = loopdevice.make(backing, stack)
        assert backed(backing) == [os.path.basename(device)]
        assert loopdevice.is_direct(device)
        read_only = f"/sys/block/{os.path.basename(device)}/ro"
        assert Path(read_only).read_text() == "1\n"
    await_none(backing)


def test_a_loop_device_goes_with_a_killed_process(backing):
    code = ("import sys, time; from contextlib import ExitStack; "
            "from fiolab.target import loopdevice; stack = ExitStack(); "
            "print(loopdevice.make(sys.argv[1], stack), flush=True); "
            "time.sleep(60)")
    with subprocess.Popen(["/usr/bin/python3", "-c", code, backing], text=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT / "jobs")},
                          stdout=subprocess.PIPE) as child:
        assert child.stdout.readline().startswith("/dev/loop")
        assert backed(backing)
        child.send_signal(signal.SIGKILL)
    await_none(backing)


def test_no_loop_device_without_direct_io_or_a_file(backing, monkeypatch):
    with ExitStack() as stack, pytest.raises(Problem, match="be root"):
        loopdevice.make("/nonexistent", stack)
    monkeypatch.setattr(loopdevice, "is_direct", lambda _: False)
    with ExitStack() as stack, pytest.raises(Problem, match="direct I/O"):
        loopdevice.make(backing, stack)
    await_none(backing)


# The runs that are no fio run of a fixed time: which side they are

def campaign_of():
    """Of all sides, in the order of TEXTS."""
    fio = fiorun.Fio.__new__(fiorun.Fio)
    fio.cpu, fio.folder = 1, "/f"
    known = {side.text: side for side in loops.OWN}
    sides = tuple(known.get(text) or Side(text, "e") for text in TEXTS)
    return Campaign(Request(runtime=0.25, ramp=0.05, cpu=1, build="/f"), sides,
                    [], fio=fio)


def test_64_jobs_are_of_the_side_that_runs(monkeypatch):
    seen = []
    monkeypatch.setattr(loops.fiorun, "run", lambda fio, side, job, on, options,
                        *_: seen.append((side.text, options)))
    row = planted(spec_of("jobs"))
    for role in ("A", "A'", "B"):
        assert 0 < loops.one_run(campaign_of(), row, role, 7)["wall_s"] < 10
    assert [text for text, _ in seen] == ["libaio", "libaio", "kaio"]
    assert {"numjobs=64", "number_ios=200", "randseed=7"} <= set(seen[0][1])


def looks_at_the_name(monkeypatch):
    """A list that grows when a run looks whether its target is still there."""
    looked = []
    monkeypatch.setattr(loops.claim, "check_same", looked.append)
    return looked


def test_the_bare_loop_is_a_and_fio_is_b(monkeypatch):
    monkeypatch.setattr(loops, "_fio_run", lambda *_: "fio")
    monkeypatch.setattr(loops, "printed",
                        lambda command, *_: {"command": command})
    looked = looks_at_the_name(monkeypatch)
    row = planted(spec_of("spin", FIXED, loops.POLLING.text))
    assert loops.one_run(campaign_of(), row, "B", 7) == "fio"
    for role in ("A", "A'"):
        found = loops.one_run(campaign_of(), row, role, 7)
        assert found["command"] == [
            "/f/loops/bareloop", "/f", str(48 << 20), "1", "1", "50", "250", "7", "1"]
    assert len(looked) == 2     # after each loop


def test_the_latencies_of_a_run(monkeypatch):
    monkeypatch.setattr(runner, "timed", lambda *_: {
        "iops": 1, "cpu_us": 4, "lat_p50_us": 7.5, "lat_p99_us": 8,
        "latency": {"read": {"n": 9}}})
    assert loops._fio_run(None, None, "A", 1) == {
        "iops": 1, "cpu_us": 4, "iops_per_cpu": 250e3, "lat_p50_us": 7.5,
        "lat_p99_us": 8, "p50_us": 7.5, "p99_us": 8,
        "latency": {"read": {"n": 9}}}


def test_a_machine_that_lets_nobody_measure_ends_it_early(monkeypatch, capsys):
    """What was measured before is reported."""
    def stopped(*_, **__):
        raise runner.Stopped("3 pairs in a row were lost.")
    monkeypatch.setattr(runner, "run", stopped)
    campaign = Campaign(Request(pairs=1), (), [])
    assert bench._measure(campaign, costs.Sweep(campaign, None, ())) is None
    assert capsys.readouterr().err == (
        "bench: without the rest: 3 pairs in a row were lost.\n")
