# SPDX-License-Identifier: GPL-2.0-only
# Real devices: what a qualification refuses it has neither opened for writing
# nor changed, what it claims nobody else gets, and what it purges is that and
# no more.  Loop devices and zram; there are no others here to be destroyed.
from contextlib import ExitStack
import os
import re
import stat
import subprocess
import sys
import time

import pytest

import straceout
import targets

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "jobs"))

from fiolab import device  # noqa: E402
from fiolab.problem import Problem  # noqa: E402
from fiolab.qualify import cache, claim, identity, purge  # noqa: E402

MIB = 1 << 20
SIZE = 64 * MIB
pytestmark = pytest.mark.skipif(bool(targets.why_no_root()),
                                reason=str(targets.why_no_root()))
CLAIM = """import sys, contextlib
sys.path.insert(0, sys.argv[1])
from fiolab.problem import Problem
from fiolab.qualify import claim, purge
with contextlib.ExitStack() as stack:
    try:
        target = claim.prepare(sys.argv[2], 1 << 20, sys.argv[3] == "destroy",
                               stack)
        purge.run(target, purge.plan(target)[0])
    except Problem as problem:
        sys.exit(f"qualify: {problem}")
"""


@pytest.fixture
def loop(tmp_path):
    with targets.loop_of(str(tmp_path), SIZE) as path:
        targets.remove_partitions(path)
        yield path


def content(path):
    """The device's own, not what the page cache kept of it."""
    with open(path, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return file.read()

NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


def mounted(what, where):
    """Read-only, as the file system itself would change the content."""
    return targets.mounted(what, str(where), "-o", "ro")


def fill(path, data=b"precious"):
    with open(path, "r+b") as file:
        file.write(data * (SIZE // len(data)))
        os.fsync(file.fileno())


def refused(path, words, stack, destroy=True, need=MIB, content_of=None):
    """A sentence, at once, and the device as it was."""
    before = content(content_of or path)
    with pytest.raises(Problem) as problem:
        claim.prepare(str(path), need, destroy, stack)
    text = str(problem.value)
    assert words in text, text
    assert text.endswith(".") and text.count("\n") == 0
    assert content(content_of or path) == before


# --- refusals

def test_a_free_device_needs_leave(loop, stack):
    fill(loop)
    refused(loop, "give --destroy-data", stack, destroy=False)


def test_mounted_by_any_name(loop, stack, tmp_path):
    targets.run("mkfs.ext4", "-q", "-F", loop)
    node, link = tmp_path / "node", tmp_path / "link"
    os.mknod(node, stat.S_IFBLK | 0o600, os.stat(loop).st_rdev)
    link.symlink_to(loop)
    with mounted(loop, tmp_path / "a b"):
        for path in (loop, node, link):
            refused(path, f"it is mounted on {tmp_path}/a b", stack)


def test_mounted_where_it_cannot_be_seen(loop, stack, tmp_path, monkeypatch):
    """As in another mount namespace: the exclusive open tells."""
    targets.run("mkfs.ext4", "-q", "-F", loop)
    with mounted(loop, tmp_path / "m"):
        monkeypatch.setattr(device, "mounts", lambda: [])
        refused(loop, "something holds it (exclusive open fails)", stack)


def test_partitions_in_use_and_their_disk(loop, stack, tmp_path):
    with (targets.partition(loop, 1, 1 * MIB, 24 * MIB) as first,
          targets.partition(loop, 2, 32 * MIB, 24 * MIB) as second):
        targets.run("mkfs.ext4", "-q", "-F", first)
        with mounted(first, tmp_path / "m"):
            refused(loop, "it is mounted", stack)
            refused(first, "it is mounted", stack)
            with ExitStack() as inner:
                target = claim.prepare(second, MIB, True, inner)
                assert target.size == 24 * MIB and target.kind == "loop"


def test_a_partition_of_a_mounted_disk(loop, stack, tmp_path):
    targets.run("mkfs.ext4", "-q", "-F", loop)
    with (targets.partition(loop, 1, 1 * MIB, 24 * MIB) as part,
          mounted(loop, tmp_path / "m")):
        refused(part, "it is mounted", stack, content_of=loop)


def test_unused_partitions_are_a_warning(loop, stack):
    with targets.partition(loop, 1, 1 * MIB, 24 * MIB) as part:
        with ExitStack() as inner:
            target = claim.prepare(loop, MIB, True, inner)
            name = os.path.basename(part)
            assert f"has the partitions {name}" in target.warnings[-1]


def test_swap(loop, stack):
    targets.run("mkswap", loop)
    targets.run("swapon", loop)
    try:
        refused(loop, f"{loop} is swap space", stack)
    finally:
        targets.run("swapoff", loop)


def test_under_a_loop_device(loop, stack, tmp_path):
    backing = next(tmp_path.glob("backing-*"))
    refused(backing, "is a loop device on it", stack)
    with targets.loop(loop, direct=False) as upper:
        refused(loop, f"{upper} is a loop device on it", stack)


def test_two_loop_devices_on_one_file(loop, stack, tmp_path):
    """Neither is held itself; writing to one changes the other."""
    backing = str(next(tmp_path.glob("backing-*")))
    targets.run("mkfs.ext4", "-q", "-F", loop)
    with (mounted(loop, tmp_path / "m"),
          targets.loop(backing) as other):
        refused(other, f"to {backing}: {loop} is a loop device on it", stack)


def test_a_loop_device_on_a_disk_that_is_mounted(loop, stack, tmp_path):
    targets.run("mkfs.ext4", "-q", "-F", loop)
    with (targets.loop(loop, direct=False) as upper,
          mounted(loop, tmp_path / "m")):
        refused(upper, f"on {loop}, and of that it is mounted", stack)


def test_held_by_another_program(loop, stack):
    descriptor = os.open(loop, os.O_RDONLY | os.O_EXCL)
    try:
        refused(loop, "something holds it", stack)
    finally:
        os.close(descriptor)
    claim.prepare(loop, MIB, True, stack)


def test_under_device_mapper(loop, stack):
    if subprocess.run(["dmsetup", "version"], check=False,
                      capture_output=True).returncode:
        pytest.skip("device mapper does not work here")
    name = f"kaio-test-{os.getpid()}"
    targets.run("dmsetup", "create", name, "--table",
                f"0 {SIZE // 512} linear {loop} 0")
    try:
        refused(loop, "it is held by dm-", stack)
    finally:
        targets.run("dmsetup", "remove", "--retry", name)


def test_read_only(tmp_path, stack):
    with targets.sized_file(str(tmp_path / "file"), SIZE) as file:
        path = targets.run("losetup", "--find", "--show", "--read-only", file)
        try:
            refused(path, "is read-only", stack)
        finally:
            targets.run("losetup", "--detach", path)


def test_too_small(loop, stack):
    refused(loop, f"has {SIZE} bytes, but the tests need {SIZE + 1}", stack,
            need=SIZE + 1)


def test_a_device_that_is_not_set_up(stack):
    number = targets.run("losetup", "--find")
    refused(number, "has 0 bytes", stack)


def test_a_character_device_of_a_disk(loop, tmp_path, stack):
    """The same numbers, but not a disk: it is not even opened."""
    os.mknod(tmp_path / "tape", stat.S_IFCHR | 0o600, os.makedev(9, 0))
    with pytest.raises(Problem, match="neither a block device nor a file"):
        claim.prepare(str(tmp_path / "tape"), MIB, True, stack)


def test_an_ordinary_user(loop):
    """Who may not write there is told so, without a traceback."""
    done = subprocess.run(
        [*NOBODY, "/usr/bin/python3", "-c", CLAIM, os.path.join(
            os.path.dirname(__file__), "..", "..", "jobs"), loop, "destroy"],
        capture_output=True, text=True, timeout=60, check=False)
    if "ModuleNotFoundError" in done.stderr:
        pytest.skip("the source is not readable for others")
    assert done.stderr == (f"qualify: cannot open {loop} for writing: "
                           "Permission denied: be root.\n")


# --- the plan, which opens nothing and says what would be refused

def plan(path, root, *front):
    done = subprocess.run(
        [*front, str(root / "jobs" / "qualify"), "--target", path, "--plan",
         "--engine", "psync", "--profile", "quick"], capture_output=True,
        text=True, timeout=60, check=False)
    if front and "Permission denied: " + str(root) in done.stderr:
        pytest.skip("the source is not readable for others")
    assert done.returncode == 0 and "total" in done.stdout, done.stderr
    return done.stderr


def test_the_plan_says_what_would_be_refused(loop, root, tmp_path):
    assert plan(loop, root) == ""
    targets.run("mkfs.ext4", "-q", "-F", loop)
    with mounted(loop, tmp_path / "m"):
        said = plan(loop, root)
    assert said.startswith("qualify: A run would end at once: refusing to "
                           f"write to {loop}: it is mounted on {tmp_path}/m")
    assert said.count("\n") == 1


def test_the_plan_of_a_device_needs_no_root(loop, root):
    assert plan(loop, root, *NOBODY).endswith(
        f"qualify: A run would end at once: cannot open {loop} for writing: "
        "be root.\n")


# --- a refusal as strace sees it

WRITING = re.compile(r"O_WRONLY|O_RDWR")


def traced(path, how, tmp_path, root):
    log = tmp_path / "trace"
    done = subprocess.run(
        ["strace", "-f", "-y", "-o", log, "-e",
         "trace=openat,write,pwrite64,pwritev,ioctl,fallocate,io_submit",
         "/usr/bin/python3", "-c", CLAIM, root / "jobs", path, how],
        capture_output=True, text=True, timeout=100, check=False)
    # An open by way of /proc/self/fd has the device in its result.
    found = [call for call in straceout.calls(log)
             if path in call.args + call.rest and "/sys/" not in call.args]
    return done, found


def harmful(calls, path):
    """Calls that open a device for writing, or do something to it."""
    return [call for call in calls if (
        WRITING.search(call.args) if call.name == "openat"
        else f"<{path}" in call.args.partition(",")[0])]


@pytest.mark.parametrize("how", ["mounted", "keep", "partition", "loop"])
def test_refused_devices_are_not_touched(how, loop, tmp_path, root,
                                         need_strace, stack):
    enter = stack.enter_context
    if how == "mounted":
        targets.run("mkfs.ext4", "-q", "-F", loop)
        enter(mounted(loop, tmp_path / "m"))
    elif how == "partition":
        part = enter(targets.partition(loop, 1, MIB, 24 * MIB))
        targets.run("mkfs.ext4", "-q", "-F", part)
        enter(mounted(part, tmp_path / "m"))
    elif how == "loop":
        enter(targets.loop(loop, direct=False))
    before = content(loop)
    done, calls = traced(loop, "keep" if how == "keep" else "destroy",
                         tmp_path, root)
    assert done.returncode == 1 and done.stderr.startswith("qualify: ")
    assert harmful(calls, loop) == []
    assert all("O_PATH" in call.args for call in calls
               if call.name == "openat")
    assert content(loop) == before


def test_strace_sees_a_purge(loop, tmp_path, root, need_strace):
    """So that the test before this one can fail."""
    fill(loop)
    done, calls = traced(loop, "destroy", tmp_path, root)
    assert done.returncode == 0, done.stderr
    names = [call.name for call in harmful(calls, loop)]
    assert "ioctl" in names and "openat" in names
    opened, = (call for call in calls if "O_RDWR" in call.args)
    assert "O_EXCL" in opened.args and f"<{loop}>" in opened.rest


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
        text = cache.set(zram, False, inner)
        assert text is None or "zram" in text


def test_identity_of_a_loop_device(loop, tmp_path):
    found = identity.describe(loop)
    assert found["backing_file"] == str(next(tmp_path.glob("backing-*")))
    assert found["kind"] == "loop" and found["size_bytes"] == SIZE
    assert found["direct_io"] is True and found["logical_block"] == 512
    assert identity.same(found, identity.describe(loop)) is None


def test_the_kernel_s_belief_is_not_changed(loop, stack):
    name = f"/sys/block/{os.path.basename(loop)}/queue/write_cache"
    before = identity.read(name)
    text = cache.set(loop, False, stack)
    assert identity.read(name) == before
    assert (text is None) == (before == "write through")
