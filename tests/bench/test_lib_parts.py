# SPDX-License-Identifier: GPL-2.0-only
# jobs/bench-lib without its runs: what the programs print, the table and the
# goals on planted costs, and what becomes of a zram device (root only).
from contextlib import ExitStack
import math
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
import targets as real
from fiolab.ab import evaluation, runner
from fiolab.ab.campaign import Request
from fiolab.base.problem import Problem
from fiolab.bench import callkinds, callloop, libbench, libtargets, rowset
from fiolab.stats.verdict import Effect
from fiolab.target.target import Target

MIB = 1 << 20


def printed(**changed):
    lines = {kind: "2.5 3.5 7" for kind in callloop.KINDS} | changed
    return "library /l/libaio.so.1\n" + "".join(
        f"{kind} {figures}\n" for kind, figures in lines.items() if figures)


def test_what_the_call_loop_prints():
    library, costs = callloop.parse(printed(prep="-0.5 1 3"))
    assert library == "/l/libaio.so.1"
    assert costs["submit"] == {"ns": 2.5, "median_ns": 3.5, "batches": 7}
    assert costs["prep"]["ns"] == callloop.LEAST_NS


@pytest.mark.parametrize("changed", [
    {"prep": ""}, {"stray": "1 1 1"}, {"prep": "nan 1 1"}, {"prep": "1 inf 1"},
    {"prep": "1 1"}, {"prep": "x 1 1"}])
def test_what_the_call_loop_should_not_print(changed):
    with pytest.raises(ValueError):
        callloop.parse(printed(**changed))
    with pytest.raises(ValueError):
        callloop.parse("")


def test_the_kinds_are_those_of_the_program():
    source = (ROOT / "jobs" / "loops" / "callloop.c").read_text()
    for kind in callloop.KINDS:
        assert f'{{"{kind}", ' in source


def loop_cell(pairs=10, **speed):
    """Costs of 100 ns, divided by a kind's speed on our side."""
    cell = callloop.row(Request(pairs=pairs, seed=1), 0)
    for block in range(pairs):
        noise = 1 + (-1) ** block * (1 + block) / 5000
        for role, by in (("A", False), ("A'", False), ("B", True)):
            ns = {kind: 100 * (1 if role == "A" else noise) /
                  (speed.get(kind, 1) if by else 1)
                  for kind in callloop.KINDS}
            cell.add({**runner.WITHOUT, "pair": block, "role": role,
                      "seed": 1, "start": 1.0, "end": 2.0, "values": {
                          **{kind: 1e9 / cost for kind, cost in ns.items()},
                          "costs": {kind: {"ns": cost}
                                    for kind, cost in ns.items()}}})
    evaluation.evaluate([cell])
    return cell


FAST = {"take_one": 20, "take_many": 6, "poll_empty": 0.5}


def test_planted_speeds_are_found():
    effects = loop_cell(**FAST).effects
    for kind, effect in effects.items():
        assert math.exp(effect.estimate) == pytest.approx(FAST.get(kind, 1),
                                                          rel=0.01)
    verdicts = {kind: e.verdict for kind, e in effects.items()}
    assert verdicts["take_one"] == verdicts["take_many"] == "faster"
    assert verdicts["poll_empty"] == "slower"
    assert verdicts["submit"] == "equivalent"


def test_the_table_of_the_loop():
    lines = libbench.loop_lines(loop_cell(**FAST))
    assert all(len(line) <= 80 for line in lines)
    row, = (line for line in lines if "1 of those" in line and "16" not in line)
    assert row.split()[-5:-2] == ["100", "5.00", "20"]
    assert row.endswith("faster")
    assert any("stale ctx crashes" in line for line in lines)


def goals(pairs=10, comparisons=11, **speed):
    effects = loop_cell(pairs, **speed).effects
    return [g["met"] for g in libbench._loop_goals(effects, comparisons)]


def test_the_goals_of_the_loop():
    assert goals(take_one=20, take_many=5.1) == [True, True]
    assert goals(take_one=20, take_many=4.9) == [False, True]
    assert goals(**FAST) == [True, False]
    assert goals(pairs=8, take_one=20, take_many=20) == [True, None]
    assert goals(pairs=2, take_one=20, take_many=20) == [None, None]


def fio_goals(ratio, kinds):
    cell = rowset.Row(0, None, [], target=Target("/f", 1, True, "RAM"))
    d = [math.log(ratio or 1) + i / 1e5 for i in range(8)]
    cell.effects = {"cpu_us": Effect("cpu_us", d, d)} if ratio else {}
    return [g["met"] for g in libbench._fio_goals(cell, {"B": kinds})]


def test_the_goals_under_fio():
    kinds = {"io_submit": 1, "io_getevents": 0.03, "io_pgetevents": 0.0}
    assert fio_goals(0.85, kinds) == [True, True]
    assert fio_goals(0.87, kinds) == [False, True]
    assert fio_goals(0.85998, kinds) == [None, True]
    assert fio_goals(None, kinds) == [None, True]
    kinds["io_pgetevents"] = 0.03
    assert fio_goals(0.85, kinds) == [True, False]
    assert fio_goals(0.85, {}) == [True, None]


SUMMARY = """% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 70.00    0.070000          35      2000           io_submit
 29.00    0.029000          29      1000        10 io_getevents
  1.00    0.001000          10       100         7 openat
------ ----------- ----------- --------- --------- ----------------
100.00    0.100000          32      3100        17 total
"""


def test_calls_by_kind(monkeypatch):
    first = SUMMARY.replace("2000", "1000").replace("  10 io_", "     io_")
    first = first.replace("3100", "2100")
    assert callkinds.parse_kinds(SUMMARY) == {
        "io_submit": 2000, "io_getevents": 1000, "openat": 100, "all": 3100}
    counts = iter([(callkinds.parse_kinds(first), 64),
                   (callkinds.parse_kinds(SUMMARY), 564)])
    monkeypatch.setattr(callkinds, "_count", lambda *_: next(counts))
    monkeypatch.setattr(callkinds.shutil, "which", lambda _: "strace")
    found = callkinds.kinds_per_io(None, None, None, None)
    assert found == {"io_submit": 2, "io_getevents": 0, "io_pgetevents": 0,
                     "all": 2}


# zram: a loop device in its place, and files in the place of its sysfs.

@pytest.fixture
def zram(tmp_path, monkeypatch):
    if real.why_no_root():
        pytest.skip(real.why_no_root())
    with real.loop_of(str(tmp_path), 64 * MIB, written=True) as device:
        sys_files = {"disksize": "0", "stat": "9 0 9 9 0 0", "reset": ""}
        for name, text in sys_files.items():
            (tmp_path / name).write_text(text)
        monkeypatch.setattr(libtargets, "ZRAM", device)
        monkeypatch.setattr(libtargets, "SYSFS", str(tmp_path))
        yield device


def use_zram(during=lambda: None):
    asked = Request(size=16 * MIB)
    with ExitStack() as stack:
        found = libtargets.zram(asked, stack)
        assert not found.writable and not found.created
        with pytest.raises(OSError):
            os.open(found.path, os.O_RDONLY | os.O_EXCL)
        during()


def test_a_zram_without_a_size_gets_one_for_a_while(zram, tmp_path):
    use_zram()
    assert (tmp_path / "disksize").read_text() == str(16 * MIB)
    assert (tmp_path / "reset").read_text() == "1"


def test_a_zram_with_a_size_is_left_as_it_is(zram, tmp_path):
    (tmp_path / "disksize").write_text(str(64 * MIB))
    use_zram()
    assert (tmp_path / "disksize").read_text() == str(64 * MIB)
    assert (tmp_path / "reset").read_text() == ""


def test_a_zram_that_somebody_wrote_to_is_not_reset(zram, tmp_path):
    use_zram(lambda: (tmp_path / "stat").write_text("9 0 9 9 1 0"))
    assert (tmp_path / "reset").read_text() == ""


def test_a_zram_in_use_is_refused(zram, tmp_path):
    held = os.open(zram, os.O_RDONLY | os.O_EXCL)
    try:
        with pytest.raises(Problem, match="something holds it"):
            use_zram()
    finally:
        os.close(held)
    real.run("mkfs.ext4", "-q", "-F", zram)
    (tmp_path / "disksize").write_text("0")
    with real.mounted(zram, str(tmp_path / "m")):
        with pytest.raises(Problem, match="is mounted on"):
            use_zram()
    assert (tmp_path / "disksize").read_text() == "0"


def test_no_zram_at_all(monkeypatch):
    monkeypatch.setattr(libtargets, "ZRAM", "/dev/none")
    with pytest.raises(Problem, match="there is no /dev/none"):
        libtargets.zram(None, None)
