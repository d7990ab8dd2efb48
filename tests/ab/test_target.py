# SPDX-License-Identifier: GPL-2.0-only
# What jobs/ab may overwrite: refusals on real loop devices (root only), the
# protection of existing files, and lack of space.
from contextlib import ExitStack
import errno
import fcntl
import json
import os
from pathlib import Path
import stat

import pytest

import targets as real
from targets import partition, remove_partitions
from fiolab.ab import campaign, places
from fiolab.base import commandline
from fiolab.base.problem import Problem
from fiolab.target import (blockdevice, claim, extents, medium, scratchfile,
                           sysfs)
from fiolab.target.target import CAMPAIGN, PLAN, QUALIFY, Target

MIB = 1 << 20


def refused(path, word, stack, destroy=True, writes=("randwrite",)):
    before = content(path)
    with pytest.raises(Problem) as problem:
        scratchfile.prepare(str(path), list(writes), 4 * MIB, destroy, stack)
    assert word in str(problem.value)
    assert content(path) == before


def content(path):
    with open(path, "rb") as file:
        return hash(file.read(8 * MIB))


# Files

def test_a_new_file_is_filled_and_removed(tmp_path, stack):
    path = tmp_path / "new"
    made = scratchfile.prepare(str(path), ["randwrite"], 4 * MIB, False, stack)
    data = path.read_bytes()
    assert len(data) == 4 * MIB and len(set(data[-4096:])) > 200
    assert os.stat(path).st_blocks * 512 >= 4 * MIB
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert made.writable
    stack.close()
    assert not path.exists()


@pytest.mark.parametrize("exists", [True, False])
def test_what_is_in_memory_was_read_before_it_is_measured(shm, stack, exists):
    """Else the first block of a duet takes longer on the side that leads."""
    path = Path(shm, "new")
    if exists:
        path.write_bytes(b"x" * 4 * MIB)
    before = _bytes_read()
    scratchfile.prepare(str(path), [], 4 * MIB, False, stack)
    assert _bytes_read() - before >= 4 * MIB


def _bytes_read():
    """By this process, from whatever there is."""
    with open("/proc/self/io", encoding="ascii") as file:
        return int(file.readline().split()[1])


def test_an_existing_file_is_not_written_without_leave(tmp_path, stack):
    path = tmp_path / "precious"
    path.write_bytes(b"x" * 8 * MIB)
    refused(path, "--destroy-data", stack, destroy=False)
    read_only = scratchfile.prepare(str(path), [], None, False, stack)
    assert not read_only.writable and read_only.size == 8 * MIB
    assert "not pre-written" in read_only.describe()
    stack.close()
    assert path.read_bytes() == b"x" * 8 * MIB


def test_an_existing_file_stays_after_it_was_overwritten(tmp_path, stack):
    path = tmp_path / "given"
    path.write_bytes(b"x" * 8 * MIB)
    scratchfile.prepare(str(path), ["randwrite"], 4 * MIB, True, stack)
    stack.close()
    assert path.stat().st_size == 8 * MIB
    assert path.read_bytes()[4 * MIB:] == b"x" * 4 * MIB


def test_a_symlink_is_judged_by_what_it_points_to(tmp_path, stack):
    path, link = tmp_path / "precious", tmp_path / "link"
    path.write_bytes(b"x" * 8 * MIB)
    link.symlink_to(path)
    refused(link, f"{path} is a file that exists", stack, destroy=False)


def test_a_dangling_symlink_stays(tmp_path, stack):
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "new")
    scratchfile.prepare(str(link), ["randwrite"], 4 * MIB, False, stack)
    stack.close()
    assert link.is_symlink() and not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["a;b", "a#b", "a$b", "a\\b", "a\nb", "a "])
def test_names_that_fio_would_misread(name, tmp_path, stack):
    with pytest.raises(Problem, match="misread"):
        scratchfile.prepare(str(tmp_path / name), [], None, False, stack)


def test_what_is_no_file(tmp_path, stack):
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo", "/dev/null"):
        with pytest.raises(Problem, match="neither a file nor"):
            scratchfile.prepare(str(path), [], None, True, stack)
    with pytest.raises(Problem, match="no folder"):
        scratchfile.prepare(str(tmp_path / "a" / "b"), [], None, True, stack)


def test_a_file_that_is_too_small(tmp_path, stack):
    (tmp_path / "small").write_bytes(b"x")
    with pytest.raises(Problem, match="too few"):
        scratchfile.prepare(str(tmp_path / "small"), [], None, False, stack)


def test_no_space_is_found_before_writing(tmp_path, stack, monkeypatch):
    monkeypatch.setattr(medium, "room_in", lambda folder: 24 * MIB)
    with pytest.raises(Problem, match="has room for 8 MiB"):
        scratchfile.prepare(str(tmp_path / "big"), [], 9 * MIB, False, stack)
    assert not (tmp_path / "big").exists()


def test_a_failing_write_removes_the_file(tmp_path, stack, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(scratchfile.os, "fsync", full)
    with pytest.raises(Problem, match="no space left"):
        scratchfile.prepare(str(tmp_path / "new"), [], 4 * MIB, False, stack)
    stack.close()
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("ram", [True, False])
def test_without_o_direct_only_memory_may_be_buffered(ram, tmp_path, stack,
                                                      monkeypatch):
    real_open = os.open

    def old_kernel(path, flags, *rest):
        if flags & os.O_DIRECT:
            raise OSError(errno.EINVAL, "Invalid argument")
        return real_open(path, flags, *rest)
    monkeypatch.setattr(scratchfile.os, "open", old_kernel)
    monkeypatch.setattr(medium, "identify", lambda _: (ram, "label"))
    if ram:
        made = scratchfile.prepare(str(tmp_path / "f"), [], 4 * MIB, False, stack)
        assert not made.direct and "buffered" in made.describe()
    else:
        with pytest.raises(Problem, match="O_DIRECT"):
            scratchfile.prepare(str(tmp_path / "f"), [], 4 * MIB, False, stack)


@pytest.mark.root
def test_a_small_file_system(tmp_path, stack):
    with real.small_tmpfs(str(tmp_path), 24 * MIB) as where:
        with pytest.raises(Problem, match="has room for"):
            scratchfile.prepare(where + "/f", [], 16 * MIB, False, stack)
        made = scratchfile.prepare(where + "/f", [], 4 * MIB, False, stack)
        assert made.ram and "tmpfs" in made.label
        stack.close()
        assert os.listdir(where) == []


def leave_behind(folder, name="kaio-ab-0123abcd.tmp", data=b"x"):
    (folder / name).write_bytes(data)
    return folder / name


def test_what_a_killed_run_left_is_removed(tmp_path, stack):
    left = leave_behind(tmp_path)
    kept = [leave_behind(tmp_path, "kaio-ab-0123abce.tmp", b""),
            leave_behind(tmp_path, "kaio-ab-mine.tmp")]
    scratchfile.scratch(str(tmp_path), 4 * MIB, stack)
    assert not left.exists() and all(path.exists() for path in kept)


def test_the_file_of_a_living_run_stays(tmp_path, stack):
    living = scratchfile.scratch(str(tmp_path), 4 * MIB, stack)
    with open(living.path, "rb") as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    scratchfile.scratch(str(tmp_path), 4 * MIB, stack)
    assert os.path.exists(living.path)


def test_a_symlink_named_like_a_scratch_file_stays(tmp_path, stack):
    precious = tmp_path / "precious"
    precious.write_bytes(b"x")
    (tmp_path / "kaio-ab-0123abcd.tmp").symlink_to(precious)
    scratchfile.scratch(str(tmp_path), 4 * MIB, stack)
    assert precious.exists() and (tmp_path / "kaio-ab-0123abcd.tmp").exists()


def without_memory(folder, tmp_path, stack, monkeypatch, capsys, size=4 * MIB):
    monkeypatch.setattr(commandline, "MEMORY", str(folder))
    disk = tmp_path / "disk"
    disk.mkdir()
    asked = campaign.Request(build=str(disk), size=size)
    made, = places.local(asked, [], False, stack)
    assert made.path.startswith(str(disk))
    said = [line for line in capsys.readouterr().err.splitlines()
            if line.startswith("ab: ")]
    assert len(said) == 1 and "on the disk alone" in said[0]


def test_without_dev_shm_the_disk_is_used_alone(tmp_path, stack, monkeypatch,
                                                capsys):
    without_memory(tmp_path / "none", tmp_path, stack, monkeypatch, capsys,
                   None)


@pytest.mark.root
@pytest.mark.parametrize("option", ["ro", "size=8m"])
def test_dev_shm_that_is_read_only_or_small(option, tmp_path, stack,
                                            monkeypatch, capsys):
    with real.mounted("tmpfs", str(tmp_path / "m"), "-t", "tmpfs", "-o",
                      option) as folder:
        without_memory(folder, tmp_path, stack, monkeypatch, capsys)
        assert os.listdir(folder) == []


def test_without_a_mount_row_the_device_number_is_the_label(tmp_path,
                                                            monkeypatch):
    """As in a chroot whose root is not a mount point."""
    monkeypatch.setattr(blockdevice, "mounts", lambda: [])
    ram, label = medium.identify(str(tmp_path))
    name = os.path.basename(sysfs.of(os.stat(tmp_path).st_dev))
    assert not ram and label.startswith("disk (" + name)


@pytest.mark.parametrize("direct, io, why", [
    ("all", "O_DIRECT", "sets the pace"),
    ("some", "O_DIRECT in part", "part of the I/O"),
    ("none", "buffered (page cache)", "page cache takes part")])
def test_the_label_says_what_ran(direct, io, why):
    disk = Target("/f", 4 * MIB, False, "disk", writable=True)
    assert disk.describe(direct) == f"disk, 4 MiB, {io}"
    assert why in disk.why(direct)
    memory = Target("/f", 4 * MIB, True, "RAM", False, writable=True)
    assert memory.describe(direct) == "RAM, 4 MiB, buffered (page cache)"
    assert "no device" in memory.why(direct)


# Block devices

@pytest.fixture
def loop(tmp_path):
    with real.loop_of(str(tmp_path), 64 * MIB, written=True) as path:
        remove_partitions(path)     # left over by an earlier user of it
        yield path


@pytest.mark.root
def test_a_free_device_needs_destroy_data(loop, stack):
    refused(loop, "--destroy-data", stack, destroy=False)
    scratchfile.prepare(loop, [], 4 * MIB, False, stack)     # reading is harmless
    before = content(loop)
    made = scratchfile.prepare(loop, ["randwrite"], 4 * MIB, True, stack)
    assert made.writable and content(loop) != before
    stack.close()
    assert os.path.exists(loop)


@pytest.mark.root
def test_a_claimed_device_cannot_be_mounted_meanwhile(loop, stack, tmp_path):
    real.run("mkfs.ext4", "-q", "-F", loop)
    claim.prepare(loop, MIB, True, stack)
    with pytest.raises(AssertionError, match="mount"):
        with real.mounted(loop, str(tmp_path / "m")):
            pass


@pytest.mark.root
def test_a_mounted_device_is_refused(loop, stack, tmp_path):
    real.run("mkfs.ext4", "-q", "-F", loop)
    node = tmp_path / "other-node"
    os.mknod(node, stat.S_IFBLK | 0o600, os.stat(loop).st_rdev)
    link = tmp_path / "link"
    link.symlink_to(loop)
    with real.mounted(loop, str(tmp_path / "a b")):
        for path in (loop, link, node):
            refused(path, f"it is mounted on {tmp_path}/a b", stack)
    scratchfile.prepare(loop, ["randwrite"], 4 * MIB, True, stack)


@pytest.mark.root
def test_a_mount_that_cannot_be_seen_is_refused(loop, stack, tmp_path,
                                                monkeypatch):
    """As in another mount namespace: only the exclusive open tells."""
    real.run("mkfs.ext4", "-q", "-F", loop)
    with real.mounted(loop, str(tmp_path / "m")):
        monkeypatch.setattr(blockdevice, "mounts", lambda: [])
        monkeypatch.setattr(medium, "identify", lambda _: (False, ""))
        refused(loop, "exclusive open fails", stack)


def first_page(path):
    with open(path, "rb") as file:
        return file.read(4096)


@pytest.mark.root
def test_swap_is_refused(loop, stack):
    real.run("mkswap", loop)
    before = first_page(loop)
    real.run("swapon", loop)
    try:
        with pytest.raises(Problem, match="is swap space"):
            scratchfile.prepare(loop, ["randwrite"], 4 * MIB, True, stack)
        # But for this page, the kernel may write to it.
        assert first_page(loop) == before
    finally:
        real.run("swapoff", loop)


@pytest.mark.root
def test_zones_are_refused(loop, stack, monkeypatch):
    """There is no such device here: a loop device whose sysfs says so."""
    real_read = sysfs.read
    monkeypatch.setattr(sysfs, "read", lambda *names: (
        "host-managed" if names[-1] == "queue/zoned" else real_read(*names)))
    refused(loop, "has zones that must be written in order", stack)


@pytest.mark.root
def test_a_device_or_file_under_a_loop_device_is_refused(loop, stack,
                                                         tmp_path):
    refused(next(tmp_path.glob("backing-*")), "is a loop device on it", stack)
    with real.loop(loop, direct=False) as upper:
        refused(loop, f"{upper} is a loop device on it", stack)


@pytest.mark.root
def test_partitions_that_were_left_over_are_removed(loop):
    real.tell_partition(loop, real.ADD, 3, 1 * MIB, 1 * MIB)
    remove_partitions(loop)
    with partition(loop, 3, 1 * MIB, 1 * MIB) as path:
        assert path == f"{loop}p3"


@pytest.mark.root
def test_overlapping_partitions_are_refused_and_siblings_need_leave(
        loop, stack, tmp_path):
    with (partition(loop, 1, 1 * MIB, 24 * MIB) as first,
          partition(loop, 2, 32 * MIB, 24 * MIB) as second):
        real.run("mkfs.ext4", "-q", "-F", first)
        with real.mounted(first, str(tmp_path / "m")), ExitStack() as inner:
            refused(first, "it is mounted", stack)
            refused(loop, "it is mounted", stack)
            refused(second, "give --allow shared", stack)
            scratchfile.prepare(second, ["randwrite"], 4 * MIB, True, inner,
                                allowed=["shared"])


@pytest.mark.root
def test_a_partition_of_a_mounted_disk_is_refused(loop, stack, tmp_path):
    real.run("mkfs.ext4", "-q", "-F", loop)
    with (partition(loop, 1, 1 * MIB, 24 * MIB) as part,
          real.mounted(loop, str(tmp_path / "m"))):
        refused(part, "it is mounted", stack)


@pytest.mark.root
def test_a_device_under_device_mapper_is_refused(loop, stack):
    with real.under_device_mapper(loop, 64 * MIB):
        refused(loop, "it is held by dm-", stack)


# As files have it

@pytest.mark.parametrize("written", [
    None, extents.Written(3 * MIB), extents.Written(3 * MIB, known=False),
    extents.Written(3 * MIB, ((4096, 12288), (MIB, 2 * MIB)), encoded=8193)])
@pytest.mark.parametrize("writable", [True, False])
def test_what_a_campaign_keeps_of_a_target_is_read_back(written, writable):
    kept = Target("/f", 3 * MIB, True, "RAM", writable=writable, created=True,
                  scratch="/", written=written).data(CAMPAIGN)
    again = Target.of(json.loads(json.dumps(kept)), CAMPAIGN)
    assert again.data(CAMPAIGN) == kept
    assert again.label == "RAM" and again.writable == writable


@pytest.mark.parametrize("clients", [(), ({"name": "host1"},)])
def test_what_a_qualification_keeps_of_a_target_is_read_back(clients):
    kept = Target("/dev/x", 3 * MIB, name="x", clients=clients, kind="sata",
                  whole=4 * MIB, logical_block=512, direct=False).data(PLAN)
    again = Target.of(json.loads(json.dumps(kept)), PLAN)
    assert again.data(PLAN) == kept and not again.writable
    assert again.data(QUALIFY)["size_bytes"] == 4 * MIB
