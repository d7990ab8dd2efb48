# SPDX-License-Identifier: GPL-2.0-only
# Loads of a user's own (--job, --suite) as tests: what they become, where their
# I/O goes, that limits on them are judged, and that what cannot be run is one
# sentence before anything is written.
import csv
import json
import os
from pathlib import Path
import signal
import time

import pytest

from fiolab.base.problem import Problem
from fiolab.fio import inside
from fiolab.fio.jobs import jobgroups
from fiolab.fio.jobs.aswritten import AsWritten
from fiolab.qualify import cli
from fiolab.qualify.limits import specfile
from fiolab.qualify.own import owntest, sources, speclimits
from fiolab.qualify.suite.profiles import ENTERPRISE, QUICK
from fiolab.report.wording import figure
from fiolab.target import purge
from fiolab.target.target import Target
from fioserver import Server
from ownloads import KIB, MIB, MINE, READS, changed
from qualifyrun import sentence

SIZE = 32 * MIB
PSYNC = ("--engine", "psync", "--no-pdf")


def written(path, text):
    path.write_text(text)
    return path


def placed(text, size=SIZE):
    job, = jobgroups.split("x.fio", text)
    return AsWritten.of(job).ranges(0, size)


def own_tests(*words, profile=ENTERPRISE):
    asked = cli.request(vars(cli.parser().parse_args(
        ["--scratch", *map(str, words)])))
    return owntest.made(asked, profile, sources.listed(asked))


# Where it goes

@pytest.mark.parametrize("lines, places", [
    ("", [(0, SIZE)]), ("size=8m", [(0, 8 * MIB)]),
    ("size=8m\nsize=0", [(0, SIZE)]), ("offset=8m\nsize=0%", [(8 * MIB, SIZE)]),
    ("offset=4k\nbs=64k\nsize=1m", [(4 * KIB, 4 * KIB + MIB)]),
    ("offset=50%", [(SIZE // 2, SIZE)]),
    ("offset=8m\nsize=25%", [(8 * MIB, 16 * MIB)]),
    ("offset=31m\nsize=4k", [(31 * MIB, 31 * MIB + 4 * KIB)]),
    ("size=1m\nnumjobs=2\noffset_increment=2m\nfilename=a",
     [(0, MIB), (2 * MIB, 3 * MIB)]),
    ("size=1000k\nbs=64k\nfilename=a", [(0, 960 * KIB)]),
    ("size=4m\n[y]\nsize=1m", [(0, 4 * MIB), (4 * MIB, 5 * MIB)]),
    ("size=4m\n[y]", [(0, 4 * MIB), (4 * MIB, SIZE)]),
    ("filename=a\nsize=4m\n[y]\nfilename=a\noffset=2m\nsize=2m",
     [(0, 4 * MIB), (2 * MIB, 4 * MIB)])])
def test_places_are_those_of_the_file(lines, places):
    assert placed(f"[x]\nrw=randwrite\n{lines}\n") == places


@pytest.mark.parametrize("lines", [
    "size=64m", "offset=31m\nsize=2m", "offset=32m", "offset=64m",
    "size=1m\nnumjobs=3\noffset_increment=16m\nfilename=a",
    "size=20m\n[y]\nsize=20m", "size=32m\n[y]", "offset=90%\nsize=20%"])
def test_what_lies_outside_is_refused(lines):
    with pytest.raises(Problem, match=r"job x: its I/O goes up to byte "
                       r"[\d,]+, outside of the [\d,]+ bytes"):
        placed(f"[x]\nrw=randwrite\n{lines}\n")


@pytest.mark.parametrize("lines", [
    "filesize=0", "size=1%\nbs=1m"])
def test_a_size_of_no_block_is_not_all_of_the_device(lines):
    """As it is to fio, which goes behind what is used of it then."""
    with pytest.raises(Problem, match="job x: its size comes to no block"):
        placed(f"[x]\nrw=randwrite\n{lines}\n")


def test_its_time_is_kept_and_another_place_is_not():
    job, = jobgroups.split("x.fio", "[x]\nrw=randwrite\nruntime=7\nloops=2\n"
                           "filename=/dev/sda\nstartdelay=3\n"
                           "exec_prerun=rm x\nack_log=/etc/x\n"
                           "[y]\nstartdelay=5\n")
    text = AsWritten.of(job).effective(["filename=${TARGET}", "size=32m"])
    for word in ("runtime=7", "loops=2", "startdelay=2000ms"):
        assert word in text
    assert not any(word in text for word in ("sda", "exec_prerun", "/etc/x"))
    counted = AsWritten(job.path, job.text, timed=False).effective(
        ["size=32m", "number_ios=5"])
    assert "runtime" not in counted and "startdelay" not in counted


def test_what_is_tried_on_a_stand_in_is_held_to_its_own_places():
    job, = jobgroups.split("x.fio", "[x]\nrw=write\noffset=4m\nsize=1m\n")
    job = AsWritten.of(job)
    inside.check(job, [[("write", str(4 * MIB), str(4 * KIB))]], SIZE)
    with pytest.raises(Problem, match="leaves what was given to it"):
        inside.check(job, [[("write", str(6 * MIB), str(4 * KIB))]], SIZE)


# What they become

def test_each_group_is_a_test_and_each_job_a_cell(tmp_path):
    path = written(tmp_path / "mine.fio", MINE)
    one, two = own_tests("--job", path)
    assert [one.name, two.name] == ["job/mine/reads+writes", "job/mine/alone"]
    assert one.cell_names() == {"reads", "writes"}
    assert two.cell_names() == {"alone"}
    assert [one.file, two.file] == ["job00", "job01"]
    assert [phase.rounds for phase in one.phases] == [3]
    alone = two.phases[0].stimuli[0]
    assert (alone.rw, alone.bs, alone.threads, alone.depth) == (
        "write", "64k", 2, 1)
    assert one.writes and not one.purges


@pytest.mark.parametrize("lines, bs", [
    ("", "4k"), ("bsrange=4k-64k\nbs=8k", "4k-64k"),
    ("blocksize=8k\nbssplit=4k/50:64k/50", "4k/50:64k/50"),
    ("bs=64k\nbs=4k,", "4k,64k,64k")])
def test_the_blocks_that_are_in_force_are_shown(tmp_path, lines, bs):
    path = written(tmp_path / "mine.fio", f"[x]\nrw=write\n{lines}\n")
    test, = own_tests("--job", path)
    assert test.phases[0].stimuli[0].bs == bs


@pytest.mark.parametrize("lines, read", [
    ("", 50), ("rwmixwrite=90", 10), ("rwmixread=30\nrwmixwrite=90", 10),
    ("rwmixwrite=90\nRWMIXREAD=30", 30), ("rw=randread", 100),
    ("readwrite=write\nrwmixread=30", 0)])
def test_the_last_word_on_reads_counts(tmp_path, lines, read):
    """As fio has it."""
    path = written(tmp_path / "mine.fio", f"[x]\nrw=randrw\n{lines}\n")
    test, = own_tests("--job", path)
    assert test.phases[0].stimuli[0].read == read


def test_a_file_of_a_suite_is_one_test(tmp_path):
    written(tmp_path / "b.fio", MINE)
    written(tmp_path / "a.fio", "[global]\ninclude common.fio\n[x]\n[x]\n"
            "stonewall\n")
    written(tmp_path / "common.fio", "rw=randread\n")
    written(tmp_path / "notes.txt", "no job")
    one, two = own_tests("--suite", tmp_path)
    assert [one.name, two.name] == ["job/a", "job/b"]
    assert one.cell_names() == {"x", "x.2"} and len(one.phases) == 2
    assert two.cell_names() == {"reads", "writes", "alone"}
    (tmp_path / "a.fio").unlink()
    (tmp_path / "b.fio").unlink()
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(Problem, match="has no job file"):
        own_tests("--suite", empty)


def test_rounds_go_on_until_what_was_asked_for_is_steady(tmp_path):
    path = written(tmp_path / "mine.fio", MINE)
    one, _ = own_tests("--job", path, "--steady", "bw")
    phase, = one.phases
    assert [(t.stimulus, t.metric) for t in phase.tracked] == [
        ("reads", "mbps"), ("writes", "mbps")]
    assert (phase.rounds, phase.by) == (25, 25)
    assert own_tests("--job", path, "--repeat", 7)[0].phases[0].rounds == 7


@pytest.mark.parametrize("lines, endless", [
    ("size=1m", False), ("rate_iops=9\nsize=1m", True),
    ("rate_iops=9\nruntime=60\ntime_based", False),
    ("runtime=60\n[y]\nthinktime=1s", True)])
def test_a_load_that_hangs_is_ended(tmp_path, lines, endless):
    """But for one that has a pace, and whose time is not known."""
    path = written(tmp_path / "x.fio", f"[x]\nrw=read\n{lines}\n")
    test, = own_tests("--job", path)
    assert test.groups[0].endless == endless


@pytest.mark.parametrize("lines, has", [
    ("", True), ("disable_lat=0", True), ("gtod_reduce=1", False),
    ("[y]\ndisable_lat=1", False), ("io_submit_mode=offload", False)])
def test_whose_latencies_the_engine_counts(tmp_path, lines, has):
    path = written(tmp_path / "x.fio", f"[x]\nrw=read\n{lines}\n")
    test, = own_tests("--job", path)
    assert test.groups[0].has_latencies == has


def test_two_files_of_one_name_are_told_apart(tmp_path):
    (tmp_path / "x").mkdir()
    paths = [written(folder / "mine.fio", READS)
             for folder in (tmp_path, tmp_path / "x")]
    assert [one.name for one in own_tests(
        "--job", paths[0], "--job", paths[1])] == ["job/mine", "job/mine.2"]


def test_a_changed_file_is_another_test(tmp_path):
    path = written(tmp_path / "mine.fio", READS)
    before, = own_tests("--job", path)
    assert own_tests("--job", path)[0].digest() == before.digest()
    written(path, READS + "norandommap\n")
    assert own_tests("--job", path)[0].digest() != before.digest()


def test_a_profile_that_is_scaled_down_shortens_and_shrinks_it(tmp_path):
    path = written(tmp_path / "mine.fio", "[x]\nrw=randwrite\nsize=10g\n"
                   "runtime=240\nrate_iops=5\n")
    one, = own_tests("--job", path, profile=QUICK)
    group, = one.groups
    assert group.seconds(QUICK, SIZE, 1) == 1
    text = group.text(["size=32m"], QUICK, SIZE, [None])
    assert "runtime=1000ms" in text and "runtime=240" not in text
    with pytest.raises(Problem, match="outside"):
        group.text(["size=32m"], ENTERPRISE, SIZE, [None])


@pytest.mark.parametrize("profile", [QUICK, ENTERPRISE])
def test_jobs_keep_to_the_cpus_of_their_target(tmp_path, profile):
    """Those that several targets have for themselves; else to their own."""
    path = written(tmp_path / "mine.fio", "[x]\nrw=read\ncpus_allowed=0\n"
                   "numa_cpu_nodes=0\n")
    test, = own_tests("--job", path)
    alone = Target("/dev/x", SIZE)
    beside = Target("/dev/x", SIZE, seat={"cpus": "1"})
    free, seated = (test.groups[0].on(one).text(
        ["size=32m"], profile, SIZE, [None]) for one in (alone, beside))
    assert "cpus_allowed=0" in free and "numa_cpu_nodes=0" in free
    assert "cpus_allowed" not in seated and "numa_cpu" not in seated
    assert "dropped: cpus_allowed" in test.table(profile, beside)["note"]


# The spec

def spec(tmp_path, text, *words):
    path = written(tmp_path / "spec.toml", text)
    tests = own_tests(*words)
    found = speclimits.resolved(specfile.load(str(path)), tests)
    specfile.check_names(found, {"iops": {"4K 0/100"}, **speclimits.known(
        found, tests)})
    return [(one.test, one.cell) for one in found.limits]


def test_limits_on_a_job_find_its_group(tmp_path):
    words = "--job", written(tmp_path / "mine.fio", MINE)
    assert spec(tmp_path, '[job."mine".alone]\nmin_iops = 1\n'
                '[job.mine."*"]\nmax_p99_us = 9\n'
                '[job."mine/reads+writes".reads]\nmin_iops = 2\n', *words) == [
        ("job/mine/alone", "alone"), ("job/mine/reads+writes", "*"),
        ("job/mine/alone", "*"), ("job/mine/reads+writes", "reads")]


@pytest.mark.parametrize("table, said", [
    ('job."mine".nosuch', 'line 1: mine has no job "nosuch"'),
    ('job."mine".read', 'did you mean reads?'),
    ('job."main".reads', 'no test is called "job/main": '),
    ('job."mine/alone".reads', 'job/mine/alone has no cell "reads"'),
    ('job."mine"', 'a table of a load of yours is [job."FILE".JOB]'),
    ('job."mine".a.b', 'a table of a load of yours is [job."FILE".JOB]')])
def test_a_spec_for_what_a_job_has_not_is_refused(tmp_path, table, said):
    words = "--job", written(tmp_path / "mine.fio", MINE)
    with pytest.raises(Problem) as problem:
        spec(tmp_path, f"[{table}]\nmin_iops = 1\n", *words)
    assert said in str(problem.value) and "\n" not in str(problem.value)


def test_a_job_in_two_groups_is_named_with_its_group(tmp_path):
    words = "--job", written(tmp_path / "x.fio", "[a]\n[b]\nstonewall\n[a]\n")
    with pytest.raises(Problem, match="several groups of x have a job"):
        spec(tmp_path, "[job.x.a]\nmin_iops = 1\n", *words)


def test_limits_on_loads_that_a_run_has_not_are_let_through(tmp_path):
    assert spec(tmp_path, "[job.x.a]\nmin_iops = 1\n") == [("job/x", "a")]


# Runs

@pytest.fixture
def target(tmp_path):
    path = tmp_path / "target"
    path.write_bytes(os.urandom(MIB) * (SIZE // MIB))
    return path


LIMITS = """[job."mine".reads]
{}
max_p99_us = 60_000_000
[job."mine".alone]
max_latency_us = 60_000_000
[job."mine"."*"]
max_mean_us = 60_000_000
"""


def run(qualify, path, target, *words, limits=None):
    if limits is not None:
        qualify.spec.write_text(LIMITS.format(limits))
        words = (*words, "--spec", qualify.spec)
    return qualify("--job", path, "--target", target, *PSYNC, *words)


def test_limits_that_a_load_keeps_pass(qualify, tmp_path, target):
    before = target.read_bytes()
    path = written(tmp_path / "mine.fio", MINE)
    done = run(qualify, path, target, "--destroy-data",
               limits="max_mean_us = 60_000_000")
    assert done.returncode == 0, done.stderr
    report = qualify.report()
    assert report["result"] == "pass" and report["finished"]
    one, two = report["targets"][0]["tests"]
    assert [one["name"], two["name"]] == ["job/mine/reads+writes",
                                          "job/mine/alone"]
    assert one["group"] == "job" and one["state"] == two["state"] == "done"
    assert [cell["name"] for cell in one["cells"]] == ["reads", "writes"]
    for cell in (*one["cells"], *two["cells"]):
        assert cell["values"]["iops"]["n"] == 3 and cell["latency"]["n"] > 0
    assert {row["result"] for row in report["limits"]} == {"pass"}
    assert one["job"]["path"] == str(path)
    assert (qualify.out / one["job"]["copy"]).read_text() == MINE
    table, = one["tables"]
    assert [row[-2:] for row in table["rows"]] == [
        [0, SIZE], [8 * MIB, 12 * MIB]]
    with open(qualify.out / "report.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {(row["test"], row["cell"]) for row in rows} == {
        (one["name"], "reads"), (one["name"], "writes"),
        (two["name"], "alone")}
    assert float(next(row["mean"] for row in rows if row["metric"] == "iops")
                 ) == one["cells"][0]["values"]["iops"]["mean"]
    for name in ("report.html", "report.txt"):
        assert "Job mine/alone" in (qualify.out / name).read_text()
    # Its figures are on the terminal, as those of no limit are told else.
    said = " ".join(done.stdout.split())
    for cell in (*one["cells"], *two["cells"]):
        iops = figure(cell["values"]["iops"]["mean"])
        assert f"{cell['name']}: IOPS {iops}, " in said
    # Only where it was to write is anything else.
    found = changed(before, target.read_bytes())
    assert found[-1] == (16 * MIB, 20 * MIB)
    for first, end in found:
        assert (8 * MIB <= first and end <= 12 * MIB or
                16 * MIB <= first and end <= 20 * MIB)


def test_limits_that_a_load_misses_fail(qualify, tmp_path, target):
    path = written(tmp_path / "mine.fio", MINE)
    done = run(qualify, path, target, "--destroy-data",
               limits="min_iops = 1_000_000_000")
    assert done.returncode == 1, done.stderr
    failed, = [row for row in qualify.report()["limits"]
               if row["result"] == "fail"]
    assert (failed["test"], failed["cell"], failed["key"]) == (
        "job/mine/reads+writes", "reads", "min_iops")
    assert "reads" in done.stdout and "FAIL" in done.stdout


def test_what_is_only_read_needs_no_leave(qualify, tmp_path, target):
    before = target.read_bytes()
    path = written(tmp_path / "mine.fio", READS)
    qualify.spec.write_text("[job.mine.randread]\nmax_mean_us = 6e7\n")
    done = qualify("--job", path, "--target", target, *PSYNC, "--spec",
                   qualify.spec)
    assert done.returncode == 0, done.stderr
    assert "Nothing is written to a target." in done.stderr
    assert target.read_bytes() == before
    found, = qualify.report()["targets"]
    assert found["purge"]["method"] == purge.NONE
    assert found["tests"][0]["kernel"]      # its log was looked at, or why not
    file = next((qualify.out / "runs").glob("*.json"))
    assert "--readonly" in json.loads(file.read_text())["command"]
    again = qualify("--resume", qualify.out, "--no-pdf")
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize("line", ["gtod_reduce=1", "disable_lat=1"])
def test_a_load_that_takes_no_latencies_is_run(qualify, tmp_path, target, line):
    """By the engine that would count them for each second."""
    path = written(tmp_path / "mine.fio", f"{READS}{line}\n")
    done = qualify("--job", path, "--target", target, "--repeat", 1,
                   "--no-pdf")
    test, = qualify.report()["targets"][0]["tests"]
    assert (done.returncode, test["state"]) == (2, "done"), done.stderr
    cell, = test["cells"]
    assert cell["values"]["iops"]["mean"] > 0 and cell["latency"] is None


def test_reads_of_a_hole_are_refused(qualify, tmp_path):
    path = tmp_path / "target"
    with open(path, "wb") as file:
        file.truncate(SIZE)
    sentence(qualify("--job", written(tmp_path / "mine.fio", READS),
                     "--target", path, *PSYNC), "give --destroy-data")


def test_without_leave_nothing_is_written(qualify, tmp_path, target):
    before = target.read_bytes()
    path = written(tmp_path / "mine.fio", MINE)
    sentence(run(qualify, path, target), "nothing was written: give --destroy")
    assert target.read_bytes() == before and not qualify.out.exists()


def test_the_plan_shows_them(qualify, tmp_path, target):
    path = written(tmp_path / "mine.fio", MINE)
    done = run(qualify, path, target, "--plan", "--steady", "iops")
    assert done.returncode == 0, done.stderr
    for word in ("job/mine/alone", "reads: randread 4k, 1 job at depth 8",
                 "alone: write 64k, 2 jobs at depth 1", "5-25",
                 "overwritten where its jobs write"):
        assert word in done.stdout
    assert "wsat" not in done.stdout and not qualify.out.exists()
    done = run(qualify, path, target, "--plan", "--tests", "wsat")
    assert "wsat" in done.stdout and "job/mine/alone" in done.stdout


def test_no_name_of_a_file_reaches_the_terminal(qualify, tmp_path, target,
                                                monkeypatch):
    """What a terminal obeys, nor what is no text: in a locale of UTF-8 that
    cannot be printed."""
    path = written(tmp_path / os.fsdecode(b"x\x1b[31m\xff.fio"), READS)
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    for more in (("--plan",), ("--repeat", "1", "--no-pdf")):
        done = run(qualify, path, target, *more)
        assert done.returncode in (0, 2), done.stderr
        assert "\x1b" not in done.stdout + done.stderr
        assert r"job/x\x1b[31m\xff" in done.stdout + done.stderr


JOB = "[x]\nrw=randwrite\ndirect=1\n"


@pytest.mark.parametrize("text, said", [
    (JOB + "offset=1g\n", "outside of the 33,554,432 bytes of the target"),
    (JOB + "zonemode=zbd\nzoneskip=1m\n", "skips zones"),
    (JOB + "file_append=1\n", "appends to its file"),
    (JOB + "offset_beyond=1\n", "which runs here cannot honour"),
    (JOB + "[y]\nioengine=rbd\n", "needs the engine rbd, which talks to "),
    (JOB + "ioengine=io_uring\nsqthread_poll=1\n",
     "an option of the engine io_uring that psync has not"),
    ("[x]\nrw=randwrite\n", "set direct=1 in it."),
    (JOB + "bs=300\n", "not whole logical blocks"),
    (JOB.replace("randwrite", "randtrim"), "which fio does on block devices"),
    (JOB + "iodepth=64\nnumjobs=64\n", "too small for job mine"),
    (JOB + "nosuch=1\n", "fio refuses job mine"),
    ("[global]\nrw=read\ninclude nosuch.inc\n[x]\n", "nosuch.inc"),
    ("", "has no job in it")])
def test_what_cannot_be_run_is_one_sentence(qualify, tmp_path, target, text,
                                            said):
    before = target.read_bytes()
    path = written(tmp_path / "mine.fio", text)
    sentence(run(qualify, path, target, "--destroy-data"), said)
    assert target.read_bytes() == before and not qualify.out.exists()


@pytest.mark.parametrize("words, said", [
    (["--job", "/nonexistent.fio"], "cannot read the job file /nonexistent.fio: "
     "No such file or directory: name one that can be read."),
    (["--suite", "/nonexistent"], "cannot read the suite"),
    (["--steady", "iops"], "give --job, --suite or --replay"),
    (["--repeat", 2], "give --job, --suite or --replay"),
    (["--unpaced"], "--unpaced is for --replay"),
    (["--job", "randread", "--repeat", 2, "--steady", "bw"], "leave one out")])
def test_options_that_say_nothing_are_refused(qualify, words, said):
    sentence(qualify("--scratch", *PSYNC, *words), said)


def test_a_shipped_job_is_found_by_its_name(qualify):
    done = qualify("--job", "randread", "--scratch", "--profile", "quick",
                   "--size", "32M", *PSYNC)
    assert done.returncode == 2, done.stderr        # nothing was judged
    test, = qualify.tests()
    assert (test["name"], test["state"]) == ("job/randread", "done")
    assert len(test["phases"][0]["rounds"]) == 3


@pytest.mark.slow
def test_a_suite_until_it_is_steady_on_the_engine(qualify, tmp_path, target):
    folder = tmp_path / "suite"
    folder.mkdir()
    written(folder / "mine.fio", MINE)
    written(folder / "reads.fio", READS)
    qualify.spec.write_text('[job.mine.alone]\nmin_iops = 1\n'
                            '[job.reads.randread]\nmin_iops = 1\n')
    done = qualify("--suite", folder, "--target", target, "--destroy-data",
                   "--steady", "iops", "--no-pdf", "--spec", qualify.spec)
    assert done.returncode in (0, 2), done.stderr
    mine, reads = qualify.report()["targets"][0]["tests"]
    assert [phase["name"] for phase in mine["phases"]] == [
        "reads+writes", "alone"]
    for phase in (*mine["phases"], *reads["phases"]):
        assert phase["steady"] and len(phase["rounds"]) >= 5
        assert phase["steady"]["reached"] or len(phase["rounds"]) == 25
    # The engine tells its statistics by the names of the jobs.
    for cell in (*mine["cells"], *reads["cells"]):
        assert 0 < cell["values"]["submit_share"]["mean"] <= 1
    assert {row["test"] for row in qualify.report()["limits"]} == {
        "job/mine", "job/reads"}


def test_beside_other_tests(qualify, tmp_path):
    path = written(tmp_path / "mine.fio", READS)
    done = qualify("--job", path, "--scratch", "--size", "32M", "--profile",
                   "quick", "--tests", "wsat", *PSYNC)
    assert done.returncode == 2, done.stderr        # nothing was judged
    assert [test["name"] for test in qualify.report()["targets"][0]["tests"]
            ] == ["wsat", "job/mine"]


VERIFIES = """[x]
rw=randread
direct=1
bs=4k
verify=crc32c
size=2m
"""


def test_what_a_load_verifies_is_written_before(qualify, tmp_path, target):
    path = written(tmp_path / "mine.fio", VERIFIES)
    before = target.read_bytes()
    sentence(run(qualify, path, target), "nothing was written")
    done = run(qualify, path, target, "--destroy-data", "--repeat", 2)
    assert done.returncode == 2, done.stderr
    test, = qualify.tests()
    assert test["state"] == "done", test["why"]
    assert changed(before, target.read_bytes()) == [(0, 2 * MIB)]


@pytest.mark.slow
def test_a_load_on_a_host(qualify, tmp_path, fio_binary, shm_file):
    Path(shm_file).write_bytes(os.urandom(MIB) * (SIZE // MIB))
    path = written(tmp_path / "mine.fio", MINE)
    server = Server(fio_binary, tmp_path)
    try:
        done = run(qualify, path, shm_file, "--client", server.name, "--size",
                   "32M", "--destroy-data")
    finally:
        server.die()
    assert done.returncode == 2, done.stderr        # nothing was judged
    one, two = qualify.report()["targets"][0]["tests"]
    assert one["state"] == two["state"] == "done", one["why"]
    assert [cell["name"] for cell in one["cells"]] == ["reads", "writes"]


# Going on

def killed(qualify, path, target, *words):
    """A run that is killed in its third round."""
    started = qualify.start("--job", path, "--target", target, *PSYNC,
                            "--destroy-data", "--repeat", 6, *words)
    qualify.await_rounds(2, started)
    time.sleep(0.2)
    started.send_signal(signal.SIGKILL)
    started.communicate(timeout=300)
    return qualify.rounds()


@pytest.mark.slow
def test_a_run_goes_on_with_the_files_that_it_began_with(qualify, tmp_path,
                                                         target):
    path = written(tmp_path / "mine.fio", JOB + "runtime=1\ntime_based\n")
    kept = killed(qualify, path, target)
    resume = ["--resume", qualify.out, "--no-pdf"]
    sentence(qualify(*resume), "--resume writes to the targets")
    copy = qualify.out / "own-00.fio"
    good = copy.read_text()
    copy.write_text(good + "bs=8k\n")
    sentence(qualify(*resume, "--destroy-data"), "is not the copy of "
             f"{path} that the run began with")
    copy.write_text(good)
    written(path, JOB + "bs=64k\n")
    done = qualify(*resume, "--destroy-data")
    assert done.returncode == 2, done.stderr
    report, (test,) = qualify.report(), qualify.tests()
    assert test["state"] == "done" and len(test["phases"][0]["rounds"]) == 6
    assert all(qualify.rounds()[name] == text for name, text in kept.items())
    assert any("is another than when the run began" in said
               for said in report["warnings"])
    assert test["cells"][0]["stimulus"]["bs"] == "4k"


@pytest.mark.root
def test_a_block_device_is_overwritten_where_the_job_writes(qualify, tmp_path,
                                                            loop):
    text = (JOB + "offset=8m\nsize=4m\nruntime=300ms\ntime_based\n"
            "[t]\nstonewall\nrw=randtrim\nbs=64k\noffset=16m\nsize=4m\n"
            "direct=1\n")
    before = Path(loop).read_bytes()
    done = run(qualify, written(tmp_path / "mine.fio", text), loop,
               "--destroy-data", "--profile", "pts-c")
    assert done.returncode == 2, done.stderr
    assert [test["state"] for test in
            qualify.report()["targets"][0]["tests"]] == ["done", "done"]
    with open(loop, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        after = file.read()
    for first, end in changed(before, after):
        assert 8 * MIB <= first and end <= 20 * MIB
