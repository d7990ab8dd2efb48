# SPDX-License-Identifier: GPL-2.0-only
# fio writes files of its own where it runs (the state of a verify that was cut
# short is one).  jobs/ab, bench and qualify run it in a folder of theirs, so
# the folder in which a user calls them stays as it was, and so does the one in
# which somebody started `fio --server`; files that a job names are still found.
import os
import signal
import subprocess
import time

import pytest

import targets
from abrun import FAST, Ab
from benchrun import JOBS
from fioserver import Server
from qualifyrun import Qualify

from fiolab.fio import fiorun, sidespec, streams
from fiolab.fio.jobs import jobgroups, jobline
from fiolab.target.target import Target

pytestmark = pytest.mark.fio
STATE = "[a]\nrw=randwrite\nbs=4k\ndirect=1\niodepth=4\nverify=crc32c\n" \
    "verify_state_save=1\n"


@pytest.fixture
def here(tmp_path):
    """An empty folder to call the commands in."""
    made = tmp_path / "here"
    made.mkdir()
    return made


def cut_short(command, here, environment, begun):
    """Its output, after SIGINT in a run of fio."""
    with subprocess.Popen(command, cwd=here, env=environment, text=True,
                          stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        end = time.monotonic() + 60
        while not begun():
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert os.listdir(here) == []
    return said


def timed_run(folder):
    """Is a run of fio there that has begun its I/O?"""
    return any("started" in names for _, _, names in os.walk(folder))


@pytest.fixture
def environment(tmp_path):
    (tmp_path / "tmp").mkdir()
    return {**os.environ, "TMPDIR": str(tmp_path / "tmp")}


def test_ab_cut_short_leaves_nothing(here, tmp_path, environment, build_dir):
    (tmp_path / "j.fio").write_text(STATE)
    with targets.shm_dir() as shm:
        cut_short([str(JOBS / "ab"), "--b", "libaio", "--job", "../j.fio",
                   "--target", f"{shm}/f", "--build", build_dir, "--out",
                   "../out", *FAST[:2], "--runtime", "30"], here, environment,
                  lambda: timed_run(tmp_path / "tmp"))
    assert os.listdir(tmp_path / "tmp") == []


def test_bench_cut_short_leaves_nothing(here, tmp_path, environment, build_dir,
                                        san):
    if san:
        pytest.skip("a sanitized engine needs the sanitizer preloaded")
    cut_short([str(JOBS / "bench"), "--only", "batch", "--quick", "--size",
               "16M", "--runtime", "30", "--build", build_dir], here,
              environment, lambda: timed_run(tmp_path / "tmp"))
    assert os.listdir(tmp_path / "tmp") == []


def test_qualify_cut_short_leaves_nothing(here, tmp_path, build_dir):
    lab = Qualify(tmp_path, build_dir)
    target = tmp_path / "target"
    target.write_bytes(b"x" * (32 << 20))
    command = lab.command("--profile", "quick", "--tests", "write-verify",
                          "--engine", "libaio", "--destroy-data", "--target",
                          "../target", "--no-pdf")
    cut_short(command, here, lab.environment, lambda: any(
        "effective.fio" in names for _, _, names in os.walk(lab.folder /
                                                            "tmp")))


@pytest.mark.slow
def test_a_server_gets_no_state_of_a_verify(here, tmp_path, fio_binary, shm):
    server = Server(fio_binary, here)
    try:
        ab = Ab(tmp_path)
        job = tmp_path / "j.fio"
        job.write_text(STATE)
        done = ab("--b", "psync", "--client", server.name, "--target",
                  f"{shm}/f", "--job", str(job), "--destroy-data", "--pairs",
                  "1", *FAST, "--runtime", "1")
        assert done.returncode == 0, done.stderr
        cell, = ab.report()["cells"]
        assert "verify_state_save 1 -> 0" in cell["changes"]
    finally:
        server.die()
        if os.path.exists(f"{shm}/f"):
            os.unlink(f"{shm}/f")
    assert os.listdir(here) == []


def test_files_that_a_job_names_are_found_from_here(here, tmp_path, fio_binary,
                                                    monkeypatch):
    """By the untimed runs, which no busy machine can make fail."""
    (here / "pattern").write_bytes(b"PATTERN!")
    (here / "j.fio").write_text("[a]\nrw=write\nbs=4k\nbuffer_pattern="
                                "'pattern'\n")
    (tmp_path / "f").write_bytes(b"x" * (16 << 20))
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(here)
    job, psync = jobgroups.load("j.fio")[0], sidespec.parse("psync", "")
    run = psync, job, Target(str(tmp_path / "f"), 16 << 20, True, "file",
                             writable=True)
    streams.same_stream(fiorun.Fio(fio_binary, None, str(tmp_path / "run")),
                       run, run)
    assert (tmp_path / "f").read_bytes().startswith(b"PATTERN!PATTERN!")
    own = sidespec.parse("psync,stats_file=mine", "")
    assert own.options == (f"stats_file={here}/mine",)


def test_files_that_an_engine_is_to_find_are_found_from_here(here, monkeypatch):
    """What nobody here knows, if it is there; names of targets are others'."""
    (here / "b.json").touch()
    (here / "4k").touch()
    (here / "j.fio").write_text("[a]\nspdk_json_conf=./b.json  # ours\n"
                                "filename=./b.json\nbs=4k\nx=./no.json\n")
    monkeypatch.chdir(here)
    found = [f"spdk_json_conf={here}/b.json", "filename=./b.json", "bs=4k",
             "x=./no.json"]
    assert jobgroups.load("j.fio")[0].text.split("\n")[1:5] == found
    job, = jobline.load(["--name=a", "--spdk_json_conf=./b.json",
                         "--filename=./b.json", "--bs=4k", "--x=./no.json"])
    assert job.text.split("\n")[2:6] == found
