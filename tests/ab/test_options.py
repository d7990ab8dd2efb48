# SPDX-License-Identifier: GPL-2.0-only
# The command line, the job files and the child processes of jobs/ab.
import argparse
import dataclasses
import os
from pathlib import Path
import signal
import subprocess
import sys
from types import SimpleNamespace
import time

import pytest

JOBS = str(Path(__file__).resolve().parents[2] / "jobs")
from fiolab.ab import cli, matrix, planning
from fiolab.ab.campaign import Campaign
from fiolab.base import commandline, process
from fiolab.base.problem import Problem
from fiolab.fio import asking, fiorun, jobfile, timedrun
from fiolab.fio.jobs import jobgroups
import procfile


@pytest.mark.parametrize("text, value", [
    ("256M", 256 << 20), ("16m", 16 << 20), ("4G", 4 << 30), ("1MiB", 1 << 20),
    ("2T", 2 << 40), ("1tb", 1 << 40)])
def test_size(text, value):
    assert commandline.size(text) == value


@pytest.mark.parametrize("text", ["", "0M", "-1M", "12", "4k", "1e3M", "M",
                                  "99999999G"])
def test_bad_size(text):
    with pytest.raises(argparse.ArgumentTypeError):
        commandline.size(text)


@pytest.mark.parametrize("arguments", [
    ["--pairs", "0"], ["--pairs", "x"], ["--runtime", "0.1"],
    ["--runtime", "nan"], ["--ramp", "-1"], ["--cpu", "9999"],
    ["--cpu", "-1"], ["--seed", "x"], ["--size", "4k"], ["stray"],
    ["stray\n\x1b[2J"]])
def test_bad_options_end_with_status_2_and_a_sentence(arguments, capsys):
    """And without the usage, of some twenty lines."""
    with pytest.raises(SystemExit) as end:
        commandline.main(arguments, cli.parser(), lambda *_: pytest.fail())
    assert end.value.code == 2
    line, = capsys.readouterr().err.splitlines()
    assert line.startswith("ab: ") and line.endswith(" (--help tells more)")
    assert line.isprintable()


UNDO = """import argparse, sys
sys.path.insert(0, sys.argv[1])
from fiolab.base import commandline
from fiolab.base.problem import Problem
def undo():
    raise Problem("cannot undo it.")
def action(_args, stack):
    stack.callback(undo)
    sys.exit(int(sys.argv[2]))
commandline.main([], argparse.ArgumentParser("it"), action, failure=2)
"""


@pytest.mark.parametrize("code, status", [(1, 1), (130, 130), (0, 2)])
def test_a_problem_at_the_end_does_not_hide_the_status(code, status):
    """As where a device that has gone cannot be set back."""
    done = subprocess.run([sys.executable, "-c", UNDO, JOBS, str(code)],
                          capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (status, "it: cannot undo it.\n")


def test_defaults_and_repeats():
    args = cli.parser().parse_args(["--job", "a", "--job", "b", "--cpu", "all"])
    assert vars(args) == {"job": ["a", "b"], "cpu": None}
    asked = cli.request(vars(args))
    assert asked.job == ["a", "b"]
    assert asked.cpu is None and asked.pairs == 0
    assert (asked.runtime, asked.ramp) == (0.5, 0.1)
    assert asked.build == os.path.abspath(commandline.BUILD)
    assert planning.texts(asked) == ["libaio", "kaio"]
    other = cli.request({})
    assert other.cpu == max(os.sched_getaffinity(0))
    assert other.seed != asked.seed


def settled(*arguments):
    """What was asked for; None for a campaign that is resumed."""
    given = vars(cli.parser().parse_args(arguments))
    cli.refuse(given)
    return None if "resume" in given else cli.request(given)


@pytest.mark.parametrize("arguments, pairs", [
    ([], 0), (["--quick"], 6), (["--pairs", "7"], 7),
    (["--quick", "--pairs", "9"], 9), (["--precision", "1%"], 0)])
def test_the_number_of_pairs_may_be_fixed_in_advance(arguments, pairs):
    asked = settled(*arguments)
    assert asked.pairs == pairs
    assert Campaign(asked, (), []).anytime == (not pairs)


@pytest.mark.parametrize("arguments, cells, seconds", [
    ([], 1, 60), ([], 6, 60), ([], 20, 200), (["--runtime", "2.9"], 2, 300),
    (["--max-time", "7"], 20, 7), (["--self-check"], 4, 180)])
def test_the_time_of_a_campaign(arguments, cells, seconds):
    campaign = Campaign(settled(*arguments), (), [], cells=[None] * cells)
    assert campaign.max_time == pytest.approx(seconds)


@pytest.mark.parametrize("arguments, sides", [
    (["--a", "psync"], ["psync", "kaio"]),
    (["--b", "psync"], ["libaio", "psync"]),
    (["--side", "x", "--side", "y", "--side", "z"], ["x", "y", "z"]),
    (["--aa"], ["libaio", "libaio"]),
    (["--side", "x", "--aa"], ["x", "x"]),
    (["--a", "x", "--self-check"], ["x", "x", "x"])])
def test_the_sides_that_are_compared(arguments, sides):
    assert planning.texts(settled(*arguments)) == sides


@pytest.mark.parametrize("arguments, word", [
    (["--side", "x", "--a", "y"], "give either"),
    (["--aa", "--self-check"], "leave out --aa"),
    (["--max-time", "9", "--quick"], "leave out --max-time"),
    (["--precision", "1", "--pairs", "9"], "leave out --max-time"),
    (["--client", "h"], "needs --target"),
    (["--resume", "d", "--pairs", "9"], "leave out --pairs"),
    (["--resume", "d", "--out", "e"], "leave out --out")])
def test_options_that_contradict_each_other(arguments, word):
    with pytest.raises(Problem, match=word):
        settled(*arguments)


def test_resume_refuses_every_option_that_it_would_ignore():
    """Also one that is given as what it is anyway, or as 0 or 'all'."""
    values = {"precision": "1%", "size": "16M", "matrix": "bs=4k",
              "cpu": "all", "seed": "0", "restore": "fill", "runtime": "0.5",
              "ramp": "0.1", "pairs": "20",
              "pairing": "auto", "allow": "shared", "timeline": "5",
              "boots": "3", "part": "A"}
    named = [word for action in cli.parser()._actions
             for word in action.option_strings[:1]]
    allowed = {"-h", "--version", "--resume", "--json", "--destroy-data",
               "--fio", "--max-time", "--format", "--fail-if"}
    assert allowed < set(named) and len(named) > 20
    for word in set(named) - allowed:
        flag = word in ("--aa", "--self-check", "--quick", "--buffered")
        value = [] if flag else [values.get(word[2:], "x")]
        with pytest.raises(Problem, match=f"leave out {word}[.]"):
            settled("--resume", "d", word, *value)
    settled("--resume", "d", "--json", "f", "--destroy-data", "--fio", "f")


def test_fio_is_kept_as_an_absolute_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fio").write_text("#!/bin/sh\n")
    (tmp_path / "fio").chmod(0o755)
    assert settled("--fio", "./fio").fio == str(tmp_path / "fio")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("FIO", raising=False)
    assert settled().fio == str(tmp_path / "fio")


def test_one_side_or_too_many():
    with pytest.raises(Problem, match="alone compares nothing"):
        planning.texts(settled("--side", "x"))
    with pytest.raises(Problem, match="more than 26"):
        planning.texts(settled(*["--side", "x"] * 27))


@pytest.mark.parametrize("text", ["", "x", "0", "-1%", "101%", "nan", "1%%"])
def test_what_is_no_percentage(text):
    with pytest.raises(argparse.ArgumentTypeError):
        commandline.percentage(text)
    assert commandline.percentage("1.5%") == commandline.percentage("1.5")


JOB = """# purpose
[global]
ioengine=${ENGINE}
filename=/dev/sda
 Runtime = 30
timeout=30
time_based
bs=4k ; comment
[my $(reboot) job]
readwrite=randrw:2
exec_postrun=reboot
filename = /dev/sdb
iodepth=8
"""


def test_effective_job_sets_each_option_once():
    text = jobfile.Job("x.fio", JOB).effective(["filename=${TARGET}",
                                                "iodepth=4"])
    lines = text.splitlines()
    assert lines[:3] == ["[global]", "filename=${TARGET}", "iodepth=4"]
    rest = "\n".join(lines[3:])
    for gone in ("filename", "untime", "timeout", "time_based", "reboot",
                 "iodepth", "ioengine"):
        assert gone not in rest.replace("[my___reboot__job]", "")
    assert "[my___reboot__job]" in rest
    assert "bs=4k" in rest and "readwrite=randrw:2" in rest


@pytest.mark.parametrize("line, writes", [
    ("rw=read", False), ("rw=randread:8", False), ("bs=4k", False),
    ("rw=write", True), ("rw=randrw", True), ("readwrite=trim", True),
    ("RW = randwrite", True), ("rw=readwrite", True), ("rw=rw", True),
    ("rw=${RW}", True), ("rw=randread ; write", False)])
def test_which_jobs_write(line, writes):
    assert jobfile.Job("x", f"[a]\nrw=read\n[b]\n{line}\n").writes() == writes


@pytest.mark.parametrize("line", ["read_iolog=log", "iomem=mmap:/dev/sdx",
                                  "zonecapacity=1M",
                                  "offset_of_things=1",
                                  "mem = mmapshared:/tmp/file"])
def test_refused_jobs(line, tmp_path):
    path = tmp_path / "x.fio"
    path.write_text(f"[a]\n{line}\n", encoding="utf-8")
    with pytest.raises(Problem):
        jobgroups.load(str(path))


def test_jobs_are_found_by_name_and_must_exist(tmp_path):
    assert jobgroups.load("randread")[0].name == "randread"
    with pytest.raises(Problem, match="cannot read"):
        jobgroups.load(str(tmp_path / "none.fio"))[0]
    (tmp_path / "binary").write_bytes(b"\xff\xfe\0")
    with pytest.raises(Problem, match="has no job in it"):
        jobgroups.load(str(tmp_path / "binary"))[0]


def test_a_job_file_is_bytes_as_it_is_to_fio(tmp_path):
    """Latin-1 in a comment, and what only Python takes for a line's end."""
    path = tmp_path / "x.fio"
    path.write_bytes(b"# caf\xe9 \x85 \x0c \r rw=write\r\n[a]\r\nrw=read ; \xff"
                     b"\xe2\x80\xa8rw=write\r\n")
    job = jobgroups.load(str(path))[0]
    assert job.values("rw") == ["read"] and not job.writes()
    text = job.effective(["size=1m"]).encode("utf-8", "surrogateescape")
    for line in path.read_bytes().split(b"\n"):
        assert line.strip() in [one.strip() for one in text.split(b"\n")]
    again, = matrix.expand([job], ["bs=4k"])
    assert b"rw=read ; \xff" in again.text.encode("utf-8", "surrogateescape")


OFFLOAD = "io_submit_mode=offload\n"


@pytest.mark.parametrize("text, version, hangs", [
    (f"[a]\n{OFFLOAD}iodepth=4\n", "fio-3.33", True),
    (f"[a]\n{OFFLOAD}iodepth=4\n", "fio-3.41", True),
    (f"[a]\n{OFFLOAD}iodepth=4\n", "fio-3.42", False),
    (f"[a]\n{OFFLOAD}iodepth=4\n", "fio-3.42-31-g0", False),
    (f"[a]\n{OFFLOAD}iodepth=4\n", "fio-4.0", False),
    (f"[global]\niodepth=8\n[a]\n[b]\n{OFFLOAD}", "fio-3.33", True),
    (f"[global]\niodepth=8\n[a]\n[b]\n{OFFLOAD}iodepth=1\n", "fio-3.33",
     False),
    (f"[a]\n{OFFLOAD}", "fio-3.33", False),
    ("[a]\nio_submit_mode=inline\niodepth=8\n", "fio-3.33", False)])
def test_an_offload_that_hangs_in_fio_is_refused(text, version, hangs):
    job, one = jobfile.Job("x.fio", text), SimpleNamespace(version=version)
    if not hangs:
        return asking._check_offload(one, job)
    with pytest.raises(Problem, match=f"{version} itself often hangs.*3.42"):
        asking._check_offload(one, job)


@pytest.mark.parametrize("text", ["", "# nothing\n", "bs=4k\n"])
def test_a_file_without_a_job(text, tmp_path):
    (tmp_path / "x.fio").write_text(text)
    with pytest.raises(Problem, match="has no job in it"):
        jobgroups.load(str(tmp_path / "x.fio"))[0]


@pytest.mark.parametrize("text, found", [
    ("[a]\n", "none"), ("[a]\ndirect=1\n", "all"), ("[a]\nbuffered=0", "all"),
    ("[a]\ndirect=1\nbuffered=1\n", "none"),
    ("[a]\ndirect=1\natomic=0\n", "all"),
    ("[a]\nbuffered=1\ndirect=1\n", "all"), ("[a]\nDirect = 1 ; x", "all"),
    ("[global]\ndirect=1\n[a]\n[b]\n", "all"),
    ("[global]\ndirect=1\n[a]\ndirect=0\n[b]\n", "some"),
    ("[a]\n[global]\ndirect=1\n[b]\n", "some"),
    ("[globals]\ndirect=1\n[a]\n", "all"),
    ("[a]\ndirect=${KAIO_ONE}\n", "all"), ("[a]\ndirect=$(x)\n", "none")])
def test_which_jobs_use_o_direct(text, found, monkeypatch):
    monkeypatch.setenv("KAIO_ONE", "1")
    assert jobfile.direct_io(text) == found


def changes(text):
    return jobfile.Job("x", text).changes([
        "ioengine=${ENGINE}", "filename=${TARGET}", "size=268435456",
        "randseed=7", "time_based=1", "runtime=500ms", "ramp_time=100ms",
        "exec_prerun=touch started"])


@pytest.mark.parametrize("text, said", [
    ("[global]\nioengine=${ENGINE}\nfilename=${TARGET}\n[a]\nbs=4k\n", ""),
    ("[a]\nsize=1g\nruntime=30\nnrfiles=2\nloops=3\nrw=randread\n",
     "size 1g -> 256M, 2 files of one job -> one range, runtime 30 -> 0.5 s; "
     "dropped: nrfiles, loops"),
    ("[a]\nsize=256M\nruntime=500ms\ntime_based\nramp_time=100000us\n", ""),
    ("[a]\ntimeout=1m\n[b]\ntimeout=1m\n",
     "2 files -> parts of the target, runtime 1m -> 0.5 s"),
    ("[a]\nsize=50%\n", "size 50% -> 128M"),
    ("[a]\nexec_prerun=reboot\n", "dropped: exec_prerun"),
    ("[a]\nunified_rw_reporting=1\n", "dropped: unified_rw_reporting"),
    ("[a]\nioengine=psync\nfilename=/f\nrandseed=1\n",
     "ioengine psync -> the side's, filename /f -> the target, "
     "randseed 1 -> one per pair")])
def test_what_was_changed_is_said(text, said):
    assert changes(text) == said


def test_a_job_does_not_leave_the_cpu_that_it_is_pinned_to(tmp_path):
    path = tmp_path / "x.fio"
    path.write_text("[a]\nbs=4k\ncpus_allowed=0\nCPUmask=1\n")

    def job(*more):
        asked = settled("--job", str(path), "--b", "libaio", *more)
        return planning.jobs_of(asked, planning.sides_of(asked))[0][0]
    one = job("--cpu", str(max(os.sched_getaffinity(0))))
    assert one.changes([]) == "dropped: cpus_allowed, cpumask"
    assert "cpu" not in one.effective([]).lower()
    again = jobfile.Job(**dataclasses.asdict(one))      # as --resume reads it
    assert again.effective([]) == one.effective([])
    for free in (job("--cpu", "all"), job("--client", "h", "--target", "/f")):
        assert free.changes([]) == "" and "cpus_allowed=0" in free.effective([])
    with pytest.raises(Problem, match="'cpus_allowed' cannot be an axis"):
        job("--matrix", "bs=4k", "cpus_allowed=0,1")
    assert job("--matrix", "cpus_allowed=0,1", "--cpu", "all").label


def test_what_fio_says_is_cut_between_words():
    said = fiorun.words("\n".join(f"word{i} nothing" for i in range(99)))
    assert len(said) <= 400
    assert said.startswith("word0 ") and said.endswith("; word98 nothing")
    begin, end = said.split(" ... ")
    assert all(part.startswith("word") or part.startswith("nothing")
               for part in (begin + " " + end).split())
    assert len(fiorun.words("x" * 1000)) <= 400


@pytest.mark.parametrize("binary, word", [
    ("/nonexistent/fio", "install it"), ("/bin/true", "is not fio"),
    ("/bin/false", "does not work"), ("/", "does not work")])
def test_a_wrong_fio_is_one_sentence(binary, word):
    with pytest.raises(Problem, match=word):
        fiorun.version(binary)


def test_cpu_clock_counts_all_threads_of_a_process():
    burn = ("import threading, hashlib, time\n"
            "def f():\n"
            " e = time.thread_time() + 0.2\n"
            " while time.thread_time() < e: hashlib.sha256(bytes(1 << 20))\n"
            "t = [threading.Thread(target=f) for _ in '12']\n"
            "[x.start() for x in t]; [x.join() for x in t]\n"
            "print('done', flush=True); time.sleep(60)\n")
    with process.Child([sys.executable, "-c", burn],
                       stdout=subprocess.PIPE) as child:
        child.process.stdout.readline()
        assert 0.4 <= process.cpu_clock(child.pid) < 40
        child.process.stdout.close()
    with pytest.raises(ProcessLookupError):
        process.cpu_clock(child.pid)


def alive(pid):
    state = procfile.of_process(pid, "stat").split()
    return bool(state) and state[2] != "Z"


@pytest.mark.parametrize("stubborn", ["", "trap '' TERM; "])
def test_leaving_ends_descendants_in_sessions_of_their_own(stubborn):
    script = (f"{stubborn}setsid sh -c \"{stubborn}echo \\$\\$; "
              "for i in \\$(seq 2000); do sleep 0.1; done\" & wait; wait")
    with process.Child(["sh", "-c", script], stdout=subprocess.PIPE) as child:
        grandchild = int(child.process.stdout.readline())
        assert os.getsid(grandchild) != os.getsid(child.pid)
        child.process.stdout.close()
    end = time.monotonic() + 60
    while alive(grandchild) or alive(child.pid):
        assert time.monotonic() < end


def test_wait_gives_status_and_usage():
    with process.Child(["sh", "-c", "exit 7"]) as child:
        assert child.wait(300)
        assert child.status == 7 and child.usage.ru_utime >= 0
    with process.Child(["sleep", "60"]) as child:
        assert not child.wait(0.05)
    assert child.status == -signal.SIGTERM


STOPPED = """
import argparse, os, signal, subprocess, sys, time
sys.path.insert(0, sys.argv.pop(1))
from fiolab.base import commandline
def work(args, stack):
    stack.callback(print, "cleaned up")
    os.register_at_fork(after_in_parent=lambda: signal.raise_signal(2))
    subprocess.run(["true"], preexec_fn=int)
    time.sleep(200)
    print("not stopped")
commandline.main([], argparse.ArgumentParser("x"), work)
"""


def test_ctrl_c_within_a_fork_is_not_lost():
    """Python drops what a callback of fork raises."""
    done = subprocess.run([sys.executable, "-c", STOPPED, JOBS], text=True,
                          capture_output=True, timeout=300, check=False)
    assert (done.returncode, done.stdout) == (130, "cleaned up\n")
    assert done.stderr == ""


def test_a_run_that_ended_while_nobody_looked_had_begun(tmp_path):
    """As on a loaded machine, where this process gets no CPU for a second."""
    def wait(_seconds):
        (tmp_path / "started").touch()
        return True
    one = SimpleNamespace(file=lambda name: str(tmp_path / name),
                          child=SimpleNamespace(wait=wait))
    assert timedrun.await_start(one) == (tmp_path / "started").stat().st_mtime
