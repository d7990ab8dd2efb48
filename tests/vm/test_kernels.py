# SPDX-License-Identifier: GPL-2.0-only
"""What differs between kernels is what the documentation says of it, and what
the library finds by trying: O_DIRECT on tmpfs (Linux 6.6), RWF_ATOMIC (6.11),
RWF_DONTCACHE (6.14)."""
import errno
import os
import re

import pytest

from abi_tools import BUILD, ROOT, STATIC, compile_program

NOWAIT, DONTCACHE = 0x08, 0x80
EXT4 = "/mnt/file"
SHM = "/dev/shm/file"


@pytest.fixture(scope="module", params=["stable", "newer"])
def guest(request, vm_machine):
    """A guest with each kernel, an ext4 and a file on tmpfs; scsi_debug of the
    stable one knows no atomic_wr."""
    atomic = ",atomic_wr=1" if request.param == "newer" else ""
    with vm_machine(["virtio,id=d,size=64M", "null_blk,id=nb,size=16M",
                     f"scsi_debug,id=atomic,size=16M{atomic}"],
                    kernel=request.param) as made:
        made.check("sh", "-c", "mkfs.ext4 -q /dev/lab/d && "
                   f"mount /dev/lab/d /mnt && echo x >{EXT4} && echo x >{SHM}")
        yield made


def release(guest):
    return tuple(map(int, re.match(r"(\d+)\.(\d+)",
                                   guest.kernel.version).groups()))


@pytest.fixture(scope="module")
def flags(guest):
    """{(path, "buffered"|"direct"): (read flags, write flags) or errno, (path,
    "atomic"): what such a write of 4096 bytes returns}"""
    program = compile_program(ROOT / "tests/lib/file_flags.c",
                              guest.shared / "flags", STATIC, "-lpthread",
                              "-D_GNU_SOURCE")
    found = {}
    for line in guest.check(program, EXT4, SHM, "/dev/lab/nb",
                            "/dev/lab/atomic").splitlines():
        path, how, *numbers = line.split()
        found[path, how] = tuple(int(n, 16) for n in numbers) \
            if len(numbers) == 2 else int(numbers[0])
    return found


def test_direct_io_on_tmpfs(guest, flags):
    if release(guest) < (6, 6):
        assert flags[SHM, "direct"] == errno.EINVAL
    else:
        assert isinstance(flags[SHM, "direct"], tuple)


def test_uncached(guest, flags):
    """On ext4, buffered, from 6.14 on; on tmpfs on none."""
    reads, writes = flags[EXT4, "buffered"]
    assert bool(reads & writes & DONTCACHE) == (release(guest) >= (6, 14))
    assert not flags[SHM, "buffered"][0] & DONTCACHE


def test_the_engine_says_what_is_lacking(guest, root):
    """uncached=1 runs, or ends with the sentence that names the version."""
    done = guest.run(
        os.environ.get("FIO", "fio"), "--name=x", f"--filename={EXT4}",
        f"--ioengine=external:{BUILD}/fio-kaio.so", "--uncached=1",
        "--rw=write", "--size=64k", cwd="/tmp")
    if release(guest) < (6, 14):
        assert done.status
        assert "does not take uncached=1" in done.err
        assert "lacks RWF_DONTCACHE (Linux 6.14) there" in done.err
    else:
        assert done.status == 0, done


def test_atomic(guest, flags):
    """From 6.11 on, of a device that promises it."""
    refused = -errno.EOPNOTSUPP
    assert flags["/dev/lab/nb", "atomic"] == refused
    assert flags["/dev/lab/atomic", "atomic"] == (
        4096 if release(guest) >= (6, 11) else refused)


def test_nowait(guest, flags):
    """As the library's manual has it: ext4 takes RWF_NOWAIT for buffered reads
    and direct writes, not for buffered writes."""
    assert flags[EXT4, "buffered"][0] & NOWAIT
    assert not flags[EXT4, "buffered"][1] & NOWAIT
    assert flags[EXT4, "direct"][1] & NOWAIT
    assert flags["/dev/lab/nb", "direct"][1] & NOWAIT


@pytest.mark.parametrize("name", ["test_probe", "test_ring"])
def test_units_of_the_library(guest, name):
    """Which find by other system calls what the library finds."""
    program = BUILD / "tests/library" / name
    assert program.exists(), f"{program} is missing: run make build-tests"
    done = guest.run(program, cwd="/tmp", seconds=600)
    assert done.status == 0, done
