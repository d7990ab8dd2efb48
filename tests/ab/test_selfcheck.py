# SPDX-License-Identifier: GPL-2.0-only
# What --self-check of jobs/ab plants, by a given speed of a side, and what it
# makes of given findings.  Whether a real one is found is a benchmark: its 20%
# may be lost in what else the machine does.
import copy
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import abreport
from abrun import QUICK
from fiolab.ab import burner, publish, selfcheck
from fiolab.ab.campaign import Campaign, Request
from fiolab.base.problem import Problem
from fiolab.fio.jobfile import Job


@pytest.mark.parametrize("iops, jobs", [(100, 1), (5000, 1), (170_000, 1),
                                        (2_000_000, 8)])
def test_what_is_planted(iops, jobs, monkeypatch):
    """100 I/Os of one of its jobs take as long as 125 did, in sleeps of at
    least a millisecond."""
    monkeypatch.setattr(selfcheck.runner, "timed",
                        lambda *_: {"iops": iops})
    job = Job("x.fio", f"[a]\nnumjobs={jobs}\n")
    options = dict(option.split("=") for option in selfcheck.plant(
        None, SimpleNamespace(job=job)))
    pause, blocks = (int(options[name]) for name in (
        "thinktime", "thinktime_blocks"))
    assert pause >= selfcheck.LEAST_US
    each = 1e6 * jobs / iops
    assert each / (each + pause / blocks) == pytest.approx(
        selfcheck.PLANTED, rel=0.01)


def findings(planted, quiet):
    """The data of a report, with effects of which judge() takes verdicts."""
    rng = np.random.default_rng(1)
    cells = [abreport.cell(rng, 0, effect=-0.2), abreport.cell(rng, 1, b="C")]
    for cell, verdict in zip(cells, (planted, quiet)):
        for effect in cell["effects"]:
            effect["verdict"] = verdict
    return {"cells": cells}


@pytest.mark.parametrize("planted, quiet, found, false", [
    ("slower", "equivalent", True, 0), ("slower", "inconclusive", True, 0),
    ("slower", "no verdict", True, 0), ("inconclusive", "equivalent", False, 0),
    ("faster", "equivalent", False, 0), ("slower", "faster", True, 7),
    ("slower", "slower", True, 7), ("no verdict", "slower", False, 7)])
def test_what_is_made_of_findings(planted, quiet, found, false):
    check = selfcheck.judge(findings(planted, quiet))
    assert (check["found"], len(check["false"])) == (found, false)
    assert check["passed"] == (found and not false)
    assert ("NOT FOUND" in check["text"]) != found
    assert ("FALSE" in check["text"]) == bool(false)
    assert 0.7 < check["ratio"] < 0.95


@pytest.mark.parametrize("cpu, iops, passed", [
    ("more CPU", "slower", True), ("inconclusive", "slower", False),
    ("more CPU", "faster", False)])
def test_both_handicaps_must_be_found(cpu, iops, passed):
    """That of CPU time in the duet alone: sleeps cost none."""
    data = findings("slower", "equivalent")
    alone, quiet = data["cells"]
    duet = copy.deepcopy(alone)
    for cell, pairing, name, verdict in ((alone, "alternate", "iops", iops),
                                         (duet, "duet", "cpu_us", cpu)):
        cell["pairing"] = pairing
        for effect in cell["effects"]:
            effect["verdict"] = (verdict if effect["metric"] == name
                                 else "inconclusive")
    check = selfcheck.judge({"cells": [duet, alone, quiet]})
    assert [(one["metric"], one["planted"]) for one in check["plants"]] == [
        ("iops", 0.8), ("cpu_us", 1.25)]
    assert check["planted"] == 0.8 and check["passed"] is passed
    assert ("NOT FOUND" in check["text"]) != passed
    assert "planted: CPU us per I/O x 1.25" in check["text"]


@pytest.mark.fio
def test_what_is_burned_beside_a_side_is_found_by_a_duet(ab, shm):
    """A quarter of what fio uses, so a fifth of both; and fio's own options
    are those of A."""
    done = ab.measured("--self-check", "--a", "psync", "--pairs", "1",
                       "--pairing", "duet", "--target", f"{shm}/s", *QUICK)
    assert done.returncode == 1 and "self-check failed" in done.stderr
    planted, quiet = ab.report()["cells"]
    shares = {role: one["more"] for role, one in
              planted["duet"]["sides"].items()}
    assert 0.1 < shares.pop("B") < 0.35 and max(shares.values()) < 0.1
    assert max(one["more"] for one in quiet["duet"]["sides"].values()) < 0.1
    assert "thinktime" not in planted["effective"]["B"]
    runs = [run for run in ab.runs() if run["cell"] == 0]
    assert len({tuple(line for line in run["options"] if not
                      line.startswith("offset=")) for run in runs}) == 1


@pytest.mark.parametrize("status, command", [
    (0, "true"), (3, "exit 3"), (143, "kill $$")])
def test_the_burner_has_the_status_of_its_command(status, command):
    done = subprocess.run([sys.executable, "-c", burner.BURN, "0.25", "sh",
                           "-c", command], check=False, timeout=60)
    assert done.returncode == status


@pytest.mark.parametrize("check, asked, why", [
    (None, {"max_time": 1}, "checked nothing, .*longer --max-time"),
    ({"passed": False, "text": "x"}, {}, "failed: x.*longer --max-time"),
    ({"passed": False, "text": "x"}, {"pairs": 6}, "failed: x.*more --pairs"),
    ({"passed": True}, {}, "")])
def test_what_has_checked_nothing_has_failed(check, asked, why):
    """Time may be up before each of its cells had a pair."""
    campaign = Campaign(Request(self_check=True, **asked), (), [])
    if not why:
        publish.judge(campaign, {"self_check": check})
        return
    with pytest.raises(Problem, match=why):
        publish.judge(campaign, {"self_check": check})
