# SPDX-License-Identifier: GPL-2.0-only
# What may go wrong in the middle of a duet, with real fio: one sentence each,
# no process left, and nothing lost.
from contextlib import ExitStack
from functools import partial
import os
from pathlib import Path
import re
import shutil
import signal
import subprocess
import threading
import time

import pytest

import procfile
import targets
from abrun import QUICK
from fiolab.base.problem import Problem
from fiolab.bench import cpuset
from fiolab.fio import cpushare, duet, fiorun, sidespec, timedrun
from fiolab.fio.jobs import jobgroups
from fiolab.target.target import Target

CPU = max(os.sched_getaffinity(0))
DUET = ["--pairing", "duet", "--cpu", str(CPU), *QUICK, "--runtime", "0.4"]


def wrapped(folder, fio, text):
    """A fio that does something first, where ../go is a duet's gate."""
    path = folder / "fio"
    path.write_text(f"#!/bin/sh\nfio={fio}\nif [ -p ../go ]; then\n{text}\nfi\n"
                    'exec $fio "$@"\n')
    path.chmod(0o755)
    return str(path)


def fios():
    """The processes of fio in the folders of duets."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        if "effective.fio" in procfile.of_process(int(name), "cmdline"):
            found.append(int(name))
    return found


# Once the first pair is whole, fio's job on that side is killed in the middle.
DIES = """
if [ -n "$DIE" ] && [ -e {folder}/deadly ] &&
   [ -e {folder}/campaign1/runs/000002.json ]; then
    $fio "$@" & pid=$!
    while [ ! -s begun ]; do sleep 0.01; done
    kill -KILL $(cat /proc/$pid/task/$pid/children)
    wait $pid
    exit $?
fi
"""


def test_a_side_that_dies(ab, shm, tmp_path, fio_binary):
    """One sentence; the pairs before it count, and --resume goes on."""
    fio = wrapped(tmp_path, fio_binary, DIES.format(folder=tmp_path))
    (tmp_path / "deadly").touch()
    done = ab("--fio", fio, "--a", "libaio", "--b", "libaio@DIE=1", "--pairs",
              "2", "--target", f"{shm}/s", "--seed", "2", *DUET)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "fio failed with engine libaio@DIE=1 on job randread" in last
    cell, = ab.report()["cells"]
    assert len(cell["pairs"]) == 1 and os.listdir(shm) == []
    (tmp_path / "deadly").unlink()
    done = ab("--resume", ab.out)
    assert done.returncode == 0, done.stderr
    assert len(ab.report()["cells"][0]["pairs"]) == 2


def test_a_side_that_is_late_is_waited_for(ab, shm, tmp_path, fio_binary):
    fio = wrapped(tmp_path, fio_binary, '[ -z "$LATE" ] || sleep 0.5')
    done = ab("--fio", fio, "--a", "libaio", "--b", "libaio@LATE=1", "--pairs",
              "1", "--target", f"{shm}/s", *DUET)
    assert done.returncode == 0, done.stderr
    found = ab.report()["cells"][0]["duet"]
    assert found["skew_s"]["max"] <= 0.05


def test_ctrl_c_in_the_middle_of_a_duet(ab, shm):
    """All three of them end, and the block is made anew."""
    words = ["--a", "libaio", "--b", "psync", "--pairs", "1", "--target",
             f"{shm}/s", "--pairing", "duet", "--size", "16M", "--runtime"]
    with ab.start(*words, "20") as started:
        folder = Path(ab.environment["TMPDIR"])
        while len(list(folder.glob("*/*/begun"))) < 3:
            assert started.poll() is None
            time.sleep(0.02)
        mine = [pid for pid in fios()
                if str(folder) in procfile.folder_of(pid)]
        started.send_signal(signal.SIGINT)
        _, err = started.communicate(timeout=120)
    assert started.returncode == 130 and len(mine) >= 3
    assert "go on with --resume" in err.splitlines()[-1]
    assert not set(mine) & set(fios()) and os.listdir(shm) == []
    assert os.listdir(folder) == [] and ab.runs() == []


def test_a_cpu_full_of_others_work(ab, shm):
    """It is said how much they took; the pairs count all the same."""
    busy = [subprocess.Popen(["taskset", "-c", str(CPU), "sh", "-c",
                              "while :; do :; done"], start_new_session=True)
            for _ in range(3)]
    try:
        done = ab("--a", "libaio", "--b", "libaio", "--pairs", "2", "--target",
                  f"{shm}/s", "--cpu", str(CPU), "--pairing", "duet", "--size",
                  "16M", "--runtime", "1")
    finally:
        for one in busy:
            one.kill()
            one.wait()
    if done.returncode:         # it was no duet in three attempts of each
        assert "every one was discarded" in done.stderr
        return
    cell, = ab.report()["cells"]
    assert len(cell["pairs"]) + len(cell["discarded"]) == 2
    assert cell["duet"]["others"]["median"] > 0.2
    assert "; others " in " ".join(done.stdout.split())


def test_a_side_that_sleeps_most_of_the_time(ab, shm, tmp_path):
    job = tmp_path / "job.fio"
    job.write_text("[a]\nrw=randread\nbs=4k\nthinktime=30000\n"
                   "thinktime_blocks=100\n")
    done = ab("--a", "libaio", "--b", "libaio", "--pairs", "1", "--job",
              str(job), "--target", f"{shm}/s", *DUET)
    assert done.returncode == 0, done.stderr
    sides = ab.report()["cells"][0]["duet"]["sides"]
    assert all(one["asleep"] > 0.5 for one in sides.values())
    text = " ".join(done.stdout.split())
    assert "A and B slept most of the time" in text
    assert "CPU per I/O is not what limits IOPS here" in text


# By the functions below jobs/ab

@pytest.fixture
def three(shm, tmp_path, fio_binary):
    """Runs a duet of libaio, psync and libaio: (runtime, its fio)."""
    target = Target(f"{shm}/s", 16 << 20, True, "x", writable=True)
    Path(target.path).write_bytes(bytes(target.size))
    job, = jobgroups.load("randread")

    def run(runtime, path=fio_binary, ramp=0.05):
        fio = fiorun.Fio(path, CPU, str(tmp_path))
        sides = {role: sidespec.parse(text, "") for role, text in (
            ("A'", "libaio"), ("A", "libaio"), ("B", "psync"))}
        return duet.together(CPU, str(tmp_path), {
            role: partial(duet.Member, fio, side, job, target,
                          duet.options_of(side, target, 1, runtime, ramp))
            for role, side in sides.items()}, runtime, ramp)
    return run


def of_jobs(folder):
    """The pids of fio's main processes, once all have begun."""
    while len(list(Path(folder).glob("*/begun"))) < 3:
        time.sleep(0.01)
    return [pid for pid in fios() if os.path.realpath(
        f"/proc/{pid}/cwd").startswith(str(folder))]


@pytest.mark.fio
def test_a_cpu_that_is_taken_away(three, tmp_path):
    other = min(os.sched_getaffinity(0))
    if other == CPU:
        pytest.skip("needs two CPUs")

    def take():
        for pid in of_jobs(tmp_path):
            os.sched_setaffinity(pid, {other})
    for _ in range(5):      # the second is one of a machine that is busy
        thread = threading.Thread(target=take)
        thread.start()
        with pytest.raises((Problem, timedrun.Disturbed)) as end:
            three(1)
        thread.join()
        assert not list(tmp_path.glob("*/begun"))
        if end.type is Problem:
            break
    assert f"CPU {CPU} was taken from fio" in str(end.value)


@pytest.mark.parametrize("how", ["duet", "alternate"])
def test_a_cpu_that_is_taken_from_a_campaign(how, ab, shm, need_root):
    """Really, of all in a cpuset, as where it is taken offline; with it back
    the campaign goes on."""
    other = min(os.sched_getaffinity(0))
    if other == CPU:
        pytest.skip("needs two CPUs")
    with ExitStack() as stack:
        group = cpuset.make(f"{other},{CPU}", stack)
        command = ab.command(
            "--a", "libaio", "--b", "psync", "--pairs", "3", "--target",
            f"{shm}/s", *DUET, "--pairing", how)
        with subprocess.Popen(["sh", "-c", cpuset.JOIN, group, *command],
                              text=True, stderr=subprocess.PIPE,
                              stdout=subprocess.PIPE,
                              env=ab.environment) as started:
            ab.await_runs(3, started)
            Path(group).with_name("cpuset.cpus").write_text(str(other))
            _, err = started.communicate(timeout=120)
    last = err.splitlines()[-1]
    assert started.returncode == 1 and re.search(
        f"CPU {CPU} was taken from fio|cannot start .* on CPU {CPU}", last)
    assert len(ab.report()["cells"][0]["pairs"]) in (1, 2)
    assert os.listdir(shm) == []
    done = ab("--resume", ab.out)
    assert done.returncode == 0, done.stderr
    assert len(ab.report()["cells"][0]["pairs"]) == 3


@pytest.mark.fio
def test_a_cpu_that_is_taken_from_a_run_alone(shm, tmp_path, fio_binary):
    """One after the other, where the run would go on elsewhere, unseen."""
    other = min(os.sched_getaffinity(0))
    if other == CPU:
        pytest.skip("needs two CPUs")
    target = Target(f"{shm}/s", 1 << 20, True, "x", writable=True)
    Path(target.path).write_bytes(bytes(target.size))
    job, = jobgroups.load("randread")

    def take():
        while not list(tmp_path.glob("*/started")):
            time.sleep(0.01)
        for pid in fios():
            if os.path.realpath(f"/proc/{pid}/cwd").startswith(str(tmp_path)):
                os.sched_setaffinity(pid, {other})
    thread = threading.Thread(target=take)
    thread.start()
    with pytest.raises(Problem, match=f"CPU {CPU} was taken from fio"):
        timedrun.timed(fiorun.Fio(fio_binary, CPU, str(tmp_path)),
                       sidespec.parse("psync", ""), job, target, 1, 1, 0.05)
    thread.join()


@pytest.mark.fio
def test_a_side_that_never_comes_to_the_gate(three, tmp_path, fio_binary,
                                             monkeypatch):
    monkeypatch.setattr(duet, "PATIENCE", 1)
    fio = tmp_path / "slow"
    fio.write_text(f'#!/bin/sh\n[ "$1" = --version ] || sleep 30\n'
                   f'exec {fio_binary} "$@"\n')
    fio.chmod(0o755)
    start = time.monotonic()
    with pytest.raises(Problem, match="set-up takes more than a minute"):
        three(0.2, str(fio))
    assert time.monotonic() - start < 20 and not (tmp_path / "go").exists()


@pytest.mark.fio
def test_a_side_of_another_nice_value(three, tmp_path):
    def renice():
        os.setpriority(os.PRIO_PROCESS, of_jobs(tmp_path)[0], 5)
    thread = threading.Thread(target=renice)
    thread.start()
    try:
        with pytest.raises(Problem, match="do not have the same nice value"):
            three(0.2, ramp=3)      # there is time to do it
    finally:
        thread.join()


def test_a_temporary_folder_that_is_full_or_gone(need_root, tmp_path, shm):
    """One sentence, wherever somebody was in the way."""
    with targets.small_tmpfs(shm, 16 << 10) as full:
        with pytest.raises(OSError), open(f"{full}/all", "wb") as file:
            file.write(bytes(1 << 20))
        with pytest.raises(Problem, match=f"cannot write fio's files in {full} "
                           r"\(No space left on device\): make room there"):
            duet.Gate(full)
    with pytest.raises(Problem, match="No such file or directory"):
        duet.Gate(str(tmp_path / "gone"))
    (tmp_path / "here").mkdir()
    with duet.Gate(str(tmp_path / "here")):
        shutil.rmtree(tmp_path / "here")


def found(**more):
    """A duet in which all were well."""
    sides = {role: {"cpu": 0.3, "asleep": 0.0, "more": 0, "elsewhere": 0}
             for role in ("A", "B", "A'")}
    used = {"A": cpushare.Spent(0.5, 0.15, 0.15, 0, 0.35, 0)}
    return duet.Found(more.get("skew", 0.0), 0, 0, {
        **sides, "B": {**sides["B"], **more.get("b", {})}}, used)


@pytest.mark.parametrize("more, why", [
    ({}, ""), ({"skew": 0.049}, ""), ({"skew": 0.051}, "51 ms apart"),
    ({"b": {"cpu": 0.2}}, "B 20%"), ({"b": {"cpu": 0.2, "asleep": 0.3}}, ""),
    ({"b": {"cpu": 0.26}}, "")])
def test_what_is_a_duet(more, why):
    one = found(**more)
    if not why:
        one.judge()
        return
    with pytest.raises(duet.Uneven, match=why):
        one.judge()
