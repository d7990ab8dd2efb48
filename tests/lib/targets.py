# SPDX-License-Identifier: GPL-2.0-only
# Files and block devices for tests to write to: tmpfs, loop devices, and
# ext4 on one.  Each is a context manager that removes what it made.
import contextlib
import ctypes
import errno
import fcntl
import itertools
import os
import shutil
import struct
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

LOOP_CTL_ADD, LOOP_CTL_REMOVE = 0x4C80, 0x4C81     # <linux/loop.h>
BLKPG, ADD, DELETE = 0x1269, 1, 2                   # <linux/blkpg.h>


def run(*argv):
    done = subprocess.run(argv, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, "%s: %s" % (" ".join(map(str, argv)), done.stdout)
    return done.stdout.strip()


def why_no_root():
    """Why loop devices and mounts are out of reach; None when they are not."""
    if os.geteuid() != 0:
        return "needs root, for loop devices and mounts"
    for tool in ("losetup", "mkfs.ext4", "mount"):
        if not shutil.which(tool, path=os.environ["PATH"] + ":/sbin:/usr/sbin"):
            return "needs %s" % tool
    if not os.path.exists("/dev/loop-control"):
        return "needs /dev/loop-control"
    return None


@contextlib.contextmanager
def shm_dir():
    """A private directory on the system's tmpfs."""
    path = tempfile.mkdtemp(prefix="kaio-e2e-", dir="/dev/shm")
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def loop(backing, direct=True, block=512, name=None):
    """A loop device on the file backing; direct: its I/O completes later;
    name: of far_loops()."""
    where = [name] if name else ["--find", "--show"]
    device = run("losetup", *where, f"--sector-size={block}", "--direct-io=" +
                 ("on" if direct else "off"), backing) or name
    try:
        yield device
    finally:
        run("losetup", "--detach", device)


def say_cache(device, kind):
    """What the kernel is to take a device's cache for."""
    with open("/sys/block/%s/queue/write_cache" % os.path.basename(device),
              "w", encoding="ascii") as file:
        file.write(kind)


@contextlib.contextmanager
def write_through(device):
    """The kernel takes the device for one without a volatile cache.  (A loop
    device would remember that for its next user.)"""
    say_cache(device, "write through")
    try:
        yield
    finally:
        say_cache(device, "write back")


def _loop_control(request, device):
    """(A device that was just detached may be looked at by others, yet.)"""
    end = time.monotonic() + 60
    with open("/dev/loop-control", "rb") as control:
        while True:
            try:
                return fcntl.ioctl(control, request,
                                   int(device[len("/dev/loop"):]))
            except OSError as error:
                if error.errno != errno.EBUSY or time.monotonic() > end:
                    raise
            time.sleep(0.02)


@contextlib.contextmanager
def added_loops(devices):
    """Loop devices of these names, which no one is given by chance."""
    with contextlib.ExitStack() as stack:
        for device in devices:
            _loop_control(LOOP_CTL_ADD, device)
            stack.callback(_loop_control, LOOP_CTL_REMOVE, device)
        yield


FAR = itertools.count(1000 + os.getpid() % 1000 * 64)


@contextlib.contextmanager
def far_loops(count):
    """Names of loop devices which no one else has: they can be counted, come
    back under the same name, and what was set of them goes with them."""
    names = [f"/dev/loop{next(FAR)}" for _ in range(count)]
    with added_loops(names):
        yield names


def is_attached(device):
    return os.path.exists(f"/sys/block/{os.path.basename(device)}/loop/"
                          "backing_file")


@contextlib.contextmanager
def mounted(what, where, *options):
    os.makedirs(where, exist_ok=True)
    run("mount", *options, what, where)
    try:
        yield where
    finally:
        if subprocess.run(["umount", where], check=False).returncode:
            run("umount", "--lazy", where)


@contextlib.contextmanager
def sized_file(path, size):
    with open(path, "wb") as file:
        file.truncate(size)
    try:
        yield path
    finally:
        os.unlink(path)


def await_reads(device, count=64):
    """Until so many more reads of a device are done."""
    path = Path("/sys/block", os.path.basename(device), "stat")
    end, least = time.monotonic() + 180, int(path.read_text().split()[0]) + count
    while int(path.read_text().split()[0]) < least:
        assert time.monotonic() < end, "nobody reads " + device
        time.sleep(0.02)


@contextlib.contextmanager
def loop_of(directory, size, direct=True, written=False):
    """A loop device of this size on a file in directory, a sparse one unless
    it is to be written."""
    path = os.path.join(directory, "backing-%d" % size)
    with sized_file(path, size), loop(path, direct) as device:
        if written:
            Path(path).write_bytes(b"w" * size)
        yield device


@contextlib.contextmanager
def ext4(directory, size=96 << 20):
    """A mounted ext4 on a loop device on a file in directory."""
    where = os.path.join(directory, "ext4")
    with loop_of(directory, size) as device:
        run("mkfs.ext4", "-q", "-F", device)
        with mounted(device, where):
            yield where


@contextlib.contextmanager
def small_tmpfs(directory, size):
    """A tmpfs of its own, to be filled."""
    where = os.path.join(directory, "small")
    with mounted("tmpfs", where, "-t", "tmpfs", "-o", "size=%d" % size):
        yield where


@contextlib.contextmanager
def under_device_mapper(device, size):
    """A linear device of device mapper on all of a device, which so is held."""
    if subprocess.run(["dmsetup", "version"], check=False,
                      capture_output=True).returncode:
        pytest.skip("device mapper does not work here")
    name = f"kaio-test-{os.getpid()}"
    run("dmsetup", "create", name, "--table",
        f"0 {size // 512} linear {device} 0")
    try:
        yield
    finally:
        run("dmsetup", "remove", "--retry", name)


def tell_partition(disk, how, number, start=0, length=0):
    """To the kernel, in bytes, as addpart and delpart did, which Debian 13 no
    longer has (<linux/blkpg.h>)."""
    what = ctypes.create_string_buffer(struct.pack(
        "qqi64s64s", start, length, number, b"", b""), 152)
    told = struct.pack("iiiP", how, 0, len(what), ctypes.addressof(what))
    descriptor = os.open(disk, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.ioctl(descriptor, BLKPG, told)
    finally:
        os.close(descriptor)


def remove_partitions(disk):
    """Those that an earlier user of a loop device left over."""
    name = os.path.basename(disk)
    for part in Path(f"/sys/block/{name}").glob(f"{name}p*"):
        tell_partition(disk, DELETE, int((part / "partition").read_text()))


@contextlib.contextmanager
def partition(disk, number, start, length):
    """A partition made in the kernel only (BLKPG), as partx -a does."""
    tell_partition(disk, ADD, number, start, length)
    try:
        yield await_node(f"{disk}p{number}")
    finally:
        tell_partition(disk, DELETE, number)


def await_node(path):
    for _ in range(300):
        if os.path.exists(path):
            return path
        time.sleep(0.1)
    return pytest.skip("partition device nodes do not appear here")


@contextlib.contextmanager
def zram(size):
    """A zram device of its own."""
    with open("/sys/class/zram-control/hot_add", encoding="ascii") as file:
        number = file.read().strip()
    try:
        with open("/sys/block/zram%s/disksize" % number, "w",
                  encoding="ascii") as file:
            file.write(str(size))
        yield "/dev/zram" + number
    finally:
        with open("/sys/class/zram-control/hot_remove", "w",
                  encoding="ascii") as file:
            file.write(number)
