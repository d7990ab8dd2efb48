# SPDX-License-Identifier: GPL-2.0-only
# jobs/bench as a user runs it, with one short pair: what it measures and
# writes, what it leaves behind (nothing), and mistakes in one sentence.  And
# the bare loop that it compares with.
import glob
import json
import math
import os
from pathlib import Path
import re
import subprocess

import pytest

from fiolab.bench import costs
from fiolab.fio import fiorun
from fiolab.target.target import Target

SHORT = ("--pairs", "1", "--quick", "--size", "16M")


def check_nothing_left(done):
    made = re.findall(r"^writing \d+ MiB to (.*)$", done.stderr, re.M)
    backing = "".join(Path(path).read_text() for path in
                      glob.glob("/sys/block/loop*/loop/backing_file"))
    assert made
    for path in made:
        assert not os.path.exists(path) and path not in backing


def check_stdout(done):
    assert done.returncode == 0, done.stderr
    assert all(len(line) <= 80 for line in done.stdout.splitlines()
               if "/" not in line), done.stdout


@pytest.mark.smoke
def test_rows_goals_and_the_json(bench, tmp_path):
    out = tmp_path / "out.json"
    done = bench(*SHORT, "--only", "batch", "--only", "spin", "--json",
                 str(out))
    check_stdout(done)
    check_nothing_left(done)
    data = json.loads(out.read_text())
    told = re.search(r"^return stack refilled .*: (yes|no)$", done.stdout, re.M)
    assert data["refill"] == {"yes": 1, "no": 0}[told[1]]
    rows = {row["name"]: row for row in data["rows"]}
    batch = rows["kaio : libaio, tmpfs, depth 64"]
    assert "iodepth_batch=16\n" in batch["job_text"]
    for row in rows.values():
        roles = sorted(run["role"] for run in row["runs"])
        assert roles == ["A", "A'", "B"] or (       # dropped, by the rule
            row["pairing"] == "duet" and not roles)
        assert all(0 < run["iops"] * data["runtime"] <= 1.03 * run.get(
            "ios", math.inf) for run in row["runs"])
    check_spin(rows, data["goals"], done.stderr)


def check_spin(rows, goals, messages):
    name = "kaio,spin=50us : kaio, loop, depth 1"
    about = [goal for goal in goals if goal["goal"].startswith(name)]
    if name not in rows:
        assert "bench: without loop: " in messages
        assert [goal["met"] for goal in about] == [None]
        return
    assert [e["metric"] for e in rows[name]["effects"]] == ["iops", "p50_us"]
    assert [goal["found"] > 0 for goal in about] == [True, True]
    for run in rows[name]["runs"]:
        assert ("spin=50us" in run["options"]) == (run["role"] == "B")


def test_memory_of_a_unit_of_depth(bench, build_dir, fio_binary, tmp_path,
                                   shm_file, monkeypatch):
    """152 bytes by the structures, none of which are touched before an I/O
    needs them; some never are, and some lie where fio's have been."""
    with open(shm_file, "wb") as file:
        file.truncate(16 << 20)
    monkeypatch.setattr(costs, "ENGINES", ("null", "kaio"))
    fio = fiorun.Fio(fio_binary, None, str(tmp_path))
    found = costs.memory(fio, str(build_dir), Target(
        shm_file, 16 << 20, True, "RAM"))
    assert 8 < found["kaio"] - found["null"] < 160


def test_fewer_targets_are_a_sentence_each(bench, need_root):
    """As a user who may use no device; the build folder is not his either."""
    os.chmod(bench.folder, 0o777)
    nobody = ["setpriv", "--reuid", "65534", "--clear-groups"]
    if subprocess.run([*nobody, "test", "-r", bench.command[0]],
                      check=False).returncode:
        pytest.skip("the source is not readable for others")
    bench.command[:0] = nobody
    done = bench(*SHORT, "--only", "spin")
    assert done.returncode == 1 and done.stdout == ""
    assert "bench: without loop: " in done.stderr
    assert "bench: without zram: " in done.stderr
    assert done.stderr.endswith("nothing is left to measure: see above.\n")


@pytest.mark.parametrize("arguments, env, word", [
    (["--build", "/nonexistent"], {}, "there is no engine at"),
    (["--fio", "/nonexistent/fio"], {}, "no fio at"),
    (["--only", "batch", "--json", "/nonexistent/f"], {}, "no folder"),
    (["--only", "batch", "--size", "900000M"], {}, "nothing is left")])
def test_mistakes_are_one_sentence(bench, arguments, env, word):
    bench.sentence(word, *arguments, **env)


def test_without_the_bare_loop(bench, build_dir, tmp_path):
    (tmp_path / "fio-kaio.so").symlink_to(build_dir / "fio-kaio.so")
    bench.sentence(f"there is no bareloop at {tmp_path}/loops/bareloop: run "
                   "`make` first", "--build", tmp_path, "--only", "defaults")


@pytest.mark.parametrize("arguments", [
    ["--pairs", "0"], ["--only", "disk"], ["--runtime", "0"], ["stray"]])
def test_bad_options_end_with_status_2(bench, arguments):
    done = bench(*arguments)
    assert done.returncode == 2 and "bench: " in done.stderr


# The bare loop

@pytest.fixture
def bareloop(build_dir, san, shm_file):
    if san:
        pytest.skip("the leak sanitizer does not work under strace")
    program = str(build_dir / "loops" / "bareloop")
    with open(shm_file, "wb") as file:
        file.truncate(1 << 20)

    def run(*wrap, depth="64", size="1048576", direct="0", path=shm_file,
            poll="0"):
        return subprocess.run(["timeout", "-s", "KILL", "300", *wrap, program,
                               path, size, depth, direct, "10", "50", "1", poll],
                              text=True, capture_output=True, check=False)
    return run


def test_the_bare_loop_makes_one_call_for_each_read(bareloop, need_strace,
                                                    tmp_path):
    trace = str(tmp_path / "trace")
    done = bareloop("strace", "-o", trace, "-e",
                   "trace=io_submit,io_getevents")
    assert done.returncode == 0, done.stderr
    iops, cpu_us = map(float, done.stdout.split())
    assert iops > 0 and cpu_us > 0
    with open(trace, encoding="ascii") as file:
        calls = re.findall(r"^(\w+)\(.*= (\d+)$", file.read(), re.M)
    assert len(calls) > 64 + iops * 0.05
    assert set(calls) == {("io_submit", "1")}


def test_the_bare_loop_waits_for_a_device(bareloop, loop_device):
    done = bareloop(path=loop_device, depth="1", direct="1")
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[0]) > 0


def test_the_bare_loop_polls(bareloop, need_strace, loop_device, tmp_path):
    trace = str(tmp_path / "trace")
    done = bareloop("strace", "-o", trace, "-e", "trace=io_getevents",
                   path=loop_device, depth="1", direct="1", poll="1")
    assert done.returncode == 0, done.stderr
    assert "io_getevents" not in Path(trace).read_text()


@pytest.mark.parametrize("how, word", [
    ({"path": "/nonexistent"}, "/nonexistent: No such file"),
    ({"size": "4095"}, "nothing to read"), ({"depth": "0"}, "nothing to read"),
    ({"depth": "x"}, "'x' is not a number"),
    ({"size": "2097152"}, "a read returned 0")])
def test_what_the_bare_loop_refuses(bareloop, how, word):
    done = bareloop(**how)
    assert done.returncode in (1, 2) and word in done.stderr
    assert done.stdout == ""
