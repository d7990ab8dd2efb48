# SPDX-License-Identifier: GPL-2.0-only
# The queue tests of jobs/qualify on a real loop device: figures of each depth
# and way, with cells that a spec can name; the end of the device.
import contextlib
import dataclasses
import errno
import json
import os
from types import SimpleNamespace

import pytest

import qualifycontext
import qualifydata
import targets
from fiolab.qualify.suite import devicefull, mixedload, queuetests
from fiolab.qualify.suite.profiles import QUICK

MIB = 1 << 20
SIZE = 32 * MIB
TESTS = {test.name: test for test in queuetests.TESTS}
SHORT = dataclasses.replace(QUICK, minute=0.05, shortest=0.05)


@pytest.fixture
def backing(shm):
    path = os.path.join(shm, "backing")
    with targets.sized_file(path, SIZE):
        yield path


@pytest.fixture
def device(need_root, backing):
    with targets.loop(backing) as path:
        yield path


@pytest.fixture
def run(device, tmp_path, fio_binary, build_dir, engine):
    """A test's entry in qualify.json."""
    def start(name, path=None, engine_name="kaio", change=None, **hooks):
        where = str(tmp_path / f"run-{name}-{engine_name}")
        os.mkdir(where)
        with contextlib.ExitStack() as stack:
            bench = qualifycontext.bench(path or device, fio_binary, build_dir,
                                         where, stack, engine_name, SHORT)
            if change:
                change(bench)
            found, _ = qualifycontext.run(bench, TESTS[name], **hooks)
            for one in found["cells"]:
                for value in one["values"].values():
                    for source in value["sources"]:
                        assert os.path.exists(bench.folder.file(
                            source.partition("#")[0]))
        qualifydata.hold(found)
        assert found["state"] == "done", found["why"]
        return found
    return start


def results(found):
    return {one["name"]: one["result"] for one in found["checks"]}


def texts(found):
    return " ".join(one["text"] for one in found["checks"])


def cells(found):
    """{name: (rounds, mean IOPS)}"""
    return {one["name"]: (one["values"]["iops"]["n"],
                          one["values"]["iops"]["mean"])
            for one in found["cells"]}


# Depths

@pytest.mark.slow
@pytest.mark.parametrize("name", ["qd-read", "qd-write"])
def test_sweep(run, name):
    found = run(name)
    fill, _ = found["phases"]       # what is read was written before
    assert fill["rounds"][0]["results"][0]["bytes_written"] == SIZE
    known = cells(found)
    assert list(known) == [f"QD {1 << i}" for i in range(11)]
    assert set(known) == TESTS[name].cell_names()
    assert all(n == queuetests.ROUNDS and iops > 0
               for n, iops in known.values())
    table, = found["tables"]
    assert [row[0] for row in table["rows"]] == [1 << i for i in range(11)]
    for _, iops, mean, p99, share in table["rows"]:
        assert iops > 0 and mean > 0 and 0 <= share <= 1
        assert p99 is None or p99 > 0   # of a hundred I/Os, at least
    assert "knee" in table["note"] and "io_submit took" in table["note"]


@pytest.mark.slow
def test_deeper_takes_longer(run):
    """Little's law: I/Os in flight = throughput x latency; fewer than the
    depth where a short run begins and ends, or waits for a CPU."""
    most = {}
    for one in run("qd-write")["phases"][1]["rounds"]:
        for result in one["results"]:
            depth = int(result["stimulus"].removeprefix("QD "))
            flying = (result["values"]["iops"] *
                      result["values"]["lat_mean_us"] / 1e6)
            assert flying <= 1.3 * depth
            most[depth] = max(flying, most.get(depth, 0))
    assert most[64] > 2 * most[1]


@pytest.mark.slow
def test_an_engine_that_tells_no_share(run):
    table, = run("qd-read", engine_name="libaio")["tables"]
    assert all(row[4] is None for row in table["rows"])
    assert "does not tell how long io_submit blocks" in table["note"]


# Completions

@pytest.mark.slow
def test_ways_to_find_completions(run):
    found = run("reap")
    names = {f"{way} QD {depth}" for depth in (1, 32)
             for way in ("ring", "syscall", "eventfd")}
    assert set(cells(found)) == names == TESTS["reap"].cell_names()
    assert all(n == queuetests.WAY_ROUNDS for n, _ in cells(found).values())
    table, = found["tables"]
    assert {row[0] for row in table["rows"]} == names
    # Each round has them all, in turn.
    for one in found["phases"][1]["rounds"]:
        assert {r["stimulus"] for r in one["results"]} == names


@pytest.mark.slow
def test_ways_are_what_ran(run, tmp_path):
    """The engine's own figures say how completions were found."""
    found = run("reap")
    one = found["phases"][1]["rounds"][0]["results"]
    paths = {r["source"].partition("#")[0] for r in one}
    out = tmp_path / "run-reap-kaio" / "out"
    stats = [s for path in paths
             for s in json.loads((out / path).read_text())["stats"]]
    assert len(stats) == 6
    for each in stats:
        way = next(w for w in queuetests.WAYS if f"-{w}-" in each["job"])
        assert each["reap"] == way
        assert way != "syscall" or not each["ring_events"]
        assert way == "eventfd" or not each["epoll_and_read_calls"]
    assert any(each["ring_events"] for each in stats)


def test_ways_are_of_kaio_alone(run):
    found = run("reap", engine_name="libaio")
    assert results(found) == {"reap": "not measured"} and not found["cells"]


# Reads beside writes

def test_mixed_latency(run):
    found = run("mixed-latency")
    assert set(cells(found)) == set(mixedload.CELLS) == TESTS[
        "mixed-latency"].cell_names()
    alone, mixed = found["cells"]
    assert alone["latency"]["n"] > 0 < mixed["latency"]["n"]
    assert mixed["values"]["read_iops"] == mixed["values"]["iops"]
    rows = {row[0]: row[1:] for row in found["tables"][0]["rows"]}
    fewest = min(one["latency"]["n"] for one in (alone, mixed))
    assert list(rows) == ["mean", *(
        f"p{q}" for q in (50, 90, 99, 99.9, 99.99, 99.999)
        if fewest * (100 - q) >= 100)]
    for column in (0, 1):
        values = [row[column] for row in rows.values()][1:]
        assert values == sorted(values) and values[0] > 0


def test_only_reads_count():
    """Writes of a mixed job, ten times as slow, are not in it."""
    def way(iops, ns):
        return {"iops": iops, "io_bytes": iops * 4096, "bw_bytes": iops * 4096,
                "total_ios": iops, "runtime": 1000, "lat_ns": {
                    "N": iops, "mean": ns, "max": ns, "bins": {str(ns): iops}}}
    job = {"jobname": "x", "read": way(700, 1000), "write": way(300, 10000),
           "trim": way(0, 0), "usr_cpu": 0, "sys_cpu": 0, "ctx": 0,
           "job_runtime": 1000}
    found, latency = mixedload.reads([job])
    assert latency["n"] == 700 and found["iops"] == 700
    assert found["lat_mean_us"] == found["lat_p99_us"] == 1


# The end

@pytest.mark.parametrize("engine_name", ["kaio", "libaio"])
def test_end_of_a_device(run, engine_name):
    found = run("device-full", engine_name=engine_name)
    assert results(found) == {"full last": "pass", "full error": "pass",
                              "full around": "pass"}, texts(found)
    assert "8 of 8 writes behind the end failed, the first with ENOSPC" in \
        texts(found)
    assert f"{SIZE - 1:,}" in texts(found)


def test_a_file_has_no_end(run, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(SIZE))
    found = run("device-full", path=str(path))
    assert set(results(found).values()) == {"not measured"}
    assert path.stat().st_size == SIZE


def test_the_end_is_not_ours(run, backing):
    """--size: what lies behind it is not to be written."""
    with open(backing, "r+b") as file:
        file.write(b"\xa5" * SIZE)

    def limit(bench):
        bench.target.given = SIZE // 2
    found = run("device-full", change=limit)
    assert set(results(found).values()) == {"not measured"}
    with open(backing, "rb") as file:
        assert file.read() == b"\xa5" * SIZE


@pytest.mark.parametrize("place", [100, SIZE - 100])
def test_something_else_was_written(run, backing, place):
    """By the write that failed: here, by us."""
    def damage(name):
        if name == "behind":
            with open(backing, "r+b") as file:
                file.seek(place)
                byte = file.read(1)[0]
                file.seek(place)
                file.write(bytes([byte ^ 1]))
    found = run("device-full", after=damage)
    assert results(found) == {"full last": "pass", "full error": "pass",
                              "full around": "fail"}


def test_a_device_that_is_longer_than_it_says(run, device, backing):
    """Writes behind the end that succeed are no pass."""
    def grow(name):
        if name == "behind":
            os.truncate(backing, SIZE + MIB)
            targets.run("losetup", "--set-capacity", device)
    found = run("device-full", before=grow)
    assert results(found)["full error"] == "fail"
    assert results(found)["full around"] == "fail"
    assert f"the device is now of {SIZE + MIB:,} bytes" in texts(found)


@pytest.mark.parametrize("number", [errno.EIO, 0])
def test_another_error_is_no_pass(number):
    job = {"error": number, "first_error": number, "total_err": 8,
           "write": {"io_bytes": 0}}
    found = devicefull.error_check(SimpleNamespace(jobs=[job], source="x"))
    assert found["result"] == "fail"
