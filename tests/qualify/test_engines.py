# SPDX-License-Identifier: GPL-2.0-only
# Two engines beside each other at the end of a qualification: pairs with a
# real fio, and what is said of them.
from dataclasses import replace
import json
import tempfile

import pytest

import qualifybench
from fiolab.fio import sidespec
from fiolab.qualify import engines
from fiolab.qualify.limits import specfile
from fiolab.qualify.qualification import Qualification, Request, sides
from fiolab.qualify.suite.profiles import ENTERPRISE, QUICK

FAST = replace(QUICK, minute=0.1, shortest=0.1, threads=1, depth=1)
SPEC = """[iops."4K 0/100"]
min_iops = {}
max_mean_us = 1000
[iops."4K 65/35"]
min_iops = 1
"""


@pytest.fixture
def qualification(tmp_path):
    path = tmp_path / "spec.toml"
    path.write_text(SPEC.format(90))
    return Qualification(
        Request(), FAST, (), sidespec.parse("psync", ""), None,
        other_side=sidespec.parse("libaio", ""), spec=specfile.load(str(path)))


def test_the_other_engine():
    assert engines.other_text("kaio") == "libaio"
    assert engines.other_text("kaio,reap=ring") == "libaio"
    assert engines.other_text("libaio") == "kaio"


def test_all_runs_refill_the_return_stack_or_none(build_dir, san):
    if san:
        pytest.skip("a sanitized engine needs the sanitizer preloaded")
    asked = Request(engine="kaio", build=str(build_dir), ab=True)
    ours, other = sides(asked)
    assert dict(ours.environment)["LIBAIO_REFILL"] in ("0", "1")
    assert not other.environment
    again, _ = sides(asked, "0")        # of a run that goes on
    assert dict(again.environment)["LIBAIO_REFILL"] == "0"
    hosts, _ = sides(replace(asked, client="host"))
    assert not hosts.environment        # each decides


@pytest.mark.fio
def test_pairs_are_run_with_both_engines_and_kept(qualification, tmp_path,
                                                  monkeypatch):
    monkeypatch.setattr(engines, "FEW", 2)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as shm, \
            qualifybench.Lab(tmp_path, shm) as lab:
        found = engines.run(lab.bench(profile=FAST), qualification)
        again = engines.run(lab.bench(profile=FAST), qualification)
    assert found == again           # from the folder
    assert {cell: len(blocks) for cell, blocks in found.items()} == {
        "4K 100/0": 2, "4K 0/100": 2}
    for block in (one for blocks in found.values() for one in blocks):
        texts = {}
        for role in ("A", "B", "A'"):
            name = block[role]["source"].split("#")[0]
            run = json.loads((tmp_path / "out" / name).read_text())
            assert run["environment"]["ENGINE"] == (
                "psync" if role == "B" else "libaio")
            texts[role] = run["job"]
        assert len(set(texts.values())) == 1        # one seed, one job
    said = engines.summary(qualification, [("t", found)])
    assert len(said["rows"]) == 6 and said["engine"] == "psync"
    assert {row["verdict"] for row in said["rows"]} == {"no verdict"}


def blocks(this, other, count):
    """Pairs in which nothing but the engine makes a difference."""
    def run(iops, i):
        iops *= 1 + i / 1000
        return {"values": {"iops": iops, "lat_mean_us": 1e6 / iops,
                           "lat_p99_us": 2e6 / iops},
                "source": "runs/x.json#y"}
    return {"4K 0/100": [{"A": run(other, i), "A'": run(other, i + i % 2),
                          "B": run(this, i)} for i in range(count)]}


def test_a_difference_is_found_and_the_same_is_equivalent(qualification):
    rows = engines.summary(qualification, [("t", blocks(200, 100, 10))])["rows"]
    assert [row["verdict"] for row in rows] == ["faster", "shorter",
                                                "shorter"]
    assert rows[0]["ratio"] == pytest.approx(2, rel=0.01)
    assert rows[0]["ci95"][0] > 1.9
    rows = engines.summary(qualification, [("t", blocks(100, 100, 10))])["rows"]
    assert {row["verdict"] for row in rows} == {"equivalent"}


def test_verdicts_of_the_spec_with_either_engine(qualification):
    """min_iops is 90, and the other two limits are kept or not here."""
    same = engines.summary(qualification, [("t", blocks(100, 101, 10))])
    assert same["verdicts_of_the_spec"].startswith("each of 2 limits")
    found = engines.summary(qualification, [("t", blocks(100, 80, 10))])
    assert {(one["key"], one["this"], one["other"])
            for one in found["verdicts"]} == {
        ("min_iops", "pass", "fail"), ("max_mean_us", "fail", "fail")}
    assert found["verdicts_of_the_spec"] == (
        "4K 0/100 min_iops: pass with psync, fail with libaio")
    qualification.spec = None
    assert "no limit" in engines.summary(
        qualification, [("t", blocks(100, 80, 10))])["verdicts_of_the_spec"]


def test_how_long_it_takes():
    """10 pairs of two cells, three runs in each of a minute."""
    assert engines.seconds(ENTERPRISE, 1 << 30) == pytest.approx(
        10 * 2 * 3 * 60, rel=0.02)
