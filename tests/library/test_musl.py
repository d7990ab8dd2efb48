# SPDX-License-Identifier: GPL-2.0-only
"""The library and the engine built with musl, by Debian's musl-gcc; programs of
musl with the library, static and dynamic, give the answers that others get.

All that the engine wants of a C library has to be in musl's.  It is run in a
fio that is built with musl, without what needs other libraries: that takes a
minute.
"""
import json
import os
import re
import shutil

import pytest

from abi_tools import (
    AIO, BUILD, HERE, NOT_OURS, ROOT, SAN, WARNINGS, compile_shared, make, need,
    output_of, symbols,
)  # fmt: skip
import enginebuild
from answers import MASKED, answers, assert_errno_left_alone, results
from libsymbols import LIBAIO, dynamic_entries, exported_functions

pytestmark = [pytest.mark.long, pytest.mark.skipif(
    bool(SAN), reason="it is built here, whatever SAN is")]  # fmt: skip
CC = "musl-gcc"
HELLO = ROOT / "tests/lib/hello_aio.c"
LINKED = {"dynamic": ("-L{out}", "-laio"), "static": ("-static", "{out}/libaio.a")}


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """The build folder."""
    need(CC, "it builds programs for musl (musl-tools)")
    folder = tmp_path_factory.mktemp("musl")
    shutil.copytree(BUILD / "fio", folder / "fio", symlinks=True)
    make(folder, CC, f"FIO={os.environ.get('FIO', 'fio')}", "all")
    return folder


def kernel():
    """The words by which musl-gcc finds the kernel's headers."""
    multiarch = output_of("gcc", "-print-multiarch").strip()
    return ("-idirafter", "/usr/include", "-idirafter",
            f"/usr/include/{multiarch}")


@pytest.fixture(params=LINKED)
def build(out, request, tmp_path):
    def compile_musl(source):
        program = tmp_path / source.stem
        output_of(
            CC, "-O1", "-g", "-D_GNU_SOURCE", *WARNINGS, *kernel(), f"-I{AIO}",
            source, "-o", program, *[w.format(out=out) for w in LINKED[request.param]],
        )  # fmt: skip
        return program

    return compile_musl


@pytest.fixture
def env(out):
    return {"LD_LIBRARY_PATH": str(out)}


def test_library_exports_the_same_and_needs_only_musl(out):
    assert exported_functions(out / "libaio.so.1") == LIBAIO
    assert dynamic_entries(out / "libaio.so.1", "NEEDED") == ["libc.so"]


def test_hello(build, env, tmp_path):
    output_of(build(HELLO), tmp_path / "hello.txt", env=env)
    assert (tmp_path / "hello.txt").read_text() == "hello"


def test_same_results_with_a_mask(build, env):
    found = answers(env, build(HERE / "pgetevents.c"))
    assert results(found) == MASKED
    assert_errno_left_alone(found)


def test_same_results_with_and_without_the_ring(build, env, tmp_path):
    """Each call of traffic.c, and what it gives."""
    program, glibc = build(HERE / "traffic.c"), tmp_path / "glibc"
    compile_shared(HERE / "traffic.c", glibc, "-D_GNU_SOURCE")
    with_musl, with_glibc = (
        re.sub(r" 0x\w+", "", output_of(*command)).splitlines()
        for command in (("env", f"LD_LIBRARY_PATH={env['LD_LIBRARY_PATH']}", program),
                        ("env", f"LD_LIBRARY_PATH={BUILD}", glibc))
    )  # fmt: skip
    assert len(with_glibc) > 300
    assert with_musl == with_glibc


@pytest.mark.parametrize("build", ["static"], indirect=True)
def test_extension(build):
    assert output_of(build(HERE / "extension.c")).startswith("io_setup(7): ")


def test_engine_wants_nothing_that_musl_lacks(out, tmp_path):
    """fio's own symbols are weak; the program's loader is musl itself."""
    source, program = tmp_path / "empty.c", tmp_path / "empty"
    source.write_text("int main(void) { return 0; }\n")
    output_of(CC, source, "-o", program)
    headers = output_of("readelf", "-l", program)
    musl = re.search(r"interpreter: (.*ld-musl.*)\]", headers)[1]
    engine = out / "fio-kaio.so"
    assert dynamic_entries(engine, "NEEDED") == ["libc.so"]
    wanted = re.findall(r"^ +U (\w+)", output_of("nm", "-D", "-u", engine), re.M)
    assert "dladdr" in wanted
    assert set(wanted) - {name for _, name in symbols(musl, "-D")} == set()


@pytest.fixture(scope="module")
def musl_fio(tmp_path_factory):
    """The source tree of the fio under test, with a fio built with musl."""
    need(CC, "it builds programs for musl (musl-tools)")
    tree = enginebuild.unconfigured(BUILD / "fio",
                                    tmp_path_factory.mktemp("musl-fio") / "tree")
    output_of("./configure", f"--cc={' '.join((CC, *kernel()))}",
              "--disable-native", "--disable-optimizations", cwd=tree)  # fmt: skip
    output_of("env", *[f"--unset={name}" for name in NOT_OURS], "make", "-j2",
              "fio", cwd=tree, timeout=600)  # fmt: skip
    return tree


@pytest.mark.fio
@pytest.mark.slow
@pytest.mark.parametrize("reap", ["ring", "syscall", "eventfd"])
def test_engine_in_a_fio_of_musl(musl_fio, tmp_path, reap):
    out = musl_fio.parent / "engine"
    make(out, CC, f"FIO={musl_fio}/fio", f"FIO_SRC={musl_fio}", "engine")
    assert "ld-musl" in output_of("readelf", "-l", musl_fio / "fio")
    done = json.loads(output_of(
        musl_fio / "fio", f"--ioengine=external:{out}/fio-kaio.so",
        f"--reap={reap}", "--name=x", f"--filename={tmp_path}/x", "--size=4m",
        "--rw=randrw", "--iodepth=16", "--verify=crc32c", "--thread",
        "--output-format=json", cwd=tmp_path, timeout=120))  # fmt: skip
    job, = done["jobs"]
    assert (job["error"], job["write"]["total_ios"] > 100) == (0, True)
    assert job["read"]["total_ios"] == 1024
