# SPDX-License-Identifier: GPL-2.0-only
"""make deb: what lintian says, what the packages depend on; installed on this
machine's root under a layer, used there, and purged without a trace; and that
nobody, who builds the archive elsewhere, gets the same packages."""
import glob
import os
from pathlib import Path
import re
import shutil
import tempfile

import pytest

from abi_tools import ROOT, SAN, output_of, run
import layeredroot
import packagebuild
import targets

pytestmark = [pytest.mark.slow, pytest.mark.root, pytest.mark.fio,
              pytest.mark.skipif(bool(SAN), reason="packages have none")]
NAMES = ("fio-engine-kaio", "kaio-tools", "libaio-kaio")
# What dpkg and its triggers keep for themselves.
BOOKS = re.compile(r"/(var/(lib/(dpkg|systemd)|log|cache/(man|ldconfig|debconf"
                   r"))|etc/ld\.so\.cache)(/|$)")
ENGINE = "/usr/lib/*/fio/fio-kaio.so"
JOB = ("fio", "--name=j", "--filename=/dev/shm/kaio-test-deb", "--size=1m",
       "--rw=randrw", "--iodepth=16", "--unlink=1")
WORK = "/root/work"     # where commands are called


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of the packages."""
    if not shutil.which("dpkg-deb"):
        pytest.skip("needs dpkg")
    out = tmp_path_factory.mktemp("deb") / "out"
    packagebuild.make(out, "deb")
    return out / "deb"


def package(built, name):
    found, = built.glob(f"{name}_*.deb")
    return found


def field(built, name, what):
    return output_of("dpkg-deb", "-f", package(built, name), what).strip()


def test_lintian_says_nothing(built):
    changes, = built.glob("*.changes")
    done = run("lintian", "--allow-root", "--fail-on", "error,warning",
               changes, timeout=600)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_debug_symbols_are_apart(built):
    assert {path.name.split("_")[0] for path in built.glob("*.deb")} == {
        *NAMES, *(f"{name}-dbgsym" for name in NAMES)}


def is_in(version, depends):
    """Whether a version of fio is one on which the engine depends."""
    bounds = re.findall(r"\bfio \((\S+) ([^)]+)\)", depends)
    assert len(bounds) == 2
    return all(run("dpkg", "--compare-versions", version, sign, bound
                   ).returncode == 0 for sign, bound in bounds)


def test_engine_depends_on_the_fio_that_it_was_built_for(built):
    depends = field(built, "fio-engine-kaio", "Depends")
    installed = output_of("dpkg-query", "-W", "-f", "${Version}", "fio")
    upstream = re.match(r"[0-9.]+[0-9]", installed)[0]
    start, last = upstream.rsplit(".", 1)
    assert is_in(installed, depends) and is_in(f"{upstream}-99", depends)
    for other in (int(last) - 1, int(last) + 1, f"{last}.1"):
        assert not is_in(f"{start}.{other}-1", depends)


def test_library_stays_private(built):
    """Nothing is replaced, and who links to libaio.so.1 here depends on the
    distribution's."""
    control = output_of("dpkg-deb", "-f", package(built, "libaio-kaio"))
    assert not re.search(r"^(Provides|Replaces|Conflicts|Breaks):", control,
                         re.MULTILINE)
    libraries = re.findall(r"\./(\S*libaio\.so\S*)", output_of(
        "dpkg-deb", "-c", package(built, "libaio-kaio")))
    assert len(libraries) == 3
    assert {os.path.basename(os.path.dirname(one)) for one in libraries} == {
        "kaio"}
    assert re.search(r"\blibaio1", field(built, "kaio-tools", "Depends"))


def test_programs_are_hardened(built, tmp_path):
    """Bound when they are loaded, and read-only from then on."""
    for name in NAMES:
        output_of("dpkg-deb", "-x", package(built, name), tmp_path)
    found = [*tmp_path.glob("usr/lib/*/kaio/libaio.so.1"),
             *tmp_path.glob("usr/lib/*/fio/fio-kaio-*.so"),
             *tmp_path.glob("usr/lib/*/kaio/loops/*")]
    assert len(found) >= 4
    for path in found:
        assert "BIND_NOW" in output_of("readelf", "-d", path), path
        assert "GNU_RELRO" in output_of("readelf", "-lW", path), path


@pytest.fixture
def folder_of_all():
    """One that others may enter, as pytest's may only be by its user."""
    with tempfile.TemporaryDirectory(prefix="kaio-elsewhere-") as made:
        os.chmod(made, 0o755)
        yield Path(made)


def test_nobody_gets_the_same_elsewhere(built, folder_of_all):
    """Of the archive, without root, under another umask, at another time."""
    archive, = built.parent.glob("*.tar.xz")
    tree = packagebuild.unpacked(archive, folder_of_all / "t")
    for path in (tree, *tree.rglob("*")):
        shutil.chown(path, "nobody", "nogroup")
    # As there is no network: what root's build has fetched.
    source = output_of(ROOT / ".setup/source-package", "fio").strip()
    shutil.copytree(source, folder_of_all / "fio", symlinks=True)
    done = packagebuild.run(
        "setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "env",
        f"HOME={tree}", "make", "-s", "-C", tree,
        f"FIO_SRC={folder_of_all}/fio", "deb", umask=0o077)
    assert done.returncode == 0, done.stdout + done.stderr
    for one in (archive, *built.glob("*.deb"), *built.glob("*.dsc")):
        other = tree / "build" / one.relative_to(built.parent)
        assert one.read_bytes() == other.read_bytes(), one.name


@pytest.fixture(scope="module")
def machine(built):
    """Where they are installed; at the end purged, without a trace."""
    with targets.shm_dir() as folder:
        root = layeredroot.Root(folder)
        root.output("mkdir", WORK)
        root.output("dpkg", "-i", *(package(built, name) for name in NAMES))
        yield root
        root.output("dpkg", "--purge", *NAMES)
        root.output("rm", "-r", WORK)
        left = {name for name in root.changed() if not BOOKS.match(name)}
        assert left == set()


def installed_path(machine, pattern):
    """A path there by its pattern."""
    found, = glob.glob(f"{machine.layer}{pattern}")
    return found.removeprefix(str(machine.layer))


def test_engine_is_used(machine):
    engine = installed_path(machine, ENGINE)
    told = machine.output(*JOB, f"--ioengine=external:{engine}")
    assert re.search(r"issued rwts: total=[1-9]", told)


@pytest.mark.parametrize("page, word", [
    ("fio-kaio", "external:/usr/lib/"), ("kaio-libaio", "kaio-run"),
    ("kaio-ab", "kaio-ab"), ("kaio-bench", "kaio-bench"),
    ("kaio-bench-lib", "bench-lib"), ("kaio-qualify", "kaio-qualify"),
    ("kaio-run", "LD_LIBRARY_PATH")])
def test_manual_pages(page, word, machine):
    assert word in machine.output("man", "-P", "cat", page)
    assert machine.output("man", "-w", page).strip().endswith(".gz")


def test_pages_of_the_library_are_private(machine):
    told = machine.output("man", "-P", "cat", "-M", "/usr/share/kaio/man",
                          "io_prep_preadv2")    # one that names another
    assert "io_prep_preadv2" in told


def library_of(machine, *before):
    """The libaio that fio would take, by ldd and by fio."""
    told = machine.output(*before, "ldd", "/usr/bin/fio")
    path = re.search(r"libaio\.so\.1\S* => (\S+)", told)[1]
    ran = machine.output(*before, "env", "LD_DEBUG=libs", "sh", "-c",
                         'exec "$@" 2>&1', "sh", *JOB, "--ioengine=libaio")
    assert re.search(r"calling init: %s\b" % re.escape(path), ran)
    return path


def test_library_is_used_when_told_to(machine):
    """By a program, and by all of them, until the file is gone."""
    ours = os.path.dirname(installed_path(machine, "/usr/lib/*/kaio/libaio.a"))
    assert not library_of(machine).startswith(ours)
    assert library_of(machine, "kaio-run").startswith(ours)
    machine.output("sh", "-c", f"echo {ours} >/etc/ld.so.conf.d/00-kaio.conf &&"
                   " ldconfig")
    assert library_of(machine).startswith(ours)
    machine.output("sh", "-c", "rm /etc/ld.so.conf.d/00-kaio.conf && ldconfig")
    assert not library_of(machine).startswith(ours)


def test_ab_is_used(machine):
    """It finds its package, engine, library, job files and schemas, and writes
    where it is called."""
    told = machine.output(
        "kaio-ab", "--pairs", "3", "--runtime", "0.2", "--ramp", "0.1", "--job",
        "randread", "--target", "/dev/shm/kaio-test-ab", "--size", "2M",
        "--out", "campaign", "--side", "libaio", "--side", "kaio", "--side",
        "libaio@our-library", cwd=WORK)
    assert "Report: " in told
    report = f"{machine.layer}{WORK}/campaign/report.html"
    assert os.path.getsize(report) > 10000


def test_the_other_commands_are_used(machine):
    assert "callloop" in machine.output("kaio-bench-lib", "--help")
    told = machine.output("kaio-bench-lib", "--quick", "--only", "loop",
                          cwd=WORK)
    assert "io_submit" in told
    plan = machine.output("kaio-qualify", "--plan", "--profile", "quick",
                          "--scratch", cwd=WORK)
    assert "IOPS" in plan or "iops" in plan
    assert "kaio-bench (kaio)" in machine.output("kaio-bench", "--version")
