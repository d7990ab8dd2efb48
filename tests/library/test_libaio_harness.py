# SPDX-License-Identifier: GPL-2.0-only
"""libaio's own harness, unmodified, on our header with each of our libraries.

21 programs: 18 run by `make partcheck`, two (8, 10) by `make extracheck` on loop
mounts, and 23, which Debian builds but never runs. All 21 pass with the
distribution's own library as well (KAIO_HARNESS_BASELINE=1 shows it).
"""
import os
import re
import shutil
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from abi_tools import AIO, BUILD, SAN, SAN_ENV, SHARED, STATIC, need, output_of

ON_MOUNTS = {"8", "10"}
NOT_IN_MAKEFILE = {"23"}
# 100 threads that wait for 1000 io_destroy() each: half a minute of idle time.
SLOW = {"18"}
# Takes every request that fs.aio-max-nr and fs.aio-nr leave: it is shown numbers
# of which half are left to other programs.
TAKES_ALL = {"20"}
TRIES = 3  # the others may have taken more than that
LIMITS = ("aio-max-nr", "aio-nr")
OWN_LIMITS = """
for name in aio-max-nr aio-nr; do mount --bind "$1/$name" /proc/sys/fs/$name; done
shift
exec "$@"
"""
EVERYTHING = {str(number) for number in [*range(2, 9), *range(10, 24)]}

LIBRARIES = {"shared": SHARED, "static": STATIC}
if os.environ.get("KAIO_HARNESS_BASELINE"):
    LIBRARIES["distribution"] = None  # its path is found by the fixture

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(bool(SAN), reason="the harness is not built for a sanitizer"),
]


def run_log(command, directory, timeout=900):
    """What a command and its children print; nothing outlives the timeout."""
    env = os.environ | SAN_ENV | {"LD_LIBRARY_PATH": str(BUILD)}
    for name in ("MAKEFLAGS", "MAKELEVEL", "CFLAGS", "CPPFLAGS", "LDFLAGS"):
        env.pop(name, None)
    with subprocess.Popen(
        command, cwd=directory, env=env, text=True, errors="replace",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, start_new_session=True,
    ) as child:  # fmt: skip
        try:
            return child.communicate(timeout=timeout)[0]
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            return f"{child.communicate()[0]}\ntimed out after {timeout} s\n"


class Harness:
    """A copy of the harness, next to a ../src that holds only the header."""

    def __init__(self, name, source, library, directory):
        self.name = name
        self.logs = {}
        self.here = directory / name / "harness"
        self.library = f"LIBAIO={library}"
        shutil.copytree(source / "harness", self.here)
        header = source / "src" if name == "distribution" else AIO
        (directory / name / "src").mkdir()
        shutil.copy(header / "libaio.h", directory / name / "src")

    def make(self, *words):
        return run_log(["make", self.library, *words], self.here)

    def build(self):
        self.logs["build"] = self.make("-j4", "all", "testdir/rofile",
                                       "testdir/wofile", "testdir/rwfile")  # fmt: skip

    def programs(self, numbers):
        cases = [f"cases/{number}.p" for number in sorted(numbers, key=int)]
        return run_log(["./runtests.sh", *cases], self.here)

    def run_with_half(self):
        """In a mount namespace with numbers of its own; where there is none,
        with all that is left."""
        sysctls, made = Path("/proc/sys/fs"), self.here.parent
        for _ in range(TRIES):
            most, used = (int((sysctls / name).read_text()) for name in LIMITS)
            command = ["./runtests.sh", *(f"cases/{n}.p" for n in TAKES_ALL)]
            if private_mounts():
                for name, value in zip(LIMITS, ((most - used) // 2, 0)):
                    (made / name).write_text(f"{value}\n")
                command = ["unshare", "--mount", "sh", "-ec", OWN_LIMITS, "sh",
                           made, *command]  # fmt: skip
            self.logs["half"] = run_log(command, self.here)
            if not self.results().get("20", 1):
                break

    def run_slow(self):
        self.logs["slow"] = self.programs(SLOW)

    def run_rest(self):
        rest = EVERYTHING - ON_MOUNTS - SLOW - TAKES_ALL
        self.logs["rest"] = self.programs(rest)

    def run_on_mounts(self):
        """In a mount namespace, whose end undoes the mounts whatever happens."""
        self.logs["mounts"] = run_log(
            ["unshare", "--mount", "make", self.library, "extracheck"], self.here
        )

    def results(self):
        """The exit status of each program that was run to its end."""
        text = "".join(self.logs.values())
        done = re.findall(r"^Completed cases/(\d+)\.p with (\d+)", text, re.M)
        return {number: int(status) for number, status in done}


def run_all(harnesses):
    """The slow programs only wait, so they wait together, beside the rest."""
    for harness in harnesses:
        harness.build()
    for harness in harnesses:
        harness.run_with_half()
    with ThreadPoolExecutor() as pool:
        slow = [pool.submit(harness.run_slow) for harness in harnesses]
        for harness in harnesses:
            harness.run_rest()
            if os.geteuid() == 0:
                harness.run_on_mounts()
        for running in slow:
            running.result()


@pytest.fixture(scope="module")
def harnesses(distribution_source, distribution_library, tmp_path_factory):
    need("make", "the harness is built with it")
    directory = tmp_path_factory.mktemp("harness")
    every = {
        name: Harness(name, distribution_source,
                      library or distribution_library, directory)
        for name, library in LIBRARIES.items()
    }  # fmt: skip
    try:
        run_all(every.values())
        yield every
    finally:
        shutil.rmtree(directory)  # case 6 leaves files of a gigabyte


def assert_passed(harness, numbers):
    results = harness.results()
    bad = {number for number in numbers if results.get(number) != 0}
    assert not bad, f"{harness.name}: {bad}\n" + "\n".join(harness.logs.values())


def test_there_are_21_programs(distribution_source):
    cases = {path.stem for path in (distribution_source / "harness/cases").glob("*.t")}
    assert cases == EVERYTHING
    assert len(cases) == 21


@pytest.mark.slow
@pytest.mark.parametrize("name", LIBRARIES)
def test_programs_pass(harnesses, name):
    numbers = EVERYTHING - ON_MOUNTS
    assert len(numbers - NOT_IN_MAKEFILE) == 18
    assert_passed(harnesses[name], numbers)


def private_mounts():
    """False for another user, and in a chroot that is no mount point."""
    return subprocess.run(["unshare", "--mount", "true"], timeout=20,
                          stderr=subprocess.DEVNULL).returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(not private_mounts(), reason="no mount namespace of our own")
@pytest.mark.parametrize("name", LIBRARIES)
def test_programs_on_mounts_pass(harnesses, name):
    assert_passed(harnesses[name], ON_MOUNTS)
    assert str(harnesses[name].here) not in output_of("mount")


@pytest.mark.slow
@pytest.mark.parametrize("name", LIBRARIES)
def test_programs_use_the_library_in_question(harnesses, name):
    """The harness has to have tested what it was told to."""
    program = harnesses[name].here / "cases/2.p"
    linked = output_of("ldd", program, env={"LD_LIBRARY_PATH": str(BUILD)})
    assert ("libaio" in linked) == (name != "static")
    if name == "shared":
        assert str(SHARED) in linked
