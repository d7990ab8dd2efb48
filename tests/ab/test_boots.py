# SPDX-License-Identifier: GPL-2.0-only
# `ab run --part`: parts in boots of their own, which are played by a boot_id
# that is mounted over the kernel's in a mount namespace of the command's; what
# is refused, what becomes of a part that was killed, and the report.
from dataclasses import asdict
import json
import os
import re
import shutil
import signal
import subprocess
import time
from types import SimpleNamespace

import numpy as np
import pytest

import abrun
import hostile
import pagechecks
from fiolab.ab import campaignfolder
from fiolab.ab.campaign import Request
from fiolab.ab.campaignfolder import CampaignFolder
from fiolab.ab.series import (machinestate, partcommand, partpage, partreport,
                              parttext)
from fiolab.ab.series.partfolder import Part, Parts
from fiolab.base.problem import Problem
from fiolab.fio import jobfile
from fiolab.stats import blocks
from outline import Outline, is_well_formed, needs_nothing_else

FAST = ["--size", "16M", "--runtime", "0.2", "--ramp", "0.05", "--runs", "3",
        "--side", "libaio"]
IN_BOOT = ('mount --bind "$0" /proc/sys/kernel/random/boot_id && '
           'exec "$@"')


class Boots:
    """`ab run` in boots with names."""

    def __init__(self, folder, shm):
        self.folder, self.out = folder, folder / "out"
        self.target = f"{shm}/target"
        (folder / "tmp").mkdir()

    def command(self, boot, label, *more):
        name = self.folder / f"boot-{boot}"
        name.write_text(f"{boot}\n")
        return ["unshare", "-m", "sh", "-c", IN_BOOT, name, abrun.AB, "run",
                "--part", label, "--out", self.out, *more]

    def start(self, boot, label, *more):
        return subprocess.Popen(
            self.command(boot, label, *more), text=True,
            env={**os.environ, "TMPDIR": str(self.folder / "tmp")},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def __call__(self, boot, label, *more):
        with self.start(boot, label, *more) as process:
            out, err = process.communicate(timeout=300)
        assert "Traceback" not in err, err
        return subprocess.CompletedProcess([], process.returncode, out, err)

    def first(self, boot="b1", label="A", *more):
        done = self(boot, label, "--target", self.target, *FAST, *more)
        assert done.returncode == 0, done.stderr
        return done

    def report(self):
        return json.loads((self.out / "report.json").read_text())

    def parts(self):
        return json.loads((self.out / "parts.json").read_text())["parts"]

    def runs(self):
        return {path.name: json.loads(path.read_text())
                for path in (self.out / "runs").glob("*.json")}

    def killed(self, boot, label, runs, *more):
        """A part that gets SIGKILL when there are so many runs in all."""
        process, end = self.start(boot, label, *more), time.monotonic() + 120
        while not (self.out / "runs").is_dir() or len(list(
                (self.out / "runs").glob("*.json"))) < runs:
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)


@pytest.fixture
def boots(need_root, tmp_path, shm):
    return Boots(tmp_path, shm)


@pytest.mark.fio
def test_two_parts_and_what_is_refused_between_them(boots, tmp_path):
    boots.first()
    assert boots.report()["counted"] == [0]
    done = boots("b1", "B")
    abrun.sentence(done, "part 1 ran in this boot, too")
    assert "writing" not in done.stderr     # nothing was, for this
    abrun.sentence(boots("b2", "B", "--size", "32M"),
                   "--size is another than that of the first part")
    abrun.sentence(boots("b2", "B", "--side", "psync"), "--side is another")
    abrun.sentence(boots("b2", "B", "--parts", "6"),
                   "--parts is another than that of the first part (5)")
    other = tmp_path / "fio"
    other.write_text(f'#!/bin/sh\nexec {shutil.which("fio")} "$@"\n')
    other.chmod(0o755)
    abrun.sentence(boots("b2", "B", "--fio", str(other)), "is not the fio")
    done = subprocess.run([abrun.AB, "--resume", boots.out], text=True,
                          capture_output=True, check=False, timeout=60)
    abrun.sentence(done, "holds parts: go on with `ab run --part`")
    done = boots("b2", "B", *FAST)      # what the first part had is allowed
    assert done.returncode == 0, done.stderr
    report = boots.report()
    partreport.REPORT_SCHEMA.check(report)
    assert [one["boot_id"] for one in report["parts"]] == ["b1", "b2"]
    assert [one["label"] for one in report["parts"]] == ["A", "B"]
    effect = report["cells"][0]["effects"][0]
    assert [len(part["runs"]) for part in effect["parts"]] == [3, 3]
    assert "at least 4 of each" in effect["reason"] and report["unit"] == "boot"
    seeds = [run["seed"] for _, run in sorted(boots.runs().items())]
    assert seeds[:3] == seeds[3:] and len(set(seeds)) == 3
    assert "1 part of A and 1 of B" in done.stdout
    assert not os.path.exists(boots.target)


@pytest.mark.fio
def test_a_setting_is_compared_in_one_boot_if_that_is_said(boots):
    boots.first()
    done = boots("b1", "B", "--same-boot")
    assert done.returncode == 0, done.stderr
    report = boots.report()
    assert report["unit"] == "part" and report["counted"] == [0, 1]
    assert "parts share a boot" in report["warnings"][0]


@pytest.mark.fio
@pytest.mark.parametrize("boot, kept", [("b1", True), ("b2", False)])
def test_a_part_that_was_killed(boots, boot, kept):
    """In the same boot it is gone on with, in another done again; what was
    measured is not lost in either."""
    boots.killed("b1", "A", 2, "--target", boots.target, *FAST, "--runs",
                 "6")
    before = boots.runs()
    assert 2 <= len(before) < 6
    if kept:
        abrun.sentence(boots("b1", "B"), "go on with --part A first")
    for _ in range(4):      # on a machine that is too busy it goes on later
        done = boots(boot, "A")
        if "too busy" not in done.stderr:
            break
    assert done.returncode == 0, done.stderr
    now = boots.runs()
    assert {name: now[name] for name in before} == before
    assert [bool(part["given_up"]) for part in boots.parts()] == (
        [False] if kept else [True, False])
    assert len(now) == (6 if kept else 6 + len(before))
    report = boots.report()
    part, = report["cells"][0]["effects"][0]["parts"]
    assert len(part["runs"]) == 6 and report["counted"] == [0 if kept else 1]
    assert kept or "does not count: another boot came" in done.stdout


@pytest.mark.fio
def test_another_disk_of_that_name_is_not_written(boots, shm):
    """Nor claimed: what is refused after a boot is refused before."""
    path = os.path.join(shm, "target")
    with open(path, "wb") as file:
        file.write(b"p" * (16 << 20))
    boots.first("b1", "A", "--destroy-data", "--job", "randwrite")
    found = json.loads((boots.out / "parts.json").read_text())
    found["parts"][0]["state"]["target 1 serial"] = "S1"
    (boots.out / "parts.json").write_text(json.dumps(found))
    with open(path, "wb") as file:
        file.write(b"p" * (16 << 20))
    done = boots("b2", "B", "--destroy-data")
    assert done.returncode == 1 and "takes the same device" in done.stderr
    with open(path, "rb") as file:
        assert file.read() == b"p" * (16 << 20)


@pytest.mark.parametrize("serial, place", [("S1", {}), (None, {
    "place": "0000:00:05.0"})])
def test_a_device_without_a_name_is_known_by_its_place(serial, place,
                                                       monkeypatch):
    monkeypatch.setattr(machinestate.identity, "describe", lambda path: {
        "model": None, "serial": serial, "wwid": None,
        "bus": {"address": "0000:00:05.0"}})
    known = {"serial": serial} if serial else {}
    assert machinestate.names(SimpleNamespace(
        path="/dev/null", size=1, number=1)) == {"/dev/null": known | place}


def test_runs_that_were_taken_away(boots):
    """A part without a run is none, though parts.json says that it ended."""
    boots.first()
    shutil.rmtree(boots.out / "runs")
    before = boots.parts()
    abrun.sentence(boots("b2", "B"), "runs no longer has the runs of part 1 "
                   "(A): put them back, or give another --out.")
    assert boots.parts() == before


def test_a_folder_without_a_name():
    done = subprocess.run([abrun.AB, "run", "--part", "A", "--out", ""],
                          text=True, capture_output=True, check=False,
                          timeout=60)
    abrun.sentence(done, "--out has an empty name")


@pytest.mark.fio
def test_a_job_file_that_changed_is_refused(boots, tmp_path):
    job = tmp_path / "mine.fio"
    job.write_text("[a]\nrw=randread\nbs=4k\niodepth=8\n")
    boots.first("b1", "A", "--job", str(job))
    job.write_text("[a]\nrw=randread\nbs=8k\niodepth=8\n")
    abrun.sentence(boots("b2", "B", "--job", str(job)),
                   "a job file has changed since the first part")


@pytest.mark.fio
@pytest.mark.slow
def test_eight_parts_of_a_setting_of_a_device(boots, loop):
    """Real ones: a loop device with and without an I/O scheduler.  No verdict
    is asked for, but that there is one; what differs must be named."""
    queue = f"/sys/block/{os.path.basename(loop)}/queue/scheduler"
    if "mq-deadline" not in open(queue, encoding="ascii").read():
        pytest.skip("needs the scheduler mq-deadline")
    for i, label in enumerate("ABBABAAB"):
        with open(queue, "w", encoding="ascii") as file:
            file.write({"A": "none", "B": "mq-deadline"}[label])
        more = ["--target", loop, "--parts", "4", *FAST] if i == 0 else []
        done = boots("b", label, "--same-boot", "--destroy-data", *more)
        assert done.returncode == 0, done.stderr
    report = boots.report()
    assert ["none", "mq-deadline"] in report["differs"].values()
    assert {e["verdict"] for e in report["cells"][0]["effects"]}.isdisjoint(
        {"no verdict", ""})
    for label in "AB":
        abrun.sentence(boots("b", label, "--same-boot", "--destroy-data"),
                       f"all 4 parts of {label} that were planned are there")


def test_more_parts_than_were_planned_are_refused():
    """Also those that a campaign had which no number was planned for."""
    finished = [Part(label, "boot", {}) for label in "ABAABAA"]
    parts = Parts(SimpleNamespace(folder=SimpleNamespace(shown="dir"),
                                  asked=Request()))
    parts.finished = lambda: finished
    partcommand._refuse_more(parts, "B")
    with pytest.raises(Problem, match="all 5 parts of A that were planned are "
                       "there: the report is dir/report.html; for more"):
        partcommand._refuse_more(parts, "A")


# The state of the machine

@pytest.mark.parametrize("content, word", [
    ({"schema": "x", "same_boot": False, "parts": []},
     "schema is none of kaio-parts/1"),
    ({"schema": "kaio-parts/1", "parts": []}, "same_boot is missing")])
def test_parts_that_are_damaged_are_one_sentence(content, word, tmp_path):
    (tmp_path / "parts.json").write_text(json.dumps(content))
    with pytest.raises(Problem, match=rf"parts[.]json is damaged [(]{word}"):
        Parts(SimpleNamespace(folder=CampaignFolder(str(tmp_path)))).load()


def test_what_a_later_version_adds_is_read_over(tmp_path):
    part = Part("A", "boot", {"kernel": "6"})
    (tmp_path / "runs").mkdir()
    (tmp_path / "parts.json").write_text(json.dumps({
        "schema": "kaio-parts/1", "same_boot": True,
        "parts": [{**part.data(), "later": 1}]}))
    parts = Parts(SimpleNamespace(folder=CampaignFolder(str(tmp_path))))
    parts.load()
    assert parts.every == [part]
    job = jobfile.Job("x.fio", "[a]")
    assert campaignfolder._job_of({**asdict(job), "later": 1}) == job


def test_the_state_names_what_may_differ_between_boots():
    state = machinestate.read()
    assert state["kernel"] == os.uname().release
    assert "command line" in state and "fs.aio-max-nr" in state
    assert any(name.startswith("mitigation ") for name in state)
    assert re.fullmatch(r"[0-9a-f-]{36}", machinestate.boot_id())


def test_states_are_compared_name_by_name():
    a = {"kernel": "6.1", "modules": "x y", "BIOS": "1", "same": "s"}
    b = {"kernel": "6.2", "modules": "x z", "BIOS": "1", "same": "s"}
    differs, varies = machinestate.compared(
        [a, b, {**a, "BIOS": "2"}, b], [0, 1, 0, 1])
    assert differs == {"kernel": ["6.1", "6.2"], "modules": ["y", "z"]}
    assert varies == ["BIOS"]
    assert machinestate.compared([a, a], [0, 1]) == ({}, [])
    assert machinestate.compared([a], [0]) == ({}, [])
    del b["kernel"]
    assert machinestate.compared([a, b], [0, 1])[0]["kernel"] == [
        "6.1", "not told"]


# The report

def report(each=5, effect=0.1, text="libaio"):
    """As partreport makes it, of drawn runs."""
    rng, n = np.random.default_rng(each), 2 * each
    is_b = [0, 1] * each
    effects = []
    for metric, name, role, better, middle in (
            ("iops", "IOPS", "primary", "higher", 1e5),
            ("cpu_us", "CPU us per I/O", "primary", "lower", 2.0),
            ("lat_p99_us", "Latency p99", "secondary", "lower", 300)):
        runs = list(np.log(middle) + rng.normal(0, 0.03, n)[:, None]
                    + effect * np.array(is_b)[:, None]
                    + rng.normal(0, 0.005, (n, 20)))
        found = blocks.effects({(0, metric): [x.mean() for x in runs]}, is_b,
                               {metric: ("up", "down")}, "boot")[0, metric]
        effects.append({
            "metric": metric, "name": name, "unit": "1", "role": role,
            "better": better, "parts": [
                {"mean": float(np.exp(x.mean())),
                 "runs": np.exp(x).tolist()} for x in runs],
            "spread": partreport._spread(runs, is_b),
            "drift": {"tau": 0.1, "p": 0.5},
            "inside": {"ratio": 1.0, "p": 0.5}, "order_effect": 0.01,
            "ratio": float(np.exp(found.estimate)), "p": found.p,
            "ci95": partreport._ratios(found.ci95),
            "verdict": found.verdict, "reason": found.reason,
            "detectable": 0.05})
    parts = [{"number": i + 1, "label": "AB"[is_b[i]], "counts": True,
              "begun": f"2026-11-{i + 1:02d}T10:00:00Z", "ended": "x",
              "boot_id": f"{i:08x}-0000", "given_up": "",
              "kernel": ("6.1.0", "6.18.1")[is_b[i]]} for i in range(n)]
    found = {
        "schema": "kaio-parts-report/1", "version": "0.9.0", "made": "x",
        "created": "2026-11-01T10:00:00Z", "command": ["jobs/ab", text],
        "side": text, "fio": "fio-3.33", "unit": "boot", "planned": each,
        "runs": 20,
        "runtime_s": 0.5, "ramp_s": 0.1, "cpu": 1, "alpha": 0.05,
        "margin": 0.02, "parts": parts, "counted": list(range(n)),
        "differs": {"kernel": ["6.1.0", "6.18.1"]}, "varies": ["BIOS"],
        "cells": [{"id": 0, "job": "randread", "job_text": "[a]\n",
                   "target": {"path": "/dev/nvme0n1", "label": "NVMe",
                              "why": "w", "size": 1 << 30, "direct": "all",
                              "written": None}, "effects": effects}],
        "warnings": ["the parts were seldom alternated"]}
    partreport.REPORT_SCHEMA.check(found)
    return found


def test_the_text_says_what_parts_cost():
    text = parttext.text(report())
    assert all(len(line) <= 79 for line in text.splitlines())
    assert "verdict on B, IOPS: UP (p 0." in text
    text = " ".join(text.split())
    assert re.search(r"in one boot differ by 0\.[45]\d?%, boots by [234]", text)
    assert re.search(r"look [34]\.\d times as certain as", text)
    assert "kernel: 6.1.0 / 6.18.1" in text
    assert "in +-2%; one look, with 5 boots of each." in text


def attacked():
    attack = " ".join(hostile.ATTACKS)
    return hostile.poison(
        report(), lambda text: f"{attack}{text}{attack}",
        hostile.FIXED | {"label", "unit", "begun"})


PAGES = {"boots": report, "many": lambda: report(40), "hostile": attacked,
         "few": lambda: report(1)}


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_whole(name):
    page = partpage.page(PAGES[name]())
    outline = Outline(page)
    needs_nothing_else(page, outline)
    is_well_formed(outline)
    parttext.text(PAGES[name]())


@pytest.mark.browser
@pytest.mark.parametrize("size", pagechecks.PAGES,
                         ids=lambda size: f"{size[0]}-{size[1]}")
@pytest.mark.parametrize("name", pagechecks.some(PAGES, ("few",)))
def test_the_page_in_a_browser(browser, name, size, tmp_path):
    path = tmp_path / f"{name}.html"
    partpage.write(PAGES[name](), path)
    page = pagechecks.opened(browser, path, size, "parts-")
    pagechecks.is_alone(page)
    pagechecks.fits_its_width(page)
    assert page.evaluate(pagechecks.CONTRAST)[0] >= 4.5
    assert page.evaluate(pagechecks.SMALLEST) >= 10
    assert page.evaluate(pagechecks.CROWDED) == []
    assert page.evaluate(pagechecks.OUTSIDE) == []
    assert all(pagechecks.spoken(page)["image"])
