# SPDX-License-Identifier: GPL-2.0-only
# Job files as people publish them: each shape of tests/ab/jobfiles, made small,
# is so many cells, or one sentence.
import os
from pathlib import Path

import pytest

from abrun import FAST
from fiolab.base.problem import Problem
from fiolab.fio import asking, fiorun, jobfile, sidespec, timedrun
from fiolab.fio.jobs import jobgroups

HERE = Path(__file__).parent / "jobfiles"


def load(name):
    return jobgroups.load(str(HERE / f"{name}.fio"))


@pytest.mark.parametrize("name, cells", [
    ("groups", {"groups/a+b": {"rw": ["randread", "randwrite"], "bs": ["4k"]},
                "groups/c": {"rw": ["read"]},
                "groups/c+d": {"rw": ["read", "randread"],
                               "bs": ["4k", "64k"]},
                "groups/e": {"bs": ["4k", "64k"]}}),
    ("every", {"every/seq": {"rw": ["read"]}, "every/rand": {}}),
    ("global-only", {"global-only": {"bs": ["8k"], "rw": ["randread"]}}),
    ("include", {"include/read": {"direct": ["1"], "iodepth": ["8"],
                                  "bs": []},
                 "include/write": {"iodepth": ["8"], "bs": ["16k"]}}),
    ("staggered", {"staggered/first": {"rw": ["randread"]},
                   "staggered/second": {"rw": ["write"]},
                   "staggered/third": {"rw": ["read"]}}),
    ("overlapping", {"overlapping": {"rw": ["randwrite", "randread",
                                            "randread"]}}),
    ("steady", {"steady": {"mem": ["mmap"]}}),
    ("engines", {"engines/load": {"rw": ["randwrite"]},
                 "engines/check": {"rw": ["randread"]}}),
    ("beside", {"beside/load": {"rw": ["randread"]}, "beside/last": {}}),
    ("collector", {"collector/warm": {"rw": ["randwrite"]}})])
def test_a_file_is_a_cell_for_each_group(name, cells):
    jobs = load(name)
    assert [job.name for job in jobs] == list(cells)
    for job in jobs:
        for key, values in cells[job.name].items():
            assert job.values(key) == values, (job.name, key)
        assert not job.values("stonewall", "wait_for", "wait_for_previous")
        assert "include" not in job.text.replace("Includes", "").split()


@pytest.mark.parametrize("name, sentence", [
    ("loop", "loop.fio includes {0}/parts/loop.fio includes "
     "{0}/parts/../loop.fio, without end: take one of these lines out."),
    ("sections", "every.fio has a section of its own ([global]), which fio "
     "takes from no file that another one includes, as {0}/sections.fio "
     "does: name it as a job file of its own."),
    ("mapped", "mapped.fio has its buffers in a file (mem), which reads would "
     "overwrite: leave out the file's name."),
    ("trace", "trace.fio replays a log (read_iolog), of which fio does each "
     "I/O once, where the log says, and ends: neither a time nor a part of a "
     "target can be given to it; compare a job that does such I/O by "
     "itself."),
    ("nothing", "nothing.fio has no job that can be run here: job layout of "
     "{0}/nothing.fio is left out: it only makes files (create_only), and the "
     "target is there.")])
def test_what_cannot_be_run_is_one_sentence(name, sentence):
    with pytest.raises(Problem) as problem:
        load(name)
    assert str(problem.value) == f"{HERE}/{sentence.format(HERE)}"


def test_files_that_include_each_other_too_deep(tmp_path):
    for number in range(1200):
        (tmp_path / f"{number}.fio").write_text(f"include {number + 1}.fio\n")
    (tmp_path / "1200.fio").write_text("rw=read\n")
    (tmp_path / "x.fio").write_text("[x]\ninclude 0.fio\n")
    with pytest.raises(Problem, match="more than 64 deep"):
        jobgroups.load(str(tmp_path / "x.fio"))
    (tmp_path / "x.fio").write_text("[x]\ninclude 1150.fio\n")
    job, = jobgroups.load(str(tmp_path / "x.fio"))
    assert job.values("rw") == ["read"]


def test_what_is_left_out_is_named():
    said = jobgroups.notes(load("engines"))
    assert [" ".join(one.split()[1:2]) for one in said] == [
        "layout", "burn", "net", "once", "sizes"]
    assert "cpuio, burns CPU time" in said[1]
    assert "verifies once what a run before it has written" in said[3]
    assert "verifies blocks of several sizes" in said[4]


def test_what_runs_beside_a_job_is_left_out_by_name():
    said, = jobgroups.notes(load("beside"))
    assert said == (f"job burn of {HERE}/beside.fio is left out: its engine, "
                    "cpuio, burns CPU time; load, beside which fio runs it, is "
                    "run without it.")
    assert "cpuload" not in load("beside")[0].text


def test_jobs_that_wait_for_the_same_one_run_at_once():
    said, = jobgroups.notes(load("collector"))
    assert said.startswith(f"job write+collect of {HERE}/collector.fio is left "
                           "out: it resets zones")


def test_groups_of_one_name_are_told_apart(tmp_path):
    path = tmp_path / "x.fio"
    path.write_text("[global]\nstonewall\n[a]\nbs=4k\n[a]\nbs=8k\n")
    assert [job.name for job in jobgroups.load(str(path))] == ["x/a.1",
                                                               "x/a.2"]


def test_a_section_keeps_what_was_in_force(tmp_path):
    """Whatever stands between it and its [global]."""
    jobs = load("groups")
    assert [one["bs"] for job in jobs for one in
            jobfile.in_force(job.text, "bs")] == ["4k", "4k", "4k", "64k",
                                                  "64k", "64k"]


TIMED = ["size=67108864", *timedrun.timed_options(0.5, 0.1)]


def test_jobs_that_begin_later_are_timed_at_once():
    job, = load("overlapping")
    assert job.delays() == [0, 1, 1] and job.lasts() == 1
    assert [(one.get("startdelay"), one["ramp_time"]) for one in
            jobfile.in_force(job.effective(TIMED), "startdelay",
                             "ramp_time")] == [
        (None, "1100ms"), ("1000ms", "100ms"), ("1000ms", "100ms")]
    assert "startdelay 6s is kept, so each run takes 1 s longer" in \
        job.changes(TIMED)
    assert "startdelay" not in job.effective(["size=67108864"])


def test_a_delay_of_all_is_none():
    """Nor is that of a group that begins when another has ended."""
    for job in load("staggered"):
        assert job.lasts() == 0 and "startdelay" not in job.effective(TIMED)
    assert "startdelay 35 -> 0" in load("staggered")[1].changes(TIMED)


def test_what_ends_a_run_early_is_left_out_with_the_reason():
    job, = load("steady")
    said = job.changes(TIMED)
    assert "steadystate -> every run lasts as long" in said
    assert said.endswith("dropped: ioscheduler, ramp_size")
    assert "ss" not in job.effective(TIMED).replace("sched", "").split()
    assert not {"ss", "ss_dur", "ss_ramp"} & set(
        map(jobfile.option_of, job.effective(TIMED).split("\n")))


@pytest.mark.fio
def test_options_of_other_engines_go_to_a_side(tmp_path, fio_binary):
    runner = fiorun.Fio(fio_binary, None, str(tmp_path))

    def left(*sides):
        job, = asking.without_foreign(
            runner, [sidespec.parse(side, "") for side in sides],
            load("foreign"))
        asking.check(runner, [sidespec.parse(sides[0], "")], [job], 64 << 20)
        return [note.split()[3].rstrip(",") for note in job.notes]
    assert left("libaio", "libaio") == ["fixedbufs", "hipri", "sqthread_poll"]
    assert left("psync", "libaio") == ["fixedbufs", "hipri", "sqthread_poll",
                                       "userspace_reap"]


@pytest.mark.fio
def test_an_engine_that_a_job_file_has_a_path_of_is_not_loaded(
        tmp_path, fio_binary, build_dir, monkeypatch):
    """Nor is a job of it: a side names the engine."""
    engine = os.path.join(build_dir, "fio-kaio.so")
    (tmp_path / "x.fio").write_text(f"[a]\nrw=read\nioengine={engine}\n")
    asked, ask = [], asking._ask
    monkeypatch.setattr(asking, "_ask", lambda fio, *words, **more: (
        asked.append(words), ask(fio, *words, **more))[1])
    asking.without_foreign(
        fiorun.Fio(fio_binary, None, str(tmp_path)),
        [sidespec.parse("libaio", "")], jobgroups.load(str(tmp_path / "x.fio")))
    assert asked == [("--enghelp=libaio",)]


@pytest.mark.fio
@pytest.mark.parametrize("name", ["spdk_bdev", "/opt/spdk/build/fio/spdk_bdev",
                                  "external:/opt/spdk/build/fio/spdk_bdev"])
def test_spdk_job_files_name_their_engine_in_any_way(name, tmp_path,
                                                     fio_binary):
    (tmp_path / "x.fio").write_text(
        f"[a]\nioengine={name}\nspdk_json_conf=b.json\nthread=1\nrw=read\n")
    job, = asking.without_foreign(
        fiorun.Fio(fio_binary, None, str(tmp_path)),
        [sidespec.parse("libaio", "")], jobgroups.load(str(tmp_path / "x.fio")))
    assert not job.sets("spdk_json_conf") and job.sets("thread")
    note, = job.notes
    assert "an option of the engine spdk_bdev that not every side has" in note


@pytest.mark.fio
def test_a_campaign_leaves_out_options_of_other_engines(ab, shm):
    """Which fio would refuse on a side."""
    done = ab("--b", "psync", "--pairs", "1", "--job", HERE / "foreign.fio",
              "--target", f"{shm}/s", "--pairing", "alternate", *FAST)
    assert done.returncode == 0, done.stderr
    report = ab.report()
    assert report["cells"]
    assert any("sets hipri, an option of the engine io_uring" in one
               for one in report["warnings"]), report["warnings"]


@pytest.mark.fio
def test_the_timed_part_begins_when_the_last_job_has(ab, shm):
    """The late reader does its I/O in it, and the writer before it."""
    done = ab("--b", "psync", "--pairs", "1", "--job",
              HERE / "overlapping.fio", "--target", f"{shm}/s", "--pairing",
              "alternate", *FAST)
    assert done.returncode == 0, done.stderr
    cell, = ab.report()["cells"]
    assert set(cell["latency"]) == {"read", "write"}
    first, *_ = sorted(run["start"] for run in ab.runs())
    assert max(run["start"] for run in ab.runs()) - first > 2 * 1.25


@pytest.mark.fio
def test_a_campaign_of_groups(ab, shm):
    done = ab.measured("--b", "psync", "--pairs", "1", "--job",
                       HERE / "include.fio", "--job", HERE / "engines.fio",
                       "--target", f"{shm}/s", *FAST)
    assert done.returncode == 0, done.stderr
    report = ab.report()
    assert [cell["job"] for cell in report["cells"]] == [
        "include/read", "include/write", "engines/load", "engines/check"]
    assert sum("is left out: " in one for one in report["warnings"]) == 5
    assert os.listdir(shm) == []
