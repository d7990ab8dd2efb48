# SPDX-License-Identifier: GPL-2.0-only
"""What tests of several subjects need: the engine under test (O: where it was
built, SAN: its sanitizers, FIO: the fio to drive), targets to write to, and
runners of the commands."""
from contextlib import ExitStack
import os
from pathlib import Path
import re
import shutil
import sys

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / part) for part in ("jobs", "tests/lib",
                                         "tests/fuzz")]

import abrun
from abi_tools import need, output_of, run
import browser as browsers
import faketools
import fiorun
import fiotrees
import qualifyloop
import qualifyrun
import targets

MARKERS = {
    "fio": "drives fio (set by itself for what uses the fixtures below)",
    "root": "needs root, for loop devices and mounts; skipped without",
    "browser": "needs Chromium; skipped without",
    "long": "takes too long for make check",
    "slow": "in make test-slow instead of make test",
    "vm": "boots a virtual machine: in make test-vm instead (all of tests/vm)",
    "quick": "of those, what continuous integration runs",
    "smoke": "in make check, although it drives fio: one for each command",
}
# What uses one of them has their need.
FIXTURES = {"fio": {"ab", "engine", "fio_binary", "qualify"},
            "root": {"need_root", "loop"}}


# Forced, so that the calls that measure it are no part of any count, and that
# refilled calls are what is tested wherever they exist.  tests/lib/seam.h and
# library/test_refill.py decide for themselves.
os.environ.setdefault("LIBAIO_REFILL", "1")


def pytest_configure(config):
    for name, meaning in MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark what uses the fixtures of a need, and skip what cannot be had.
    (First, as -m selects in this hook, too.)"""
    lacks = {"root": targets.why_no_root(),
             "browser": None if browsers.find() else
             "needs chromium, its driver and selenium: run make deps"}
    for item in items:
        for name, fixtures in FIXTURES.items():
            if fixtures & set(item.fixturenames):
                item.add_marker(name)
        for name, why in lacks.items():
            if why and item.get_closest_marker(name):
                item.add_marker(pytest.mark.skip(reason=why))


@pytest.fixture(scope="session")
def browser():
    with browsers.Browser() as made:
        yield made


@pytest.fixture
def stack():
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Tools of devices, as programs in front of PATH."""
    return faketools.Tools(tmp_path, monkeypatch)


@pytest.fixture(scope="session")
def root():
    """The project's directory."""
    return ROOT


@pytest.fixture(scope="session")
def build_dir():
    return (ROOT / os.environ.get("O", "build")).resolve()


@pytest.fixture(scope="session")
def engine(build_dir):
    """The engine under test."""
    path = build_dir / "fio-kaio.so"
    assert path.exists(), "%s is missing: run make engine" % path
    return path


@pytest.fixture(scope="session")
def fio_has(build_dir):
    """Whether a header of the fio that the engine is for has a word: what
    one version of fio can do and another cannot."""
    def has(header, word):
        return word in (build_dir / "fio" / header).read_text(
            encoding="utf-8")
    return has


@pytest.fixture(scope="session")
def fio_queues_ranges(build_dir):
    """Does this fio's own engine queue a sync_file_range, as a full fsync?
    From 3.41 on; kaio does as it is told, at once."""
    text = (build_dir / "fio/ioengines.h").read_text(encoding="utf-8")
    return int(re.search(r"FIO_IOOPS_VERSION\s+(\d+)", text)[1]) >= 39


@pytest.fixture(scope="session")
def san():
    return os.environ.get("SAN", "")


@pytest.fixture(scope="session")
def fio_binary():
    path = shutil.which(os.environ.get("FIO", "fio"))
    assert path, "fio is missing: run make deps"
    return path


@pytest.fixture
def make_fio(fio_binary, tmp_path, san):
    """A runner for the engine at a path."""
    def make(path):
        return fiorun.Fio(fio_binary, str(path), tmp_path,
                          fiorun.sanitizer_env(san))
    return make


@pytest.fixture
def fio(make_fio, engine):
    return make_fio(engine)


@pytest.fixture(scope="session")
def need_root():
    why = targets.why_no_root()
    if why:
        pytest.skip(why)


@pytest.fixture(scope="session")
def need_strace():
    if not shutil.which("strace"):
        pytest.skip("needs strace")


@pytest.fixture
def shm():
    """A private directory on tmpfs: I/O completes inside io_submit."""
    with targets.shm_dir() as path:
        yield path


@pytest.fixture
def shm_file(shm):
    return os.path.join(shm, "file")


@pytest.fixture(scope="session")
def ext4_dir(need_root, tmp_path_factory):
    """A real ext4, on a loop device on a file."""
    with targets.ext4(str(tmp_path_factory.mktemp("ext4"))) as path:
        yield path


@pytest.fixture
def ext4_file(ext4_dir):
    path = os.path.join(ext4_dir, "file")
    yield path
    if os.path.exists(path):
        os.unlink(path)


@pytest.fixture
def loop_device(need_root, shm):
    """16 MB on a loop device with direct I/O: completes asynchronously."""
    with targets.loop_of(shm, 16 << 20) as device:
        yield device


@pytest.fixture(params=["tmpfs", "ext4"])
def target(request):
    """A file that does not exist yet, on tmpfs and on ext4."""
    name = {"tmpfs": "shm_file", "ext4": "ext4_file"}[request.param]
    return request.getfixturevalue(name)


@pytest.fixture(params=["process", "thread"])
def as_thread(request):
    """A forked job, and a thread."""
    return request.param == "thread"


@pytest.fixture
def qualify(tmp_path, build_dir):
    """Runs jobs/qualify."""
    return qualifyrun.Qualify(tmp_path, build_dir)


@pytest.fixture
def ab(tmp_path):
    """A runner for jobs/ab."""
    return abrun.Ab(tmp_path)


@pytest.fixture
def loop(tmp_path):
    """A loop device without partitions."""
    with targets.loop_of(str(tmp_path), qualifyloop.SIZE) as path:
        targets.remove_partitions(path)
        yield path


@pytest.fixture
def other_tree(build_dir, fio_binary, tmp_path):
    """The fio under test in its source tree, as another version."""
    version = fiotrees.version_of(build_dir / "fio")
    other = "fio-9" + version[len("fio-9"):]
    path = fiotrees.built(build_dir / "fio", fio_binary, tmp_path / "tree",
                          other)
    return path, version, other


@pytest.fixture(scope="session")
def distribution_library():
    """The path of the distribution's libaio.so.1, the reference for symbols and
    behaviour."""
    ldconfig = need("ldconfig", "it finds the distribution's libaio")
    found = re.search(
        r"^\s*libaio\.so\.1(?:t64)? .*=> (\S+)", output_of(ldconfig, "-p"), re.M
    )
    if not found:
        pytest.skip("the distribution's libaio (libaio1) is not installed")
    return Path(found[1])


@pytest.fixture(scope="session")
def distribution_source(distribution_library):
    """Its unpacked source package: the header, and libaio's own harness."""
    need("dpkg-query", "it names the package of the distribution's libaio")
    # dpkg may know the file under /lib or under /usr/lib.
    owner = run("dpkg-query", "-S", f"*/{distribution_library.name}")
    if owner.returncode:
        pytest.skip(f"{distribution_library} belongs to no package")
    fetched = run(
        ROOT / ".setup/source-package", owner.stdout.split(":")[0], timeout=120
    )
    if fetched.returncode:
        pytest.skip(f"libaio's source is not to be had: {fetched.stderr}")
    return Path(fetched.stdout.strip())
