# SPDX-License-Identifier: GPL-2.0-only
# The rows of jobs/bench that are duets: what runs in a block of each kind, the
# cpuset of io_uring's workers, and real blocks.
from contextlib import ExitStack
import glob
import json
import os
from types import SimpleNamespace

import pytest

from plantedrows import TEXTS, planted, spec_of

from fiolab.ab.campaign import Campaign, Request
from fiolab.base.problem import Problem
from fiolab.bench import cpuset, duetrows, loops, presets
from fiolab.bench.bounds import FLOOR
from fiolab.fio import cpushare, duet, fiorun
from fiolab.fio.sidespec import Side


def campaign():
    fio = fiorun.Fio.__new__(fiorun.Fio)
    fio.path, fio.cpu, fio.folder = "fio", 1, "/f"
    known = {side.text: side for side in loops.OWN}
    sides = tuple(known.get(text) or Side(text, "e") for text in TEXTS)
    return Campaign(Request(runtime=0.5, ramp=0.05, cpu=1, build="/b"), sides,
                    [], fio=fio)


def members(row):
    """{key: (what it is, which side)} of the row's first block; options."""
    made, options = duetrows._makers(campaign(), row, 0, 7)
    assert [key for key in made if key in ("A", "A'", "B")] == list(
        {"AB": ["A'", "A", "B"], "BA": ["B", "A", "A'"]}[row.orders[0]])
    return {key: (one.func, *[a for a in one.args if isinstance(a, Side)])
            for key, one in made.items()}, options


def test_which_rows_are_duets():
    """Those about CPU time on memory, and the share of it of io_uring."""
    for spec in presets.specs():
        ram = spec.on in ("zram", "tmpfs")
        if spec.pairing == "duet":
            assert ram and {metric for metric, *_ in spec.goals} <= {
                "cpu_us", "iops"}
        elif ram:
            assert spec.part in ("spin", "jobs", "polling", "scaling")
        assert spec.pairing in ("duet", "alternate")


def test_fio_runs_on_both_sides():
    found, options = members(planted(spec_of("defaults")))
    assert {one for one, _ in found.values()} == {duet.Member}
    assert [found[role][1].text for role in ("A", "A'", "B")] == [
        "libaio", "libaio", "kaio"]
    assert set(options) == {"A", "A'", "B"}


def test_the_bare_loop_runs_where_it_is_a():
    found, options = members(planted(spec_of("defaults",
                                             a=loops.BARE_LOOP.text)))
    assert [found[role][0] for role in ("A", "A'", "B")] == [
        duetrows.Program, duetrows.Program, duet.Member]
    assert set(options) == {"B"}


@pytest.mark.parametrize("a, offsets", [
    ("libaio", 3), (loops.BARE_LOOP.text, 1), (FLOOR, 1)])
def test_fio_has_all_of_a_target_that_loops_read_beside_it(a, offsets):
    row = planted(spec_of("defaults", a=a))
    _, options = members(row)
    found = {dict(line.partition("=")[::2] for line in lines)["offset"]
             for lines in options.values()}
    assert len(found) == offsets and "0" in found


def test_the_floor_is_the_sum_of_fio_and_the_loop_at_once():
    row = planted(spec_of("defaults", a=FLOOR))
    found, options = members(row)
    assert {key for key, (kind, _) in found.items()
            if kind is duetrows.Program} == {"A beside", "A' beside"}
    assert found["A"][1] == loops.SUM and set(options) == {"A", "A'", "B"}
    together = {"A": {"cpu_us": 0.25, "iops": 9}, "A beside": {"cpu_us": 1.0},
                "B": {"cpu_us": 2}}
    assert duetrows._summed(together, "A") == {
        "cpu_us": 1.25, "iops": 9, "null_cpu_us": 0.25, "bare_cpu_us": 1.0}
    assert duetrows._summed(together, "B") == {"cpu_us": 2}


def test_all_are_in_the_cpuset_that_io_uring_needs():
    row = planted(spec_of("defaults", a="io_uring"))
    row.group = "/group"
    found, _ = members(row)
    assert {kind for kind, _ in found.values()} == {duetrows.InCpuset}
    one = duetrows.InCpuset.__new__(duetrows.InCpuset)
    one.group = "/group"
    command = one.command(SimpleNamespace(path="fio"),
                          SimpleNamespace(writable=True))
    assert command[:5] == ["sh", "-c", cpuset.JOIN, "/group", "fio"]


def test_processes_that_are_ending_stand_nowhere():
    """A shell of the gate, after which the rest is looked at."""
    pid, own = os.fork(), os.getpid()
    if not pid:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    cpushare.check_alike({"A": [own, pid], "B": [own]})
    with pytest.raises(ProcessLookupError):
        cpushare.check_alike({"A": [pid], "B": [own]})
    os.waitpid(pid, 0)


def test_a_cpuset(need_root):
    """Who joins it runs on that CPU, and it goes."""
    cpu = max(os.sched_getaffinity(0))
    try:
        with ExitStack() as stack:
            file = cpuset.make(cpu, stack)
            pid = os.fork()
            if not pid:
                with open(file, "w", encoding="ascii") as group:
                    group.write(str(os.getpid()))
                os._exit(os.sched_getaffinity(0) != {cpu})
            assert os.waitpid(pid, 0)[1] == 0
    except Problem as problem:
        pytest.skip(str(problem))
    assert not os.path.exists(os.path.dirname(file))


def test_no_cpuset_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(cpuset, "OLD", str(tmp_path / "none"))
    monkeypatch.setattr(cpuset, "NEW", str(tmp_path / "none"))
    with ExitStack() as stack, pytest.raises(
            Problem, match="no cpuset can be made in .* as root, or leave it"):
        cpuset.make(1, stack)


@pytest.mark.fio
@pytest.mark.slow
def test_the_defaults(bench, tmp_path):
    out = tmp_path / "out.json"
    done = bench("--pairs", "1", "--size", "16M", "--only", "defaults",
                 "--json", str(out))
    assert done.returncode == 0, done.stderr
    rows = [row for row in json.loads(out.read_text())["rows"] if row["runs"]]
    for row in rows:        # one whose block was no duet has none
        assert row["pairing"] == "duet"
        first = next(run for run in row["runs"] if run["role"] == "A")
        assert first["duet"]["repeats"] is not None
        for run in row["runs"]:
            assert 0 < run["cpu_us"]
            if row["a"] == FLOOR and run["role"] != "B":
                assert run["cpu_us"] == pytest.approx(
                    run["null_cpu_us"] + run["bare_cpu_us"])
    assert glob.glob("/sys/fs/cgroup/**/kaio-bench-*", recursive=True) == []


@pytest.mark.fio
def test_a_duet_needs_one_cpu(bench):
    done = bench("--pairs", "1", "--quick", "--size", "16M", "--only", "batch",
                 "--cpu", "all")
    assert "bench: without kaio : libaio, tmpfs, depth 64: a duet is on one " \
        "CPU" in done.stderr
    assert "not judged: kaio : libaio, tmpfs, depth 64" in done.stdout
