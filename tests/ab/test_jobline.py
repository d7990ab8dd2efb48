# SPDX-License-Identifier: GPL-2.0-only
# fio's command line behind `jobs/ab --` is a job, read as fio reads it: fio
# itself says, by --showcmd of the job file, that it is the same.
import os
import subprocess

import pytest

from abrun import FAST, sentence
from fiolab.ab import cli, planning
from fiolab.base.problem import Problem
from fiolab.fio.jobs import jobline
from fiolab.fio.sidespec import Side


def jobs(*words):
    return jobline.load(words)


@pytest.mark.parametrize("words, text", [
    (["--name=t", "--rw=randread"], "[global]\n[t]\nrw=randread"),
    (["-name", "t", "-rw", "randread", "--direct", "1"],
     "[global]\n[t]\nrw=randread\ndirect=1"),
    (["--bs=4k", "--name=a", "--thread", "--name=b", "--bs=8k"],
     "[global]\nbs=4k\n[a]\nthread\n[b]\nbs=8k"),
    (["--name=a", "--group_reporting=1", "--output-format", "json", "--eta",
      "never", "--minimal", "--rw=read"],
     "[global]\n[a]\ngroup_reporting=1\nrw=read"),
    (["--rw=randread", "--bs=4k"], "[global]\nrw=randread\nbs=4k\n[job]\n"),
    (["--name=a", "--section=b", "--name=b"], "[global]\n[b]")])
def test_words_are_a_job(words, text):
    job, = jobs(*words)
    assert job.text == text


def test_a_stonewall_makes_two_cells():
    assert [job.name for job in jobs(
        "--direct=1", "--name=a", "--rw=read", "--name=b", "--stonewall",
        "--rw=write")] == ["a/a", "a/b"]


def test_a_name_that_is_global_names_no_job():
    job, = jobs("--name=global", "--rw=randread", "--name=job1", "--name=job2")
    assert job.name == "job1" and job.values("rw") == ["randread"]


def test_what_is_fios_own_is_said():
    job, = jobs("--name=a", "--output=x", "--eta=never", "--output=y")
    assert job.notes == ("of fio's command line, --output, --eta is left out, "
                         "as a comparison has its own.",)


@pytest.mark.parametrize("words, word", [
    (["--name=a", "--client=h"], "name the hosts by --client"),
    (["--name=a", "--rw"], "--rw wants a value"),
    (["--name=a", "--", "x"], "'--' is no option of fio's"),
    (["--enghelp"], "ask fio itself"),
    (["/nonexistent/x.fio"], "cannot read the job file /nonexistent/x.fio")])
def test_what_is_not_for_a_comparison_is_one_sentence(words, word):
    with pytest.raises(Problem, match=word):
        jobs(*words)


def test_options_before_a_file_are_its_defaults(tmp_path):
    """Those of the first file alone, as in fio."""
    for name in "xy":
        (tmp_path / f"{name}.fio").write_text(f"[{name}]\nrw=read\n")
    first, second = jobs("--bs=8k", str(tmp_path / "x.fio"), "--iodepth=4",
                         str(tmp_path / "y.fio"))
    assert first.values("bs", "iodepth") == ["8k", "4"]
    assert (first.name, second.name) == ("x", "y")
    assert second.values("bs", "iodepth") == []


def test_it_stands_beside_our_own_options():
    words, line = cli.divided(["--b", "psync", "--", "--name=t", "--",
                               "--job=x"])
    assert words == ["--b", "psync"] and line == ["--name=t", "--", "--job=x"]
    given = vars(cli.parser(["--name=t"]).parse_args(["--job", "latency"]))
    found, = planning.jobs_of(cli.request(given), [Side("a", "a")])
    assert [job.name for job in found] == ["latency", "t"]
    with pytest.raises(Problem, match="leave out -- and what is behind it"):
        cli.refuse({"resume": "d", "line": ["--name=t"]})


@pytest.mark.parametrize("words", [["--"], ["--b", "psync", "--"]])
def test_nothing_behind_it_is_a_mistake(words, ab):
    """And not the default, which would measure for a minute."""
    done = ab(*words)
    assert done.returncode == 2 and not ab.out.exists()
    said, = done.stderr.splitlines()
    assert said.startswith("ab: nothing is behind --, where fio's command line")


COMMANDS = [
    ["--direct=1", "--size=1m", "--name=a", "--rw=randread", "--bs", "4k",
     "--thread", "--name=b", "--iodepth=8", "--norandommap"],
    ["-name=one", "-rw=randrw", "-rwmixread=70", "-numjobs", "3",
     "-group_reporting", "-size=1m"]]


@pytest.mark.fio
@pytest.mark.parametrize("words", COMMANDS)
def test_fio_reads_the_same(words, fio_binary, tmp_path):
    """Its account of the options of each job."""
    (tmp_path / "x.fio").write_text(jobs(*words)[0].text)

    def told(*arguments):
        done = subprocess.run(
            [fio_binary, "--output-format=json", *arguments], text=True,
            cwd=tmp_path, capture_output=True, check=True, timeout=60)
        return [line.strip().rstrip(",") for line in done.stdout.split("\n")
                if line.strip().startswith('"') and
                line.split(":")[0].strip(' "') in NAMES]
    assert told("x.fio", "--ioengine=null") == told(
        "--ioengine=null", *words)


NAMES = {"jobname", "rw", "bs", "iodepth", "thread", "direct", "norandommap",
         "size", "rwmixread", "numjobs", "group_reporting"}


@pytest.mark.fio
def test_a_campaign_of_a_command_line(ab, shm):
    done = ab("--b", "psync", "--pairs", "1", "--target", f"{shm}/s", *FAST,
              "--", "--name=t", "--rw=randread", "--bs=8k", "--direct=1",
              "--output-format=json")
    assert done.returncode == 0, done.stderr
    report = ab.report()
    assert {cell["job"] for cell in report["cells"]} == {"t"}
    assert any("--output-format is left out" in one
               for one in report["warnings"])
    assert os.listdir(shm) == []
    sentence(ab("--b", "psync", "--target", f"{shm}/s", *FAST, "--",
                "--name=t", "--nosuchoption=1"), "nosuchoption")
