# SPDX-License-Identifier: GPL-2.0-only
# Each mistake in a command of jobs/ab is one sentence, and what is refused has
# left nothing.
import os
import shutil

import pytest

from abrun import FAST, check_calls, sentence


@pytest.mark.parametrize("arguments, word", [
    (["--fio", "/nonexistent/fio"], "no fio at"),
    (["--fio", "/bin/true"], "is not fio"),
    (["--build", "/nonexistent"], "run `make` first"),
    (["--b", "external:/nonexistent.so"], "no engine at"),
    (["--b", "libaio@our-library", "--build", "/none"], "no library at"),
    (["--b", "libaio@nowhere"], "is not an environment"),
    (["--b", "libaio", "--job", "/nonexistent.fio"], "cannot read"),
    (["--b", "libaio", "--target", "/nonexistent/f"], "no folder"),
    (["--b", "libaio", "--target", "/tmp"], "neither a file nor"),
    (["--b", "libaio", "--json", "/nonexistent/f"], "no folder"),
    (["--b", "libaio", "--json", "/tmp"], "is a folder"),
    (["--b", "libaio", "--json", ""], "--json has an empty name"),
    (["--b", "libaio", "--resume", ""], "--resume has an empty name"),
    (["--b", "libaio", "--format", "csv=/none/f"], "no folder for /none/f"),
    (["--b", "libaio", "--format", "junit=/tmp"], "/tmp: it is a folder"),
    (["--b", "lib\nai\x1bo"], r"'lib\nai\x1bo' is not an engine name"),
    (["--b", "libaio", "--json", "/proc/f"], "cannot write /proc/f")])
def test_mistakes_are_one_sentence(ab, arguments, word):
    done = ab(*arguments)
    sentence(done, word)
    assert "writing" not in done.stderr


def test_what_fio_says_is_passed_on(ab, shm, tmp_path):
    """Before the target is written."""
    bad, empty, engine = (tmp_path / name for name in ("bad.fio", "empty.fio",
                                                       "no-engine.so"))
    bad.write_text("[a]\nbs=4k\nnosuchoption=1\n")
    empty.touch()
    engine.write_text("not a library")
    for arguments, word in [
            (["--a", "nosuchengine"], "nosuchengine"),
            (["--b", f"external:{engine}"], "no-engine.so"),
            (["--b", "libaio,nosuchoption=1"], "belongs in the job file"),
            (["--b", "libaio,userspace_reap=x"], "userspace_reap"),
            (["--b", "libaio", "--job", str(bad)], "nosuchoption"),
            (["--b", "libaio", "--job", str(empty)], "has no job in it")]:
        done = ab("--b", "libaio", *arguments, "--target", f"{shm}/s", *FAST)
        sentence(done, word)
        assert "writing" not in done.stderr and os.listdir(shm) == []


@pytest.mark.parametrize("side", ["libaio,direct=0,invalidate=0",
                                  "io_uring,numjobs=2", "kaio,iodepth=1",
                                  "psync,bs=8k"])
def test_a_side_with_options_of_the_job_is_refused(side, ab, shm, build_dir,
                                                   san):
    if san and side.startswith("kaio"):
        pytest.skip("a sanitized engine needs the sanitizer preloaded")
    sentence(ab("--b", side, "--build", str(build_dir), "--target",
                f"{shm}/s", *FAST), "belongs in the job file")


def test_options_of_the_engine_are_accepted(ab, shm, build_dir, san):
    if san:
        pytest.skip("a sanitized engine needs the sanitizer preloaded")
    done = ab("--a", "libaio,userspace_reap", "--b", "kaio,userspace_reap=0",
              "--build", str(build_dir), "--target", f"{shm}/s", "--pairs",
              "1", *FAST)
    assert done.returncode == 0, done.stderr


def test_a_side_with_our_library(ab, shm, build_dir, san):
    """One call per I/O instead of two, whatever the user's environment."""
    if san:
        pytest.skip("a sanitized library needs the sanitizer preloaded")
    done = ab("--a", "libaio", "--b", "libaio@our-library", "--build",
              str(build_dir), "--target", f"{shm}/s", "--pairs", "1",
              *FAST, LIBAIO_RING="0")
    assert done.returncode == 0, done.stderr
    first, second = ab.report()["sides"]
    assert second["library"] == f"{build_dir}/libaio.so.1" != first["library"]
    assert first["library"] and first["environment"] == {}
    assert second["environment"]["LD_LIBRARY_PATH"] == str(build_dir)
    cell, = ab.report()["cells"]
    check_calls(cell, 2, 1)
    assert f"LD_LIBRARY_PATH={build_dir}" in cell["command"]["B"]


@pytest.mark.parametrize("how", ["the environment", "set-gid", "beside kaio"])
def test_the_wrong_library_is_found_out(how, ab, shm, build_dir, san, tmp_path,
                                        fio_binary):
    if san:
        pytest.skip("a sanitized library needs the sanitizer preloaded")
    env, word = {"LD_LIBRARY_PATH": str(build_dir)}, "run without our library"
    if how == "set-gid":
        if os.geteuid():
            pytest.skip("needs root, to give a file to another group")
        fio_binary = shutil.copy(fio_binary, tmp_path / "fio")
        os.chown(fio_binary, -1, 65534)
        os.chmod(fio_binary, 0o2755)
        env, word = {}, "ignores LD_LIBRARY_PATH"
    other = "kaio" if how == "beside kaio" else "libaio@our-library"
    done = ab("--b", other, "--build", str(build_dir), "--fio",
              str(fio_binary), "--target", f"{shm}/s", *FAST, **env)
    sentence(done, word)
    assert "writing" not in done.stderr and os.listdir(shm) == []
