# SPDX-License-Identifier: GPL-2.0-only
# Many devices at once: which CPUs each has, what one costs another, and which
# differ from their batch; how often a rule errs is simulated, and a device
# that is really slow is found among eight.
from collections import Counter
import contextlib
import copy
import csv
import io
import json
import math
import os
from pathlib import Path
import re
import signal
import subprocess
import time

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
from consumers import rendered, tables
import faketools
import finishedrun
import hostile
import manydevices
from manydevices import fleet_of
from outline import (Outline, is_well_formed, links_lead_somewhere,
                     needs_nothing_else)
import targets as devices
import throttle
from fiolab.base.problem import Problem
from fiolab.qualify.fleet import (batch, fleetpage, fleettext, interference,
                                  seats)
from fiolab.qualify.report import htmlreport, schema, textreport
from fiolab.qualify.suite import profiles
from fiolab.stats import batchoutliers
from fiolab.target.drive import bus
from fiolab.target.target import Target

QUALIFY = str(ROOT / "jobs" / "qualify")
MIB = 1 << 20


# Which CPUs

@pytest.mark.parametrize("text, cpus", [
    ("0", {0}), ("0-2,5", {0, 1, 2, 5}), ("", set()), (None, set()),
    ("7,1", {1, 7})])
def test_lists_of_cpus(text, cpus):
    assert seats.numbers(text) == cpus
    assert seats.numbers(seats.listed(cpus)) == cpus
    assert seats.listed({0, 1, 2, 5}) == "0-2,5"


class Host:
    """What a kernel tells of nodes, cores and interrupts, in files."""

    def __init__(self, folder, monkeypatch, nodes, threads=1):
        self.folder, self.disks = folder, {}
        count = sum(len(cpus) for cpus in nodes)
        for number, cpus in enumerate(nodes):
            faketools.tree(folder, {
                f"nodes/node{number}/cpulist": seats.listed(cpus)})
        for cpu in range(count):
            first = cpu - cpu % threads
            faketools.tree(folder, {
                f"cpus/cpu{cpu}/topology/thread_siblings_list":
                seats.listed(range(first, first + threads))})
        for name, place in (("NODES", "nodes"), ("CPUS", "cpus"),
                            ("INTERRUPTS", "irq")):
            monkeypatch.setattr(seats, name, str(folder / place))
        monkeypatch.setattr(seats, "_folder", self.disks.get)
        monkeypatch.setattr(bus, "place", lambda path: path)
        monkeypatch.setattr(os, "sched_getaffinity",
                            lambda pid: set(range(count)))

    def add(self, name, node=None, interrupts=()):
        """A device; interrupts: the CPU of each."""
        number = 100 * len(self.disks)
        files = {"size": 1} if node is None else {"numa_node": node}
        for i, cpu in enumerate(interrupts):
            files[f"msi_irqs/{number + i}"] = "msi"
            faketools.tree(self.folder, {
                f"irq/{number + i}/effective_affinity_list": cpu})
        self.disks[name] = faketools.tree(self.folder / name, files)

    def seats(self):
        """{name: seat}"""
        made = [Target(name) for name in self.disks]
        seats.take(made)
        return {one.name: one.seat for one in made}


def test_each_device_has_cpus_of_its_node_for_itself(tmp_path, monkeypatch):
    host = Host(tmp_path, monkeypatch, [range(16), range(16, 32)])
    for i in range(24):
        host.add(f"nvme{i}n1", node=i % 2, interrupts=range(32))
    found = host.seats()
    taken = Counter(cpu for seat in found.values()
                    for cpu in seats.numbers(seat["cpus"]))
    assert max(taken.values()) == 1 and len(found) == 24
    for name, seat in found.items():
        node = int(name[4:-2]) % 2
        assert seat["node"] == node and seat["shared"] == []
        assert seats.numbers(seat["cpus"]) <= set(
            range(16 * node, 16 * node + 16))


def test_a_device_is_where_its_interrupts_arrive(tmp_path, monkeypatch):
    """Of a controller with one interrupt, the CPU of that."""
    host = Host(tmp_path, monkeypatch, [range(8)])
    for name, cpu in (("sda", 5), ("sdb", 0), ("sdc", 7)):
        host.add(name, node=0, interrupts=[cpu])
    found = host.seats()
    for name, cpu in (("sda", 5), ("sdb", 0), ("sdc", 7)):
        assert cpu in seats.numbers(found[name]["cpus"])
        assert len(seats.numbers(found[name]["cpus"])) == 2
        assert found[name]["interrupts"] == str(cpu)


def test_cores_are_whole_while_there_are_enough(tmp_path, monkeypatch):
    host = Host(tmp_path, monkeypatch, [range(8)], threads=2)
    for i in range(3):
        host.add(f"nvme{i}n1", node=0)
    cores = [seats.numbers(one["cpus"]) for one in host.seats().values()]
    assert cores == [{0, 1}, {2, 3}, {4, 5}]
    for i in range(3, 7):
        host.add(f"nvme{i}n1", node=0)
    found = [seats.numbers(one["cpus"]) for one in host.seats().values()]
    assert sorted(map(len, found)) == [1] * 7
    assert len(set.union(*found)) == 7


def test_too_few_cpus_are_shared_and_that_is_said(tmp_path, monkeypatch):
    host = Host(tmp_path, monkeypatch, [range(2)])
    for i in range(3):
        host.add(f"nvme{i}n1", node=-1)
    found = host.seats()
    assert {one["cpus"] for one in found.values()} == {"0-1"}
    assert {len(one["shared"]) for one in found.values()} == {2}
    made = [Target(name, seat=seat) for name, seat in found.items()]
    said, = seats.warnings(made, 4)
    assert said.startswith("3 of 3 targets share CPUs with others, as there "
                           "are not enough")
    assert seats.said(vars(made[0])) == (
        "CPUs 0-1, NUMA node 0, shared with 2 other targets")


def test_fewer_cpus_than_threads_are_said(tmp_path, monkeypatch):
    host = Host(tmp_path, monkeypatch, [range(8)])
    for i in range(4):
        host.add(f"nvme{i}n1", node=0)
    made = [Target(name, seat=seat) for name, seat in host.seats().items()]
    assert seats.warnings(made, 2) == []
    said, = seats.warnings(made, 4)
    assert said.startswith("fio of 4 of 4 targets has fewer CPUs than its 4 ")


def test_a_node_that_is_not_known_among_several(tmp_path, monkeypatch):
    host = Host(tmp_path, monkeypatch, [range(4), range(4, 8)])
    host.add("nvme0n1", node=1)
    host.add("loop0")
    found = host.seats()
    assert found["loop0"]["node"] is None
    assert found["loop0"]["cpus"] == "0-7" and found["nvme0n1"][
        "cpus"] == "4-7"
    assert found["nvme0n1"]["shared"] == ["loop0"]
    made = [Target(name, seat=seat) for name, seat in found.items()]
    said, = seats.warnings(made, 1)
    assert "as the NUMA node of some is not known" in said
    assert seats.said(vars(made[0])).endswith("shared with 1 other target")


def test_a_single_target_and_one_on_a_host_are_not_pinned():
    alone = Target("/dev/x")
    seats.take([alone])
    away = [Target(name, clients=({"name": "h"},)) for name in "ab"]
    seats.take(away)
    assert [one.seat for one in (alone, *away)] == [None] * 3
    assert seats.wrap(alone) == [] and seats.said(vars(alone)) is None


def test_a_resumed_run_is_where_it_was_or_refused():
    mine = Target("/dev/x")
    cpu = min(os.sched_getaffinity(0))
    seats.take_again([mine], [{"seat": {"cpus": str(cpu)}}])
    assert seats.wrap(mine) == ["taskset", "-c", str(cpu)]
    with pytest.raises(Problem, match="may not all be used now"):
        seats.take_again([mine], [{"seat": {"cpus": "4095"}}])
    seats.take_again([mine], [{}])      # of an earlier version
    assert mine.seat is None


# Interference

def simulated(count, pairs, loss, noise, rng, shared=0.0):
    """Pairs of so many devices, of which each loses so much."""
    level = rng.normal(0, shared, (pairs, 1))
    alone = np.exp(12 + rng.normal(0, noise, (pairs, count)))
    together = np.exp(12 + np.log1p(-np.asarray(loss)) + level +
                      rng.normal(0, noise, (pairs, count)))
    return {"4k": [{"source": "runs/x.json", "alone": list(a),
                    "together": list(b)} for a, b in zip(alone, together)]}


def judged(count, found, planned):
    return interference.summary([f"d{i}" for i in range(count)], found,
                                planned)


def planned(count, profile=profiles.ENTERPRISE):
    made = [Target(str(i)) for i in range(count)]
    return interference.plan(profile, made)


def test_how_much_is_measured():
    assert planned(1) is None
    assert interference.plan(profiles.QUICK, [
        Target(name, clients=({"name": "h"},)) for name in "ab"]) is None
    one = planned(24)
    assert one.loads == ("4k", "128k") and one.seconds == 2
    # The fewest pairs whose p of 48 figures reaches 0.05, and two more.
    assert one.pairs == 2 + math.ceil(math.log2(48 / 0.05)) == 12
    assert interference.seconds(one, 24) < 25 * 60
    assert planned(2, profiles.QUICK) == interference.Plan(6, ("4k",), 0.2)
    kept = json.loads(json.dumps(vars(one)))
    assert interference.of_plan(kept) == one


@pytest.mark.parametrize("count, noise, loss, shared", [
    (24, 0.02, 0, 0), (24, 0.2, 0, 0), (8, 0.02, 0.05, 0), (2, 0.1, 0.05, 0),
    (24, 0.02, 0, 0.02)])
def test_a_fleet_without_interference_is_seldom_warned_of(count, noise, loss,
                                                          shared):
    """At most 5% of runs, whatever the noise; also where all lose just what is
    let pass, and where a run disturbs all devices alike."""
    rng, plan = np.random.default_rng(3), planned(count)
    runs, wrong = 200, 0
    for _ in range(runs):
        found = judged(count, simulated(count, plan.pairs, loss, noise, rng,
                                        shared), plan)
        wrong += bool(interference.warnings(found))
    assert wrong / runs <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)


def test_a_device_that_loses_is_found_and_the_others_are_not():
    rng, plan, loss = np.random.default_rng(5), planned(8), [0] * 8
    loss[3] = 0.2
    found = judged(8, simulated(8, plan.pairs, loss, 0.02, rng), plan)
    assert [row["verdict"] for row in found["rows"]] == [
        "interference" if i == 3 else "none" for i in range(8)]
    said, = interference.warnings(found)
    assert said.startswith("beside the other targets d3 makes -")
    assert found["rows"][3]["ratio"] == pytest.approx(0.8, abs=0.03)
    low, high = found["rows"][3]["ci95"]
    assert low < found["rows"][3]["ratio"] < high < 0.95


def test_of_many_that_lose_the_worst_are_named_in_one_warning():
    rng, plan = np.random.default_rng(7), planned(8)
    found = judged(8, simulated(8, plan.pairs, [
        0.2 if i < 5 else 0 for i in range(8)], 0.02, rng), plan)
    said, = interference.warnings(found)
    worst = min(found["rows"], key=lambda row: row["ratio"])
    assert said.startswith(f"beside the other targets {worst['target']} makes ")
    assert said.count(" makes ") == interference.NAMED
    assert " and 2 more figures are less: " in said


def test_what_was_not_measured_is_said():
    said, = interference.warnings(interference.missing("d1 went"))
    assert said == "interference between the targets was not measured: d1 went"
    assert interference.warnings(None) == []


# Outliers

@pytest.mark.parametrize("count, level", [
    (5, 0.05), (6, 0.05), (8, 0.05), (12, 0.05), (24, 0.05), (8, 0.01),
    (24, 0.01)])
def test_the_chance_of_a_false_mark(count, level):
    """Of devices that are alike; Rosner's own levels err in 8.6% for 8."""
    rng = np.random.default_rng(count)
    tables_ = 3000
    wrong = sum(bool(batchoutliers.find(x, level, 0))
                for x in rng.standard_normal((tables_, count)))
    assert wrong / tables_ <= level + 3 * math.sqrt(
        level * (1 - level) / tables_)


def test_one_is_found_and_two_do_not_mask_each_other():
    rng = np.random.default_rng(1)
    for count, strange in ((8, [2]), (8, [1, 6]), (24, [0, 5, 9, 11])):
        x = rng.normal(0, 0.02, count)
        x[strange] -= 0.7
        assert sorted(batchoutliers.find(x, 0.001, 0)) == strange


def test_half_a_batch_is_no_outlier_nor_are_a_few_devices():
    rng = np.random.default_rng(1)
    x = rng.normal(0, 0.01, 8)
    x[:4] += 1
    assert batchoutliers.find(x, 0.05, 0) == []
    assert batchoutliers.find([0, 0, 0, 9], 0.05, 0) == []


def test_what_is_equal_is_no_outlier():
    assert batchoutliers.find([1.0] * 8, 0.05, 1e-3) == []
    assert batchoutliers.find([1.0] * 7 + [1.001], 0.05, 0.0023) == []


# The table

def test_a_table_of_alike_devices_has_few_false_marks():
    """Of the whole table, of 40 figures: in 5%, at most."""
    rng, runs, wrong = np.random.default_rng(2), 150, 0
    level = 0.05 / 40
    for _ in range(runs):
        x = rng.normal(0, 0.1, (40, 8))
        wrong += any(batchoutliers.find(row, level, 0) for row in x)
    assert wrong / runs <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)


def test_slow_devices_are_marked_in_what_they_are_slow_in():
    data = fleet_of(np.random.default_rng(4), 8, 12, slow=(5,))
    found = batch.summary([(None, data)])
    schema.check({**data, "fleet": found})
    assert [one["marks"] for one in found["devices"]] == [
        12 if i == 5 else 0 for i in range(8)]
    assert {one["figures"] for one in found["devices"]} == {12}
    for _, row, one in fleettext.marks(found):
        assert one["worse"] and one["ratio"] == pytest.approx(0.5, abs=0.1)
        assert one["value"] / row["median"] == pytest.approx(one["ratio"])
        assert row["low"] <= row["median"] <= row["high"]


def test_less_than_the_margin_is_no_difference():
    data = fleet_of(np.random.default_rng(4), 8, 12, slow=(5,), factor=0.96,
                    spread=0.0005)
    assert fleettext.marks(batch.summary([(None, data)])) == []


def test_another_model_is_another_batch():
    data = fleet_of(np.random.default_rng(4), 10, 3, slow=(8, 9))
    for one in data["targets"][8:]:
        one["identity"] = {**one["identity"], "model": "OTHER X"}
    found = batch.summary([(None, data)])
    assert [len(one["devices"]) for one in found["batches"]] == [8, 2]
    assert fleettext.marks(found) == []
    assert fleettext.differs(found["devices"][9]) == "-"
    assert fleettext.differs(found["devices"][0]) == "0 of 3"


def test_a_device_that_lacks_a_figure_is_not_compared_in_it():
    data = fleet_of(np.random.default_rng(4), 8, 2)
    data["targets"][2]["tests"][0]["state"] = "failed"
    data["targets"][3]["tests"][0]["cells"][1]["values"] = {}
    found = batch.summary([(None, data)])
    assert [row["values"].count(None) for row in found["rows"]] == [1, 2]
    assert [one["figures"] for one in found["devices"]] == [2, 2, 0, 1,
                                                            *[2] * 4]
    assert found["devices"][2]["result"] == "not measured"
    schema.check({**data, "fleet": found})


def test_few_devices_are_not_judged_and_that_is_said():
    found = batch.summary([(None, fleet_of(np.random.default_rng(4), 4, 2))])
    assert "fewer than 5" in found["note"] and len(found["rows"]) == 2


@pytest.fixture(scope="module")
def slow():
    return schema.check(manydevices.slow_one())


@pytest.mark.parametrize("change, place", [
    (lambda fleet: fleet["rows"][1].update(batch=1), "fleet.rows[1].batch"),
    (lambda fleet: fleet["rows"][0]["values"].pop(), "fleet.rows[0].values"),
    (lambda fleet: fleet["rows"][0]["outliers"][0].update(device=8),
     "fleet.rows[0].outliers names none"),
    (lambda fleet: fleet["batches"][0]["devices"].append(8),
     "fleet.rows[0].values"),
    (lambda fleet: (fleet["batches"][0].update(devices=[0, 8]),
                    fleet.update(rows=[])), "fleet.batches names none")])
def test_a_damaged_fleet_is_told(slow, change, place):
    data = {**slow, "fleet": copy.deepcopy(slow["fleet"])}
    change(data["fleet"])
    with pytest.raises(Problem, match=re.escape(place)):
        schema.check(data)


def test_the_reports_of_many_devices(slow):
    lines = textreport.lines(slow)
    assert max(map(len, lines)) <= 79 and all(map(str.isascii, lines))
    out = " ".join(" ".join(lines).split())
    assert "sample 105, /dev/nvme5n1 differs from its batch in" in out
    page = htmlreport.render(slow)
    outline = Outline(page)
    needs_nothing_else(page, outline)
    is_well_formed(outline)
    links_lead_somewhere(page, outline)
    words = outline.words()
    assert "sample 105, /dev/nvme5n1" in words
    assert "What differs from its batch" in words
    assert re.search("/dev/nvme7n1 ✗ interference 4K random reads", words)
    assert words.count("✓ none") == 7
    assert words.index("All devices") < words.index("What was tested")


def test_the_page_of_a_summary(slow):
    page = fleetpage.render(slow["fleet"])
    outline = Outline(page)
    needs_nothing_else(page, outline)
    is_well_formed(outline)
    assert "8 devices: 8 x EXAMPLE" in outline.words()
    # What differs is on a phone's screen, which has room for three columns.
    assert "Device Result Differs in Limits" in outline.words()
    assert "Device Difference Figure" in outline.words()
    for attack in hostile.ATTACKS:
        hostile_one = hostile.poison(
            slow["fleet"], lambda text: text + attack, {
                "result", "better", "metric"})
        assert Outline(fleetpage.render(hostile_one)).tags == outline.tags


def test_csv_and_markdown(slow):
    fleet = slow["fleet"]
    rows = list(csv.DictReader(io.StringIO(fleettext.csv_text(fleet),
                                           newline="")))
    assert len(rows) == 24
    assert {row["device"] for row in rows if row["outlier"] == "1"} == {
        "/dev/nvme5n1"}
    for row in rows:
        assert float(row["ratio"]) == pytest.approx(
            float(row["value"]) / float(row["batch_median"]))
    seen = tables(rendered(fleettext.markdown_text(fleet)))
    assert ["sample 105, /dev/nvme5n1", "○ not measured", "-", "-",
            "3 of 3"] == [cell if i != 3 else "-" for i, cell in enumerate(
                next(row for row in seen if "sample 105" in row[0]))]
    assert sum(row[0].startswith("sample 105") for row in seen) == 4


# As users have them

def summary(*words):
    return subprocess.run([QUALIFY, "summary", *map(str, words)], text=True,
                          capture_output=True, timeout=300, check=False)


def test_a_summary_of_several_runs(tmp_path):
    rng, paths = np.random.default_rng(4), []
    whole = fleet_of(rng, 8, 3, slow=(5,))
    for number in range(2):
        half = {**whole, "targets": whole["targets"][4 * number:][:4]}
        paths.append(finishedrun.make(tmp_path / f"r{number}", half))
    done = summary(*paths)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 79
    out = " ".join(done.stdout.split())
    assert out.count("differs from its batch in") == 3
    assert "sample 105, /dev/nvme5n1 in" in out
    done = summary(*paths, "--format", "markdown", "--format",
                   f"html={tmp_path}/x.html", "--format",
                   f"csv={tmp_path}/x.csv")
    assert done.stdout.startswith("**SCALED DOWN\\: qualifies nothing**\n\n8 x "
                                  "EXAMPLE")
    assert "| sample" not in done.stdout.partition("|")[0]
    assert len((tmp_path / "x.csv").read_text().splitlines()) == 25
    assert "<h2 id=\"fleet\">" in (tmp_path / "x.html").read_text()
    done = summary(*paths, "--format", f"csv={tmp_path}/y.csv")
    assert "differs from its batch" in " ".join(done.stdout.split())


@pytest.mark.parametrize("changes, said", [
    ({"scaled": True}, "SCALED DOWN: qualifies nothing"),
    ({"scaled": False, "name": "shortened", "of": "pts-e"}, "SHORTENED to 8.0 h: not pts-e")])
def test_what_is_shortened_says_so_in_a_summary(tmp_path, changes, said):
    """In each form, over all and beside the figures."""
    data = fleet_of(np.random.default_rng(4), 6, 1, slow=(5,))
    data["profile"].update(changes)
    data["time"] = {"asked_s": 28800, "planned_s": [1, 2], "whole_s": [3, 4],
                    "sprandom": False, "left_out": []}
    for target in data["targets"]:
        for test in target["tests"]:
            test["extent"] = test["cells"][0]["extent"] = "shortened"
    run = finishedrun.make(tmp_path / "run", data)
    forms = [f"{tmp_path}/x.{end}" for end in ("csv", "html", "md")]
    done = summary(run, *(word for form, path in zip(
        ("csv", "html", "markdown"), forms)
        for word in ("--format", f"{form}={path}")))
    assert done.returncode == 0, done.stderr
    made = [open(path, encoding="utf-8").read() for path in forms]
    for text in (done.stdout, *made[1:]):
        text = " ".join(text.replace("\\", "").split())
        assert said in text and " (shortened)" in text
    rows = list(csv.DictReader(io.StringIO(made[0], newline="")))
    assert rows and {row["figures"] for row in rows} == {"shortened"}


@pytest.mark.parametrize("change, said", [
    ({"finished": False}, "is not finished: jobs/qualify --resume"),
    ({"profile": {**finishedrun.DATA["profile"], "depth": 7}},
     "its profile has depth 7, and that one 32"),
    ({"limits": 3}, "is damaged: limits")])
def test_runs_that_make_no_table(tmp_path, change, said):
    first = finishedrun.make(tmp_path / "one")
    other = finishedrun.make(tmp_path / "two", {**finishedrun.DATA, **change})
    done = summary(first, other)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert said in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("words, said", [
    (["/nonexistent"], "cannot read /nonexistent"),
    (["{run}", "{run}/"], "a run is named twice"), ([], "DIR"),
    (["{run}", "--format", "xml"], "not NAME or NAME=PATH")])
def test_a_mistake_is_one_sentence(tmp_path, words, said):
    run = finishedrun.make(tmp_path / "out")
    done = summary(*(word.format(run=run) for word in words))
    assert done.returncode == 2 and said in done.stderr.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.fio
@pytest.mark.root
def test_a_slow_one_of_eight_is_found(qualify, shm):
    """Eight loop devices in memory at once, one of them held to a tenth by the
    kernel: found in each figure on which the limit bears."""
    with contextlib.ExitStack() as stack:
        made = []
        for number in range(8):
            where = os.path.join(shm, str(number))
            os.mkdir(where)
            made.append(stack.enter_context(devices.loop_of(where, 32 * MIB)))
        join = stack.enter_context(throttle.to(made[5], 200))
        words = [word for one in made for word in ("--target", one)]
        done = qualify(*words, "--destroy-data", "--profile", "quick",
                       "--tests", "xsr", "--no-pdf", preexec_fn=join,
                       seconds=900)
    report = qualify.report()
    assert done.returncode == 2 and report["finished"], done.stderr
    found = Counter(report["fleet"]["devices"][one["device"]]["name"]
                    for row in report["fleet"]["rows"]
                    for one in row["outliers"] if row["metric"] == "iops")
    assert set(found) == {made[5]}, report["fleet"]["rows"]
    _check_seats(qualify, report)
    rows = report["interference"]["rows"]
    assert len(rows) == 8 and {row["n"] for row in rows} == {8}


def _check_seats(qualify, report):
    """Said, and so run."""
    for target in report["targets"]:
        assert target["seat"]["cpus"]
        phase = target["tests"][0]["phases"][0]
        source = phase["rounds"][0]["results"][0]["source"].split("#")[0]
        ran = json.loads((qualify.out / source).read_text())
        assert ran["command"][:3] == ["taskset", "-c",
                                      target["seat"]["cpus"]]


PAIR = "t00-fleet-interference-4k-r0000.json"


@pytest.mark.fio
def test_interference_goes_on_where_it_was(qualify, shm):
    words = []
    for name in "ab":
        with open(os.path.join(shm, name), "wb") as file:
            file.truncate(32 * MIB)
        words += ["--target", file.name]
    started = qualify.start(*words, "--destroy-data", "--profile", "quick",
                            "--tests", "xsr", "--engine", "psync", "--no-pdf")
    end = time.monotonic() + 300
    while not (qualify.out / "rounds" / PAIR).exists():
        assert started.poll() is None and time.monotonic() < end
        time.sleep(0.02)
    started.send_signal(signal.SIGINT)
    _, err = started.communicate(timeout=300)
    assert started.returncode == 130, err
    assert qualify.report()["interference"] is None
    kept = (qualify.out / "rounds" / PAIR).read_bytes()
    done = qualify("--resume", qualify.out, "--no-pdf")
    assert done.returncode == 2 and "give --destroy-data" in done.stderr
    done = qualify("--resume", qualify.out, "--destroy-data", "--no-pdf")
    report = qualify.report()
    assert report["finished"], done.stderr
    assert (qualify.out / "rounds" / PAIR).read_bytes() == kept
    rows = report["interference"]["rows"]
    assert [row["n"] for row in rows] == [6, 6]
    assert {row["target"] for row in rows} == {
        target["name"] for target in report["targets"]}
    _check_seats(qualify, report)
    again = qualify("--resume", qualify.out, "--no-pdf")
    assert qualify.report()["interference"] == report["interference"], again
