# SPDX-License-Identifier: GPL-2.0-only
"""The layout of libaio.h against <linux/aio_abi.h>, here and on other machines.

layout.c is only compiled: 32 and 64 bits, both byte orders. Mutants of the
header show that layout.c, and the header's own asserts, notice a wrong layout.
"""
import re
from pathlib import Path

import pytest

from abi_tools import AIO, CC, HERE, WARNINGS, need, output_of, run

pytestmark = pytest.mark.long
# directory below /usr, clang's name, bytes of a long, offset of a low half
TARGETS = [
    ("aarch64-linux-gnu", "aarch64-linux-gnu", 8, 0),
    ("i686-linux-gnu", "i686-linux-gnu", 4, 0),
    ("powerpc-linux-gnu", "powerpc-linux-gnu", 4, 4),
    ("s390x-linux-gnu", "s390x-linux-gnu", 8, 4),
]
WELCOME = [
    ("arm-linux-gnueabihf", "armv7-linux-gnueabihf", 4, 0),
    ("powerpc64-linux-gnu", "powerpc64-linux-gnu", 8, 4),
]


def include_directory(target):
    return Path("/usr") / target[0] / "include"


EVERY_TARGET = TARGETS + [t for t in WELCOME if include_directory(t).exists()]

MUTATIONS = {
    "key-and-flags-swapped": (
        r"AIO_PAIR\(unsigned key, unsigned aio_rw_flags\)",
        "AIO_PAIR(unsigned aio_rw_flags, unsigned key)",
    ),
    "byte-orders-swapped": (
        r"__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__\n#define AIO_PAIR",
        "__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__\n#define AIO_PAIR",
    ),
    "opcode-and-priority-swapped": (
        r"short (aio_lio_opcode);(.*\n\s*)short (aio_reqprio);",
        r"short \3;\2short \1;",
    ),
    "fildes-too-wide": (r"int aio_fildes;", "long long aio_fildes;"),
    "flags-and-resfd-swapped": (
        r"unsigned flags;(\s+)unsigned resfd;",
        r"unsigned resfd;\1unsigned flags;",
    ),
    "offset-moved": (r"(long long) offset;(\s+)long long __pad3;",
                     r"\1 __pad3;\2\1 offset;"),
    "event-results-swapped": (
        r"AIO_LONG\(res, __pad3\);(\s+)AIO_LONG\(res2, __pad4\);",
        r"AIO_LONG(res2, __pad3);\1AIO_LONG(res, __pad4);",
    ),
    "event-object-first": (
        r"AIO_PTR\(void \*data, __pad1\);(\s+)AIO_PTR\(struct iocb \*obj, __pad2\);",
        r"AIO_PTR(struct iocb *obj, __pad2);\1AIO_PTR(void *data, __pad1);",
    ),
}  # fmt: skip


def name_of(target):
    return target[1]


def native(*flags):
    return [*CC, "-std=gnu11", "-fsyntax-only", *WARNINGS, *flags]


def cross(target, *flags):
    """The command for one of TARGETS; the test is skipped without its headers."""
    _, triple, long_bytes, low_half = target
    clang = need("clang", "it compiles for other machines")
    include = include_directory(target)
    if not (include / "linux/aio_abi.h").exists():
        pytest.skip(f"{include} is missing: install libc6-dev-*-cross for it")
    return [
        clang, f"--target={triple}", "-nostdlibinc", f"-isystem{include}",
        f"-DWANT_LONG={long_bytes}", f"-DWANT_LOW_HALF={low_half}",
        "-std=gnu11", "-fsyntax-only", *WARNINGS, *flags,
    ]  # fmt: skip


def mutant(name, directory, keep_asserts=False):
    """A copy of the header with one fault, by default without its asserts."""
    text = (AIO / "libaio.h").read_text()
    changed, times = re.subn(*MUTATIONS[name], text)
    assert times == 1 and changed != text, f"{name} does not fit the header"
    if not keep_asserts:
        changed, times = re.subn(r"^AIO_(AT|ASSERT)\([^;]*;\n", "", changed,
                                 flags=re.M)  # fmt: skip
        assert times > 20
    (directory / "libaio.h").write_text(changed)
    return directory


def assert_refused(command):
    done = run(*command)
    assert done.returncode != 0
    assert re.search(r"static assertion failed|static_assert failed", done.stderr)


def test_native_layout():
    output_of(*native(f"-I{AIO}"), HERE / "layout.c")


@pytest.mark.parametrize("target", EVERY_TARGET, ids=name_of)
def test_layout_of_other_machines(target):
    output_of(*cross(target, f"-I{AIO}"), HERE / "layout.c")


@pytest.mark.parametrize("standard", ["c++98", "c++11", "gnu89"])
@pytest.mark.parametrize("target", TARGETS, ids=name_of)
def test_header_s_own_asserts_hold_elsewhere(target, standard, tmp_path):
    language = "c++" if "+" in standard else "c"
    source = tmp_path / "alone"
    source.write_text("#include <libaio.h>\n")
    output_of(*cross(target, f"-I{AIO}", f"-std={standard}", "-x", language), source)


@pytest.mark.parametrize("name", MUTATIONS)
def test_wrong_layout_is_refused_natively(name, tmp_path):
    assert_refused([*native(f"-I{mutant(name, tmp_path)}"), HERE / "layout.c"])


@pytest.mark.parametrize("name", MUTATIONS)
@pytest.mark.parametrize("target", TARGETS, ids=name_of)
def test_wrong_layout_is_refused_elsewhere(target, name, tmp_path):
    assert_refused([*cross(target, f"-I{mutant(name, tmp_path)}"), HERE / "layout.c"])


@pytest.mark.parametrize("name", MUTATIONS)
def test_header_s_own_asserts_refuse_it(name, tmp_path):
    mutant(name, tmp_path, keep_asserts=True)
    source = tmp_path / "alone.c"
    source.write_text("#include <libaio.h>\n")
    assert_refused([*native(f"-I{tmp_path}"), source])
