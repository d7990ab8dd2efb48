# SPDX-License-Identifier: GPL-2.0-only
# The campaign folder of jobs/ab: what Ctrl-C, SIGKILL and a full disk leave, and
# going on from it; many sides and a matrix.
from contextlib import ExitStack
import json
import os
from pathlib import Path
import shutil
import signal

import pytest

import fiorun
import targets
from abrun import FAST, effect, handicap, sentence

from fiolab.ab.campaignfolder import CampaignFolder
from fiolab.fio.metrics import COMMON

LATENCY = ["--job", "latency", *FAST]


def kill(process):
    """SIGKILL to the command and to what runs below it."""
    for pid in [process.pid, *fiorun.descendants(process.pid)]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    process.communicate()


def check_whole(ab, pairs, cells=1):
    """Every run once, and a report on all of them."""
    report = ab.report()
    assert report["finished"] and report["pairs"] == pairs
    assert [len(cell["pairs"]) for cell in report["cells"]] == [pairs] * cells
    assert len(ab.runs()) == 3 * pairs * cells


def test_ctrl_c_keeps_and_reports_what_was_measured(ab, shm):
    words = ["--b", "psync", "--pairs", "7", "--target", f"{shm}/s", *LATENCY]
    with ab.start(*words) as started:
        ab.await_runs(4, started)
        started.send_signal(signal.SIGINT)
        out, err = started.communicate(timeout=300)
    assert started.returncode == 130 and "Traceback" not in err
    assert f"--resume {ab.out}" in err and "psync" in out
    report, whole = ab.report(), len(ab.runs()) // 3
    assert not report["finished"] and 1 <= whole < 7
    assert len(report["cells"][0]["pairs"]) == whole
    assert any("is not finished" in said for said in report["warnings"])
    assert os.listdir(shm) == [] == os.listdir(ab.environment["TMPDIR"])
    measured = {path.name: path.read_text()
                for path in (ab.out / "runs").iterdir()}
    done = ab("--resume", ab.out)
    assert done.returncode == 0, done.stderr
    check_whole(ab, 7)
    for number in range(3 * whole):
        name = f"{number:06d}.json"
        assert (ab.out / "runs" / name).read_text() == measured[name]


@pytest.mark.slow
def test_what_is_stopped_early_has_no_verdict(ab, shm, tmp_path):
    """Though its pairs would do for one: the user looked, then stopped."""
    words = [*handicap(tmp_path), "--pairs", "40", "--target", f"{shm}/s",
             *LATENCY]
    with ab.start(*words) as started:
        ab.await_runs(3 * 14, started)
        started.send_signal(signal.SIGINT)
        out, _ = started.communicate(timeout=300)
    cell, = ab.report()["cells"]
    assert len(cell["pairs"]) >= 13 and "FASTER" not in out
    assert min(e["p_holm"] for e in cell["effects"]) < 0.05
    assert {(e["verdict"], e["reason"]) for e in cell["effects"]} == {
        ("no verdict", "stopped before the planned number of pairs")}
    assert all(e["ci95"] for e in cell["effects"])


@pytest.mark.slow
def test_resume_after_sigkill_ignores_what_is_torn_or_foreign(ab, shm):
    words = ["--b", "libaio", "--pairs", "3", "--seed", "5", "--target",
             f"{shm}/s", *LATENCY]
    started = ab.start(*words)
    ab.await_runs(5, started)
    kill(started)
    os.unlink(f"{shm}/s")
    for folder in Path(ab.environment["TMPDIR"]).iterdir():
        shutil.rmtree(folder)
    runs = ab.out / "runs"
    torn = (runs / "000001.json").read_text()
    (runs / "000001.json").write_text(torn[:len(torn) // 2])
    (runs / "notes.txt").write_text("mine")
    (runs / "000002.json.0123abcd.part").write_text("{")
    strange = json.loads((runs / "000000.json").read_text())
    (runs / "000007.json").write_text(json.dumps(
        {**strange, "campaign": "another"}))
    done = ab("--resume", ab.out)
    assert done.returncode == 0, done.stderr
    assert (runs / "notes.txt").read_text() == "mine"
    os.unlink(runs / "notes.txt")
    check_whole(ab, 3)
    said = " ".join(ab.report()["warnings"])
    for name in ("000001.json", "notes.txt", "000007.json"):
        assert f"runs/{name} is ignored" in said
    assert len({run["seed"] for run in ab.runs()}) == 3


def test_a_resumed_campaign_is_the_same_campaign(ab, shm):
    """The plan follows from the seed: orders, seeds, numbers."""
    words = ["--b", "libaio", "--pairs", "2", "--seed", "9", "--target",
             f"{shm}/s", *LATENCY]

    def plan():
        return [(run["cell"], run["pair"], run["role"], run["seed"])
                for run in ab.runs()]
    assert ab(*words).returncode == 0
    first = plan()
    started = ab.start(*words)
    ab.await_runs(2, started)
    kill(started)
    for folder in Path(ab.environment["TMPDIR"]).iterdir():
        shutil.rmtree(folder)
    assert ab("--resume", ab.out).returncode == 0
    assert plan() == first


@pytest.mark.slow
@pytest.mark.root
def test_a_full_disk_stops_it_and_room_lets_it_go_on(ab, shm, tmp_path):
    with targets.small_tmpfs(str(tmp_path), 64 << 10) as full:
        out = Path(full) / "campaign"
        done = ab("--b", "libaio", "--pairs", "30", "--target", f"{shm}/s",
                  "--out", out, "--size", "16M", "--runtime", "0.2",
                  "--ramp", "0.05")
        assert done.returncode == 1 and done.stdout == ""
        last = done.stderr.splitlines()[-1]
        assert "no space left" in last and f"--resume {out}" in last
        before = len(list((out / "runs").iterdir()))
        assert before > 3 and not list(out.glob("**/*.part"))
        for path in (out / "runs").iterdir():
            json.loads(path.read_text())        # whole
        targets.run("mount", "-o", "remount,size=64m", str(full))
        plan = json.loads((out / "campaign.json").read_text())
        pairs = before // 3 + 1
        plan["pairs"] = plan["arguments"]["pairs"] = pairs  # to be quick
        (out / "campaign.json").write_text(json.dumps(plan))
        ab.out = out
        done = ab("--resume", out)
        assert done.returncode == 0, done.stderr
        assert len(ab.report()["cells"][0]["pairs"]) >= pairs - 1


@pytest.mark.slow
@pytest.mark.root
def test_no_room_for_the_report_alone(ab, shm, tmp_path):
    """Of a campaign that has all of its runs."""
    with targets.small_tmpfs(str(tmp_path), 4 << 20) as full:
        out = Path(full) / "campaign"
        assert ab("--b", "libaio", "--pairs", "1", "--target", f"{shm}/s",
                  "--out", out, *LATENCY).returncode == 0
        html, data = out / "report.html", out / "report.json"
        # Room for any of the other files, of which one is new at a time.
        room = data.stat().st_size + (16 << 10)
        assert html.stat().st_size > room + (16 << 10)
        html.unlink()
        info = os.statvfs(full)
        filler = Path(full) / "filler"
        filler.write_bytes(bytes(info.f_bavail * info.f_frsize - room))
        done = ab("--resume", out)
        sentence(done, f"make room; then --resume {out} makes the report.")
        assert "report.html: No space left" in done.stderr
        assert not html.exists() and not list(out.glob("*.part"))
        filler.unlink()
        assert ab("--resume", out).returncode == 0 and html.exists()


def test_resuming_a_finished_campaign_makes_its_report_again(ab, shm):
    assert ab("--b", "libaio", "--pairs", "1", "--target", f"{shm}/s",
              *LATENCY).returncode == 0
    before = ab.report()
    for name in ("report.json", "report.html", "report.csv"):
        os.unlink(ab.out / name)
    done = ab("--resume", ab.out)
    assert done.returncode == 0 and "pair" in done.stdout
    assert ab.report() == before


@pytest.mark.slow
@pytest.mark.parametrize("break_it, word", [
    (lambda out: (out / "campaign.json").unlink(), "is not a campaign folder"),
    (lambda out: (out / "campaign.json").write_text("{"), "is not a campaign"),
    (lambda out: (out / "campaign.json").write_text("[]"), "is not a campaign"),
    (lambda out: (out / "campaign.json").write_text('{"schema": "x/9"}'),
     "its schema is 'x/9'"),
    (lambda out: (out / "campaign.json").write_text(
        '{"schema": "kaio-campaign/1"}'), "is not a campaign folder")])
def test_a_folder_that_is_no_campaign(break_it, word, ab, shm):
    assert ab("--b", "libaio", "--pairs", "1", "--target", f"{shm}/s",
              *LATENCY).returncode == 0
    break_it(ab.out)
    sentence(ab("--resume", ab.out), word)


@pytest.mark.slow
def test_a_damaged_plan_is_one_sentence(ab, shm):
    plan = one_run_lost(ab, shm)
    cell, side = plan["cells"][0], plan["sides"][0]
    one = plan["targets"][0]
    for bad in [{"pairs": "x"}, {"cells": 5}, {"cells": []}, {"seed": -3},
                {"cells": [{**cell, "job": 9}]}, {"sides": []}, {"fio": 3},
                {"cells": [{**cell, "id": 1}]}, {"title": None}, {"pairs": [2]},
                {"environment": {}}, {"arguments": {}}, {"sides": [side]},
                {"targets": [{**one, "size": None}]}, {"clients": [1]}]:
        (ab.out / "campaign.json").write_text(json.dumps({**plan, **bad}))
        sentence(ab("--resume", ab.out), "is not a campaign folder")
    (ab.out / "campaign.json").write_text(json.dumps(plan))
    assert ab("--resume", ab.out).returncode == 0


@pytest.mark.slow
def test_two_commands_never_share_a_folder(ab, shm):
    words = ["--b", "libaio", "--pairs", "999", "--target", f"{shm}/s",
             *LATENCY]
    with ab.start(*words) as started:
        ab.await_runs(1, started)
        out = ab.out
        with ab.start("--resume", out) as second:
            assert "another command works in" in second.communicate()[1]
        with ab.start(*words, "--out", out) as third:
            assert "holds another campaign" in third.communicate()[1]
        started.send_signal(signal.SIGTERM)
        started.communicate(timeout=300)
    assert (second.returncode, third.returncode) == (1, 1)


def test_a_refused_command_leaves_the_folder_of_another(ab, shm):
    """Which has no plan yet, as its targets are still being prepared."""
    with ExitStack() as stack:
        first = CampaignFolder(str(ab.folder / "c"))
        first.create(stack)
        sentence(ab("--b", "libaio", "--target", f"{shm}/s", *FAST, "--out",
                    first.path), "another command works in")
        first.save_plan({"a": 1})
    assert sorted(os.listdir(first.path)) == ["campaign.json", "runs"]


def test_another_disk_under_the_same_name_is_not_written(ab, shm):
    """After a boot, /dev/sdb may be one."""
    path = os.path.join(shm, "target")
    before = os.urandom(16 << 20)
    Path(path).write_bytes(before)
    with ab.start("--b", "psync", "--pairs", "9", "--target", path, "--job",
                  "randwrite", "--destroy-data", *FAST) as started:
        ab.await_runs(1, started)
        started.send_signal(signal.SIGINT)
        started.communicate(timeout=300)
    plan = json.loads((ab.out / "campaign.json").read_text())
    plan["devices"] = {path: {"serial": "S1"}}
    (ab.out / "campaign.json").write_text(json.dumps(plan))
    Path(path).write_bytes(before)
    sentence(ab("--resume", ab.out, "--destroy-data"),
             f"the serial of {path} was S1 when the campaign began")
    assert Path(path).read_bytes() == before


def test_another_engine_under_the_same_name_is_refused(ab, shm, build_dir, san,
                                                       tmp_path):
    if san:
        pytest.skip("a sanitized engine needs the sanitizer preloaded")
    engine = tmp_path / "e.so"
    shutil.copy(build_dir / "fio-kaio.so", engine)
    words = ["--b", f"external:{engine}", "--pairs", "9", "--target",
             f"{shm}/s", *LATENCY]
    with ab.start(*words) as started:
        ab.await_runs(1, started)
        started.send_signal(signal.SIGINT)
        started.communicate(timeout=300)
    with open(engine, "ab") as file:
        file.write(b"\0")
    sentence(ab("--resume", ab.out), "has changed since the campaign began")


def one_run_lost(ab, shm, *more, **change):
    """The plan of a campaign of a pair that has to go on."""
    done = ab("--b", "libaio", "--pairs", "1", "--target", f"{shm}/s",
              *LATENCY, *more)
    assert done.returncode == 0, done.stderr
    (ab.out / "runs" / "000001.json").unlink()
    plan = json.loads((ab.out / "campaign.json").read_text())
    for place in (plan, plan["arguments"]):
        place.update(change)
    (ab.out / "campaign.json").write_text(json.dumps(plan))
    return plan


@pytest.mark.slow
def test_another_fio_of_the_same_version_is_refused(ab, shm, tmp_path):
    """And the same one is taken from where it is now."""
    first, moved = tmp_path / "fio1", tmp_path / "fio2"
    shutil.copy(shutil.which("fio"), first)
    plan = one_run_lost(ab, shm, "--fio", os.path.relpath(first))
    assert plan["fio"]["path"] == plan["arguments"]["fio"] == str(first)
    shutil.copy(first, moved)
    with open(first, "ab") as file:
        file.write(b"\0")
    sentence(ab("--resume", ab.out), "not the fio that the campaign began")
    first.unlink()
    sentence(ab("--resume", ab.out), f"no fio at '{first}'")
    done = ab("--resume", ab.out, "--fio", moved)
    assert done.returncode == 0, done.stderr
    assert str(moved) in ab.report()["cells"][0]["command"]["A"]


@pytest.mark.slow
def test_a_cpu_that_is_gone(ab, shm):
    """Nothing can go on, but a report needs no CPU of its own."""
    one_run_lost(ab, shm, cpu=4095)
    sentence(ab("--resume", ab.out), "pinned to CPU 4095, which may not")
    kept = ab.out / "runs" / "000001.json"
    other = json.loads((ab.out / "runs" / "000000.json").read_text())
    other["role"] = ({"A", "B", "A'"} - {run["role"] for run in ab.runs()}
                     ).pop()
    kept.write_text(json.dumps(other))
    done = ab("--resume", ab.out)
    assert done.returncode == 0, done.stderr


# Many sides, many cells

@pytest.mark.slow
def test_three_sides_and_a_matrix(ab, shm):
    done = ab("--side", "libaio", "--side", "psync", "--side", "libaio",
              "--matrix", "bs=4k,64k", "iodepth=1", "--pairs", "1",
              "--target", f"{shm}/s", *FAST)
    assert done.returncode == 0, done.stderr
    cells = ab.report()["cells"]
    assert [(cell["job"], cell["b"]) for cell in cells] == [
        (f"randread bs={bs} iodepth=1", b)
        for bs in ("4k", "64k") for b in "BC"]
    check_whole(ab, 1, 4)
    for cell in cells:
        assert cell["changes"].startswith("size 256m -> 16M")
        iops = effect(cell, "iops")["median"]["A"]
        per_io = (64 if "64k" in cell["job"] else 4) / 1024
        assert effect(cell, "bw_mib")["median"]["A"] == pytest.approx(
            iops * per_io, rel=0.01)


@pytest.mark.smoke
def test_an_engine_against_itself(ab, shm):
    """That nothing is found then: test_simulation.py."""
    done = ab("--side", "libaio", "--aa", "--pairs", "1", "--target",
              f"{shm}/s", *LATENCY)
    assert done.returncode == 0, done.stderr
    report = ab.report()
    assert report["title"] == "libaio against itself (A/A)"
    cell, = report["cells"]
    assert cell["effective"]["A"] == cell["effective"]["B"]
    # A job without syncs, trims or priority classes has no figure of them.
    assert set(cell["pairs"][0]["values"]["A"]) == set(COMMON)
    assert set(cell["latency"]) == {"read"}


@pytest.mark.slow
def test_a_self_check_that_cannot_find_it_fails(ab, shm):
    """One pair finds nothing, and that is no success.  (What more pairs find:
    test_selfcheck.py.)"""
    done = ab("--self-check", "--a", "libaio", "--pairs", "1", "--target",
              f"{shm}/s", *FAST)
    assert done.returncode == 1 and "NOT FOUND" in done.stderr
    check = ab.report()["self_check"]
    assert not check["passed"] and not check["found"] and not check["false"]
    planted, quiet = ab.report()["cells"]
    assert "thinktime=" in planted["effective"]["B"]
    assert "thinktime" not in planted["effective"]["A"]
    assert "thinktime" not in quiet["effective"]["B"]


@pytest.mark.slow
def test_a_clear_difference_ends_a_campaign(ab, shm, tmp_path):
    done = ab(*handicap(tmp_path), "--target", f"{shm}/s", *LATENCY)
    assert done.returncode == 0, done.stderr
    report, (cell,) = ab.report(), ab.report()["cells"]
    assert report["pairs"] is None and report["max_time_s"] == 60
    n = len(cell["pairs"])
    assert cell["closed"] and report["finished"] and n >= 10
    assert cell["seconds"] < 60
    assert f"decided after {n} pairs" in done.stdout
    again = ab("--resume", ab.out)      # finished is finished
    assert again.returncode == 0 and len(ab.runs()) == 3 * n


@pytest.mark.slow
def test_time_that_was_up_may_be_given_anew(ab, shm):
    """And verdicts of a campaign that ends by the clock are not withheld."""
    done = ab("--aa", "--max-time", "6", "--precision", "0.01%", "--target",
              f"{shm}/s", *LATENCY)
    assert done.returncode == 0, done.stderr
    (cell,), n = ab.report()["cells"], len(ab.runs())
    assert not cell["closed"] and cell["seconds"] < 6 + 20     # of a block
    assert "--max-time S" in done.stderr and ab.report()["finished"]
    assert ab("--resume", ab.out).returncode == 0 and len(ab.runs()) == n
    longer = int(cell["seconds"]) + 4
    more = ab("--resume", ab.out, "--max-time", str(longer))
    assert more.returncode == 0 and len(ab.runs()) > n, more.stderr
    assert ab.report()["max_time_s"] == longer


# Writes, and what stands before each of them

@pytest.mark.slow
def test_the_state_is_restored_before_each_run(ab, shm, tmp_path):
    words = ["--b", "libaio", "--job", "randwrite", "--pairs", "1", *FAST]
    done = ab(*words, "--target", f"{shm}/s")
    assert done.returncode == 0, done.stderr
    assert ab.report()["warnings"] == [
        said for said in ab.report()["warnings"] if "--restore" not in said]
    done = ab(*words, "--target", str(tmp_path / "s"), "--restore", "trim")
    assert done.returncode == 0, done.stderr
    done = ab(*words, "--target", f"{shm}/s", "--restore", "none")
    assert done.returncode == 0, done.stderr
    assert any("finds what the run before it has written" in said
               for said in ab.report()["warnings"])


def test_too_small_a_target_is_refused(ab, shm):
    sentence(ab("--b", "libaio", "--matrix", "bs=1m", "--target", f"{shm}/s",
                *FAST), "too small for job randread bs=1m")
    assert os.listdir(shm) == [] and not ab.out.exists()
