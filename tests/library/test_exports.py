# SPDX-License-Identifier: GPL-2.0-only
"""The exported symbols: exactly libaio's, in the shared object and the archive.

Compared three ways: with the list of libaio 0.3.113, with libaio.map and
compat.c (what the project means to export), and with the distribution's library.
"""
import re

import pytest

from abi_tools import AIO, BUILD, SAN, SHARED, STATIC, output_of, symbols
from libsymbols import (
    EXTENSION, LIBAIO, dynamic_entries, exported, exported_functions,
)  # fmt: skip

NODES = {"LIBAIO_0.1", "LIBAIO_0.4", "LIBAIO_0.5"}
PROBE_BASE = "_.stapsdt.base"  # a weak section mark of <sys/sdt.h>
TOOLCHAIN = {"__gmon_start__", "_ITM_deregisterTMCloneTable",
             "_ITM_registerTMCloneTable"}  # fmt: skip
# Weak, and the dynamic linker's own, which every program has.
RESTARTABLE = {"__rseq_offset", "__rseq_size"}


def declared():
    """The versions in libaio.map, and the old ones that compat.c adds."""
    text = re.sub(r"/\*.*?\*/", "", (AIO / "libaio.map").read_text(), flags=re.S)
    nodes = re.findall(r"(\w+\.\d+) \{(.*?)\}", text, re.S)
    names = {
        f"{name}@@{version}"
        for version, body in nodes
        for name in re.findall(r"\b(io_\w+);", body)
    }
    old = re.findall(r'\.symver \w+, ?(io_\w+@LIBAIO_[\d.]+)"',
                     (AIO / "compat.c").read_text())  # fmt: skip
    return names | set(old)


def test_shared_object_exports_libaio_s_functions():
    assert exported_functions(SHARED) == LIBAIO


def test_map_and_compat_say_the_same():
    # A name in two nodes of the map is the old version's place only.
    twice = {name.replace("@", "@@") for name in LIBAIO if "@@" not in name}
    assert declared() - twice == LIBAIO


def test_shared_object_exports_nothing_else_but_the_version_nodes():
    nodes = {name.split("@")[0] for kind, name in exported(SHARED) if kind == "A"}
    assert nodes == NODES


def test_distribution_exports_the_same(distribution_library):
    """Debian 13's has one more node, for its 32-bit machines: empty here."""
    assert exported_functions(distribution_library) == LIBAIO
    ours, theirs = set(exported(SHARED)), set(exported(distribution_library))
    assert theirs - {("A", "LIBAIO_0.6")} == ours


def test_soname(distribution_library):
    assert dynamic_entries(SHARED, "SONAME") == ["libaio.so.1"]
    if distribution_library.name == "libaio.so.1":
        assert dynamic_entries(distribution_library, "SONAME") == ["libaio.so.1"]


@pytest.mark.parametrize("name", ["libaio.so", "libaio.so.1t64"])
def test_other_names_are_links_to_the_library(name):
    assert (BUILD / name).resolve() == SHARED.resolve()


@pytest.mark.skipif(bool(SAN), reason="a sanitizer adds its own symbols")
def test_shared_object_needs_only_libc():
    assert dynamic_entries(SHARED, "NEEDED") == ["libc.so.6"]
    lines = output_of("nm", "-D", "-u", SHARED).splitlines()
    names = {line.split()[-1] for line in lines}
    beyond = {name for name in names if "@GLIBC_" not in name}
    assert beyond <= TOOLCHAIN | RESTARTABLE
    assert not {name for name in names if name.startswith("io_")}


def test_archive_defines_the_default_names_and_the_extension():
    names = {
        name
        for kind, name in symbols(STATIC, "--defined-only", "--extern-only")
        if not name.startswith("__odr_asan") and name != PROBE_BASE
    }
    internal = {name for name in names if name.startswith(("aioring_", "aiorefill_"))}
    default = {name.split("@")[0] for name in LIBAIO if "@@" in name}
    assert names - internal == default | EXTENSION


def test_what_is_internal_is_hidden():
    """A program with the archive inside does not export it by accident."""
    lines = output_of("readelf", "-W", "-s", STATIC).splitlines()
    words = [line.split() for line in lines]
    internal = [w for w in words if len(w) == 8 and w[7].startswith("aioring_")]
    assert any(w[6] != "UND" for w in internal)
    assert {w[5] for w in internal if w[4] != "LOCAL"} == {"HIDDEN"}
