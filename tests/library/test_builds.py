# SPDX-License-Identifier: GPL-2.0-only
"""The library built in other ways than make's own: it is the same library with
any optimisation and visibility, linked as a whole (LTO) or not, and with no
<sys/sdt.h>.
"""
import os
import shutil
from pathlib import Path

import pytest

from abi_tools import (
    AIO, BUILD, HERE, ROOT, SAN, make, need, output_of, run, symbols,
)  # fmt: skip
from answers import OLD, answers, results
from libsymbols import ARGUMENTS, EXTENSION, LIBAIO, exported_functions, probes

pytestmark = [pytest.mark.long, pytest.mark.skipif(
    bool(SAN), reason="it is built here, whatever SAN is")]  # fmt: skip
FLAGS = {"none": "-O0", "most": "-O3", "lto": "-O2 -flto",
         "hidden": "-O2 -fvisibility=hidden"}  # fmt: skip
WAYS = [(compiler, name) for compiler in ("gcc", "clang") for name in FLAGS]
QUICK = [("gcc", "lto"), ("gcc", "hidden"), ("clang", "lto")]
HELLO = ROOT / "tests/lib/hello_aio.c"
ENGINE_S_FIO = os.environ.get("FIO", "fio")
NO_POINTS = "the library gets no trace points, as there is no <sys/sdt.h>"


@pytest.fixture(scope="module", params=[
    way if way in QUICK else pytest.param(way, marks=pytest.mark.slow)
    for way in WAYS], ids="-".join)
def built(request, tmp_path_factory):
    """(compiler, flags, folder) of a library that was built in this way."""
    compiler, name = request.param
    need(compiler, "it builds the library")
    flags, out = FLAGS[name], tmp_path_factory.mktemp(f"{compiler}-{name}")
    source, empty = out / "empty.c", out / "empty"
    source.write_text("int main(void) { return 0; }\n")
    if run(compiler, *flags.split(), source, "-o", empty).returncode:
        pytest.skip(f"{compiler} cannot link here with {flags}")
    empty.unlink()
    make(out, compiler, f"CFLAGS={flags}", "lib")
    return compiler, flags, out


def test_it_exports_what_libaio_does(built):
    assert exported_functions(built[2] / "libaio.so.1") == LIBAIO


def test_its_old_symbols_work(built, tmp_path):
    """What LTO lost once: the forms that only old programs bind to."""
    compiler, _, out = built
    program = tmp_path / "old"
    output_of(compiler, f"-I{AIO}", "-D_GNU_SOURCE", HERE / "old_symbols.c",
              "-o", program, f"-L{out}", "-laio")  # fmt: skip
    found = answers({"LD_LIBRARY_PATH": str(out)}, program)
    assert results(found) == OLD


def test_its_archive_links_with_the_same_flags(built, tmp_path):
    compiler, flags, out = built
    program = tmp_path / "hello"
    wanted = {n.split("@")[0] for n in LIBAIO if "@@" in n} | EXTENSION
    output_of(compiler, *flags.split(), f"-I{AIO}", HELLO, "-o", program,
              *[f"-Wl,--require-defined={name}" for name in sorted(wanted)],
              out / "libaio.a")  # fmt: skip
    output_of(program, tmp_path / "hello.txt")
    assert (tmp_path / "hello.txt").read_text() == "hello"


def test_its_engine_has_the_library_inside(built):
    """An io_submit that it lacked would be that of fio's own libaio."""
    compiler, flags, out = built
    shutil.copytree(BUILD / "fio", out / "fio", symlinks=True)
    make(out, compiler, f"CFLAGS={flags}", f"FIO={ENGINE_S_FIO}", "engine")
    names = {name for _, name in symbols(out / "fio-kaio.so", "-D")}
    lacked = output_of("nm", "-D", "-u", out / "fio-kaio.so").split()
    assert "get_ioengine" in names
    assert not {n for n in lacked if n.startswith(("aioring_", "aiorefill_", "io_"))
                and not n.startswith("io_u_")}  # fmt: skip


def headers_without(name, directory):
    """The words for a compiler that finds all headers but this one."""
    multiarch = output_of("gcc", "-print-multiarch").strip()
    own = output_of("gcc", "-print-file-name=include").strip()
    skipped = Path(name)
    for place in (f"/usr/include/{multiarch}", "/usr/include"):
        copy = directory / place.replace("/", "_")
        (copy / skipped.parent).mkdir(parents=True)
        for entry in Path(place).iterdir():
            if entry.name != skipped.parent.name:
                (copy / entry.name).symlink_to(entry)
        for entry in (Path(place) / skipped.parent).glob("*"):
            if entry.name != skipped.name:
                (copy / skipped.parent / entry.name).symlink_to(entry)
        own += f" -isystem {copy}"
    return f"-nostdinc -isystem {own}"


def test_without_the_probes_header(tmp_path):
    """It is said once; the library is whole, and gets its probes when the
    header comes."""
    out, include = tmp_path / "out", tmp_path / "include"
    compiler = f"gcc {headers_without('sys/sdt.h', include)}"
    assert make(out, compiler, "lib").count(NO_POINTS) == 1
    assert exported_functions(out / "libaio.so.1") == LIBAIO
    assert probes(out / "libaio.so.1") == []
    assert NO_POINTS not in make(out, compiler, "lib")
    header = Path(output_of(
        "sh", "-c", "echo '#include <sys/sdt.h>' | gcc -M -x c -"
    ).replace("\\\n", "").split()[-2])  # fmt: skip
    assert header.name.startswith("sdt"), header
    (next(include.glob("*/sys")) / "sdt.h").symlink_to(header.parent / "sdt.h")
    assert NO_POINTS not in make(out, compiler, "lib")
    assert {name for name, *_ in probes(out / "libaio.so.1")} == set(ARGUMENTS)
