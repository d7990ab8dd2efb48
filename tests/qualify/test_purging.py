# SPDX-License-Identifier: GPL-2.0-only
# Real devices: what a qualification claims nobody else gets, and what it purges
# is that and no more.  Loop devices and zram.
from contextlib import ExitStack
import os
import stat
import time

import pytest

import targets
from qualifyloop import SIZE, content, fill, mounted

from fiolab.base.problem import Problem
from fiolab.target import claim, identity, purge, sysfs, writecache

MIB = 1 << 20
pytestmark = pytest.mark.root


# --- the claim

def test_nobody_mounts_or_claims_it_meanwhile(loop, stack, tmp_path):
    targets.run("mkfs.ext4", "-q", "-F", loop)
    target = claim.prepare(loop, MIB, True, stack)
    assert "ext4 file system" in target.warnings[0]
    assert (target.kind, target.size, target.logical_block) == ("loop", SIZE,
                                                                512)
    with pytest.raises(AssertionError, match="mount"):
        with mounted(loop, tmp_path / "m"):
            pass
    with pytest.raises(Problem, match="something holds it"):
        claim.prepare(loop, MIB, True, stack)
    stack.close()
    with mounted(loop, tmp_path / "m"):
        pass                    # it was only looked at


def test_a_partition_of_a_claimed_disk_cannot_be_mounted(loop, stack,
                                                         tmp_path):
    with targets.partition(loop, 1, MIB, 24 * MIB) as part:
        targets.run("mkfs.ext4", "-q", "-F", part)
        with ExitStack() as inner:
            claim.prepare(loop, MIB, True, inner)
            with pytest.raises(AssertionError, match="mount"):
                with mounted(part, tmp_path / "m"):
                    pass


def test_fio_may_use_what_we_hold(loop, stack, fio_binary):
    claim.prepare(loop, MIB, True, stack)
    targets.run(fio_binary, "--name=w", f"--filename={loop}", "--rw=randwrite",
                "--bs=4k", "--direct=1", "--size=1M", "--ioengine=libaio")


# --- purges

def test_discard(loop, stack):
    fill(loop)
    target = claim.prepare(loop, MIB, True, stack)
    assert purge.plan(target) == ("blkdiscard",
                                  "every block is discarded (BLKDISCARD)")
    assert not purge.verify(target).startswith("all")
    said = []
    purge.run(target, "blkdiscard", said.append)
    assert content(loop) == bytes(SIZE)
    assert "read as zeros" in said[-1]


def test_a_partition_s_neighbours_stay(loop, stack, tmp_path):
    fill(loop)
    before = content(loop)
    with targets.partition(loop, 1, 1 * MIB, 24 * MIB) as part:
        with ExitStack() as inner:
            target = claim.prepare(part, MIB, True, inner)
            purge.run(target, purge.plan(target)[0], lambda _: None)
        after = content(loop)
    assert after[MIB:25 * MIB] == bytes(24 * MIB)
    assert after[:MIB] == before[:MIB]
    assert after[25 * MIB:] == before[25 * MIB:]


def test_discard_in_steps(loop, stack, monkeypatch):
    fill(loop)
    monkeypatch.setattr(purge, "SMALLEST_STEP", 10 * MIB)
    said, target = [], claim.prepare(loop, MIB, True, stack)
    purge.run(target, "blkdiscard", said.append)
    assert len(said) == 8 and said[0].endswith(": 15%")
    assert content(loop) == bytes(SIZE)


def test_the_name_may_become_another_device(loop, stack, tmp_path, shm):
    """The descriptor is purged: not what the path stands for by then."""
    node = tmp_path / "node"
    os.mknod(node, stat.S_IFBLK | 0o600, os.stat(loop).st_rdev)
    fill(loop)
    target = claim.prepare(str(node), MIB, True, stack)
    with targets.loop_of(shm, SIZE) as other:
        fill(other)
        before = content(other)
        os.unlink(node)
        os.mknod(node, stat.S_IFBLK | 0o600, os.stat(other).st_rdev)
        purge.run(target, "blkdiscard", lambda _: None)
        assert content(other) == before and content(loop) == bytes(SIZE)


def test_the_job_for_other_hosts_trims_all(loop, fio_binary, tmp_path):
    fill(loop)
    job = tmp_path / "purge.fio"
    job.write_text("[global]\nioengine=psync\ndirect=1\n"
                   f"filename={loop}\n{purge.TRIM_JOB}")
    targets.run(fio_binary, str(job))
    assert content(loop) == bytes(SIZE)


# --- zram, and this machine's own answers

@pytest.fixture
def zram():
    if not os.path.exists("/sys/class/zram-control/hot_add"):
        pytest.skip("needs zram (modprobe zram)")
    with targets.zram(SIZE) as path:
        for _ in range(50):
            if os.path.exists(path):
                break
            time.sleep(0.1)
        yield path


def test_zram(zram, stack):
    with ExitStack() as inner:
        target = claim.prepare(zram, MIB, True, inner)
        assert (target.kind, target.size) == ("zram", SIZE)
        fill(zram)
        assert purge.plan(target)[0] == "blkdiscard"
        purge.run(target, "blkdiscard", lambda _: None)
        assert content(zram) == bytes(SIZE)
        assert identity.describe(zram)["logical_block"] == \
            target.logical_block
        assert identity.smart(zram)[0] is None
        text = writecache.set(zram, False, inner)
        assert text is None or "zram" in text


def test_identity_of_a_loop_device(loop, tmp_path):
    found = identity.describe(loop)
    assert found["backing_file"] == str(next(tmp_path.glob("backing-*")))
    assert found["kind"] == "loop" and found["size_bytes"] == SIZE
    assert found["direct_io"] is True and found["logical_block"] == 512
    assert identity.same(found, identity.describe(loop)) is None


def test_the_kernel_s_belief_is_not_changed(loop, stack):
    name = f"/sys/block/{os.path.basename(loop)}/queue/write_cache"
    before = sysfs.read(name)
    text = writecache.set(loop, False, stack)
    assert sysfs.read(name) == before
    assert (text is None) == (before == "write through")
