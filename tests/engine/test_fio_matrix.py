# SPDX-License-Identifier: GPL-2.0-only
# tests/fio-matrix, cheaply: what it says of input that it cannot use, a whole
# run over the fio under test and the same one under another version, and that
# it sees every way in which an engine may fail to be refused.
import importlib.machinery
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import fiotrees
from enginepairs import pair
from setuprun import fake_tree, write_program

pytestmark = pytest.mark.fio
MATRIX = Path(__file__).resolve().parents[1] / "fio-matrix"
OTHER = "fio-9.99"


@pytest.fixture(scope="module")
def matrix():
    """The script as a module."""
    loader = importlib.machinery.SourceFileLoader("fio_matrix", str(MATRIX))
    module = importlib.util.module_from_spec(
        importlib.util.spec_from_loader("fio_matrix", loader))
    loader.exec_module(module)
    return module


def run(*trees, out, **env):
    return subprocess.run([MATRIX, *trees], text=True, capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=900, check=False,
                          env={**os.environ, "O": str(out), "FIO_SRC": "",
                               **env})


def problems(result):
    assert result.returncode == 1 and result.stdout == "", result
    return result.stderr.splitlines()


def tree(path, version="fio-3.41", printed=None):
    """What looks like a fio source tree, and its binary."""
    fake_tree(path, version)
    if printed:
        write_program(path / "fio", "echo %s\n" % printed)
    return path


@pytest.mark.parametrize("printed,said", [
    (None, ["no fio in it", "./configure && make"]),
    ("hello", ["is not fio", '"hello"']),
    ("fio-3.42", ["is the source of fio-3.41", "is fio-3.42"]),
], ids=["no-binary", "no-fio", "mismatch"])
def test_tree_that_cannot_be_used(tmp_path, printed, said):
    line, = problems(run(tree(tmp_path / "tree", printed=printed),
                         out=tmp_path / "out"))
    assert all(words in line for words in [*said, str(tmp_path / "tree")])


def test_each_bad_folder_is_named(tmp_path):
    (tmp_path / "empty").mkdir()
    names = [tmp_path / "empty", tmp_path / "gone"]
    lines = problems(run(*names, out=tmp_path / "out"))
    assert len(lines) == 2
    for line, name in zip(lines, names):
        assert "%s is not a fio source tree" % name in line
    assert not (tmp_path / "out").exists()


def test_nothing_to_test(tmp_path):
    line, = problems(run(out=tmp_path, FIO=str(tmp_path / "gone")))
    assert "install fio" in line


def test_selection(matrix):
    """It is those tests, each of them, and none that has a part of a name in
    its own or in its file's."""
    ids = matrix.node_ids()
    listed = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", *ids],
        text=True, capture_output=True, cwd=matrix.ROOT, timeout=300,
        check=True).stdout
    found = {str(matrix.ROOT / "tests" / line.partition("[")[0])
             for line in listed.splitlines() if "::" in line}
    assert found == set(ids) and len(ids) == len(found)


@pytest.mark.slow
def test_matrix(other_tree, build_dir, fio_binary, tmp_path):
    """Two are built and tested, each refuses each other's engine, and one for
    both runs in both."""
    path, version, other = other_tree
    third = "fio-8" + version[len("fio-9"):]
    second = fiotrees.built(build_dir / "fio", fio_binary, tmp_path / "third",
                            third)
    out = tmp_path / "out"
    out.mkdir()
    for name in ("fio", "fio-kaio.so"):
        (out / name).symlink_to(build_dir / name)
    result = run(path, second, out=out, FIO=fio_binary,
                 KAIO_PYTEST="-k test_option_table")
    lines = result.stdout.splitlines()
    assert result.returncode == 0, result
    # 2 tests on 2, 6 ways for 6 pairs, for 2 left out, and 1 more for 2 inside.
    assert lines[-1] == "66 passed, 0 failed"
    assert [line.split() for line in lines[-4:-1]] == [
        [other[len("fio-"):], "2", "passed", "-", "refused", "refused",
         "runs", "refused"],
        [third[len("fio-"):], "2", "passed", "refused", "-", "refused",
         "runs", "refused"],
        [version[len("fio-"):], "(FIO)", "not", "run", "refused", "refused",
         "-", "-", "-"]]


@pytest.fixture
def here(matrix, fio_binary, build_dir):
    """The fio under test with its engine."""
    return matrix.Side(os.path.realpath(fio_binary), build_dir)


def test_same_version_runs(matrix, here, build_dir):
    twin = matrix.Side(here.binary, build_dir)
    assert pair(twin, here) == ("runs", (6, 0))


def test_engine_that_runs_where_it_must_not(matrix, here, build_dir):
    other = matrix.Side(here.binary, build_dir)
    other.version = OTHER
    assert pair(other, here) == ("6 WRONG", (0, 6))


SAYS = 'log_err("kaio: this engine was built for %s but %s is %s; rebuild ' \
    'it with: make FIO=%s (add FIO_SRC=DIR)\\n", '
# What it does, for which fio it says to be, and how many ways may go wrong.
# The words of a crashed server may reach the client, or not.
STUBS = {
    "refuses": (SAYS + "BUILT, EXE, RUNNING, EXE);", OTHER, {0}),
    "refuses-its-own": (SAYS + "BUILT, EXE, RUNNING, EXE);", None, {0}),
    "is-silent": ("", OTHER, {6}),
    "crashes": ("raise(11);", OTHER, {6}),
    "says-then-crashes": (SAYS + "BUILT, EXE, RUNNING, EXE); raise(11);",
                          OTHER, {5, 6}),
    "names-no-version": (SAYS + '"?", EXE, RUNNING, EXE);', OTHER, {6}),
    "names-no-fio": (SAYS + 'BUILT, EXE, RUNNING, "?");', OTHER, {6}),
}


@pytest.mark.parametrize("stub", STUBS)
def test_refusals_are_judged(matrix, here, tmp_path, stub):
    """No engine at all, but its last words."""
    body, version, wrong = STUBS[stub]
    side = matrix.Side(here.binary, tmp_path)
    side.version = version or here.version
    words = {"BUILT": side.version, "EXE": here.binary,
             "RUNNING": here.version}
    source = tmp_path / "stub.c"
    source.write_text(
        "#include <signal.h>\nint log_err(const char *, ...);\n"
        "void get_ioengine(void **ops);\n"
        "void get_ioengine(void **ops)\n{\n(void)ops;\n%s\n}\n" % body,
        encoding="utf-8")
    subprocess.run(["gcc", "-shared", "-fPIC", *(
        '-D%s="%s"' % item for item in words.items()), "-o", side.engine,
        source], check=True)
    cell, (passed, failed) = pair(side, here)
    assert failed in wrong and passed + failed == 6
    assert cell == ("%d WRONG" % failed if failed else "refused")
