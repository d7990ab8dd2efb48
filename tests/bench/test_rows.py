# SPDX-License-Identifier: GPL-2.0-only
# The parts of jobs/bench that are asked for by name: which I/O their rows are,
# what they compare and judge, on which CPUs and on what; and real runs.
import json
import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from plantedrows import judged, planted, spec_of

from fiolab.ab import evaluation
from fiolab.ab.campaign import Request
from fiolab.base import process
from fiolab.base.problem import Problem
from fiolab.bench import cli, command, libtargets, presets, rowset
from fiolab.fio import fiorun, sidespec, timedrun
from fiolab.target import sysfs
from fiolab.target.target import Target

JOBS = Path(__file__).resolve().parents[2] / "jobs"
ADAPTIVE, AUTO = "kaio,submit=adaptive", "kaio,spin=auto"
LATENCY = ("iops", "p50_us", "p99_us")


def rows(part, cpus="0,1"):
    return [spec for spec in presets.specs(cpus) if spec.part == part]


def parsed(*arguments):
    return cli.parts(cli.parser().parse_args(list(arguments)))


# What they are

def test_polling_is_beside_the_built_in_engine():
    found = rows("polling")
    assert [(s.on, *s.job.values("iodepth")) for s in found] == [
        ("tmpfs", "64"), ("disk", "1"), ("disk", "32")]
    for spec in found:
        assert (spec.a, spec.b) == ("libaio", "kaio")
        assert spec.job.values("iodepth_batch_complete_min") == ["0"]
        assert spec.metrics() == LATENCY


def test_scaling_is_on_two_cpus_or_left_out():
    found = rows("scaling", "3,5")
    assert [s.job.values("numjobs") for s in found] == [["1"], ["2"], ["4"]]
    for spec in found:
        assert (spec.a, spec.b, spec.on) == ("libaio", "kaio", "tmpfs")
        assert spec.job.values("cpus_allowed") == ["3,5"]
        assert spec.metrics() == ("iops", "cpu_us")
    assert [rowset.title(s)[-15:] for s in found[:2]] == ["depth 64, 1 job",
                                                          "epth 64, 2 jobs"]
    assert rows("scaling", "") == []


def test_depth_one_is_with_and_without_spinning():
    pairs = [("libaio", "kaio"), ("kaio", "kaio,spin=20us"), ("kaio", AUTO)]
    assert [(s.on, s.a, s.b) for s in rows("depth1")] == [
        (on, *pair) for on in ("loop", "disk") for pair in pairs]
    for spec in rows("depth1"):
        assert spec.job.values("iodepth") == ["1"]
        assert spec.metrics() == (*LATENCY, "cpu_us")
    assert command.LONGER["depth1"] >= 1        # auto learns


def test_the_floor_of_adaptive_on_a_null_device():
    spec = spec_of("null", ADAPTIVE, "kaio")
    assert judged(planted(spec, iops=0.98, p99_us=1.02)) == [True, True]
    assert judged(planted(spec, iops=0.96, p99_us=1.04)) == [False, False]


def test_the_goals_beside_fios_own_loop():
    for b, limit in (("kaio", 1.10), (ADAPTIVE, 0.92)):
        spec, = (s for s in rows("fio-loop") if s.b == b)
        assert judged(planted(spec, 0.99 / limit)) == [True]
        assert judged(planted(spec, 1.01 / limit)) == [False]


def test_more_cpu_is_worse():
    spec = rows("scaling")[0]
    assert judged(planted(spec, iops=1.05, cpu_us=0.95)) == [True, True]
    assert judged(planted(spec, iops=1.05, cpu_us=1.05)) == [True, False]


def test_each_row_has_a_name_of_its_own_in_its_part():
    names = [(spec.part, rowset.title(spec)) for spec in presets.specs()]
    assert len(names) == len(set(names))


def test_which_parts_are_run():
    assert parsed() == list(cli.PARTS)
    assert parsed("--all") == [*cli.PARTS, *cli.LONG_PARTS[:-1]]
    assert parsed("--target", "/dev/nullb0") == [*cli.PARTS, "null"]
    assert parsed("--only", "null", "--target", "/dev/nullb0") == ["null"]
    assert parsed("--only", "cells", "--cells") == ["cells"]
    for part in cli.LONG_PARTS:
        assert parsed("--only", part) == [part]


@pytest.mark.parametrize("parts, pairs", [
    (cli.PARTS, cli.PAIRS), (cli.PARTS + cli.LONG_PARTS[:-1], 12),
    (cli.PARTS + cli.LONG_PARTS, 13)])
def test_so_many_pairs_decide_all_rows_and_no_fewer(parts, pairs):
    def open_after(number):
        rows = [planted(spec, 0.5, number) for spec in presets.specs("0,1")
                if spec.part in parts]
        evaluation.evaluate(rows)
        return {effect.verdict for row in rows
                for effect in row.effects.values()} & {"inconclusive"}
    assert open_after(pairs - 1) and not open_after(pairs)
    assert ("(12 with --all, 13 with cells)" in cli.MORE
            and f"{cli.PAIRS} pairs are the fewest" in cli.MORE)


def test_a_fio_without_an_engine_is_without_its_rows(monkeypatch, capsys,
                                                     tmp_path):
    """Whichever side that is; but ours is to work."""
    (tmp_path / "fio-kaio.so").touch()
    specs = [spec_of("polling"), spec_of("defaults", a="io_uring"), spec_of(
        "fio-loop", "libaio", "fio's bare loop")]
    campaign = presets.campaign(Request(build=str(tmp_path), pairs=1, cpu=1), specs)
    target, refused = Target("/f", 48 << 20, True, "RAM"), "libaio"

    def check(_fio, sides, *_):
        if sides[0].text == refused:
            raise Problem(f"fio refuses the engine {refused}")
    monkeypatch.setattr(command.asking, "check", check)
    monkeypatch.setattr(command.streams, "limited", lambda *_: None)
    monkeypatch.setattr(command.loops, "check_fio_loop", lambda _: None)
    on = {"tmpfs": target, "zram": target}
    monkeypatch.setattr(command.cpuset, "make", lambda *_: "/group")
    assert command._fill(campaign, specs, on, None) == [
        rowset.title(specs[0]), rowset.title(specs[2])]
    assert [row.spec for row in campaign.cells] == specs[1:2]
    assert campaign.cells[0].group == "/group"
    assert capsys.readouterr().err.count("fio refuses the engine libaio") == 2
    refused = "kaio"
    with pytest.raises(Problem, match="fio refuses the engine kaio"):
        command._fill(campaign, specs, on, None)


# Two CPUs

def test_fios_cpu_and_the_next(monkeypatch):
    for allowed, cpu, found in (
            ({0, 1}, 1, "0,1"), ({0, 1}, 0, "0,1"), ({0, 3, 4, 7}, 7, "4,7"),
            ({0, 3, 4}, 3, "3,4"), ({2, 3}, None, "2,3"), ({5}, 5, ""),
            ({5}, None, "")):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, now=allowed: now)
        assert cli.two_cpus(cpu) == found


def test_one_cpu_alone_is_a_sentence(capsys):
    assert command.wanted(["scaling"], "") == ([], [])
    assert capsys.readouterr().err == (
        "bench: without scaling: this process may use one CPU alone.\n")


@pytest.mark.fio
def test_each_job_may_use_both(fio_binary, shm_file, tmp_path):
    """Though fio itself is pinned to one."""
    cpu = max(os.sched_getaffinity(0))
    cpus = cli.two_cpus(cpu)
    if not cpus:
        pytest.skip("needs two CPUs")
    with open(shm_file, "wb") as file:
        file.truncate(1 << 20)
    side, target = sidespec.parse("psync", ""), Target(
        shm_file, 1 << 20, True, "RAM")
    job = [spec for spec in rows("scaling", cpus)][1].job
    options = (fiorun.base_options(side, target, 1) +
               timedrun.timed_options(30, 0))
    with fiorun.Run(fiorun.Fio(fio_binary, cpu, str(tmp_path)), side, job,
                    target, options) as started:
        timedrun.await_start(started)
        started.child.wait(0.3)
        main, *workers = process.tree(started.child.pid)
        assert os.sched_getaffinity(main) == {cpu}
        assert [os.sched_getaffinity(worker) for worker in workers] == [
            set(map(int, cpus.split(",")))] * 2


# The null_blk device

def null(path):
    with ExitStack() as stack:
        return libtargets.null(Request(target=path and [str(path)]), stack)


def test_what_is_no_null_device_is_refused(shm_file):
    Path(shm_file).write_bytes(b"x" * (1 << 20))
    with pytest.raises(Problem, match="name one with --target /dev/nullb0"):
        null(None)
    for path in (shm_file, "/dev/nullb77", "/dev/null"):
        with pytest.raises(Problem, match=f"^{path} is no null_blk device: "
                           "name one, such as /dev/nullb0.$"):
            null(path)


def test_a_null_device_of_any_name(tmp_path, monkeypatch):
    """One of configfs has its folder's name (Linux 5.19): its driver tells."""
    folder, known = tmp_path / "mine", tmp_path / "devices"
    folder.mkdir()
    known.write_text("Character devices:\n252 nullb\n\nBlock devices:\n"
                     "  7 loop\n 52 zram\n253 nullb\n")
    monkeypatch.setattr(sysfs, "DEVICES", str(known))
    assert sysfs.kind(str(folder)) is None
    for number, kind in (("253:1", "null"), ("252:1", None), ("53:1", None),
                         ("52:1", None)):
        (folder / "dev").write_text(number + "\n")
        assert sysfs.kind(str(folder)) == kind, number


def test_another_device_is_no_null_device(loop_device):
    with pytest.raises(Problem, match="is no null_blk device"):
        null(loop_device)


@pytest.fixture
def stand_in(loop_device):
    """A device with something to read, which tests take for a null_blk one."""
    Path(loop_device).write_bytes(os.urandom(16 << 20))
    return loop_device


def test_the_shape_of_a_null_device(stand_in, tmp_path, monkeypatch):
    """What was made in configfs has its own; the module's is of the rest."""
    monkeypatch.setattr(sysfs, "kind", lambda _: "null")
    monkeypatch.setattr(libtargets, "CONFIGFS", str(tmp_path / "config"))
    monkeypatch.setattr(libtargets, "NULL_MODULE", str(tmp_path))
    (tmp_path / "irqmode").write_text("1\n")
    (tmp_path / "submit_queues").write_text("2\n")
    label = null(stand_in).label
    assert label.endswith(", submit_queues 2, irqmode 1")
    own = tmp_path / "config" / os.path.basename(stand_in)
    own.mkdir(parents=True)
    (own / "irqmode").write_text("2\n")
    assert null(stand_in).label.endswith(", submit_queues 2, irqmode 2")


# Real runs

SHORT = ("--pairs", "1", "--quick", "--size", "16M")


def measured(bench, tmp_path, *arguments):
    """{part: its rows} of the JSON, and what was said on stderr."""
    out, found = tmp_path / "out.json", {}
    done = bench(*SHORT, *arguments, "--json", str(out))
    assert done.returncode == 0, done.stderr
    assert all(len(line) <= 80 for line in done.stdout.splitlines()
               if "/" not in line), done.stdout
    for row in json.loads(out.read_text())["rows"]:
        assert sorted(run["role"] for run in row["runs"]) == ["A", "A'", "B"]
        found.setdefault(row["part"], []).append(row)
    return found, done.stderr


@pytest.mark.fio
@pytest.mark.slow
def test_polling_scaling_and_depth_one(bench, tmp_path):
    found, said = measured(bench, tmp_path, "--only", "polling", "--only",
                           "scaling", "--only", "depth1")
    left_out = len([on for on in ("disk", "loop")
                    if f"bench: without {on}: " in said])
    if not left_out:
        assert {part: len(made) for part, made in found.items()} == {
            "polling": 3, "scaling": 3, "depth1": 6}
    for run in (r for made in found.values() for row in made
                for r in row["runs"]):
        assert run["cpu_us"] > 0
        if run["p99_us"] is not None:       # it rests on 100 I/Os
            assert 0 < run["p50_us"] <= run["p99_us"]
    for spin in ("20us", "auto"):
        for row in found.get("depth1", []):
            for run in row["runs"]:
                assert (f"spin={spin}" in run["options"]) == (
                    run["role"] == "B" and f"spin={spin}" in row["b"])


@pytest.mark.fio
@pytest.mark.slow
def test_the_rows_of_a_null_device(bench, tmp_path, stand_in):
    """This machine need not have the module."""
    bench.command[:1] = ["/usr/bin/python3", "-c", (
        f"import sys; sys.path.insert(0, {str(JOBS)!r})\n"
        "from fiolab.target import sysfs; sysfs.kind = lambda _: 'null'\n"
        "from fiolab.bench import command; command.main()")]
    before = Path(stand_in).read_bytes()
    found, _ = measured(bench, tmp_path, "--only", "null", "--target",
                        stand_in)
    assert [row["b"] for row in found["null"]] == ["kaio", "kaio", ADAPTIVE,
                                                   AUTO]
    assert Path(stand_in).read_bytes() == before


@pytest.mark.fio
def test_without_a_null_device_it_says_so(bench):
    done = bench(*SHORT, "--only", "null", "--target", "/dev/null")
    assert done.returncode == 1
    assert "bench: without null: /dev/null is no null_blk device" in done.stderr
    assert done.stderr.endswith("nothing is left to measure: see above.\n")
