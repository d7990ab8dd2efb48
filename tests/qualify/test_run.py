# SPDX-License-Identifier: GPL-2.0-only
# jobs/qualify as a user runs it, on scratch and loop devices and through a fio
# server: what it leaves, what Ctrl-C and SIGKILL leave, going on from that.
import json
import os
from pathlib import Path
import re
import shutil
import signal
import subprocess
import time

import pytest

import fiorun
from abi_tools import need
from fioserver import Server
from qualifyrun import SPEC, sentence
import targets

MIB = 1 << 20
# Of a fixed number of rounds, whatever the figures are.
FIXED = ["--profile", "quick", "--tests", "xsr", "--size", "32M", "--no-pdf"]
ROUNDS = [4, 3, 4]


def counts(test):
    return [len(phase["rounds"]) for phase in test["phases"]]


def left(qualify):
    """What is left of the run's scratch target, which other tests may have
    one of, too: its file, and a loop device on it."""
    target, = json.loads((qualify.out / "plan.json").read_text())["targets"]
    file = target["identity"].get("backing_file") or target["path"]
    assert Path(file).name.startswith("kaio-ab-"), target
    losetup = need("losetup", "it lists what is left")
    loops = subprocess.run([losetup, "-l", "-n", "-O", "NAME,BACK-FILE"],
                           capture_output=True, text=True, check=False)
    return [file] * os.path.exists(file) + [
        line for line in loops.stdout.split("\n") if file in line]


def check_rates(qualify, result):
    """Counts over the time that they took, as fio's JSON in the file has."""
    file, name = result["source"].split("#")
    jobs = json.loads((qualify.out / file).read_text())["result"]["jobs"]
    ways = [job[way] for job in jobs if job["jobname"] == name
            for way in ("read", "write", "trim")]
    seconds = max(way["runtime"] for way in ways) / 1000
    for metric, key, unit in (("iops", "total_ios", 1),
                              ("mbps", "io_bytes", 1e6)):
        assert result["values"][metric] * seconds * unit == pytest.approx(
            sum(way[key] for way in ways), rel=0.01)


@pytest.mark.smoke
def test_a_scratch_device_is_measured_and_gone(qualify):
    done = qualify("--scratch", "--profile", "quick", "--tests", "wsat",
                   "--size", "32M", "--no-pdf")
    assert done.returncode == 2, done.stderr    # as nothing was judged
    assert left(qualify) == []
    assert "total" in done.stderr and "Report: " in done.stdout
    report = qualify.report()
    target, = report["targets"]
    test, = target["tests"]
    assert report["finished"] and report["engine"] == "kaio"
    assert report["profile"]["scaled"] and test["state"] == "done"
    assert report["kaio"].startswith("fio-kaio.so, sha256 ")
    if not targets.why_no_root():
        assert target["identity"]["kind"] == "loop"
        assert test["phases"][0]["purged"]["method"] == "blkdiscard"
    saturation, histogram = test["cells"]
    assert saturation["values"]["iops"]["mean"] > 0
    assert 0 < saturation["values"]["submit_share"]["mean"] <= 1
    assert histogram["latency"]["n"] == sum(
        n for _, n in histogram["latency"]["bins"]) > 0
    for name in ("report.html", "report.txt", "plan.json"):
        assert (qualify.out / name).stat().st_size > 0
    for phase in test["phases"]:
        for one in phase["rounds"]:
            for result in one["results"]:
                check_rates(qualify, result)


def changed(path):
    with open(path, "ab") as file:
        file.write(b"\0")


@pytest.mark.slow
@pytest.mark.root
def test_killed_in_a_round_it_goes_on_with_the_same_rounds(qualify, shm,
                                                           tmp_path):
    build = tmp_path / "build"
    build.mkdir()
    shutil.copy(Path(qualify.build) / "fio-kaio.so", build)
    qualify.build = str(build)
    with targets.loop_of(shm, 32 * MIB) as device:
        words = ["--target", device, "--destroy-data", "--seed", "5", *FIXED,
                 "--spec", qualify.spec]
        started = qualify.start(*words)
        qualify.await_rounds(6, started)
        time.sleep(0.3)                     # in the middle of the next
        started.kill()
        started.communicate(timeout=300)
        kept = qualify.rounds()
        assert 6 <= len(kept) < sum(ROUNDS)
        _refused(qualify, build, tmp_path)
        _goes_on(qualify, kept)
        again = _done_again(qualify)
    # All is there: neither the device nor leave to write to it is needed.
    assert _done_again(qualify) == again


def _refused(qualify, build, tmp_path):
    """Another engine, another fio, no leave, and a torn and a foreign file."""
    engine = build / "fio-kaio.so"
    good = engine.read_bytes()
    resume = ["--resume", qualify.out, "--destroy-data"]
    changed(engine)
    sentence(qualify(*resume), "the engine kaio has changed since")
    engine.write_bytes(good)
    other = tmp_path / "fio"
    shutil.copy(shutil.which(os.environ.get("FIO", "fio")), other)
    changed(other)
    sentence(qualify(*resume, "--fio", other), "not the fio that the run")
    sentence(qualify("--resume", qualify.out), "give --destroy-data")
    (qualify.out / "rounds" / "t00-xsr-p00-r0004.json").write_text("{")
    (qualify.out / "runs" / "mine.txt").write_text("mine")


def _goes_on(qualify, kept):
    done = qualify("--resume", qualify.out, "--destroy-data", "--no-pdf")
    assert done.returncode == 0, done.stderr
    report, (test,) = qualify.report(), qualify.tests()
    assert report["finished"] and report["seed"] == 5
    assert counts(test) == ROUNDS and test["state"] == "done"
    now = qualify.rounds()
    assert len(now) == sum(ROUNDS)
    # The torn one and all after it are made anew, the three before are not.
    same = {name for name in kept if now[name] == kept[name]}
    assert same == {f"t00-xsr-p00-r000{i}.json" for i in (1, 2, 3)}
    assert test["phases"][0]["breaks"] == [4]
    for word in ("t00-xsr-p00-r0004.json is ignored", "mine.txt is ignored",
                 "the run was resumed at 20"):
        assert any(word in said for said in report["warnings"])
    (one,) = report["resumed"]
    assert one["at"].startswith("20") and [
        (place["test"], place["round"]) for place in one["places"]] == [
        ("xsr", 4)]
    assert [cell["values"]["mbps"]["n"] for cell in test["cells"]] == ROUNDS


def _done_again(qualify):
    done = qualify("--resume", qualify.out, "--no-pdf")
    assert done.returncode == 0, done.stderr
    return qualify.tests()


@pytest.mark.slow
@pytest.mark.parametrize("number, status", [
    (signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_request_to_end_keeps_what_was_measured(qualify, number, status):
    started = qualify.start("--scratch", *FIXED, "--spec", qualify.spec)
    qualify.await_rounds(2, started)
    started.send_signal(number)
    out, err = started.communicate(timeout=300)
    assert started.returncode == status and "Traceback" not in err, err
    assert f"--resume {qualify.out}" in err and "Report: " in out
    report, (test,) = qualify.report(), qualify.tests()
    assert not report["finished"] and test["state"] == "stopped"
    assert report["result"] == "not measured"
    assert 2 <= sum(counts(test)) < sum(ROUNDS)
    assert any("is not finished" in said for said in report["warnings"])
    assert left(qualify) == []
    assert os.listdir(qualify.environment["TMPDIR"]) == []
    if number == signal.SIGINT:
        done = qualify("--resume", qualify.out, "--no-pdf")
        assert done.returncode == 0, done.stderr
        assert counts(*qualify.tests()) == ROUNDS


def test_a_spec_is_read_before_anything_is_written(qualify, tmp_path):
    path = tmp_path / "target"
    path.write_bytes(b"keep me " * (4 * MIB))
    before = path.read_bytes()
    for text, word in ((SPEC + "min_mbs = 1\n", "line 3"),
                       (SPEC.replace("1: 1M", "1: 2M"), "1: 2M sequential")):
        qualify.spec.write_text(text)
        sentence(qualify("--target", path, "--destroy-data", *FIXED,
                         "--spec", qualify.spec), word)
    assert path.read_bytes() == before and not qualify.out.exists()


@pytest.mark.slow
@pytest.mark.root
def test_two_targets_at_once_of_which_one_fails(qualify, shm):
    """Behind the second there is room for half of what it says."""
    with targets.loop_of(shm, 32 * MIB) as good, \
            targets.small_tmpfs(shm, 16 * MIB) as small, \
            targets.loop_of(small, 33 * MIB) as bad:
        done = qualify("--target", good, "--target", bad, "--destroy-data",
                       *FIXED)
    # The kernel's log names the second, where it can be read.
    assert (done.returncode, qualify.report()["result"]) in (
        (1, "fail"), (2, "not measured")), done.stderr
    first, second = qualify.report()["targets"]
    assert [first["name"], second["name"]] == [good, bad]
    whole, failed = first["tests"][0], second["tests"][0]
    assert whole["state"] == "done" and counts(whole) == ROUNDS
    assert failed["state"] == "failed" and re.search(
        "fio failed|no space|No space|Input/output", failed["why"])


@pytest.fixture
def server(fio_binary, tmp_path):
    made = Server(fio_binary, tmp_path)
    yield made
    if made.process.poll() is None:
        made.die()


@pytest.mark.slow
def test_a_target_on_a_host(qualify, server, shm_file):
    words = ["--client", server.name, "--target", shm_file, "--size", "32M",
             "--profile", "quick", "--tests", "wsat", "--no-pdf",
             "--destroy-data"]
    sentence(qualify(*words), f"there is no {shm_file} on {server.name}")
    with open(shm_file, "wb") as file:
        file.write(bytes(32 * MIB))
    inode = os.stat(shm_file).st_ino
    done = qualify(*words)
    assert done.returncode == 2, done.stderr    # as nothing was judged
    target, = qualify.report()["targets"]
    assert (target["name"], target["host"]) == (
        f"{server.name}:{shm_file}", server.name)
    cell = target["tests"][0]["cells"][0]
    assert cell["values"]["iops"]["mean"] > 0
    assert 0 < cell["values"]["submit_share"]["mean"] <= 1
    assert os.stat(shm_file).st_ino == inode
    with open(shm_file, "rb") as file:
        assert any(file.read(MIB))


@pytest.mark.slow
def test_fio_dies_with_a_command_that_is_killed(qualify, shm):
    """And the next command removes what it left, and judges by the spec as it
    was."""
    qualify.spec.write_text(SPEC.replace("max_mean_us", "min_mb_per_s"))
    started = qualify.start("--scratch", *FIXED, "--spec", qualify.spec)
    qualify.await_rounds(1, started)
    pids = fiorun.descendants(started.pid)
    started.kill()
    started.communicate(timeout=300)
    end = time.monotonic() + 60
    while any(os.path.exists(f"/proc/{pid}") for pid in pids):
        assert time.monotonic() < end
        time.sleep(0.05)
    qualify.spec.unlink()
    done = qualify("--resume", qualify.out, "--no-pdf")
    assert done.returncode == 1, done.stderr
    limit, = qualify.report()["limits"]
    assert limit["result"] == "fail" and limit["line"] == 2
    assert limit["bound"] < limit["limit"]
    assert any("scratch target is a new one" in said
               for said in qualify.report()["warnings"])


@pytest.mark.slow
def test_the_operator_goes_on_after_the_last_round(qualify, shm):
    path = os.path.join(shm, "target")
    with open(path, "wb") as file:
        file.truncate(32 * MIB)
    done = qualify("--target", path, "--destroy-data", "--profile", "quick",
                   "--tests", "throughput", "--engine", "psync", "--no-pdf",
                   "--reading", "capacity=active", seconds=300)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    before, = qualify.tests()
    more = ["--resume", qualify.out, "--destroy-data", "--no-pdf", "--rounds"]
    sentence(qualify(*more, 6), "has up to 6 rounds already")
    qualify(*more, 8, seconds=300)
    report, (test,) = qualify.report(), qualify.tests()
    assert report["finished"] and test["state"] == "done"
    said = report["profile"]["readings"]
    assert "2 x the active range" in said[0] and "to round 8" in said[-1]
    # What comes after the first phase that goes on is made anew.
    for old, new in zip(before["phases"], test["phases"]):
        assert new["rounds"][:len(old["rounds"])] == old["rounds"]
        if old["steady"] and not old["steady"]["reached"]:
            assert new["breaks"] == [7] and len(new["rounds"]) > 6
            break
