# SPDX-License-Identifier: GPL-2.0-only
"""The library and the engine built for arm64, by Debian's cross compiler; and
what of the units makes no AIO system call run, under QEMU's emulation of the
processor, which has none of these calls.
"""
import os
import re
import subprocess
from pathlib import Path

import pytest

from abi_tools import (
    AIO, BUILD, HERE, ROOT, SAN, WARNINGS, make, need, output_of, run, symbols,
)  # fmt: skip
import enginebuild
from libsymbols import LIBAIO, dynamic_entries, exported_functions

pytestmark = [pytest.mark.slow, pytest.mark.skipif(
    bool(SAN), reason="it is built here, whatever SAN is")]  # fmt: skip
TARGET = "aarch64-linux-gnu"
CC = f"{TARGET}-gcc"
# What each needs of the kernel's AIO.
UNITS = {"engine/test_explain": [], "engine/test_spin_auto": [],
         "engine/test_stats": [], "library/test_ring": ["test_real_ring"]}
# What cmocka's own configuration finds out.
CMOCKA_HAS = ["ASSERT_H", "INTTYPES_H", "MALLOC_H", "SIGNAL_H", "STDINT_H",
              "STDLIB_H", "STRINGS_H", "STRING_H", "TIME_H", "UNISTD_H",
              "CLOCK_GETTIME_REALTIME", "STRUCT_TIMESPEC"]  # fmt: skip


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """The build folder of all that make makes."""
    need(CC, f"it builds programs for arm64 (gcc-{TARGET})")
    folder = tmp_path_factory.mktemp("arm64")
    source = enginebuild.unconfigured(BUILD / "fio", folder / "source")
    make(folder / "build", CC, f"FIO={os.environ.get('FIO', 'fio')}",
         f"FIO_SRC={source}", "all")  # fmt: skip
    return folder / "build"


def disassembled(path):
    return output_of(f"{TARGET}-objdump", "-d", path)


@pytest.mark.parametrize("name", ["libaio.so.1", "fio-kaio.so",
                                  "loops/bareloop"])
def test_it_is_for_arm64(out, name):
    assert "AArch64" in output_of("readelf", "-h", out / name)


def test_library_exports_the_same(out):
    assert exported_functions(out / "libaio.so.1") == LIBAIO
    assert dynamic_entries(out / "libaio.so.1", "SONAME") == ["libaio.so.1"]
    assert dynamic_entries(out / "libaio.so.1", "NEEDED") == ["libc.so.6"]


def test_layout_is_the_kernel_s_for_that_compiler():
    need(CC, f"it builds programs for arm64 (gcc-{TARGET})")
    output_of(CC, "-std=gnu11", "-fsyntax-only", *WARNINGS, "-DWANT_LONG=8",
              "-DWANT_LOW_HALF=0", f"-I{AIO}", HERE / "layout.c")  # fmt: skip


def test_ring_is_read_after_its_tail_and_released_after_it(out):
    """x86 keeps this order by itself, so that a missing barrier shows here
    alone: a load-acquire of the tail, a store-release of the head."""
    code = disassembled(out / "aio/ring.o")
    assert re.search(r"\tlda?pr\t|\tldar\t", code)
    assert re.search(r"\tstlr\t", code)


def test_nothing_of_it_is_for_x86_alone(out):
    """No restartable sequences, and no return stack to refill."""
    sections = output_of("readelf", "-W", "-S", out / "libaio.so.1")
    assert "__rseq" not in sections and ".text" in sections
    assert "aiorefill_call" not in {
        name for _, name in symbols(out / "libaio.so.1")}  # fmt: skip


def test_engine_wants_nothing_that_the_c_library_lacks(out):
    """fio's own symbols are weak."""
    engine = out / "fio-kaio.so"
    libc = output_of(CC, "-print-file-name=libc.so.6").strip()
    assert dynamic_entries(engine, "NEEDED") == ["libc.so.6"]
    assert [name for _, name in symbols(engine, "-D", "--defined-only")] == [
        "get_ioengine"]  # fmt: skip
    wanted = re.findall(r"^ +U (\w+)", output_of("nm", "-D", "-u", engine), re.M)
    there = {name.split("@")[0] for _, name in symbols(libc, "-D")}
    assert "dladdr" in wanted and set(wanted) - there == set()


# --- under emulation

@pytest.fixture(scope="module")
def emulator():
    return need(f"qemu-{TARGET.split('-', maxsplit=1)[0]}",
                "it runs programs for arm64 (qemu-user)")  # fmt: skip


@pytest.fixture(scope="module")
def cmocka(tmp_path_factory):
    """The folder of libcmocka.a for arm64, and of its header."""
    done = run(ROOT / ".setup/source-package", "libcmocka-dev", timeout=120)
    if done.returncode:
        pytest.skip(f"cmocka's source is not to be had: {done.stderr}")
    source, folder = Path(done.stdout.strip()), tmp_path_factory.mktemp("cmocka")
    output_of(CC, "-O1", "-I", source / "include", "-c", source / "src/cmocka.c",
              "-o", folder / "cmocka.o",
              *[f"-DHAVE_{name}" for name in CMOCKA_HAS])  # fmt: skip
    output_of(f"{TARGET}-ar", "rcs", folder / "libcmocka.a", folder / "cmocka.o")
    return folder, source / "include"


def test_units_that_need_no_kernel_aio(out, emulator, cmocka):
    library, header = cmocka
    programs = {name: out / "tests" / name for name in UNITS}
    make(out, CC, f"CFLAGS=-O2 -g -isystem {header}", f"LDFLAGS=-static -L{library}",
         *programs.values())  # fmt: skip
    for name, path in programs.items():
        done = subprocess.run(
            [emulator, path], env=os.environ | {"CMOCKA_MESSAGE_OUTPUT": "TAP"},
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            timeout=120, check=False)
        passed, failed = (re.findall(rf"^{word} \d+ - (\w+)", done.stdout, re.M)
                          for word in ("ok", "not ok"))
        assert len(passed) > 3 and not set(failed) - set(UNITS[name]), done.stdout


def test_machine_without_aio_gets_the_sentence(out, emulator, tmp_path):
    """The emulator answers ENOSYS, as a kernel without CONFIG_AIO does."""
    program = tmp_path / "hello"
    output_of(CC, f"-I{AIO}", "-D_GNU_SOURCE", ROOT / "tests/lib/hello_aio.c",
              "-static", "-o", program, out / "libaio.a")  # fmt: skip
    done = run(emulator, program, tmp_path / "hello.txt")
    assert (done.returncode, done.stderr) == (
        1, "hello: io_setup: Function not implemented\n")  # fmt: skip
