# SPDX-License-Identifier: GPL-2.0-only
"""One context with two readers of which one does not pass the library's gate.

Where the manual says that each completion comes once: raw readers alone, and
any mixture with the ring off. (With it on, some come twice now and then.)
"""
import pytest

from abi_tools import BUILD, HERE, SAN, compile_shared, output_of


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    directory = tmp_path_factory.mktemp("two_readers")
    return compile_shared(HERE / "two_readers.c", directory / "two_readers",
                          "-D_GNU_SOURCE", "-lpthread", "-ldl")  # fmt: skip


@pytest.mark.parametrize("ring, readers", [
    ("1", "library library"), ("1", "raw raw"), ("0", "library raw"),
    ("0", "library copy"),
])  # fmt: skip
def test_each_completion_comes_once(ring, readers, program):
    if SAN and "copy" in readers:
        pytest.skip("a sanitizer's runtime cannot be loaded twice")
    env = {"LIBAIO_RING": ring, "LD_LIBRARY_PATH": str(BUILD)}
    text = output_of(program, *readers.split(), env=env, timeout=100)
    assert text == "twice 0 never 0\n"
