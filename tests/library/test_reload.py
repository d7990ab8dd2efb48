# SPDX-License-Identifier: GPL-2.0-only
"""A program may load and unload the library as often as it likes.

reload.c leaves by exit() while a thread polls: that is no unloading, and the
thread goes on until the process ends.
"""
import pytest

from abi_tools import BUILD, CXX, HERE, SAN, STATIC, compile_program, output_of, run

CYCLES = 100
UNLOAD = """
import _ctypes, ctypes, sys
_ctypes.dlclose(ctypes.CDLL(sys.argv[1])._handle)
print("unloaded")
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return compile_program(
        HERE / "reload.c", tmp_path_factory.mktemp("reload") / "reload",
        "-D_GNU_SOURCE", "-lpthread", "-ldl",
    )  # fmt: skip


@pytest.mark.long
@pytest.mark.skipif(bool(SAN), reason="a sanitizer keeps what was unloaded")
@pytest.mark.parametrize("library", ["ours", "theirs"])
def test_unloading_leaves_nothing_behind(library, program, library_paths):
    path = {"ours": BUILD}.get(library, library_paths[library]) / "libaio.so.1"
    done = run(program, path, CYCLES, timeout=60)
    assert done.returncode == 0, f"{done.returncode}\n{done.stdout}{done.stderr}"
    assert done.stdout.split() == ["mappings", "0", "kilobytes", "0"]


@pytest.mark.skipif(bool(SAN), reason="a sanitizer's runtime cannot be loaded twice")
def test_exit_is_no_unloading_in_another_namespace(program):
    done = run(program, BUILD / "libaio.so.1", 2, "apart", timeout=60)
    assert done.returncode == 0, f"{done.returncode}\n{done.stdout}{done.stderr}"


@pytest.mark.skipif(bool(SAN), reason="Python has no sanitizer's runtime")
def test_plugin_uses_contexts_until_its_last_destructor(tmp_path):
    """It holds the static library; plain destructors come before those of objects."""
    plugin = compile_program(
        HERE / "plugin.cc", tmp_path / "plugin.so", "-shared", "-fPIC", "-pthread",
        "-fno-gnu-unique", STATIC, compiler=CXX,
    )  # fmt: skip
    text = output_of("/usr/bin/python3", "-c", UNLOAD, plugin, timeout=60)
    assert text.splitlines() == ["made 0 destroyed 0", "unloaded"]
