# SPDX-License-Identifier: GPL-2.0-only
# Health samples through a whole run: a real fio, rounds until steady, and a
# drive (healthdata.py, as nvme-cli tells it) that becomes hot, throttles and
# loses data while it works; what the report makes of it, limits that are
# missed, what a resumed command has, and what a sample costs.
import json
import os
import resource
import shutil
import tempfile
import time

import pytest

import healthdata
import qualifybench
from fiolab.base import commandline
from fiolab.qualify import command
from fiolab.qualify.limits import healthlimits, specfile
from fiolab.qualify.suite import kinds
from fiolab.qualify.suite.model import Phase, Stimulus, Tracked
from fiolab.qualify.watch import healthfacts, healthsamples, throttling
from fiolab.target import health

pytestmark = pytest.mark.fio
FIO = shutil.which(os.environ.get("FIO", "fio"))
WRITE = Stimulus("4K 0/100", "randwrite", "4k", 0, 1, 1, seconds=1,
                 options=("rate_iops=200",))
TEST = kinds.Table("t", "A test", "of this file", (Phase(
    "rounds", "Rounds", (WRITE,), 25, (Tracked(
        "4K 0/100", "iops", "4K random write", "IOPS"),)),))


@pytest.fixture
def drive(fake, tmp_path, monkeypatch):
    return healthdata.sampled(fake, tmp_path, monkeypatch)


@pytest.fixture
def lab(tmp_path):
    with tempfile.TemporaryDirectory(dir="/dev/shm") as shm, \
            qualifybench.Lab(tmp_path, shm) as made:
        yield made


def run(lab, at_round=lambda number: None):
    """The entry of the test, run on; at_round: called as each begins."""
    bench, found = lab.bench(fio_path=FIO), TEST.entry()
    watch = healthsamples.Watch(bench.target, healthdata.KNOWN, bench.folder,
                                "t00-health")

    def progress(text, _):
        number = text.partition("round ")[2].partition(" ")[0]
        at_round(int(number)) if number else None

    bench.progress, bench.sampled = progress, watch.sampled
    with watch.during(TEST.name):
        TEST.run(bench, found)
    found["health"] = watch.of("t")
    assert found["state"] == "done", found["why"]
    return {"name": "/dev/x", "tests": [found], "smart": {
        "before": {"media_errors": 0}, "after": {"media_errors": 0}},
        "health": healthfacts.tell([found], healthdata.KNOWN)}


def test_a_drive_that_throttles_in_the_window(lab, drive, tmp_path):
    def hot(number):
        if number >= 4:     # in whichever window of five it is steady
            drive.set(74, thm_temp2_trans_count=number,
                      thm_temp2_total_time=3 * number,
                      data_units_written="9437019", media_errors="2")
            drive.set_ocp(3 * 10 ** 12)

    target = run(lab, hot)
    test, = target["tests"]
    (phase, rounds), = throttling.windows(test)
    assert test["phases"][0]["throttling"]["rounds"] == [
        one["round"] for one in phase["rounds"][3:]]
    assert max(rounds) >= 4
    assert set(phase["throttling"]["by"]) == {"thm_temp2_trans_count",
                                              "thm_temp2_total_time"}
    assert len(test["health"]["samples"]) >= 2 * len(phase["rounds"])
    assert target["health"]["written"]["ratio"] == pytest.approx(
        2 * 10 ** 12 / (10 ** 6 * 512000))
    path = tmp_path / "limits.toml"
    path.write_text("[health]\nmax_temperature_c = 70\n"
                    "max_throttled_windows = 0\nmax_new_media_errors = 0\n"
                    "max_write_amplification = 4\nmin_spare_percent = 90\n")
    assert [(row["key"], row["result"]) for row in healthlimits.judge(
        specfile.load(str(path)), target)] == [
        ("max_temperature_c", "fail"), ("max_throttled_windows", "fail"),
        ("max_new_media_errors", "fail"),
        ("max_write_amplification", "pass"), ("min_spare_percent", "pass")]
    # A later command makes the same of what is on the disk, and asks nothing.
    drive.set(20)
    again = run(lab)
    assert again == target


def test_a_drive_that_keeps_cool_passes(lab, drive, tmp_path):
    target = run(lab)
    path = tmp_path / "limits.toml"
    path.write_text("[health]\nmax_temperature_c = 70\n"
                    "max_throttled_windows = 0\n")
    assert [row["result"] for row in healthlimits.judge(
        specfile.load(str(path)), target)] == ["pass", "pass"]


def test_the_whole_command(drive, tmp_path, monkeypatch):
    """With its reports, on a scratch target that stands for the drive."""
    spec, out = tmp_path / "limits.toml", tmp_path / "out"
    spec.write_text("[health]\nmax_temperature_c = 30\n"
                    "max_new_media_errors = 0\n")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(healthsamples, "EVERY", 1.0)
    monkeypatch.setattr(commandline.signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit) as ended:
        command.main(["--scratch", "--size", "32M", "--profile", "quick",
                      "--tests", "fsync", "--engine", "psync", "--no-pdf",
                      "--spec", str(spec), "--fio", FIO, "--out", str(out),
                      "--build", str(tmp_path)])
    data = json.loads((out / "qualify.json").read_text())
    rows = {row["key"]: row for row in data["limits"]}
    assert rows["max_temperature_c"]["result"] == "fail"
    assert rows["max_temperature_c"]["value"] == 40
    # There is no health log of a loop device before and after it.
    assert rows["max_new_media_errors"]["result"] == "not measured"
    assert ended.value.code == 1 and data["result"] == "fail"
    test, = data["targets"][0]["tests"]
    count = len(test["health"]["samples"])
    assert count >= 2
    lines = (out / "health.csv").read_text().splitlines()
    assert len(lines) == count + 1 and "temperature_c" in lines[0]
    assert len((out / "t00-health.jsonl").read_text().splitlines()) == (
        count + 1)
    text = " ".join((out / "report.txt").read_text().split())
    assert "highest temperature" in text and "40 C" in text
    assert "health.csv" in (out / "report.html").read_text()


@pytest.mark.parametrize("tool", ["nvme", "smartctl"])
def test_a_sample_takes_little_cpu_time(tool):
    """Of the real tool, on a device that is none: what a process of it costs,
    and that a refusal is a sentence.  No speed is judged, but that it is no
    second."""
    if not shutil.which(tool, path="/usr/sbin:/usr/bin"):
        pytest.skip(f"needs {tool}")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    found, why = (health.brief(os.devnull, "nvme", 10) if tool == "nvme" else
                  health.brief(os.devnull, "sata", 10))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    took = sum(getattr(after, name) - getattr(before, name)
               for name in ("ru_utime", "ru_stime"))
    print(f"{tool}: {1000 * took:.1f} ms of CPU time in "
          f"{1000 * (time.monotonic() - began):.1f} ms")
    assert found is None and why.startswith(tool) and "\n" not in why
    assert took < 1
