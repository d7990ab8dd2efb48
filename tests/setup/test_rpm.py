# SPDX-License-Identifier: GPL-2.0-only
"""make rpm, as far as rpmbuild of Debian goes: what rpmlint says, which files
and dependencies the packages have; installed on this machine's root under a
layer (--nodeps: what is installed here, rpm does not know), used there, and
erased without a trace; and that a second build of the archive is the same."""
import glob
import re
import shutil

import pytest

from abi_tools import ROOT, SAN, output_of, run
import layeredroot
import packagebuild
import targets

pytestmark = [pytest.mark.slow, pytest.mark.root, pytest.mark.fio,
              pytest.mark.skipif(bool(SAN), reason="packages have none")]
NAMES = ("fio-engine-kaio", "kaio-tools", "libaio-kaio")
BOOKS = re.compile(r"/(root/\.rpmdb|var/lib/rpm|var/cache/man)(/|$)")
# Folders that distributions with RPMs have anyway.
THEIRS = re.compile(r"/usr/(share/licenses|lib64(/pkgconfig)?)")
COMMANDS = ("kaio-ab", "kaio-bench", "kaio-bench-lib", "kaio-qualify")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of the packages."""
    if not shutil.which("dpkg"):
        pytest.skip("elsewhere its own macros decide what rpmbuild does")
    out = tmp_path_factory.mktemp("rpm") / "out"
    packagebuild.make(out, "rpm")
    return out / "rpm"


def package(built, name):
    found, = built.glob(f"RPMS/*/{name}-[0-9]*.rpm")
    return found


def query(built, name, *what):
    return set(output_of("rpm", "-qp", *what, package(built, name)
                         ).splitlines())


def test_rpmlint_says_nothing(built):
    done = run("rpmlint", "-c", ROOT / ".setup/rpm/rpmlint.toml",
               *built.glob("RPMS/*/*.rpm"), built / "SPECS/kaio.spec",
               timeout=300)
    assert done.returncode == 0, done.stdout
    assert re.search(r"4 packages and 1 specfiles checked; 0 errors, "
                     r"0 warnings", done.stdout), done.stdout


def test_files(built):
    """Each in one package, and the library in no folder of the linker's."""
    files = {name: query(built, name, "-l") for name in NAMES}
    every = [path for name in NAMES for path in files[name]
             if "/.build-id" not in path]
    assert len(every) == len(set(every))
    libdir = output_of("rpm", "--eval", "%_libdir").strip()
    assert f"{libdir}/fio/fio-kaio.so" in files["fio-engine-kaio"]
    assert {path for path in every if "libaio.so" in path} == {
        f"{libdir}/kaio/libaio.so{end}" for end in ("", ".1", ".1t64")}
    assert {f"/usr/bin/{name}" for name in COMMANDS} == {
        path for path in files["kaio-tools"] if path.startswith("/usr/bin/")}
    pages = {path for path in every if "/man/man" in path and not
             path.endswith(("man3", "man"))}
    assert {f"/usr/share/man/man1/{name}.1.gz" for name in COMMANDS} <= pages
    assert {path for path in pages if not path.endswith(".gz")} == set()


def test_dependencies(built):
    """The engine's fio, and no libaio.so.1 for others."""
    fio = output_of("fio", "--version").strip().removeprefix("fio-")
    needs = query(built, "fio-engine-kaio", "--requires")
    assert {f"fio >= {fio}", f"fio < {fio}.0~"} <= needs
    for name in NAMES:
        assert not [one for one in query(built, name, "--provides")
                    if "libaio.so" in one or "fio-kaio" in one]
    assert "libaio.so.1()(64bit)" in query(built, "kaio-tools", "--requires")


def test_second_build_is_the_same(built, tmp_path):
    archive, = built.parent.glob("*.tar.xz")
    tree = packagebuild.unpacked(archive, tmp_path / "another")
    packagebuild.make("build", "rpm", tree=tree, umask=0o077)
    for one in built.glob("RPMS/*/*.rpm"):
        other = tree / "build/rpm" / one.relative_to(built)
        assert one.read_bytes() == other.read_bytes(), one.name


@pytest.fixture(scope="module")
def machine(built):
    """Where they are installed; at the end erased, without a trace."""
    with targets.shm_dir() as folder:
        root = layeredroot.Root(folder)
        root.output("rpm", "--install", "--nodeps", "--force-debian",
                    *(package(built, name) for name in NAMES))
        yield root
        root.output("rpm", "--erase", "--nodeps", "--force-debian", *NAMES)
        left = {name for name in root.changed() if not BOOKS.match(name) and
                not THEIRS.fullmatch(name)}
        assert left == set()


def test_engine_is_used(machine):
    found, = glob.glob(f"{machine.layer}/usr/lib*/fio/fio-kaio.so")
    told = machine.output(
        "fio", "--name=j", "--filename=/dev/shm/kaio-test-rpm", "--size=1m",
        "--rw=randrw", "--iodepth=16", "--unlink=1",
        f"--ioengine=external:{found.removeprefix(str(machine.layer))}")
    assert re.search(r"issued rwts: total=[1-9]", told)


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_run(name, machine):
    """Root's run leaves nothing behind, such as compiled modules."""
    assert machine.output(name, "--version").startswith(f"{name} (kaio) ")
    assert name in machine.output("man", "-P", "cat", name)


def test_commands_find_all_that_they_need(machine):
    told = machine.output(
        "kaio-ab", "--pairs", "3", "--runtime", "0.2", "--ramp", "0.1", "--job",
        "randread", "--target", "/dev/shm/kaio-test-rpm-ab", "--size", "2M",
        "--out", "/tmp/kaio-test-rpm-out", "--side", "kaio", "--side",
        "libaio@our-library", timeout=600)
    shutil.rmtree("/tmp/kaio-test-rpm-out")     # the machine's own /tmp
    assert "Report: " in told
