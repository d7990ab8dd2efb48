# SPDX-License-Identifier: GPL-2.0-only
# Reads while writes or trims go on at shares of their rate: where points are
# taken, on invented devices, and the matrix of a real loop device.  And reads
# after a burst of writes: when they are as before.
import dataclasses
import math
import os
import re

import pytest

import qualifycontext
import qualifydata
import targets
from fiolab.qualify import jobtext
from fiolab.qualify.suite import queuetests
from fiolab.qualify.suite.profiles import QUICK
from fiolab.qualify.tails import beside, burst
from fiolab.stats import refining

MIB = 1 << 20
SHORT = dataclasses.replace(QUICK, minute=0.4, threads=2, depth=4)
TESTS = {test.name: test for test in queuetests.TESTS}


def explored(device, points, rows=(1, 8)):
    """Where refining would measure: {(row, place)} in order."""
    known = {row: {place: device(row, place) for place in (0, 50, 100)}
             for row in rows}
    made = []
    while len(made) < points:
        place = refining.next_place(known, beside.LADDER)
        if place is None:
            break
        known[place[0]][place[1]] = device(*place)
        made.append(place)
    return made


@pytest.mark.parametrize("cliff", [7, 25, 45, 63, 92, 97])
def test_points_go_to_the_cliff(cliff):
    """A hundred times as long from there on: both sides of it are found by
    bisection, and the row without one costs nothing."""
    def device(row, place):
        return 1000.0 if row == 8 and place > cliff else 10.0
    made = explored(device, 20)
    assert {row for row, _ in made} == {8} and len(made) <= 4
    places = sorted({0, 50, 100, *(place for _, place in made)})
    around = next((a, b) for a, b in zip(places, places[1:]) if b > cliff)
    index = beside.LADDER.index
    assert index(around[1]) - index(around[0]) == 1


def test_a_slope_is_followed_until_neighbours_are_alike():
    made = explored(lambda row, place: 10.0 * math.exp(place / 40), 60)
    known = sorted({0, 50, 100, *(place for row, place in made if row == 1)})
    for a, b in zip(known, known[1:]):
        index = beside.LADDER.index
        assert (b - a) / 40 < refining.TELLING or index(b) - index(a) == 1


def test_what_was_not_measured_steers_nothing():
    assert refining.next_place({1: {0: None, 50: None, 100: None}},
                               beside.LADDER) is None
    assert refining.next_place({1: {0: 10.0, 50: None, 100: 1000.0}},
                               beside.LADDER)[0] == 1


@pytest.fixture
def run(shm, engine, fio_binary, build_dir, tmp_path, stack):
    def start(name, path, size=None):
        bench = qualifycontext.bench(path, fio_binary, build_dir,
                                     str(tmp_path), stack, profile=SHORT,
                                     size=size)
        found, _ = qualifycontext.run(bench, TESTS[name])
        qualifydata.hold(found)
        assert found["state"] == "done", found["why"]
        return found
    return start


@pytest.mark.parametrize("name", [
    "beside-trims", pytest.param("beside-writes", marks=pytest.mark.slow)])
def test_a_matrix(need_root, shm, run, name):
    with targets.loop_of(shm, 16 * MIB, written=True) as device:
        found = run(name, device)
    names = [one["name"] for one in found["cells"]]
    assert {f"QD {depth} beside {share}%" for depth in beside.DEPTHS
            for share in beside.THIN_START} <= set(names) <= set(
                TESTS[name].cell_names())
    assert len(names) <= beside.THIN_MOST
    assert all(one["values"]["read_iops"]["mean"] > 0 and
               one["values"]["lat_mean_us"]["mean"] > 0
               for one in found["cells"])
    table, = found["tables"]
    for row in table["rows"]:
        assert (row[2] > 0) == (row[1] != "0%"), row
    for grid in found["grids"]:
        assert grid["y"] == list(beside.DEPTHS) and grid["x"][0] == 0
        assert sum(z is not None for row in grid["z"] for z in row) <= len(names)


@pytest.mark.slow
def test_what_goes_on_beside_keeps_its_pace(need_root, shm, run, monkeypatch):
    """At half of what it does alone, not at all of it."""
    monkeypatch.setattr(beside, "THIN_START", (0, 50))
    monkeypatch.setattr(beside, "THIN_MOST", 6)
    monkeypatch.setattr(beside, "DEPTHS", (1,))
    limits = []
    monkeypatch.setattr(beside.Matrix, "alone", lambda self: limits.append(
        setattr(self, "limit", 800.0)))
    with targets.loop_of(shm, 16 * MIB, written=True) as device:
        found = run("beside-writes", device)
    others = [row[2] for row in found["tables"][0]["rows"] if row[1] == "50%"]
    assert limits and others and all(
        0.5 * 400 <= one <= 1.2 * 400 for one in others)


@pytest.mark.parametrize("name", ["beside-trims", "burst-trims"])
def test_files_are_not_trimmed(shm, run, name):
    path = os.path.join(shm, "file")
    with targets.sized_file(path, 4 * MIB):
        found = run(name, path)
    assert qualifycontext.results(found) == {name: "not measured"}


# After a burst

@pytest.mark.parametrize("samples, first", [
    ([50, 52], 0), ([500, 300, 54, 50], 2), ([500, 50, 300, 50], 3),
    ([50, 50, 60], None), ([500], None)])
def test_recovered_is_when_all_that_follow_are_as_before(samples, first):
    assert burst.recovered(samples, 50) == first


def test_reads_and_burst_have_a_half_each():
    """In bytes of what is used: fio takes 50% of the whole device."""
    loads = jobtext.loads([
        one for phase in burst.phases("randwrite", "64k")
        for one in phase.stimuli], SHORT)
    text = jobtext.text(loads, SHORT, 17 * MIB, range(len(loads)))
    found = re.findall(r"^\[\d+-(\w+).*?^offset=(.*?)$.*?^size=(.*?)$", text,
                       re.M | re.S)
    assert set(found) == {("reads", "0", f"{8 * MIB}"),
                          ("burst", f"{8 * MIB}", f"{9 * MIB}")}
    assert "%" not in text


def sampled(name, *latencies):
    return {"name": name, "steady": None, "rounds": [{
        "round": 1, "seconds": 5.0 * len(latencies), "results": [
            {"stimulus": name, "values": {"lat_mean_us": one,
                                          "lat_max_us": 9 * one}}
            for one in latencies]}]}


def test_the_table_of_a_burst():
    table, = burst.derive([sampled(burst.BEFORE, 49.0, 50.0, 51.0), sampled(
        burst.AFTER, 500.0, 200.0, 51.0, 50.0)])["tables"]
    assert "after 10 s" in table["note"] and "50.0 us before" in table["note"]
    assert table["rows"][0] == ["before", 50.0, 459.0]
    assert [row[1] for row in table["rows"][1:]] == [500, 200, 51, 50]
    assert burst.derive([sampled(burst.BEFORE, 50.0)]) == {}


@pytest.mark.parametrize("name", [
    "burst-trims", pytest.param("burst-writes", marks=pytest.mark.slow)])
def test_a_burst(need_root, shm, run, name):
    with targets.loop_of(shm, 16 * MIB, written=True) as device:
        found = run(name, device)
    assert {one["name"] for one in found["cells"]} == TESTS[
        name].cell_names() == {burst.BEFORE, burst.BURST, burst.AFTER}
    table, = found["tables"]
    assert len(table["rows"]) == 1 + 12


@pytest.mark.parametrize("name", [
    "burst-trims", pytest.param("burst-writes", marks=pytest.mark.slow)])
def test_a_burst_keeps_to_what_is_used(need_root, shm, run, name):
    with targets.loop_of(shm, 32 * MIB, written=True) as device:
        run(name, device, 16 * MIB)
        with open(device, "rb") as file:
            file.seek(16 * MIB)
            assert file.read() == b"w" * (16 * MIB)
