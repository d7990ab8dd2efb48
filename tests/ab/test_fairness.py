# SPDX-License-Identifier: GPL-2.0-only
# What jobs/ab compares before its runs, and what it refuses as unfair, with
# real runs of fio.
import os
from pathlib import Path
import re

import pytest

from abrun import FAST, sentence

from fiolab.ab import cli, planning
from fiolab.ab.campaign import Campaign
from fiolab.base.problem import Problem
from fiolab.fio import fiorun, jobfile, sidespec, streams as checks
from fiolab.fio.jobs import jobgroups
from fiolab.fio.sidespec import Side
from fiolab.target import medium
from fiolab.target.target import Target

pytestmark = pytest.mark.fio
# Jobs of which each does other I/O, two under one name, one twice.
SEVERAL = """[global]
bs=4k
direct=1
iodepth=4
[a]
rw=randread
numjobs=${TWICE}
[b]
rw=randwrite
bs=8k
[global]
numjobs=1
[a]
rw=read
bs=16k
"""


@pytest.fixture
def several(tmp_path, monkeypatch):
    monkeypatch.setenv("TWICE", "2")
    path = tmp_path / "several.fio"
    path.write_text(SEVERAL)
    return path


def streams(path, shm, tmp_path, fio_binary, size=16 << 20):
    runner = fiorun.Fio(fio_binary, None, str(tmp_path))
    scratch = Target(f"{shm}/s", size, True, "", writable=True)
    Path(scratch.path).write_bytes(bytes(scratch.size))
    _, found = checks._streams(runner, sidespec.parse("libaio", ""),
                               jobgroups.load(str(path))[0], scratch)
    return found


def test_the_streams_of_several_jobs_are_told_apart(several, shm, tmp_path,
                                                    fio_binary):
    found = streams(several, shm, tmp_path, fio_binary)
    assert [{(kind, size) for kind, _, size in stream}
            for stream in found] == [{("read", "4096")}, {("read", "4096")},
                                     {("write", "8192")}, {("read", "16384")}]
    assert {len(stream) for stream in found} == {125}
    assert found[0] != found[1]
    assert streams(several, shm, tmp_path, fio_binary) == found
    # As they are without a log each: the same number, the same seed.
    alone = tmp_path / "alone.fio"
    alone.write_text(SEVERAL.split("[b]")[0].replace("${TWICE}", "1"))
    first, = streams(alone, shm, tmp_path, fio_binary, 4 << 20)
    assert first[:125] == found[0]      # of a quarter, as beside the others


@pytest.mark.parametrize("engine", ["libaio", "kaio"])
def test_buffers_are_aligned_alike(engine, shm, tmp_path, fio_binary,
                                   build_dir, need_strace):
    """Also without O_DIRECT, where fio leaves it to the heap."""
    path = tmp_path / "buffered.fio"
    path.write_text("[a]\nrw=read\nbs=128k\niodepth=4\ndirect=0\n")
    Path(shm, "s").write_bytes(bytes(1 << 20))
    there = Target(f"{shm}/s", 1 << 20, True, "")
    runner = fiorun.Fio(fio_binary, None, str(tmp_path))
    one = sidespec.parse(engine, str(build_dir))
    trace = tmp_path / "trace"
    fiorun.run(runner, one, jobgroups.load(str(path))[0], there,
            fiorun.base_options(one, there, 1), 20,
            ["strace", "-f", "-o", str(trace), "-e", "trace=io_submit"])
    places = re.findall(r"aio_buf=(0x[0-9a-f]+)", trace.read_text())
    assert len(places) == 8
    assert all(int(place, 16) % fiorun.PAGE == 0 for place in places), places


def test_one_of_several_jobs_that_does_other_io_is_named(
        several, shm, tmp_path, fio_binary):
    found = streams(several, shm, tmp_path, fio_binary)
    other = [*found[:2], found[2][:7] + found[2][8:] + found[2][7:8],
             found[3]]
    sides = sidespec.parse("libaio", ""), sidespec.parse("psync", "")
    job = jobgroups.load(str(several))[0]
    assert checks._same_streams(sides, job, found, found) == 125
    with pytest.raises(Problem, match="several, its job 3: I/O 8 is write"):
        checks._same_streams(sides, job, found, other)


@pytest.mark.slow
def test_several_jobs_are_compared_each(ab, several, shm):
    done = ab("--b", "psync", "--pairs", "1", "--job", several, "--target",
              f"{shm}/s", *FAST, TWICE="2")
    assert done.returncode == 0, done.stderr
    cell, = ab.report()["cells"]
    assert cell["stream"].startswith("first 125 I/Os of each of 4 jobs "
                                     "identical on both sides")
    assert os.listdir(shm) == []


def test_a_number_of_jobs_that_cannot_be_told(ab, several, shm):
    done = ab("--b", "psync", "--pairs", "1", "--job", several, "--target",
              f"{shm}/s", *FAST, TWICE="2x")
    sentence(done, "numjobs=2x in the job file is no number: write it plainly")
    assert "writing" not in done.stderr and not ab.out.exists()


@pytest.mark.parametrize("axis", ["bs=4x", "iodepth=1k,2k"])
def test_a_matrix_with_an_odd_value_is_refused(axis, ab, shm):
    done = ab("--b", "psync", "--pairs", "1", "--matrix", axis, "--target",
              f"{shm}/s", *FAST)
    sentence(done, "write it plainly")
    assert "writing" not in done.stderr and os.listdir(shm) == []


@pytest.mark.slow
def test_a_variable_of_one_side_reaches_its_fio_only(ab, shm, tmp_path):
    job = tmp_path / "job.fio"
    job.write_text("[a]\nbs=4k\ndirect=1\nrw=${HOW}\n")
    words = ["--a", "libaio", "--pairs", "1", "--job", job, "--target",
             f"{shm}/s", *FAST]
    done = ab(*words, "--b", "libaio@HOW=read", HOW="randread")
    sentence(done, "runs with rw=randread on libaio and with rw=read on "
             "libaio@HOW=read")
    done = ab(*words, "--b", "libaio@OTHER=x:1", HOW="randread")
    assert done.returncode == 0, done.stderr
    report = ab.report()
    assert [one["environment"] for one in report["sides"]] == [
        {}, {"OTHER": "x:1"}]
    cell, = report["cells"]
    assert "env OTHER=x:1 " in cell["command"]["B"]
    assert "OTHER" not in cell["command"]["A"]


@pytest.mark.parametrize("where, fine", [
    ([], False), (["--target", "/dev/shm/new"], True),
    (["--target", "/dev/shm"], True), (["--target", "/none/x"], True),
    (["--target", "/dev/shm/x", "--client", "h"], False),
    (["--buffered"], True), (["--self-check"], True)])
def test_where_a_job_must_set_direct(where, fine, root):
    """On every disk; what a host's target is, is not known here."""
    if not where and medium.identify(str(root))[0]:
        pytest.skip("the source lies in RAM")
    asked = cli.request(vars(cli.parser().parse_args(
        ["--build", str(root), *where])))

    def refuse(text):
        job, sides = jobfile.Job("j.fio", text), (Side("a", "a"),) * 2
        planning.refuse_buffered(Campaign(asked, sides, [job],
                                          side_jobs=[[job]] * 2))
    refuse("[a]\ndirect=1\n")
    if fine:
        refuse("[a]\nrw=read\n")
    else:
        with pytest.raises(Problem, match="job j does not set direct=1"):
            refuse("[a]\nrw=read\n")
