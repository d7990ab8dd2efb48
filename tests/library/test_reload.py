# SPDX-License-Identifier: GPL-2.0-only
"""A program may load and unload the library as often as it likes.

reload.c leaves by exit() while a thread polls: that is no unloading, and the
thread goes on until the process ends.
"""
import pytest

from abi_tools import BUILD, HERE, SAN, compile_program, run

CYCLES = 100


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return compile_program(
        HERE / "reload.c", tmp_path_factory.mktemp("reload") / "reload",
        "-D_GNU_SOURCE", "-lpthread", "-ldl",
    )  # fmt: skip


@pytest.mark.skipif(bool(SAN), reason="a sanitizer keeps what was unloaded")
@pytest.mark.parametrize("library", ["ours", "theirs"])
def test_unloading_leaves_nothing_behind(library, program, library_paths):
    path = {"ours": BUILD}.get(library, library_paths[library]) / "libaio.so.1"
    done = run(program, path, CYCLES, timeout=60)
    assert done.returncode == 0, f"{done.returncode}\n{done.stdout}{done.stderr}"
    assert done.stdout.split() == ["mappings", "0", "kilobytes", "0"]
