# SPDX-License-Identifier: GPL-2.0-only
"""libaio_ext.h: in the static library only.

The shared object takes the place of the distribution's, so it exports nothing
more than that one; what is new has to be linked in.
"""
import pytest

from abi_tools import (
    BUILD, CC, CXX, HERE, SHARED, STATIC, compile_program, output_of, run, symbols,
)  # fmt: skip

NAMES = {
    "io_ring_usable", "io_ring_disable", "io_ring_reap", "io_ring_ready",
    "io_wait", "io_wait_kernel", "io_limits", "io_limits_holders", "io_probe",
    "io_probe_on", "io_setup_explain",
}  # fmt: skip
COMPILERS = {"c": [*CC, "-x", "c"], "c++": [*CXX, "-x", "c++"]}


@pytest.mark.parametrize("language", COMPILERS)
def test_extension_works_from_the_static_library(language, tmp_path):
    program = compile_program(
        HERE / "extension.c", tmp_path / "program", "-x", "none", STATIC,
        compiler=COMPILERS[language],
    )  # fmt: skip
    assert output_of(program).startswith("io_setup(7): ")


def test_static_library_defines_the_extension():
    names = {name for kind, name in symbols(STATIC, "--defined-only") if kind == "T"}
    assert NAMES <= names


def test_shared_library_does_not():
    names = {words[1] for words in symbols(SHARED, "--defined-only", "-D")}
    assert not NAMES & names


def test_program_with_the_extension_does_not_link_to_the_shared_library(tmp_path):
    done = run(*CC, f"-I{HERE.parents[1] / 'aio'}", HERE / "extension.c",
               "-o", tmp_path / "program", f"-L{BUILD}", "-l:libaio.so.1")  # fmt: skip
    assert done.returncode != 0
    assert all(f"undefined reference to `{name}'" in done.stderr for name in NAMES)
