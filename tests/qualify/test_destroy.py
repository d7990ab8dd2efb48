# SPDX-License-Identifier: GPL-2.0-only
# What --destroy-data does not reach: refused by every command that writes, in
# one sentence each, with the target as it was.
from contextlib import contextmanager
import os
import subprocess
import time

import pytest

import lockers
import targets
from abrun import AB
from qualifyrun import QUALIFY
from qualifyloop import content, fill

pytestmark = pytest.mark.fio
MIB = 1 << 20
COMMANDS = {
    "ab": [AB, "--a", "psync", "--b", "psync", "--job", "randwrite", "--size",
           "16M", "--pairs", "1", "--runtime", "0.2", "--ramp", "0.05"],
    "qualify": [QUALIFY, "--engine", "psync", "--profile", "quick", "--tests",
                "planted", "--no-pdf"]}
every_command = pytest.mark.parametrize("command", COMMANDS)


def start(command, path, tmp_path, *more):
    return subprocess.Popen(
        [*COMMANDS[command], *more, "--target", path, "--destroy-data", "--out",
         tmp_path / "out"], text=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env={**os.environ, "TMPDIR": str(tmp_path)})


def run(command, path, tmp_path, *more):
    with start(command, path, tmp_path, *more) as process:
        out, err = process.communicate(timeout=120)
    assert "Traceback" not in err, err
    return process.returncode, out, err


def refused(command, path, words, tmp_path, content_of=None):
    before = content(content_of) if content_of else None
    status, _, err = run(command, path, tmp_path)
    assert status == {"ab": 1, "qualify": 2}[command], err
    last = err.splitlines()[-1]
    assert last.startswith(f"{command}: ") and words in last, err
    assert last.endswith(".")
    assert not content_of or content(content_of) == before
    assert not (tmp_path / "out").exists()


@pytest.fixture
def precious(tmp_path):
    path = tmp_path / "precious"
    path.write_bytes(b"precious" * (32 * MIB // 8))
    return path


@every_command
@pytest.mark.parametrize("kind", lockers.KINDS)
def test_a_file_that_another_program_has_locked(command, kind, precious,
                                                tmp_path):
    """As QEMU has a virtual machine's disk."""
    with lockers.locked(precious, kind):
        refused(command, precious, "another program has locked it", tmp_path,
                precious)


@every_command
@pytest.mark.parametrize("kind", ["ofd", "posix"])
def test_a_device_that_another_program_has_locked(command, kind, loop,
                                                  tmp_path):
    """As QEMU has one that it hands on, which it does not hold exclusively."""
    fill(loop)
    with lockers.locked(loop, kind):
        refused(command, loop, "another program has locked it", tmp_path, loop)


def test_what_lies_behind_the_size_stays(precious, tmp_path):
    """16 MiB are no whole number of these blocks, and fio would write the last
    one whole, once it has come so far."""
    job = tmp_path / "job.fio"
    job.write_text("[a]\nrw=write\nbs=48k\ndirect=1\niodepth=4\n")
    with start("ab", precious, tmp_path, "--job", job) as process:
        _, err = process.communicate(timeout=120)
    assert "give a --size that is a multiple of 49152 bytes." in err, err
    assert process.returncode == 1
    with open(precious, "rb") as file:
        file.seek(16 * MIB)
        assert set(file.read()) == set(b"precious")


@every_command
def test_a_file_of_the_kernel(command, tmp_path):
    refused(command, "/proc/sys/kernel/domainname", "it is the kernel's, in "
            "proc", tmp_path)


@every_command
def test_a_file_among_the_devices(command, need_root, tmp_path):
    """What some program made where a device had gone."""
    path = f"/dev/kaio-test-{os.getpid()}"
    with targets.sized_file(path, 32 * MIB):
        refused(command, path, "it is a file among the devices", tmp_path,
                path)


def test_no_file_is_made_among_the_devices(tmp_path):
    """A device that has gone, or a misspelt one."""
    path = f"/dev/kaio-test-{os.getpid()}"
    refused("ab", path, f"there is no {path}", tmp_path)
    assert not os.path.lexists(path)


@every_command
def test_swap_in_a_file(command, ext4_file, tmp_path):
    with open(ext4_file, "wb") as file:
        file.write(bytes(32 * MIB))
    os.chmod(ext4_file, 0o600)
    targets.run("mkswap", ext4_file)
    targets.run("swapon", ext4_file)

    def header():       # the kernel may use the rest, now that it may
        with open(ext4_file, "rb") as file:
            return file.read(4096)
    before = header()
    try:
        refused(command, ext4_file, "it is swap space", tmp_path)
        assert header() == before
    finally:
        targets.run("swapoff", ext4_file)


@every_command
def test_a_device_that_is_read_only(command, need_root, precious, tmp_path):
    path = targets.run("losetup", "--find", "--show", "--read-only", precious)
    try:
        refused(command, path, "is read-only", tmp_path, precious)
    finally:
        targets.run("losetup", "--detach", path)


# What lies below a loop device

@contextmanager
def upper(path):
    with targets.loop(path, direct=False) as found:
        yield found


@every_command
@pytest.mark.parametrize("kind", ["ofd", "posix"])
def test_a_loop_device_on_a_locked_file(command, kind, loop, tmp_path):
    fill(loop)
    backing = next(tmp_path.glob("backing-*"))
    with lockers.locked(backing, kind):
        refused(command, loop, f"on {backing}, and of that another program "
                "has locked it", tmp_path, loop)


@every_command
def test_a_file_below_a_loop_device_by_another_name(command, loop, tmp_path):
    """The one that the kernel tells is gone."""
    fill(loop)
    backing, other = next(tmp_path.glob("backing-*")), tmp_path / "other"
    os.link(backing, other)
    backing.unlink()
    try:
        refused(command, other, f"{loop} is a loop device on it", tmp_path,
                loop)
    finally:
        os.rename(other, backing)


@every_command
def test_a_loop_device_far_above_a_disk_that_is_mounted(command, loop,
                                                        tmp_path):
    targets.run("mkfs.ext4", "-q", "-F", loop)
    with (upper(loop) as middle, upper(middle) as top,
          targets.mounted(loop, str(tmp_path / "m"), "-o", "ro")):
        refused(command, top, f"on {loop}, and of that it is mounted",
                tmp_path, loop)


# The claim, while the command runs

@contextmanager
def running(command, path, tmp_path):
    """From its first run on; it would go on for long."""
    more = {"ab": ["--pairs", "500"], "qualify": ["--tests", "iops"]}
    with start(command, path, tmp_path, *more[command]) as process:
        try:
            end = time.monotonic() + 60
            while not list((tmp_path / "out" / "runs").glob("*.json")):
                assert process.poll() is None and time.monotonic() < end
                time.sleep(0.05)
            yield
        finally:
            assert process.poll() is None
            process.terminate()
            process.communicate()


@every_command
def test_the_claim_is_held_while_it_runs(command, precious, tmp_path):
    """A second run on the file is refused, and QEMU would be; fio is not."""
    (tmp_path / "second").mkdir()
    with running(command, precious, tmp_path):
        for each in COMMANDS:
            refused(each, precious, "another program has locked it",
                    tmp_path / "second")
        for kind in lockers.KINDS:
            with pytest.raises(AssertionError):
                with lockers.locked(precious, kind):
                    pass


@every_command
def test_a_device_is_held_while_it_runs(command, loop, tmp_path):
    with running(command, loop, tmp_path), pytest.raises(OSError):
        os.close(os.open(loop, os.O_RDONLY | os.O_EXCL))


@every_command
def test_what_is_destroyed_is_named(command, loop, tmp_path):
    targets.run("mkfs.ext4", "-q", "-F", loop)
    status, _, err = run(command, loop, tmp_path)
    assert status == 0 and (f"{loop} holds an ext2, ext3 or ext4 file system, "
                            "which this run destroys.") in err


@every_command
def test_what_is_beside_and_within_is_named(command, loop, tmp_path):
    with (targets.partition(loop, 1, 1 * MIB, 24 * MIB) as first,
          targets.partition(loop, 2, 32 * MIB, 24 * MIB) as second):
        targets.run("mkfs.ext4", "-q", "-F", first)
        with targets.mounted(first, str(tmp_path / "m"), "-o", "ro"):
            refused(command, second, f"shares a disk with {first}, which is "
                    "in use", tmp_path, second)
            _, _, err = run(command, second, tmp_path, "--allow", "shared")
        assert f"{second} shares a disk with {first}, which is in use" in err
        (tmp_path / "out").rename(tmp_path / "before")
        _, _, err = run(command, loop, tmp_path)
        assert (f"{loop} holds in {first} an ext2, ext3 or ext4 file system, "
                "which this run destroys.") in err
