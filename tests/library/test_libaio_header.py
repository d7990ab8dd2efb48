# SPDX-License-Identifier: GPL-2.0-only
"""libaio.h as a header: it compiles everywhere and offers what libaio's does.

The list of names and types is header_types.c; what the inline helpers build is
dumped by prep_dump.c. Both are checked against the distribution's header too.
"""
import re
import struct
import sys

import pytest

from abi_tools import AIO, CC, HERE, WARNINGS, need, output_of

STANDARDS = [
    "gnu89", "gnu99", "c11", "gnu17", "c++98", "c++11", "c++20",
]  # fmt: skip
INCLUDES = {
    "alone": "#include <libaio.h>\n",
    "twice": "#include <libaio.h>\n#include <libaio.h>\n",
    "extension": "#include <libaio_ext.h>\n#include <libaio_ext.h>\n",
    "before-fs": "#include <libaio.h>\n#include <linux/fs.h>\n",
    "after-fs": "#include <linux/fs.h>\n#include <libaio.h>\n",
    "no-macros-left": "".join(
        ["#include <libaio_ext.h>\n"]
        + [
            f"#ifdef {name}\n#error {name} leaks\n#endif\n"
            for name in re.findall(
                r"^#define (AIO_\w+)", (AIO / "libaio.h").read_text(), re.M
            )
        ]
    ),
}
COMPILERS = [("gcc", "g++"), ("clang", "clang++")]

FD, BUFFER, COUNT = 0x01020304, 0x1112131415161718, 0x2122232425262728
OFFSET, FLAGS, EVENTS, NR = 0x3132333435363738, 0x41424344, 0x5152, 0x61


def iocb(opcode, buf=0, nbytes=0, offset=0, data=0, rw_flags=0, flags=0, resfd=0):
    """struct iocb of a 64-bit little-endian machine, as <linux/aio_abi.h> says."""
    return struct.pack(
        "<QIIHhIQQqQII", data, 0, rw_flags, opcode, 0, FD,
        buf, nbytes, offset, 0, flags, resfd,
    ).hex()  # fmt: skip


EXPECTED = {
    "io_prep_pread": iocb(0, BUFFER, COUNT, OFFSET),
    "io_prep_pwrite": iocb(1, BUFFER, COUNT, OFFSET),
    "io_prep_preadv": iocb(7, BUFFER, NR, OFFSET),
    "io_prep_pwritev": iocb(8, BUFFER, NR, OFFSET),
    "io_prep_preadv2": iocb(7, BUFFER, NR, OFFSET, rw_flags=FLAGS),
    "io_prep_pwritev2": iocb(8, BUFFER, NR, OFFSET, rw_flags=FLAGS),
    "io_prep_poll": iocb(5, EVENTS),
    "io_prep_fsync": iocb(2),
    "io_prep_fdsync": iocb(3),
    "io_poll": iocb(5, EVENTS, data=COUNT),
    "io_fsync": iocb(2, data=COUNT),
    "io_fdsync": iocb(3, data=COUNT),
    "io_set_eventfd": iocb(0, BUFFER, COUNT, OFFSET, flags=3, resfd=9),
    "io_set_callback": iocb(2, data=BUFFER),
}


def syntax_only(compiler, standard, include, source):
    """Compile without output; strict C needs POSIX to be asked for."""
    language = "c++" if "+" in standard else "c"
    strict = ["-D_POSIX_C_SOURCE=200809L"] if standard == "c11" else []
    output_of(
        compiler, f"-std={standard}", "-fsyntax-only", *WARNINGS, *strict,
        f"-I{include}", "-x", language, source,
    )  # fmt: skip


def names_in(header):
    """Every identifier that a header offers, comments left out."""
    text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S)
    return set(re.findall(r"\b(?:io_\w+|IO_CMD_\w+|aio_\w+|iocb)\b", text))


def dump(include, program):
    output_of(*CC, "-std=gnu11", f"-I{include}", HERE / "prep_dump.c", "-o", program)
    return dict(line.split() for line in output_of(program).splitlines())


@pytest.mark.parametrize("compilers", COMPILERS, ids=["gcc", "clang"])
@pytest.mark.parametrize("standard", STANDARDS)
@pytest.mark.parametrize("include", INCLUDES)
def test_compiles_cleanly(compilers, standard, include, tmp_path):
    compiler = compilers["+" in standard]
    need(compiler, "the header has to compile with it")
    source = tmp_path / "source"
    source.write_text(INCLUDES[include] + "extern int unit_is_not_empty;\n")
    syntax_only(compiler, standard, AIO, source)


def test_names_have_the_types_of_libaio():
    syntax_only(CC[0], "gnu11", AIO, HERE / "header_types.c")


def test_the_list_of_types_is_libaio_s(distribution_source, tmp_path):
    source = tmp_path / "reference.c"
    text = (HERE / "header_types.c").read_text()
    source.write_text(f"#define REFERENCE\n{text}")
    syntax_only(CC[0], "gnu11", distribution_source / "src", source)


def test_no_name_of_libaio_is_missing(distribution_source):
    theirs = names_in(distribution_source / "src/libaio.h")
    assert len(theirs) > 40
    assert theirs <= names_in(AIO / "libaio.h")


def test_every_function_is_in_the_list_of_types():
    listed = set(re.findall(r"^FUNC\((\w+),", (HERE / "header_types.c").read_text(),
                            re.M))  # fmt: skip
    header = re.sub(r"/\*.*?\*/", "", (AIO / "libaio.h").read_text(), flags=re.S)
    declared = set(re.findall(r"^(?:extern|static).*?\b(io_\w+)\(", header, re.M))
    assert listed == declared


@pytest.mark.skipif(
    sys.byteorder != "little" or sys.maxsize < 2**32,
    reason="the expected bytes are those of a 64-bit little-endian machine",
)
def test_helpers_build_the_kernel_s_bytes(tmp_path):
    assert dump(AIO, tmp_path / "ours") == EXPECTED


def test_helpers_build_the_same_bytes_as_libaio_s(distribution_source, tmp_path):
    theirs = dump(distribution_source / "src", tmp_path / "theirs")
    ours = dump(AIO, tmp_path / "ours")
    assert len(theirs) == len(EXPECTED)
    assert ours == theirs
