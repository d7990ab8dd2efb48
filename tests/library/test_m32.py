# SPDX-License-Identifier: GPL-2.0-only
"""The library as 32-bit code on this machine: built, and run where the kernel
runs such programs. The expected answers are those of the 64-bit tests.

All of it twice: with a time_t of 32 bits, and with one of 64, which some
machines (riscv32, those with musl) have alone.
"""
import errno
import re
import shutil

import pytest

from abi_tools import AIO, CC, HERE, ROOT, WARNINGS, make, need, output_of, run
from answers import (
    EVENTS, MASKED, OLD, WILD, answers, assert_errno_left_alone, results,
)  # fmt: skip
from libsymbols import LIBAIO

pytestmark = pytest.mark.long
# Debian's gcc-multilib, for -m32, shuts out all of its cross compilers.
CROSS = "i686-linux-gnu-gcc"
M32 = [CROSS] if shutil.which(CROSS) else [*CC, "-m32"]
# <sys/sdt.h> is the same for both, but packaged for the 64-bit compiler.
MULTIARCH = run(*CC, "-print-multiarch").stdout.strip()
BUILD_M32 = [*M32, "-idirafter", f"/usr/include/{MULTIARCH}"]
HELLO = ROOT / "tests/lib/hello_aio.c"
WILD_CONTEXTS = ("get-wild", "get-wild-forever", "get-stale", "queue-run-stale",
        "queue-run-no-callback", "pgetevents-wild")  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def compiler(tmp_path_factory):
    directory = tmp_path_factory.mktemp("m32")
    source = directory / "empty.c"
    source.write_text("#include <linux/aio_abi.h>\nint main(void) { return 0; }\n")
    done = run(*M32, source, "-o", directory / "empty")
    if done.returncode:
        pytest.skip(f"no 32-bit C library (gcc-i686-linux-gnu): {done.stderr[-300:]}")
    return directory


@pytest.fixture(scope="module", params=["", "-D_TIME_BITS=64"],
                ids=["time32", "time64"])  # fmt: skip
def time_flag(request, compiler):
    """How long time_t is, in the library and in the program."""
    source, words = compiler / "time.c", request.param.split()
    source.write_text("#include <time.h>\n_Static_assert(sizeof(time_t) == 8, "
                      '"32 bits");\n')  # fmt: skip
    words += ["-D_FILE_OFFSET_BITS=64"]
    if request.param and run(*M32, *words, "-fsyntax-only", source).returncode:
        pytest.skip("this C library has no time_t of 64 bits (glibc 2.34 has)")
    return words


def make_library(out, *flags):
    """Built by the Makefile with its warnings."""
    make(out, " ".join(BUILD_M32), f"CFLAGS=-O2 -g {' '.join(flags)}", "lib")
    return out


@pytest.fixture(scope="module")
def library(compiler, time_flag):
    """The folder with the library."""
    return make_library(compiler / f"build{len(time_flag)}", *time_flag)


@pytest.fixture(scope="module")
def runs(compiler):
    """Skips what has to run, if the kernel only runs 64-bit programs."""
    try:
        assert run(compiler / "empty").returncode == 0
    except OSError as error:
        assert error.errno in (errno.ENOEXEC, errno.ENOENT)
        pytest.skip(f"the library is built, but no 32-bit program runs: {error}")


@pytest.fixture
def build(library, runs, time_flag, tmp_path):
    def compile_m32(source, *flags):
        program = tmp_path / source.stem
        output_of(
            *M32, "-O1", "-g", "-D_GNU_SOURCE", *time_flag, *WARNINGS,
            f"-I{AIO}", source, "-o", program, *(flags or (f"-L{library}", "-laio")),
        )  # fmt: skip
        return program

    return compile_m32


@pytest.fixture
def env(library):
    return {"LD_LIBRARY_PATH": str(library)}


def test_library_is_32_bit_and_exports_the_same(library):
    header = output_of("readelf", "-h", library / "libaio.so.1")
    assert "ELF32" in header and "Intel 80386" in header
    names = set(re.findall(r"\b(io_\w+@+LIBAIO_0\.\d)", output_of(
        "nm", "-D", "--with-symbol-versions", library / "libaio.so.1")))  # fmt: skip
    assert names == LIBAIO


@pytest.mark.parametrize(
    "name, arguments, expected",
    [
        ("events", ["file"], EVENTS),
        ("pgetevents", [], MASKED),
        ("old_symbols", [], OLD),
    ],
    ids=["events", "pgetevents", "old_symbols"],
)
def test_same_results_as_64_bit(name, arguments, expected, build, env, tmp_path):
    program = build(HERE / f"{name}.c")
    found = answers(env, program, *[tmp_path / a for a in arguments])
    assert results(found) == expected
    assert_errno_left_alone(found)


def test_wild_contexts_are_an_error(build, env):
    program = build(HERE / "errors.c")
    for case in WILD_CONTEXTS:
        found = answers(env, program, case)
        assert results(found) == {case: WILD[case]}


def test_hello(build, env, library, tmp_path):
    for flags in ((), (library / "libaio.a",)):
        target = tmp_path / "hello.txt"
        output_of(build(HELLO, *flags), target, env=env)
        assert target.read_text() == "hello"
        target.unlink()


@pytest.mark.parametrize("time_flag", ["-D_TIME_BITS=64"], indirect=True)
def test_machine_that_has_the_newer_calls_alone(time_flag, compiler, build, tmp_path):
    """As riscv32 does; here it is the headers' names that are missing."""
    alone = tmp_path / "alone.h"
    names = ("SYS_io_getevents", "SYS_io_pgetevents", "SYS_futex")
    alone.write_text("#include <sys/syscall.h>\n"
                     + "".join(f"#undef {name}\n" for name in names))  # fmt: skip
    out = make_library(tmp_path / "out", *time_flag, "-include", str(alone))
    found = answers({"LD_LIBRARY_PATH": str(out)}, build(HERE / "events.c"),
                              tmp_path / "file")  # fmt: skip
    assert results(found) == EVENTS


def test_extension(build, library):
    program = build(HERE / "extension.c", library / "libaio.a")
    assert output_of(program).startswith("io_setup(7): ")


@pytest.mark.parametrize("ring", ["1", "0"])
def test_each_call_is_the_system_call(ring, build, env, time_flag, tmp_path):
    """There are no restartable sequences for 32-bit programs (aio/restart.h).
    The kernel reads its timeouts as they are meant, by the call for such a
    time_t."""
    strace = need("strace", "it counts the system calls")
    trace = tmp_path / "trace"
    text = output_of(
        strace, "-o", trace, f"-ELD_LIBRARY_PATH={env['LD_LIBRARY_PATH']}",
        f"-ELIBAIO_RING={ring}", build(HERE / "traffic.c"),
    )  # fmt: skip
    calls = re.findall(r"^io_(?:p?getevents)\w*\(", trace.read_text(), re.M)
    time64 = "-D_TIME_BITS=64" in time_flag
    assert ("io_pgetevents_time64(" in calls) == time64
    assert ("io_getevents(" in calls) != time64
    assert "tv_nsec=1000000}" in trace.read_text()
    gets = re.findall(r"^(reap|none|enter) ", text, re.M)
    assert gets.count("reap") > 200 and gets.count("enter") == 3
    assert len(calls) == len(gets)
