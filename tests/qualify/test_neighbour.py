# SPDX-License-Identifier: GPL-2.0-only
# Reads at a set rate beside a noisy neighbour: where each does its I/O, how
# many times as late as alone they are, on a device that the neighbour really
# uses up; and another device as the neighbour, which is claimed and of which
# nothing but what was given is written.
from collections import Counter
import dataclasses
import json
import os
from types import SimpleNamespace

import pytest

import qualifycontext
import qualifydata
import targets
import throttle
from fiolab.qualify import jobtext, phaserun
from fiolab.qualify.limits import judging, specfile
from fiolab.qualify.suite import queuetests
from fiolab.qualify.suite.profiles import QUICK
from fiolab.qualify.tails import (neighbour, neighbourpicture,
                                  neighbourtarget)
from fiolab.report import svg
from fiolab.target import claim
from fiolab.target.target import Target
from qualifyrun import sentence

MIB = 1 << 20
SIZE = 33 * MIB
TEST = next(one for one in queuetests.TESTS if one.name == neighbour.NAME)
WORDS = ("--profile", "quick", "--tests", neighbour.NAME, "--no-pdf")
OTHER = Target("/dev/other", 20 * MIB)


# Where

@pytest.mark.parametrize("part, other, lines, size", [
    (0, None, ["offset=4096", f"size={SIZE - 4096}"], SIZE),
    (1, None, ["offset=0", f"size={16 * MIB}"], 16 * MIB),
    (2, None, [f"offset={16 * MIB}", f"size={17 * MIB}"], 17 * MIB),
    (0, OTHER, ["filename=${TARGET}", "offset=4096", f"size={SIZE - 4096}"],
     SIZE),
    (1, OTHER, ["filename=${TARGET}", "offset=0", f"size={SIZE}"], SIZE),
    (2, OTHER, ["filename=/dev/other", "offset=0", f"size={20 * MIB}"],
     20 * MIB)])
def test_each_has_its_part(part, other, lines, size):
    """Two halves have no byte in common, and leave none out."""
    assert jobtext.place(part, SIZE, 0 if part else 4096, other) == (
        lines, size)


def sections(phase, other=None):
    loads = jobtext.loads(phase.foreseen(), QUICK)
    one, = jobtext.processes(loads)
    text = jobtext.text(one, QUICK, SIZE, range(99), neighbour=other,
                        base=["filename=${TARGET}", "direct=1"])
    return [part.splitlines() for part in text.split("\n[")]


@pytest.mark.parametrize("other", [None, OTHER])
def test_the_noise_begins_with_the_reader_on_the_other_part(other):
    """And nothing of it goes where the reads go: a section adds its file to
    those that the first section names."""
    *_, last = neighbour.PHASES
    first, _, *pairs = sections(last, other)
    assert not any(line.startswith("filename") for line in first)
    elsewhere = f"offset={16 * MIB}" if not other else "filename=/dev/other"
    for reader, noise in zip(pairs[::2], pairs[1::2]):
        assert "stonewall" in reader and "offset=0" in reader
        assert "new_group=1" in noise and elsewhere in noise
        assert elsewhere not in reader
        assert any(line.startswith("rate_iops=") for line in reader)
        assert not any(line.startswith("rate") for line in noise)


def test_other_tests_have_both_parts_on_the_target():
    """A burst is on the second half of it, whoever its neighbour is."""
    for test, other in ((queuetests.NEIGHBOUR, OTHER), (next(
            one for one in queuetests.TESTS if one.name == "burst-writes"),
            None)):
        run = object.__new__(phaserun.PhaseRun)
        run.test, run.bench = test, SimpleNamespace(neighbour=OTHER)
        loads = jobtext.loads([one for phase in test.phases[1:]
                               for one in phase.foreseen()], QUICK)
        assert any(one.stimulus.part == 2 for one in loads)
        assert run._neighbour(loads) is other


def test_pairs_are_never_parted():
    """Not by a limit of the threads or jobs of a process, either."""
    reads, noise = (dataclasses.replace(one, threads=100) for one in (
        neighbour._reads("x"), neighbour.LOUD[0]))
    found = jobtext.processes(jobtext.loads((reads, noise) * 3, QUICK))
    assert [[load.stimulus.together for load in one] for one in found] == [
        [False, True]] * 3


# How many times as late

def test_each_is_compared_with_alone_in_its_round():
    made = [{"stimulus": name, "values": {"due_p99_us": us}} for name, us in (
        (neighbour.ALONE, 200.0), ("beside 128K writes", 500.0),
        ("beside 4K writes", 200.0), ("beside 128K reads", None))]
    neighbour.compare(made)
    assert [one["values"].get(neighbour.TIMES) for one in made] == [
        None, 2.5, 1.0, None]
    made[0]["values"]["due_p99_us"] = None      # of too few I/Os
    neighbour.compare(made)
    assert made[1]["values"][neighbour.TIMES] is None


def test_reads_too_few_for_a_p99_are_drawn_too():
    """Of which nothing is compared with what is alone."""
    cells = [{"name": name, "values": {} if us is None else {
        "due_p50_us": {"mean": us, "values": [us]}}} for name, us in (
        (neighbour.ALONE, 200.0), ("beside 128K writes", 500.0),
        ("128K writes", 90.0), ("beside 4K writes", 300.0),
        ("beside 128K reads", None))]
    assert [(cell["name"], known) for cell, known in neighbourpicture.rows(
        {"cells": cells})] == [
        (name, {"due_p50_us": ns}) for name, ns in (
            (neighbour.ALONE, 200_000.0), ("beside 128K writes", 500_000.0),
            ("beside 4K writes", 300_000.0))]


# On devices

RATE = 400      # reads a second of the device, for both
LONG = dataclasses.replace(QUICK, minute=1.6 / 30 * 60)


@pytest.fixture
def reads_alone(monkeypatch):
    """With the one noise that is throttled together with the reads."""
    monkeypatch.setattr(neighbour, "LOUD", neighbour.LOUD[2:])
    *first, last = neighbour.PHASES     # without trims
    return dataclasses.replace(queuetests.NEIGHBOUR, phases=(
        *first, dataclasses.replace(
            last, rounds=2, planned=neighbour._round(neighbour.PLANNED))))


def judged(tmp_path, found):
    path = tmp_path / "spec.toml"
    path.write_text(
        '[neighbour."beside 128K reads"]\nmax_p99_times_alone = 1\n'
        "[neighbour.alone]\nmax_due_p99_us = 60_000_000\n")
    spec = specfile.load(str(path))
    specfile.check_names(spec, {neighbour.NAME: TEST.cell_names()})
    return [row["result"] for row in judging.judge(spec, {
        "name": "x", "identity": {}, "tests": [found]})]


@pytest.mark.fio
def test_who_is_beside_a_loud_one_waits(need_root, shm, engine, fio_binary,
                                        build_dir, tmp_path, stack,
                                        reads_alone):
    """A device of 400 reads a second, of which the reader asks for 100, has a
    loud one with 128 in flight: those that are queued before a read take it
    320 ms."""
    with targets.loop_of(shm, 16 * MIB, written=True) as device, \
            throttle.slowed(device) as slow:
        bench = qualifycontext.bench(device, fio_binary, build_dir,
                                     str(tmp_path), stack, profile=LONG)
        run = bench.executor.run

        def throttled(text, name, *how, **more):
            slow(0 if "-p00-" in name else RATE)    # the filling is not
            return run(text, name, *how, **more)
        bench.executor.run = throttled
        found, _ = qualifycontext.run(bench, reads_alone)
    qualifydata.hold(found)
    assert found["state"] == "done", found["why"]
    known = {one["name"]: one["values"] for one in found["cells"]}
    assert set(known) == {"closed loop", "alone", "beside 128K reads",
                          "128K reads"}
    assert known["closed loop"]["iops"]["mean"] == pytest.approx(RATE, rel=0.3)
    assert known["128K reads"]["iops"]["mean"] > RATE / 4
    alone, late = (known[name]["due_p99_us"]["values"]
                   for name in ("alone", "beside 128K reads"))
    assert min(late) > 150_000 and max(late) > min(alone)
    assert known["beside 128K reads"][neighbour.TIMES]["values"] == [
        a / b for a, b in zip(late, alone)]
    table, = found["tables"]
    assert [row[0] for row in table["rows"]] == ["alone", "beside 128K reads"]
    assert table["rows"][0][-2:] == [None, None]
    assert all(len(row) == len(table["columns"]) for row in table["rows"])
    with svg.styled():
        (picture, _, source), = neighbourpicture.drawn(found, "p")
    assert "beside 128K reads: p50" in picture and source
    assert judged(tmp_path, found) == ["fail", "pass"]


@pytest.mark.fio
def test_trims_of_a_neighbour_come_last(need_root, shm, engine, fio_binary,
                                        build_dir, tmp_path, stack):
    """On its part alone, and beside a time alone of their own."""
    *first, _, last = queuetests.NEIGHBOUR.phases
    test = dataclasses.replace(queuetests.NEIGHBOUR, phases=(
        *first, dataclasses.replace(neighbour.PHASES[-1], rounds=1),
        dataclasses.replace(last, rounds=2)))
    with targets.loop_of(shm, 16 * MIB, written=True) as device:
        bench = qualifycontext.bench(device, fio_binary, build_dir,
                                     str(tmp_path), stack, profile=LONG)
        found, _ = qualifycontext.run(bench, test)
        with open(device, "rb") as file:
            halves = [file.read(8 * MIB) for _ in range(2)]
    qualifydata.hold(found)
    assert found["state"] == "done", found["why"]
    assert [half.count(bytes(128 << 10)) > 0 for half in halves] == [
        False, True]
    known = {one["name"]: one["values"] for one in found["cells"]}
    assert known["128K trims"]["iops"]["mean"] > 0
    alone, late = (known[name]["due_p99_us"]["values"]
                   for name in ("alone, before trims", "beside 128K trims"))
    assert known["beside 128K trims"][neighbour.TIMES]["values"] == [
        a / b for a, b in zip(late, alone)]
    table, = found["tables"]
    assert [row[0] for row in table["rows"]] == [
        "alone", "beside 128K writes", "beside 4K writes",
        "beside 128K reads", "alone, before trims", "beside 128K trims"]


def filled(path, size):
    path.write_bytes(b"old " * (size // 4))
    return path


@pytest.fixture
def two(tmp_path):
    return filled(tmp_path / "target", 16 * MIB), filled(
        tmp_path / "other", 24 * MIB)


def test_another_device_as_the_neighbour(qualify, two, engine):
    """As much of it is written as of the target, and no more; and a run that
    is resumed refuses another one."""
    target, other = two
    done = qualify("--target", target, "--neighbour", other, *WORDS,
                   "--destroy-data")
    assert done.returncode in (0, 2), done.stderr
    content = other.read_bytes()
    assert not any(content.startswith(b"old old ", place)
                   for place in range(0, 16 * MIB, 4096))
    assert content[16 * MIB:] == b"old " * (2 * MIB)
    data, = qualify.report()["targets"]
    assert data["neighbour"] == {
        "path": str(other), "size_bytes": 24 * MIB, "active_bytes": 16 * MIB,
        "model": None, "serial": None}
    test, = data["tests"]
    assert test["state"] == "done", test["why"]
    assert {one["name"] for one in test["cells"]} == TEST.cell_names()
    assert {one["name"] for one in test["cells"] if "why" in one} == {
        "alone, before trims", "beside 128K trims", "128K trims"}
    assert not test["phases"][3]["rounds"]
    run = json.loads((qualify.out / test["phases"][2]["rounds"][0]["results"][
        0]["source"].partition("#")[0]).read_text())
    names = Counter(line for line in run["job"].splitlines()
                    if line.startswith("filename="))
    assert names == {f"filename={other}": len(neighbour.LOUD),
                     "filename=${TARGET}": 1 + len(neighbour.LOUD)}
    for name in ("report.txt", "report.html"):
        assert "noisy neighbour: " in " ".join(
            (qualify.out / name).read_text().split())
    for name in ("manifest.sha256", "rounds/t00-complete.json"):
        (qualify.out / name).unlink()
    filled(other, 20 * MIB)
    sentence(qualify("--resume", qualify.out, "--destroy-data", "--no-pdf"),
             f"{other} is not the target that the run began with")


def test_two_partitions_of_a_disk(need_root, qualify, shm):
    """Neither is in use by another, and both are claimed; of the disk that
    they are parts of, neither is the neighbour."""
    with targets.loop_of(shm, 64 * MIB) as disk, \
            targets.partition(disk, 1, MIB, 24 * MIB) as one, \
            targets.partition(disk, 2, 32 * MIB, 24 * MIB) as two:
        words = (*WORDS, "--destroy-data", "--engine", "psync", "--target", one)
        sentence(qualify(*words, "--neighbour", disk), "something holds it")
        done = qualify(*words, "--neighbour", two)
        assert done.returncode == 2, done.stderr    # another engine
        data, = qualify.report()["targets"]
        assert (data["path"], data["neighbour"]["path"]) == (one, two)


def test_the_plan_names_it_and_nothing_is_written(qualify, two):
    target, other = two
    words = ("--target", target, "--neighbour", other, *WORDS)
    done = qualify(*words, "--plan")
    assert done.returncode == 0, done.stderr
    # (A path longer than a line is broken.)
    assert f"loads{other},ofwhich16.78MBareoverwritten" in "".join(
        done.stdout.split())
    sentence(qualify(*words), f"to overwrite {target}, {other}.")
    assert {path.read_bytes()[:8] for path in two} == {b"old old "}


def test_one_that_is_used_is_refused_before_anything_is_written(qualify, two,
                                                                stack):
    target, other = two
    claim.prepare(str(other), MIB, True, stack)
    words = ("--target", target, "--neighbour", other, *WORDS)
    sentence(qualify(*words, "--destroy-data"),
             f"refusing to write to {other}: another program has locked it")
    assert target.read_bytes()[:8] == b"old old " and not qualify.out.exists()


@pytest.mark.parametrize("words, said", [
    (["--target", "{t}", "--neighbour", "{t}", *WORDS], "of itself"),
    (["--target", "{t}", "--neighbour", "{o}", "--profile", "quick", "--tests",
      "wsat"], "--neighbour is for the test neighbour"),
    (["--target", "{t}", "--target", "{o}", "--neighbour", "{o}"],
     "name one --target"),
    (["--scratch", "--neighbour", "{o}"], "name one --target")])
def test_a_neighbour_of_nothing_is_refused(qualify, two, words, said):
    target, other = two
    sentence(qualify(*(one.format(t=target, o=other) for one in words),
                     "--destroy-data"), said)


@pytest.mark.fio
def test_one_that_goes_fails_the_test(two, engine, fio_binary, build_dir,
                                      tmp_path, stack):
    target, other = two
    bench = qualifycontext.bench(str(target), fio_binary, build_dir,
                                 str(tmp_path), stack)
    bench.neighbour = claim.prepare(str(other), MIB, True, stack)
    bench.neighbour.size = 16 * MIB
    run = bench.executor.run

    def goes(text, name, *how, **more):
        found = run(text, name, *how, **more)
        if "-p01-" in name:         # after that the noise begins
            os.unlink(other)
        return found
    bench.executor.run = goes
    found, _ = qualifycontext.run(bench, queuetests.NEIGHBOUR)
    assert found["state"] == "failed"
    assert f"{other} is gone" in found["why"] and not other.exists()


@pytest.mark.fio
def test_other_engines_have_no_due_times(two, fio_binary, build_dir, tmp_path,
                                         stack):
    found, _ = qualifycontext.run(
        qualifycontext.bench(str(two[0]), fio_binary, build_dir, str(tmp_path),
                             stack, "libaio"), TEST)
    assert qualifycontext.results(found) == {neighbour.NAME: "not measured"}


def test_without_one_nothing_is_said():
    assert neighbourtarget.said({}) == neighbourtarget.said(
        {"neighbour": None}) == ""
