# SPDX-License-Identifier: GPL-2.0-only
"""The installed copy: C and C++ programs built against it with pkg-config, and
programs that were linked to another libaio, which run on it unchanged; where
make install puts what, and that make uninstall takes it all; and the engines of
two fios side by side, each of which is refused by the other.
"""
import os
import re
import shlex
from pathlib import Path

import pytest

import fiorun
import fiotrees
from abi_tools import (
    AIO, BUILD, CC, CXX, HERE, ROOT, SAN, SAN_FLAGS, STATIC, WARNINGS, need,
    output_of, run,
)  # fmt: skip

pytestmark = pytest.mark.long
HELLO = ROOT / "tests/lib/hello_aio.c"
EXTENSION = HERE / "extension.c"
COMPILERS = {"c": [*CC, "-x", "c"], "c++": [*CXX, "-x", "c++"]}
USED = re.compile(r"calling init: (\S*libaio\S*)")


def make(goal, prefix, *words, destdir="", out=BUILD, umask=-1):
    output_of(
        "make", "-C", ROOT, f"O={out}", f"SAN={SAN}", f"prefix={prefix}",
        f"libdir={prefix}/lib", f"DESTDIR={destdir}", *words, goal, timeout=900,
        umask=umask,
    )  # fmt: skip


def files(top):
    """All but the folders."""
    return {
        str(path.relative_to(top))
        for path in Path(top).rglob("*")
        if path.is_symlink() or not path.is_dir()
    }


class Installed:
    """An installed copy, and pkg-config's words about it."""

    def __init__(self, prefix):
        self.prefix = prefix
        self.lib = prefix / "lib/kaio"
        self.env = {"PKG_CONFIG_PATH": str(prefix / "lib/pkgconfig")}

    def flags(self, *options):
        program = need("pkg-config", "it names the flags")
        return shlex.split(
            output_of(program, *options, "kaio-libaio", env=self.env)
        )  # fmt: skip

    def build(self, source, program, language="c", libs=("--cflags", "--libs"),
              more=()):  # fmt: skip
        output_of(
            *COMPILERS[language], "-O1", "-g", *WARNINGS, *SAN_FLAGS, source,
            "-x", "none", "-o", program, *more, *self.flags(*libs),
        )  # fmt: skip
        return program


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    prefix = tmp_path_factory.mktemp("prefix")
    make("install", prefix)
    yield Installed(prefix)
    make("uninstall", prefix)
    assert files(prefix) == set()
    assert list(prefix.rglob("*kaio*")) == []


def hello(program, directory, env=None):
    """Run it; the libaio that the dynamic linker took for it, or None."""
    target = directory / "hello.txt"
    done = run(program, target, env={"LD_DEBUG": "libs", **(env or {})})
    assert done.returncode == 0, done.stdout + done.stderr
    assert target.read_text() == "hello"
    found = USED.findall(done.stderr)
    assert len(found) <= 1
    return Path(found[0]) if found else None


def needed(program):
    return re.findall(r"\(NEEDED\).*\[(libaio.*)\]", output_of("readelf", "-d", program))


def test_flags(installed):
    lib = str(installed.lib)
    assert installed.flags("--cflags") == [f"-I{installed.prefix}/include/kaio"]
    assert installed.flags("--libs") == [f"-L{lib}", f"-Wl,-rpath,{lib}", "-laio"]
    assert installed.flags("--static", "--libs") == installed.flags("--libs")
    assert installed.flags("--modversion") == ["0.3.113"]


def test_files(installed):
    """Nothing where another libaio could be."""
    every = files(installed.prefix)
    manual = {name for name in every if "/man/" in name}
    engine = {name for name in every if name.startswith("lib/fio/fio-kaio-")}
    assert len(engine) == 1
    assert every - manual - engine == {
        "include/kaio/libaio.h", "include/kaio/libaio_ext.h",
        "lib/fio/fio-kaio.so", "lib/kaio/libaio.a", "lib/kaio/libaio.so",
        "lib/kaio/libaio.so.1", "lib/kaio/libaio.so.1t64",
        "lib/pkgconfig/kaio-libaio.pc",
    }  # fmt: skip
    for name in ("libaio.h", "libaio_ext.h"):
        copy = installed.prefix / "include/kaio" / name
        assert copy.read_bytes() == (AIO / name).read_bytes()
    assert (installed.lib / "libaio.a").read_bytes() == STATIC.read_bytes()


@pytest.mark.parametrize("language", COMPILERS)
def test_program_with_the_shared_library(language, installed, tmp_path):
    program = installed.build(HELLO, tmp_path / "program", language)
    assert needed(program) == ["libaio.so.1"]
    assert hello(program, tmp_path) == installed.lib / "libaio.so.1"


@pytest.mark.parametrize("language", COMPILERS)
def test_program_with_the_archive(language, installed, tmp_path):
    """Wholly static where there is no sanitizer; the extension comes along."""
    if SAN:
        how = {"more": [f"-L{installed.lib}", "-l:libaio.a"],
               "libs": ("--cflags",)}  # fmt: skip
    else:
        how = {"more": ["-static"], "libs": ("--static", "--cflags", "--libs")}
    program = installed.build(HELLO, tmp_path / "hello", language, **how)
    assert hello(program, tmp_path) is None
    program = installed.build(EXTENSION, tmp_path / "extension", language, **how)
    assert needed(program) == []
    assert output_of(program).startswith("io_setup(7): ")


def test_program_of_the_distribution_s_library(
    installed, distribution_library, distribution_source, tmp_path
):
    """With its header and its library; the same file then runs on ours."""
    program = tmp_path / "program"
    output_of(*CC, f"-I{distribution_source / 'src'}", HELLO, "-o", program,
              distribution_library)  # fmt: skip
    theirs = hello(program, tmp_path)
    assert theirs.resolve() == distribution_library.resolve()
    if SAN:
        return  # a plain program cannot load a sanitized library
    env = {"LD_LIBRARY_PATH": str(installed.lib)}
    assert hello(program, tmp_path, env) == installed.lib / needed(program)[0]


def test_program_of_a_newer_distribution(installed, tmp_path):
    """Its libaio calls itself libaio.so.1t64; here a stand-in to link with."""
    stub, program = tmp_path / "libaio.so.1t64", tmp_path / "program"
    output_of(
        *CC, "-shared", "-fPIC", *SAN_FLAGS, f"-I{AIO}", "-D_GNU_SOURCE",
        "-Wl,-soname,libaio.so.1t64", f"-Wl,--version-script={AIO}/libaio.map",
        *AIO.glob("*.[cS]"), "-o", stub,
    )  # fmt: skip
    output_of(*CC, *SAN_FLAGS, f"-I{AIO}", HELLO, "-o", program, stub)
    stub.unlink()
    assert needed(program) == ["libaio.so.1t64"]
    env = {"LD_LIBRARY_PATH": str(installed.lib)}
    assert hello(program, tmp_path, env) == installed.lib / "libaio.so.1t64"
    found = run(need("ldconfig", "it knows the libraries here"), "-p").stdout
    assert run(program, tmp_path / "x").returncode == (
        0 if "\tlibaio.so.1t64 " in found else 127)


@pytest.mark.parametrize("umask", [0o077, 0o000, 0o777])
def test_modes_do_not_follow_the_umask(umask, tmp_path):
    """All can read what root installs, and only root can change it."""
    make("install", "/opt", destdir=tmp_path / "root", umask=umask)
    modes = {
        path: path.stat().st_mode & 0o7777
        for path in (tmp_path / "root").rglob("*")
        if not path.is_symlink()
    }
    run_or_enter = {path for path in modes if path.is_dir() or ".so" in path.name}
    assert any(path.suffix == ".pc" for path in modes)
    assert {path: mode for path, mode in modes.items()
            if mode != (0o755 if path in run_or_enter else 0o644)} == {}  # fmt: skip


def test_all_can_use_the_commands_whatever_the_umask(tmp_path):
    """And make install-tools alone installs all that they need."""
    root = tmp_path / "the root"
    make("install-tools", "/opt", destdir=root, umask=0o077)
    for path in root.rglob("*"):
        assert path.exists(), path  # where links lead, too
        assert path.stat().st_mode & 0o7044 == 0o044, path
    output_of(root / "opt/bin/kaio-ab", "--version", env={"O": ""})


def test_destdir_and_uninstall(installed, tmp_path):
    """The same below DESTDIR, whose name is in no file; then nothing is left
    but what was there before."""
    top = tmp_path / "the root"
    mine = top / "opt/lib/pkgconfig/mine.pc"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    folders = [top / "opt" / name for name in ("bin", "include", "share/man/man1")]
    for folder in folders:
        folder.mkdir(parents=True)
    before = files(top)
    make("install", "/opt", destdir=top)
    assert files(top / "opt") - {"lib/pkgconfig/mine.pc"} == files(installed.prefix)
    assert "the root" not in (mine.parent / "kaio-libaio.pc").read_text()
    make("uninstall", "/opt", destdir=top)
    assert files(top) == before
    assert all(folder.is_dir() for folder in folders)


def test_the_engine_in_a_folder_of_its_own(tmp_path):
    """Its manual says where, and the commands use the one installed last."""
    own, prefix = tmp_path / "modules", tmp_path / "prefix"
    make("install-tools", prefix, f"enginedir={own}")
    page = (prefix / "share/kaio/man/man7/fio-kaio.7").read_text(encoding="utf-8")
    assert f"external:{own}/fio\\-kaio.so" in page
    (own / "fio-kaio-9.99.so").write_text("another fio's")
    (own / "fio-kaio.so").unlink()
    (own / "fio-kaio.so").symlink_to("fio-kaio-9.99.so")
    used = prefix / "share/kaio/build/fio-kaio.so"
    assert used.read_text() == "another fio's"
    make("uninstall", prefix, f"enginedir={own}")
    assert not own.exists() and files(prefix) == set()


def test_installed_commands(installed, tmp_path):
    """As kaio-ab and so on: they know their version, find their build folder,
    engine, library and job files, and write where they are called."""
    make("install-tools", installed.prefix)
    share = installed.prefix / "share/kaio"
    version = (ROOT / ".setup/version").read_text(encoding="ascii").strip()
    for name in ("ab", "bench", "bench-lib", "qualify"):
        command = installed.prefix / f"bin/kaio-{name}"
        said = output_of(command, "--version", env={"O": ""})
        assert said == f"kaio-{name} (kaio) {version}\n"
        page = installed.prefix / f"share/man/man1/kaio-{name}.1"
        assert f"kaio-{name}" in page.read_text(encoding="utf-8")
    for name in ("fio-kaio.so", "libaio.so.1", "loops/returns", "loops/bareloop",
                 "loops/callloop"):
        assert (share / "build" / name).read_bytes() == (
            BUILD / name).read_bytes()
    told = output_of(
        "/usr/bin/python3", "-c", "from fiolab.base import commandline as c;"
        "print(c.disk(c.BUILD), c.BUILD)", cwd=tmp_path,
        env={"O": "", "PYTHONPATH": str(share / "jobs"),
             "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    where, build = told.split()
    assert where == str(tmp_path)
    assert os.path.realpath(build) == str(installed.lib)


@pytest.mark.skipif(bool(SAN), reason="a plain program cannot load it")
def test_kaio_run(installed, distribution_library, distribution_source,
                  tmp_path):
    make("install-tools", installed.prefix)
    program = tmp_path / "program"
    output_of(*CC, f"-I{distribution_source / 'src'}", HELLO, "-o", program,
              distribution_library)  # fmt: skip
    switch, hello_file = installed.prefix / "bin/kaio-run", tmp_path / "hello"
    for before, used in (
        ((), distribution_library.resolve()),
        ((switch,), installed.lib / "libaio.so.1"),
    ):
        done = run(*before, program, hello_file, env={"LD_DEBUG": "libs"})
        assert done.returncode == 0, done.stderr
        found = {Path(one) for one in USED.findall(done.stderr)}
        assert used in found | {one.resolve() for one in found}
    assert output_of(switch, "printenv", "LD_LIBRARY_PATH",
                     env={"LD_LIBRARY_PATH": "/mine"}) == (
        f"{installed.lib}:/mine\n")  # fmt: skip
    assert run(switch).returncode == 2
    assert run(switch, "/nowhere/program").returncode == 127


def installed_name(version):
    return version.replace("fio-", "fio-kaio-", 1) + ".so"


@pytest.mark.slow
def test_two_side_by_side(fio_binary, shm_file, tmp_path, other_tree):
    tree, version, other = other_tree
    prefix, out = tmp_path / "prefix", tmp_path / "out"
    own = f"FIO={fio_binary}", f"FIO_SRC={os.environ.get('FIO_SRC', '')}"
    make("install", prefix, *own)
    make("install", prefix, f"FIO={tree}/fio", f"FIO_SRC={tree}", out=out)
    folder = prefix / "lib" / "fio"
    names = {v: folder / installed_name(v) for v in (version, other)}
    assert set(folder.iterdir()) == {*names.values(), folder / "fio-kaio.so"}
    assert os.readlink(folder / "fio-kaio.so") == installed_name(other)
    for binary, its in ((fio_binary, version), (tree / "fio", other)):
        for built_for, path in names.items():
            fio = fiorun.Fio(str(binary), path, tmp_path,
                             fiorun.sanitizer_env(SAN))
            result = fio(shm_file, rw="randrw", size=1 << 20, iodepth=8)
            if its == built_for:
                result.ok()
            else:
                assert result.rc == 1
                assert "built for %s" % built_for in result.text
    make("uninstall", prefix, *own)
    assert list(prefix.rglob("*kaio*")) == []


@pytest.mark.slow
def test_one_for_several(fio_binary, shm_file, tmp_path, other_tree):
    """make install with FIO_SRCS."""
    tree, version, other = other_tree
    own = fiotrees.built(BUILD / "fio", fio_binary, tmp_path / "own")
    words = "FIO=/nowhere/fio", f"FIO_SRCS={own} {tree}"  # no other is needed
    prefix, out = tmp_path / "prefix", tmp_path / "out"
    make("install", prefix, *words, out=out)
    folder = prefix / "lib" / "fio"
    assert os.readlink(folder / "fio-kaio.so") == "fio-kaio-several.so"
    for binary in (own / "fio", tree / "fio"):
        fiorun.Fio(str(binary), folder / "fio-kaio.so", tmp_path,
                   fiorun.sanitizer_env(SAN))(
            shm_file, rw="randrw", size=1 << 20, iodepth=8).ok()
    make("uninstall", prefix, *words, out=out)
    assert list(prefix.rglob("*kaio*")) == []
