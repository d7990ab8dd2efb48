# SPDX-License-Identifier: GPL-2.0-only
# Logs of I/O as a load (--replay, read_iolog): iolog and blktrace say the same,
# every I/O lies on the target or is refused with a sentence, and the pace is
# that of the log, or none.
import json
import os

import pytest

from fiolab.base.problem import Problem
from fiolab.fio import fiorun
from fiolab.fio.replay import log
from fiolab.qualify import cli
from fiolab.qualify.own import owntest, sources
from fiolab.qualify.suite.profiles import ENTERPRISE, QUICK
from ownloads import KIB, MIB, blktrace, changed, event, iolog
import qualifycontext
from qualifyrun import sentence

SIZE = 32 * MIB
# Of a second.
IOS = [(1000 + 100_000 * number, "write" if number % 2 else "read",
        MIB + 64 * KIB * number, 4 * KIB << number % 3)
       for number in range(11)]
PSYNC = ("--engine", "psync", "--no-pdf")


def made(tmp_path, content, **way):
    path = tmp_path / "trace"
    path.write_bytes(content)
    return log.Log.of(str(path), "trace", log.Way(**way))


def words(found, size=SIZE, pace=1.0):
    return [line.split() for line in found.lines(size, 512, pace)
            if len(line.split()) == 5]


@pytest.mark.parametrize("content", [
    blktrace(IOS), blktrace(IOS, ">"), iolog(IOS), iolog(IOS, 2)])
def test_all_formats_say_the_same(tmp_path, content):
    found = made(tmp_path, content)
    assert found.counts == {"read": 6, "write": 5} and found.writes
    assert found.seconds == pytest.approx(1.0, abs=0.002)
    assert found.extent == IOS[-1][2] + IOS[-1][3]
    assert found.unit == 4 * KIB and found.longest == 16 * KIB
    lines = words(found)
    assert [(kind, int(at), int(length)) for _, _, kind, at, length in lines
            ] == [one[1:] for one in IOS]
    times = [int(line[0]) for line in lines]
    assert [b - a for a, b in zip(times, times[1:])] == pytest.approx(
        [100_000] * 10, abs=1)


def test_a_pace_of_another_time(tmp_path):
    times = [int(line[0]) for line in words(made(
        tmp_path, iolog(IOS), percent=200), pace=0.5)]
    assert times[-1] - times[0] == pytest.approx(250_000, abs=11)
    assert {line[0] for line in words(made(
        tmp_path, iolog(IOS), paced=False))} == {"1"}


def test_syncs_and_trims_are_kept_and_can_be_left_out(tmp_path):
    ios = [(0, "write", 0, 4096), (9, "sync", 0, 0), (20, "trim", 4096, 8192)]
    for content in (blktrace(ios), iolog(ios)):
        found = made(tmp_path, content)
        assert found.counts == {"write": 1, "sync": 1, "trim": 1}
        assert found.trims
        found = made(tmp_path, content, skip=frozenset({"trim", "sync"}))
        assert found.counts == {"write": 1}


def test_who_leaves_out_syncs_keeps_datasyncs(tmp_path):
    """As fio 3.42 has it."""
    ios = [(0, "write", 0, 4096), (9, "sync", 0, 0), (20, "datasync", 0, 0)]
    found = made(tmp_path, iolog(ios), skip=frozenset({"sync"}))
    assert found.counts == {"write": 1, "datasync": 1}


def test_offsets_can_be_scaled_and_aligned(tmp_path):
    found = made(tmp_path, iolog([(0, "read", 10 * MIB + 512, 512)]), scale=4,
                 align=4096)
    (_, _, _, at, length), = words(found)
    assert (int(at), int(length)) == ((10 * MIB + 512) // 4 // 4096 * 4096,
                                      4096)


def test_several_files_lie_one_behind_the_other(tmp_path):
    content = (b"fio version 3 iolog\n1 /a add\n1 /b add\n2 /b write 4096 "
               b"4096\n3 /a write 0 4096\n4 /b write 0 4096\n")
    assert [int(line[3]) for line in words(made(tmp_path, content))] == [
        4096, MIB, 0]
    assert [int(line[3]) for line in words(made(
        tmp_path, content, one=True))] == [4096, 0, 0]


def test_what_is_too_large_is_refused_or_put_in_proportion(tmp_path):
    ios = [(number, "write", number * 3 * MIB, 4096 << number % 4)
           for number in range(40)]
    found = made(tmp_path, iolog(ios))
    with pytest.raises(Problem, match=r"outside of the 33,554,432 bytes of the "
                       r"target: .* replay_scale=4 in a job file"):
        found.check(SIZE, 512, False)
    found.check(SIZE, 512, True)
    lines = words(found)
    assert all(int(at) % 512 == 0 and int(at) + int(length) <= SIZE
               for _, _, _, at, length in lines)
    places = [int(line[3]) for line in lines]
    assert places == sorted(places) and places[-1] > SIZE * 0.9


def test_a_log_that_has_grown_meanwhile_leads_nowhere_else(tmp_path):
    found = made(tmp_path, iolog(IOS))
    (tmp_path / "trace").write_bytes(iolog([*IOS, (10**7, "write", SIZE, 512)]))
    with pytest.raises(Problem, match="it has changed meanwhile"):
        words(found)


def test_the_blocks_of_the_target_are_larger(tmp_path):
    found = made(tmp_path, iolog([(0, "read", 512, 512)]))
    with pytest.raises(Problem, match="replay_align=4096 in a job file"):
        found.check(SIZE, 4096, False)


@pytest.mark.parametrize("content, said", [
    (b"", "is neither an iolog"), (b"hello\n" * 20, "is neither an iolog"),
    (b"fio version 1 iolog\n", "is neither an iolog"),
    (b"fio version 3 iolog\n", "has no I/O"),
    (b"fio version 3 iolog\n1 /a read 0\n", "line 2 is no line"),
    (b"fio version 3 iolog\n1 /a eat 0 1\n", "line 2 is no line"),
    (b"fio version 3 iolog\n1 /a read 0 0\n", "line 2 is no line"),
    (b"fio version 3 iolog\n1 /a add\nx /a read 0 1\n", "line 3 is no line"),
    (b"fio version 2 iolog\n/a read -1 1\n", "line 2 is no line"),
    (blktrace(IOS)[:-7], "ends in the middle"),
    (blktrace(IOS) + b"\0" * 48, "is damaged"),
    (event("<", 0, 1 << 26, 0, 0, b"abc")[:-1], "ends in the middle"),
    (event("<", 0, 1 << 26, 0, 0, b"abc"), "has no I/O")])
def test_what_is_no_log_is_one_sentence(tmp_path, content, said):
    with pytest.raises(Problem) as problem:
        made(tmp_path, content)
    assert said in str(problem.value) and "\n" not in str(problem.value)


# Runs

@pytest.fixture
def target(tmp_path, fio_binary):
    version = fiorun.version(fio_binary)
    if fiorun.older(version, log.TIMES):
        pytest.skip(f"{version} replays no log with times")
    path = tmp_path / "target"
    path.write_bytes(os.urandom(MIB) * (SIZE // MIB))
    return path


def replayed(qualify, name, content, target, *more):
    path = qualify.folder / name
    path.write_bytes(content)
    return qualify("--replay", path, "--target", target, *PSYNC, *more)


def seconds(qualify):
    """Of the I/O of each round."""
    return [max(job["job_runtime"] for job in json.loads(
        path.read_text())["result"]["jobs"]) / 1000
            for path in sorted((qualify.out / "runs").glob("*.json"))]


@pytest.mark.parametrize("content", [blktrace(IOS), iolog(IOS)],
                         ids=["blktrace", "iolog"])
def test_a_log_is_replayed_at_its_pace_where_it_says(qualify, target, content,
                                                     fio_binary):
    before = target.read_bytes()
    done = replayed(qualify, "trace.log", content, target, "--destroy-data",
                    "--repeat", 1)
    assert done.returncode == 2, done.stderr        # nothing was judged
    report, (test,) = qualify.report(), qualify.tests()
    assert test["state"] == "done", test["why"]
    cell, = test["cells"]
    assert (test["name"], cell["name"]) == ("job/trace", "replay")
    assert min(seconds(qualify)) >= 0.9
    assert cell["values"]["iops"]["mean"] > 0
    after = target.read_bytes()
    for _, kind, offset, length in IOS:
        here = slice(offset, offset + length)
        assert (before[here] != after[here]) == (kind == "write")
    pace = test["tables"][1]["rows"][0]
    assert pace[:2] == ["replay", pytest.approx(1.0)] and pace[2] > 0.9
    late = fiorun.older(fiorun.version(fio_binary), log.REAPS)
    assert any("takes no completion while" in said
               for said in report["warnings"]) == late
    assert (cell["latency"] is None) == late
    copy, = test["job"]["logs"]
    assert (qualify.out / copy["copy"]).read_bytes() == content


def test_a_log_is_replayed_without_waiting(qualify, target):
    qualify.spec.write_text("[job.trace.replay]\n"
                            "max_latency_us = 60_000_000\n")
    slow = [(1000 * us, *more) for us, *more in IOS]
    done = replayed(qualify, "trace.log", iolog(slow), target, "--unpaced",
                    "--destroy-data", "--spec", qualify.spec)
    assert done.returncode == 0, done.stdout + done.stderr
    assert max(seconds(qualify)) < 1000
    cell, = qualify.tests()[0]["cells"]
    assert cell["latency"]["n"] == 3 * len(IOS)


def test_reads_of_a_log_need_no_leave(qualify, target):
    before = target.read_bytes()
    ios = [one for one in IOS if one[1] == "read"]
    done = replayed(qualify, "trace.log", iolog(ios), target, "--unpaced",
                    "--repeat", 1)
    assert done.returncode == 2, done.stderr
    assert qualify.tests()[0]["state"] == "done"
    assert target.read_bytes() == before


def test_a_log_in_a_job_file_beside_another_job(qualify, tmp_path, target):
    (tmp_path / "trace.log").write_bytes(iolog(
        [(us, kind, 4 * offset, length) for us, kind, offset, length in IOS]))
    path = tmp_path / "mine.fio"
    path.write_text("[global]\ndirect=1\n[log]\nread_iolog=trace.log\n"
                    "replay_scale=4\nreplay_no_stall=1\niodepth=4\n"
                    "[beside]\nrw=randread\nruntime=300ms\ntime_based\n"
                    "size=1m\n")
    done = qualify("--job", path, "--target", target, *PSYNC,
                   "--destroy-data", "--repeat", 1)
    assert done.returncode == 2, done.stderr
    test, = qualify.tests()
    assert test["state"] == "done", test["why"]
    assert [cell["name"] for cell in test["cells"]] == ["log", "beside"]
    table = test["tables"][0]["rows"]
    assert table[0][1] == f"replays {tmp_path}/trace.log"


@pytest.mark.parametrize("ios, more, said", [
    ([(0, "write", 2 * SIZE, 4096)], (), "outside of the 33,554,432 bytes"),
    ([(0, "trim", 0, 4096)], (), "replays a log with trims, which fio does"),
    ([(0, "write", 0, 100)], (), "replay_align=512"),
    ([(0, "write", 0, 4096)], ("--client", "h", "--size", "32M"),
     "does not send to other machines")])
def test_a_log_that_cannot_be_replayed_is_one_sentence(qualify, target, ios,
                                                       more, said):
    before = target.read_bytes()
    sentence(replayed(qualify, "trace.log", iolog(ios), target,
                      "--destroy-data", *more), said)
    assert target.read_bytes() == before and not qualify.out.exists()


def test_a_log_that_is_not_there(qualify, target):
    for name, said in (("/nonexistent", "cannot read /nonexistent"),
                       ("/dev/null", "/dev/null is no file"),
                       ("a;b", "has a character that")):
        sentence(qualify("--replay", name, "--target", target, *PSYNC), said)


def test_a_log_beside_a_job_file_in_an_odd_folder(tmp_path):
    """Its name becomes a line of the job file, which ends at a #."""
    folder = tmp_path / "c#"
    folder.mkdir()
    (folder / "trace.log").write_bytes(iolog(IOS))
    (folder / "mine.fio").write_text("[log]\nread_iolog=trace.log\n")
    with pytest.raises(Problem, match="has a character that a job file"):
        sources.listed(cli.request({"job": [str(folder / "mine.fio")]}))


def test_what_is_replayed_is_the_copy(target, tmp_path, fio_binary, build_dir,
                                      stack):
    """Whatever the user's log is by then; and one that changes before there is
    a copy is refused."""
    path = tmp_path / "trace.log"
    path.write_bytes(iolog([(0, "write", MIB, 4 * KIB)]))
    asked = cli.request({"replay": [str(path)], "unpaced": True, "repeat": 1})
    found = sources.listed(asked)
    test, = owntest.made(asked, QUICK, found)
    bench = qualifycontext.bench(str(target), fio_binary, build_dir,
                                 str(tmp_path), stack, "psync")
    sources.keep(found, bench.folder)
    path.write_bytes(iolog([(0, "write", 9 * MIB, 4 * KIB)]))
    before = target.read_bytes()
    done, _ = qualifycontext.run(bench, test)
    assert done["state"] == "done", done["why"]
    assert changed(before, target.read_bytes()) == [(MIB, MIB + 4 * KIB)]
    with pytest.raises(Problem, match="trace.log has changed since"):
        sources.keep(found, bench.folder)


def test_each_of_several_jobs_replays_all_of_it(tmp_path):
    """At the pace of the log their IOPS are as many times its."""
    (tmp_path / "trace.log").write_bytes(iolog(IOS))
    path = tmp_path / "mine.fio"
    path.write_text("[log]\nread_iolog=trace.log\nnumjobs=2\n")
    asked = cli.request({"job": [str(path)]})
    test, = owntest.made(asked, ENTERPRISE, sources.listed(asked))
    table, = test._paces([{"name": "log", "values": {
        "iops": {"mean": 2 * len(IOS)}}}], 1.0)
    assert table["rows"] == [["log", pytest.approx(1.0), pytest.approx(1.0),
                              pytest.approx(1.0)]]
    assert "the 11 I/Os" in test.said()[0] and "2 jobs at depth 1" in \
        test.said()[0]
