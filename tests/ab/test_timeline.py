# SPDX-License-Identifier: GPL-2.0-only
# --timeline: latency over time, of a run of each side that counts for nothing
# else, in fio's windows, and its picture.
import json

import pytest

import abreport
import abrun
from abrun import FAST, QUICK
import hostile

from fiolab.ab import results, runner, schema
from fiolab.ab.campaign import Campaign, Request
from fiolab.ab.report import htmlreport
from fiolab.fio import sidespec, streams
from fiolab.fio.jobfile import Job
from fiolab.report import latencyplots, svg
from fiolab.target.target import Target

WORDS = [*FAST, "--pairs", "1"]
LOG = """10, 1000, 0, 4096, 0, 0
10, 3000, 0, 4096, 0, 0
10, 9000, 1, 4096, 0, 0
20, 5000, 0, 4096, 0, 0
"""


def test_a_window_of_several_jobs_is_their_mean():
    assert streams._averaged(LOG) == {
        "read": [[10, 2000], [20, 5000]], "write": [[10, 9000]]}
    assert streams._averaged("") == {}


@pytest.mark.fio
def test_a_planted_delay_is_in_every_window_of_b_and_in_the_page(
        ab, tmp_path, shm):
    done = ab(*abrun.handicap(tmp_path), "--target", f"{shm}/new", *WORDS,
              "--timeline", "1")
    assert done.returncode == 0, done.stderr
    cell, = ab.report()["cells"]
    both = {role: dict(cell["timeline"][role]["read"]) for role in "AB"}
    for windows in both.values():
        assert 10 < len(windows) <= streams.WINDOWS
        assert sorted(windows) == list(windows) and max(windows) <= 1100
    # Each io_submit takes 0.2 ms longer.
    assert min(both["B"].values()) >= 200000
    assert sorted(both["A"].values())[len(both["A"]) // 2] < min(
        both["B"].values())
    assert "Read latency over time" in (ab.out / "report.html").read_text()
    assert not any("write_lat_log" in line for run in ab.runs()
                   for line in run["options"])


def test_each_side_has_its_own_job_and_target(monkeypatch):
    """Of B, too, where it has others than A."""
    seen, restored = [], []
    monkeypatch.setattr(streams, "over_time", lambda fio, side, job, target,
                        seconds: seen.append((side.text, job, target.path)))
    jobs = [Job(f"{name}.fio", "[a]\n") for name in "ab"]
    sides = tuple(sidespec.parse(text, "") for text in ("libaio", "psync"))
    campaign = Campaign(Request(timeline=1.0), sides, jobs)
    campaign.cells = [results.Cell(
        number, jobs[0], [], job_b=jobs[1], target=Target("x", 1),
        target_b=Target(path, 1), restore=lambda one: restored.append(one.path),
        restore_b=lambda one: restored.append(one.path))
        for number, path in enumerate("yz")]
    for cell in runner._last_of_each(campaign.cells):
        runner._draw(campaign, cell, lambda text: None)
    assert seen == [("libaio", jobs[0], "x"), ("psync", jobs[1], "y"),
                    ("libaio", jobs[0], "x"), ("psync", jobs[1], "z")]
    assert restored == ["x", "y", "x", "z"]


@pytest.mark.fio
def test_it_is_kept_by_who_resumes(ab, shm):
    running = ab.start("--a", "psync", "--b", "psync", "--target",
                       f"{shm}/new", *FAST, "--pairs", "4", "--timeline",
                       "1")
    ab.await_runs(3, running)
    running.terminate()
    running.communicate(timeout=60)
    plan = json.loads((ab.out / "campaign.json").read_text())
    first = plan["cells"][0]["timeline"]
    assert first["A"]["read"] and first["B"]["read"]
    done = ab("--resume", str(ab.out))
    assert done.returncode == 0, done.stderr
    assert ab.report()["cells"][0]["timeline"] == first


@pytest.mark.fio
def test_a_duet_and_its_alternating_cell_have_one(ab, tmp_path):
    done = ab("--a", "libaio", "--b", "libaio", "--target", tmp_path / "new",
              *QUICK, "--pairs", "1", "--timeline", "1")
    assert done.returncode == 0, done.stderr
    found = {cell["pairing"]: bool(cell["timeline"])
             for cell in ab.report()["cells"]}
    assert found == {"duet": False, "alternate": True}


@pytest.mark.fio
def test_it_is_not_to_be_had_of_other_machines(ab):
    abrun.sentence(ab("--client", "localhost", "--target", "/x", "--timeline",
                      "1"), "--timeline")


SERIES = [[10, 1000.5], [20, 90000.0], [30, 0.0]]


@pytest.mark.parametrize("a, b, drawn", [
    (SERIES, SERIES, True), (SERIES, [], True), ([], [], False),
    ([[10, 0]], [[10, 0.0]], False), ([[10, 5.0]], [[10, 5.0]], True)])
def test_a_picture_of_what_there_is(a, b, drawn):
    with svg.styled():
        found = latencyplots.over_time({"A": a, "B": b}, "read", "x")
    assert bool(found) == drawn
    assert not drawn or "90 µs" in found or "5 ns" in found


def test_a_hostile_report_has_it_too():
    data = abreport.typical()
    data["cells"][0]["timeline"] = {
        role: {"read": SERIES, hostile.SHORT: SERIES} for role in "AB"}
    data["cells"][1]["timeline"] = None
    page = htmlreport.page(schema.check(json.loads(json.dumps(data))))
    assert "Read latency over time" in page and "<script" not in page
