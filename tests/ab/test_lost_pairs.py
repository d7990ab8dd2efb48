# SPDX-License-Identifier: GPL-2.0-only
# What becomes of a cell whose pairs are lost: a duet that is none alternates
# where that was left to jobs/ab, one that always fails is given up, and what
# fails everywhere ends the campaign; by the runner alone, and with real fio in
# a group in which each thread gets the same share.
from functools import partial
import json
import os
from pathlib import Path
import subprocess
import time

import pytest

from abrun import QUICK
from fiolab.ab import campaignfolder, duets, publish, results, runner
from fiolab.ab.campaign import Campaign, Request
from fiolab.ab.duets import Dropped, Unequal
from fiolab.base.problem import Problem
from fiolab.fio import cpushare, duet, timedrun
from fiolab.fio.jobfile import Job
from fiolab.fio.metrics import METRICS
from fiolab.fio.sidecommand import Failed
from fiolab.fio.sidespec import Side
from fiolab.stats import pairing

CPU = ("cpu_us",)
SEEN = {"skew_s": 0.0, "kernel": 0.0, "others": 0.0, "repeats": [],
        "parts": None, "sides": {role: dict.fromkeys(
            ("cpu", "asleep", "more", "elsewhere"), 0.0)
            for role in pairing.ROLES}}


def campaign(*kinds, pairs=6, **asked):
    """With a cell of each (pairing, metrics), of one job on one target."""
    found = Campaign(Request(seed=3, pairs=pairs, cpu=1, **asked),
                     (Side("a", "a"), Side("b", "b")), [], id="me")
    job = Job("job", "")
    found.cells = [results.Cell(
        number, job, pairing.planned_orders(3, number, pairs), "place",
        pairing=kind, metrics=metrics)
        for number, (kind, metrics) in enumerate(kinds)]
    return found


def run(found, fails, block=None):
    """Run it; fails(cell, pair's number of runs so far): does this one fail?
    block: what that of a duet raises."""
    count, changed = dict.fromkeys(range(len(found.cells)), 0), []

    def one_run(_campaign, cell, role, seed):
        count[cell.id] += 1
        if fails(cell, count[cell.id]):
            raise Failed("no", [])
        return {"seed": seed, **dict.fromkeys(METRICS, 1.0)}

    def one_block(_campaign, cell, number, seed):
        if block and block(number):
            raise block(number)
        return {role: {"seed": seed, **dict.fromkeys(METRICS, 1.0),
                       **({"duet": SEEN} if role == "A" else {})}
                for role in pairing.ROLES}
    runner.run(found, lambda *_: None, lambda _: None, one_run,
               one_block=one_block, changed=lambda: changed.append(1))
    return changed


NONE, UNLIKE = Unequal("their shares were A 20%"), cpushare.Unlike("not alike")
BUSY = Dropped("jobs/ab itself got no CPU")


@pytest.mark.parametrize("why", [NONE, UNLIKE])
def test_a_duet_of_auto_that_is_none_alternates(why):
    """From its first pair on, none of which is lost."""
    found = campaign(("duet", CPU))
    assert run(found, lambda *_: False, lambda _: why) == [1]
    cell, = found.cells
    assert cell.pairing == "alternate" and cell.metrics == tuple(METRICS)
    assert cell.no_duet == f"it never was one: {why}"
    assert len(cell.pairs) == 6 and not cell.discarded
    assert all("duet" not in pair for pair in cell.pairs.values())


def test_beside_one_that_alternates_it_keeps_to_its_metric():
    others = tuple(name for name in METRICS if name not in CPU)
    found = campaign(("duet", CPU), ("alternate", others))
    run(found, lambda *_: False, lambda _: NONE)
    assert [cell.metrics for cell in found.cells] == [CPU, others]
    assert [len(cell.pairs) for cell in found.cells] == [6, 6]


def test_a_duet_that_was_asked_for_does_not_alternate():
    for more in ({"pairing": "duet"}, {}):
        found = campaign(("duet", CPU), **more)
        # of auto, too, once a block was one
        late = NONE if more else None
        with pytest.raises(runner.Stopped, match="3 pairs in a row were lost, "
                           r"the last \(their shares were A 20%\)"):
            run(found, lambda *_: False,
                lambda number: NONE if number else late)
        assert found.cells[0].pairing == "duet"


@pytest.mark.parametrize("failures, kind", [
    ("uuu", Unequal), ("uub", Unequal), ("bub", Dropped), ("ebb", Dropped),
    ("eee", Dropped), ("ubu", Unequal)])
def test_two_of_three_attempts_tell_that_shares_are_unequal(
        failures, kind, monkeypatch):
    """And not one, in the middle of whatever else a busy machine does."""
    left = iter([{"u": duet.Unequal("u"), "b": timedrun.Disturbed(),
                  "e": duet.Uneven("e")}[one] for one in failures])

    def attempt(*_):
        raise next(left)
    monkeypatch.setattr(duets, "_attempt", attempt)
    with pytest.raises(Dropped) as found:
        duets.block(None, None, 0, 1)
    assert found.type is kind and (str(found.value) == "u") == (kind == Unequal)


def test_a_busy_machine_is_no_reason_to_alternate():
    found = campaign(("duet", CPU))
    with pytest.raises(runner.Stopped, match="itself got no CPU"):
        run(found, lambda *_: False, lambda _: BUSY)
    assert found.cells[0].pairing == "duet"


def test_nobody_alternates_whose_plan_is_not_kept():
    """As the rows of jobs/bench, of which each has a pairing of its own."""
    found = campaign(("duet", CPU))

    def one_block(*_):
        raise NONE
    with pytest.raises(runner.Stopped):
        runner.run(found, lambda *_: None, lambda _: None,
                   one_block=one_block)


def test_a_cell_that_always_fails_is_given_up_and_the_others_go_on():
    found = campaign(("alternate", CPU), ("alternate", CPU))
    run(found, lambda cell, _: cell.id == 0)
    bad, good = found.cells
    assert len(bad.discarded) == runner.LOST_IN_A_ROW and not bad.pairs
    assert len(good.pairs) == 6 and found.complete()
    assert bad.given_up == (
        "job was given up: 3 pairs in a row were lost, the last (no): mend "
        "that.") and not good.given_up
    with pytest.raises(Problem, match="job was given up"):
        publish.judge(found, {"self_check": None})


def test_only_pairs_in_a_row_count():
    found = campaign(("alternate", CPU), ("alternate", CPU), pairs=12)
    run(found, lambda cell, count: cell.id == 0 and count % 5 < 2)
    bad, good = found.cells
    assert len(bad.discarded) >= 3 and not bad.given_up
    assert len(bad.pairs) + len(bad.discarded) == len(good.pairs) == 12


def test_what_fails_everywhere_ends_it():
    found = campaign(("alternate", CPU), ("alternate", CPU))
    with pytest.raises(runner.Stopped, match="3 pairs in a row were lost"):
        run(found, lambda *_: True)
    assert sum(len(cell.discarded) for cell in found.cells) == 3


# With real fio

@pytest.fixture
def group(need_root):
    """The file that takes pids into a group of the cpu controller."""
    old, new = Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup")
    root = old if (old / "cgroup.procs").exists() else new
    control = root / "cgroup.subtree_control"
    if not (root / "cgroup.procs").exists() or control.exists() and (
            "cpu" not in control.read_text().split()):
        pytest.skip("no cgroup controller for CPUs here")
    folder = root / f"kaio-test-{os.getpid()}"
    folder.mkdir()
    yield str(folder / "cgroup.procs")
    end = time.monotonic() + 20
    while (folder / "cgroup.procs").read_text() and time.monotonic() < end:
        time.sleep(0.02)
    folder.rmdir()


def grouped(ab, group, *words):
    return subprocess.run(
        ["sh", "-c", 'echo $$ >"$0" && exec "$@"', group,
         *ab.command(*words)], text=True, timeout=300, capture_output=True,
        check=False, env=ab.environment)


@pytest.mark.fio
def test_sides_of_other_numbers_of_threads_alternate(ab, group, shm, tmp_path):
    """In a group, autogroups are none: four threads get four shares."""
    for name, more in (("one", ""), ("four", "numjobs=4\n")):
        (tmp_path / f"{name}.fio").write_text(
            f"[a]\nrw=randread\nbs=4k\niodepth=8\n{more}")
    words = ["--a", f"libaio@job={tmp_path}/one.fio", "--b",
             f"libaio@job={tmp_path}/four.fio", "--pairs", "1", "--target",
             f"{shm}/s", *QUICK]
    done = ab.measured(*words, call=partial(grouped, ab, group))
    assert done.returncode == 0, done.stderr
    cell, = ab.report()["cells"]
    assert cell["pairing"] == "alternate" and cell["discarded"] == []
    assert cell["no_duet"].startswith("it never was one: their shares of the "
                                      "CPU were ")
    assert len(cell["pairs"]) == 1 and len(cell["effects"]) > 1
    assert "no duet: it never was one" in " ".join(done.stdout.split())
    plan = json.loads((ab.out / "campaign.json").read_text())
    again, = campaignfolder.read(plan).cells
    assert again.pairing == "alternate" and again.no_duet == cell["no_duet"]
    assert ab("--resume", ab.out).returncode == 0       # and finds it whole
