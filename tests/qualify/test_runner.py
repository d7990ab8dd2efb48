# SPDX-License-Identifier: GPL-2.0-only
# The runner of tests, with a real fio on a file in memory: rounds until
# steady, at most so many, or so much written; phases that depend on earlier
# ones; and going on at the last finished round with the same result.
import contextlib
from dataclasses import replace
import json
import os
from pathlib import Path
import re
import shutil
import tempfile
import threading
import time
from types import SimpleNamespace

import pytest

import qualifybench
from fiolab.qualify import execute, phaserun
from fiolab.qualify.report import steadywords
from fiolab.qualify.suite import kinds, model
from fiolab.qualify.suite.kinds import Procedure
from fiolab.qualify.suite.model import Phase, Stimulus, Tracked
from fiolab.qualify.suite.profiles import QUICK
from fiolab.target.target import Target

pytestmark = pytest.mark.fio
MIB = 1 << 20
# Always the same number of I/Os a second, so always steady.
PACED = ("rate_iops=200",)
FAST = replace(QUICK, minute=0.2)
WRITE = Stimulus("4K 0/100", "randwrite", "4k", 0, 1, 1, options=PACED)
READ = Stimulus("4K 100/0", "randread", "4k", 100, 1, 1, options=PACED)
IOPS = Tracked("4K 0/100", "iops", "4K random write", "IOPS")
FILL = Phase("fill", "Filled", (Stimulus("fill", "write", "128k", 0, 1, 1,
                                         capacity=2),), purge=True, keep=False)


def table(*phases, **more):
    return kinds.Table("t", "A test", "of this file", phases, **more)


@pytest.fixture
def lab(tmp_path):
    with tempfile.TemporaryDirectory(dir="/dev/shm") as shm, \
            qualifybench.Lab(tmp_path, shm) as made:
        yield made


def run(lab, test, **more):
    return qualifybench.test_of(lab, test, profile=FAST, **more)


def rounds(found, number):
    return found["phases"][number]["rounds"]


def test_two_phases_until_steady(lab):
    found = run(lab, table(FILL, Phase("rounds", "Rounds", (WRITE, READ), 40,
                                       (IOPS,))))
    assert (found["state"], found["why"]) == ("done", None)
    fill, steady = found["phases"]
    assert fill["purged"]["method"] == "punch-hole"
    assert rounds(found, 0)[0]["results"][0]["bytes_written"] == 32 * MIB
    state = steady["steady"]
    assert state["reached"] and 5 <= state["rounds"] < 40
    assert len(steady["rounds"]) == state["rounds"] == state["last"]
    assert [cell["name"] for cell in found["cells"]] == ["4K 0/100",
                                                         "4K 100/0"]
    cell = found["cells"][0]
    value = cell["values"]["iops"]
    assert cell["steady"] and value["n"] == 5 == len(value["values"])
    assert cell["window"] == [state["first"], state["last"]]
    assert value["low"] <= value["mean"] <= value["high"]
    assert 0 < value["mean"] < 240
    assert cell["stimulus"] == {"rw": "randwrite", "bs": "4k", "threads": 1,
                                "read_percent": 0, "depth": 1}


def test_a_source_leads_to_the_figure(lab):
    found = run(lab, table(Phase("p", "P", (WRITE, READ))))
    result = rounds(found, 0)[0]["results"][1]
    name, _, job = result["source"].partition("#")
    kept = json.loads((lab.tmp / "out" / name).read_text())
    entry, = [one for one in kept["result"]["jobs"] if one["jobname"] == job]
    assert result["values"]["iops"] == pytest.approx(
        entry["read"]["iops"], rel=0.1) and result["values"]["iops"] > 0
    assert "rw=randread" in kept["job"] and kept["command"][0].endswith("fio")


def test_a_mix_is_reads_plus_writes(lab):
    mix = Stimulus("4K 65/35", "randrw", "4k", 65, 2, 2)
    found = run(lab, table(Phase("p", "P", (mix,))))
    result, = rounds(found, 0)[0]["results"]
    name, _, job = result["source"].partition("#")
    kept = json.loads((lab.tmp / "out" / name).read_text())["result"]["jobs"]
    assert [one["jobname"] for one in kept] == [job]    # both threads in it
    read, write = (kept[0][way] for way in ("read", "write"))
    figures = result["values"]
    assert figures["iops"] == pytest.approx(read["iops"] + write["iops"],
                                            rel=0.1)
    assert figures["mbps"] == pytest.approx(
        (read["bw_bytes"] + write["bw_bytes"]) / 1e6, rel=0.1)
    assert read["total_ios"] / (read["total_ios"] + write["total_ios"]
                                ) == pytest.approx(0.65, abs=0.03)
    assert result["bytes_written"] == write["io_bytes"]


def test_what_is_never_steady_ends_at_its_last_round(lab):
    """Three rounds are fewer than a window of five has."""
    found = run(lab, table(Phase("p", "P", (WRITE,), 3, (IOPS,))))
    steady = found["phases"][0]["steady"]
    assert not steady["reached"] and steady["rounds"] == 3
    assert found["cells"][0]["steady"] is False
    assert found["state"] == "done"


def test_rounds_end_when_enough_is_written(lab):
    fast = Stimulus("w", "write", "128k", 0, 1, 1, capacity=0.5)
    found = run(lab, table(Phase("p", "P", (fast,), 9, capacity=1.5)))
    assert len(rounds(found, 0)) == 3


def test_repeats_are_samples_of_their_own(lab):
    many = replace(WRITE, repeat=4)
    found = run(lab, table(Phase("p", "P", (many,)),
                           Phase("q", "Q", (replace(many, name="q"),), 2)))
    one, two = found["cells"]
    assert len(rounds(found, 0)[0]["results"]) == 4
    assert one["values"]["iops"]["n"] == 4      # but one round: its repeats
    assert two["values"]["iops"]["n"] == 2
    assert len(two["values"]["iops"]["sources"]) == 8


def test_histograms_are_pooled_where_asked_for(lab):
    found = run(lab, table(Phase("p", "P", (WRITE,)),
                           Phase("q", "Q", (replace(WRITE, name="q"),), 2,
                                 histogram=True)))
    plain, kept = found["cells"]
    assert plain["latency"] is None
    count = sum(n for _, n in kept["latency"]["bins"])
    assert count == kept["latency"]["n"] > 0
    assert "50" in kept["latency"]["percentiles"]
    assert "99.999" not in kept["latency"]["percentiles"]
    assert plain["values"]["lat_p50_us"]["mean"] > 0
    assert "lat_p99_999_us" not in plain["values"]      # of some 40 I/Os


def test_a_purge_on_a_host_is_of_all_that_may_be_used():
    """Also where the profile tests but 75% of it, as a purge here is."""
    asked, target = [], Target("/dev/x", 75 << 20, given=100 << 20, logical_block=512,
                                clients=({"name": "h"},))
    bench = SimpleNamespace(
        target=target, purge="fio-trim", profile=FAST, progress=print,
        label=lambda *parts: "-".join(parts), executor=SimpleNamespace(
            stop=threading.Event(), run=lambda text, *_: asked.append(text)))
    phase = Phase("p", "P", (WRITE,), purge=True)
    phaserun.PhaseRun(bench, table(phase), 0, phase, [])._purge()
    assert f"size={100 << 20}\n" in asked[0] and "rw=trim" in asked[0]


def test_what_only_prepares_is_no_result(lab):
    silent = replace(WRITE, name="before", record=False)
    found = run(lab, table(Phase("p", "P", (silent, READ))))
    names = [r["stimulus"] for r in rounds(found, 0)[0]["results"]]
    assert names == ["4K 100/0"] == [c["name"] for c in found["cells"]]


def test_stimuli_may_depend_on_what_was_found(lab):
    def then(phases):
        best = phases[0]["rounds"][0]["results"][0]["values"]["iops"]
        return (replace(READ, name="then"),) if best > 0 else ()
    found = run(lab, table(Phase("p", "P", (WRITE,)), Phase("q", "Q", then),
                           Phase("none", "None", lambda phases: ())))
    assert [c["name"] for c in found["cells"]] == ["4K 0/100", "then"]
    assert found["phases"][2]["rounds"] == []
    assert found["state"] == "done"


def test_too_small_a_block_is_left_out_and_said(lab):
    lab.block = 4096
    small = Stimulus("0.5K 0/100", "randwrite", "512", 0, 1, 1)
    found = run(lab, table(Phase("p", "P", (small, READ))))
    assert found["state"] == "done"
    assert [r["stimulus"] for r in rounds(found, 0)[0]["results"]] == [
        "4K 100/0"]
    left = next(c for c in found["cells"] if c["name"] == "0.5K 0/100")
    assert left["values"] == {} and "4096" in left["why"]


def test_a_test_of_too_small_blocks_alone_is_not_run(lab):
    lab.block = 4096
    mix = Stimulus("mix", "randrw", "512/50:4k/50")
    found = run(lab, table(Phase("p", "P", (mix,)), Phase("q", "Q", (mix,))))
    assert found["state"] == "not run" and found["seconds"] < 1
    assert found["why"] == (
        "the device can do none of its loads: its blocks of 512 bytes are not "
        "whole logical blocks of 4096 bytes")


def test_nothing_is_prepared_for_loads_that_are_impossible(lab):
    lab.block = 4096
    mix = Stimulus("mix", "randrw", "512/50:4k/50")
    found = run(lab, table(Phase("p", "P", (WRITE,), prepares=True),
                           Phase("q", "Q", (mix,))))
    assert found["state"] == "not run" and "512 bytes" in found["why"]
    assert [one["rounds"] for one in found["phases"]] == [[], []]


def test_sequential_writing_goes_on(lab):
    on = Stimulus("on", "write", "64k", 0, 1, 1, repeat=3, continues=True,
                  options=("rate_iops=100",))
    found = run(lab, table(Phase("p", "P", (on,), 2)))
    offsets = [int(re.search(r"^offset=(\d+)", json.loads(
        path.read_text())["job"], re.M)[1])
        for path in sorted((lab.tmp / "out" / "runs").iterdir())]
    sizes = [r["bytes_written"] for one in rounds(found, 0)
             for r in one["results"]]
    assert len(offsets) == 6 and offsets[0] == 0
    assert offsets == [sum(sizes[:i]) for i in range(6)]


def test_derived_tables_are_kept(lab):
    made = {"tables": [{"title": "T", "columns": [], "rows": [],
                        "note": None}],
            "checks": [{"name": "c"}]}
    found = run(lab, table(Phase("p", "P", (WRITE,)),
                           derive=lambda phases: made))
    assert found["tables"] == made["tables"] and found["grids"] == []
    assert found["checks"] == made["checks"]


# Going on

def forget(lab, *names):
    for name in names:
        (lab.tmp / "out" / "rounds" / f"{name}.json").unlink()


def test_finished_rounds_are_not_run_again(lab):
    test = table(FILL, Phase("rounds", "Rounds", (WRITE,), 6, (IOPS,)))
    first = run(lab, test)
    before = {path: path.stat().st_mtime_ns
              for path in (lab.tmp / "out" / "runs").iterdir()}
    assert run(lab, test, fio_path=shutil.which("fio")) == first
    assert before == {path: path.stat().st_mtime_ns
                      for path in (lab.tmp / "out" / "runs").iterdir()}


def test_a_test_goes_on_after_the_gap(lab):
    """Round 2 is gone: it and all after it are made anew, no other."""
    test = table(FILL, Phase("p", "P", (WRITE,), 4), Phase("q", "Q", (
        replace(READ, name="q"),)))
    first = run(lab, test)
    forget(lab, "t00-t-p01-r0002")
    again = run(lab, test)
    assert again["phases"][0] == first["phases"][0]
    old, new = (rounds(one, 1) for one in (first, again))
    assert [a == b for a, b in zip(old, new)] == [True, False, False, False]
    assert rounds(first, 2) != rounds(again, 2)


def test_no_window_spans_a_break(lab):
    """Rounds 1 to 3 are of an earlier command: the window begins after."""
    test = table(FILL, Phase("rounds", "Rounds", (WRITE,), 6, (IOPS,)))
    first = run(lab, test)
    assert first["phases"][1]["breaks"] == []
    forget(lab, *(f"t00-t-p01-r{number:04d}" for number in (4, 5, 6) if (
        lab.tmp / "out" / "rounds" / f"t00-t-p01-r{number:04d}.json"
    ).exists()))
    bench, found = lab.bench(profile=FAST), test.entry()
    bench.folder.part = 1
    test.run(bench, found)
    phase = found["phases"][1]
    assert phase["breaks"] == [4] and phase["rounds"][:3] == \
        first["phases"][1]["rounds"][:3]
    state = phase["steady"]
    # Of the 6 rounds 3 were left: after a break there are enough for a window.
    assert (state["first"], state["last"]) == (4, 8)
    assert found["cells"][0]["values"]["iops"]["n"] == 5
    assert "; resumed before round 4" in steadywords.steady(found, phase)


def test_a_request_to_end_keeps_finished_rounds(lab):
    bench, found = lab.bench(profile=replace(FAST, minute=1)), None
    test = table(Phase("p", "P", (WRITE,), 6))
    found = test.entry()

    def stop_in_the_third():
        while len(list((lab.tmp / "out" / "rounds").glob("*-r*.json"))) < 2:
            time.sleep(0.02)
        lab.stop.set()
    threading.Thread(target=stop_in_the_third, daemon=True).start()
    with pytest.raises(execute.Stopped):
        test.run(bench, found)
    assert found["state"] == "stopped"
    done = len(rounds(found, 0))
    assert 2 <= done < 6 and found["cells"][0]["values"]["iops"]["n"] == done
    assert os.listdir(lab.tmp / "scratch") == []


# A fio that fails, and procedures

def test_a_fio_that_fails_fails_the_test(lab):
    found = run(lab, table(Phase("p", "P", (WRITE,)), Phase("q", "Q", (
        replace(READ, name="q", options=("filename=/nonexistent/x",)),))))
    assert found["state"] == "failed" and "fio failed" in found["why"]
    assert [len(phase["rounds"]) for phase in found["phases"]] == [1, 0]
    assert [c["name"] for c in found["cells"]] == ["4K 0/100"]


def test_nothing_is_written_to_another_target_of_that_name(lab):
    """As after a rename, or a drive that took the name of one that went."""
    bench = lab.bench(FAST)
    os.rename(lab.path, lab.path + ".old")
    other = os.urandom(lab.size)
    Path(lab.path).write_bytes(other)
    test = table(Phase("p", "P", (WRITE,)))
    found = test.entry()
    test.run(bench, found)
    assert found["state"] == "failed" and "no longer" in found["why"]
    assert Path(lab.path).read_bytes() == other


def test_a_procedure_has_fio_and_keeps_evidence(lab):
    def look(its):
        good = its.fio("[w]\nrw=write\nbs=64k\nsize=1m\n", "a b/c", 10)
        bad = its.fio("[x]\nrw=read\nfilename=/nonexistent/x\n", "bad", 10,
                      tolerant=True)
        assert good.status == 0 and bad.status != 0
        assert "No such file" in bad.messages
        assert good.jobs[0]["write"]["io_bytes"] == MIB
        return {"checks": [{"name": "c", "source": good.source},
                           {"name": "d", "source": its.store("e", {"k": 1})}]}
    test = Procedure("proc", "A procedure", "integrity", lambda *_: 1, look)
    found = test.entry()
    test.run(lab.bench(), found)
    assert found["state"] == "done", found["why"]
    for check in found["checks"]:
        assert (lab.tmp / "out" / check["source"]).exists()
    again = test.entry()
    replace(test, perform=None).run(lab.bench(), again)
    assert again == found


def test_a_procedure_may_fail(lab):
    test = Procedure("proc", "A procedure", "integrity", lambda *_: 1,
                     lambda its: its.fio("[x]\nrw=nonsense\n", "x", 10))
    found = test.entry()
    test.run(lab.bench(), found)
    assert found["state"] == "failed" and "nonsense" in found["why"]
    assert os.listdir(lab.tmp / "out" / "rounds") == []


def test_a_job_that_hangs_is_ended(lab, monkeypatch):
    monkeypatch.setattr(execute.fiorun, "PATIENCE", 1)
    bench = lab.bench()
    with pytest.raises(execute.Problem, match="still running after 1 s"):
        bench.executor.run("[x]\nrw=read\nthinktime=60s\nsize=1m\n", "x", 0)
    assert os.listdir(lab.tmp / "scratch") == []


def counting(path, total, stop):
    """As a device that finishes reads does, to so many."""
    for n in range(total):
        path.with_suffix(".new").write_text(f"{n} " + "0 " * 16)
        os.replace(path.with_suffix(".new"), path)
        if stop.wait(0.1):
            return


# (I/Os that its device finishes, SLOW, seconds that it takes, its end)
@pytest.mark.parametrize("total, slow, seconds, why", [
    (10**6, 1000, 4, None), (30, 1000, 60, r"after ([4-9]|\d\d) s"),
    (10**6, 3, 60, r"after ([3-9]|\d\d) s")])
def test_a_run_is_waited_for_while_its_device_works(lab, monkeypatch, total,
                                                    slow, seconds, why):
    """Many times as long as it should take, as on a machine without a CPU to
    spare; but not for ever."""
    monkeypatch.setattr(execute.fiorun, "PATIENCE", 1)
    monkeypatch.setattr(execute, "SLOW", slow)
    bench, stop = lab.bench(), threading.Event()
    (lab.tmp / "stat").write_text("0 " * 17)
    bench.executor.target.folder = str(lab.tmp)
    worker = threading.Thread(target=counting, args=(lab.tmp / "stat", total,
                                                     stop))
    worker.start()
    try:
        with (pytest.raises(execute.Problem, match=why) if why else
              contextlib.nullcontext()):
            bench.executor.run(f"[x]\nrw=read\nthinktime={seconds}s\n"
                               "size=8k\nbs=4k\n", "x", 0)
    finally:
        stop.set()
        worker.join()


def test_many_loads_have_as_much_patience_each(lab, monkeypatch):
    """On a slow machine all of them begin late."""
    monkeypatch.setattr(execute.fiorun, "PATIENCE", 4)
    slow = [replace(WRITE, name=f"4K {n}", options=("exec_prerun=sleep 2.5",),
                    seconds=1) for n in range(4)]
    found = run(lab, table(Phase("slow", "Slow to begin", tuple(slow))))
    assert found["state"] == "done", found["why"]


def test_a_scaled_down_time_that_is_too_short_is_longer_once(lab, monkeypatch):
    """As of 1024 I/Os at once on a machine that is busy; but SNIA's is none."""
    of, calls = phaserun.values.of, []

    def idle(jobs, stats, threads):
        found, latency = of(jobs, stats, threads)
        calls.append(found)
        return ({**found, "iops": 0}, latency) if len(calls) == 1 else (
            found, latency)
    monkeypatch.setattr(phaserun.values, "of", idle)
    found = run(lab, table(Phase("p", "P", (WRITE,))))
    assert found["state"] == "done", found["why"]
    second, first = (json.loads(path.read_text())["job"] for path in sorted(
        (lab.tmp / "out" / "runs").glob("*.json")))
    assert "runtime=200ms" in first and "runtime=2000ms" in second
    assert first.replace("200ms", "2000ms") == second
    calls.clear()
    monkeypatch.setattr(model.Profile, "scaled", False)
    shutil.rmtree(lab.tmp / "out")
    found = run(lab, table(Phase("p", "P", (WRITE,))))
    assert found["state"] == "failed" and "completed no I/O" in found["why"]


def test_reads_of_a_purged_file_find_it_written(lab):
    found = run(lab, table(Phase("reads", "Reads", (READ,), purge=True),
                           Phase("writes", "Writes", (WRITE,))))
    assert rounds(found, 0)[0]["written"] == {"share": 1.0,
                                              "filled_bytes": lab.size}
    assert rounds(found, 1)[0]["written"] is None
    assert os.stat(lab.path).st_blocks * 512 >= lab.size
    assert any("filling holes" in text for text, _ in lab.said)
