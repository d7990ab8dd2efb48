# SPDX-License-Identifier: GPL-2.0-only
# jobs/bench-lib as a user runs it, with few and short pairs: it measures both
# libraries, finds out the wrong one, and ends mistakes with one sentence.
import json
import os
import re
import shutil
import subprocess

import pytest

from benchrun import Bench

KINDS = 11


@pytest.fixture
def bench(build_dir, san, fio_binary, tmp_path):
    if san:
        pytest.skip("a sanitized library needs the sanitizer preloaded")
    (tmp_path / "tmp").mkdir()
    return Bench("bench-lib", build_dir, tmp_path / "tmp", fio_binary)


def test_both_libraries_under_fio_and_in_the_loop(bench, build_dir, tmp_path):
    out = tmp_path / "out.json"
    done = bench("--pairs", "1", "--quick", "--only", "shm", "--only", "loop",
                 "--size", "16M", "--json", str(out))
    assert done.returncode == 0, done.stderr
    assert all(len(line) <= 80 for line in done.stdout.splitlines()
               if "/" not in line), done.stdout
    assert f"    fio uses {build_dir}/libaio.so.1\n" in done.stdout
    data = json.loads(out.read_text())
    theirs, ours = data["loop"]["libraries"]
    assert os.path.realpath(ours) == f"{build_dir}/libaio.so.1" != theirs
    check_calls(*data["calls_by_kind"])
    goals = {goal["goal"].split()[0]: goal for goal in data["goals"]}
    check_duet(goals["CPU"], data["cells"][0]["runs"])
    assert len(data["loop"]["runs"]) == 3
    assert data["machine"]["kernel"] == os.uname().release
    assert len(data["loop"]["effects"]) == KINDS


def check_duet(goal, runs):
    """On a machine that is too busy its block is dropped, by the rule."""
    if runs:
        assert goal["found"] > 0 and len(runs) == 3
    else:
        assert goal["found"] is None and goal["met"] is None


def check_calls(kinds):
    """Ours makes no call for events; {}: strace does not work here.  The
    library of Debian 13 gets them by io_pgetevents."""
    for side, least, most in (("A", 0.9, 1.1), ("B", 0, 0.05)):
        if kinds[side]:
            gets = kinds[side]["io_getevents"] + kinds[side]["io_pgetevents"]
            assert least <= gets <= most
            assert kinds[side]["io_submit"] == pytest.approx(1, abs=0.1)


@pytest.mark.smoke
def test_the_loop_alone_needs_no_fio(bench):
    """How much faster which kind of call must be is the benchmark's goal."""
    done = bench("--pairs", "1", "--quick", "--only", "loop",
                 "--fio", "/nonexistent/fio")
    assert done.returncode == 0, done.stderr
    speed, = re.findall(r"events\s+waiting\s+at\s+least\s+5x:\s+([\d.]+)x",
                        done.stdout)
    assert float(speed) > 0
    assert done.stdout.count("no verdict") == KINDS


@pytest.mark.slow
def test_the_wrong_library_is_found_out(bench, build_dir, tmp_path):
    ldconfig = shutil.which("ldconfig", path="/usr/sbin:/sbin")
    listed = subprocess.run([ldconfig, "-p"], capture_output=True, text=True,
                            check=True).stdout
    shutil.copy(re.search(r"libaio\.so\.1(?:t64)? .*=> (\S+)", listed)[1],
                tmp_path / "libaio.so.1")
    (tmp_path / "libaio.so.1t64").symlink_to("libaio.so.1")
    (tmp_path / "loops").symlink_to(build_dir / "loops")
    for part in ("loop", "shm"):
        bench.sentence("is not our library",
                       "--build", str(tmp_path), "--only", part)
    bench.sentence("is to run without our library",
                   "--only", "loop", LD_LIBRARY_PATH=str(build_dir))


@pytest.mark.parametrize("arguments, env, word", [
    (["--build", "/nonexistent"], {}, "there is no library at"),
    (["--build", "/nonexistent", "--only", "loop"], {}, "there is no library at"),
    (["--only", "shm", "--fio", "/nonexistent/fio"], {}, "no fio at"),
    (["--only", "loop", "--json", "/nonexistent/f"], {}, "no folder")])
def test_mistakes_are_one_sentence(bench, arguments, env, word):
    bench.sentence(word, *arguments, **env)


def test_without_the_call_loop(bench, build_dir, tmp_path):
    (tmp_path / "libaio.so.1").symlink_to(build_dir / "libaio.so.1")
    bench.sentence("there is no callloop at", "--build", tmp_path,
                   "--only", "loop")


@pytest.mark.parametrize("arguments", [["--pairs", "0"], ["--only", "disk"],
                                       ["--size", "4k"], ["stray"]])
def test_bad_options_end_with_status_2(bench, arguments):
    done = bench(*arguments)
    assert done.returncode == 2 and "bench-lib: " in done.stderr
