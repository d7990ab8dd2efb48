# SPDX-License-Identifier: GPL-2.0-only
# What a qualification may destroy: files, names and types that need no root.
# Devices are in tests/qualify/test_safety.py and test_purging.py.
import contextlib
import dataclasses
import json
import os
import subprocess
import sys

import pytest

import diskmagic
import faketools
from fiolab.base.problem import Problem
from fiolab.qualify import targetset
from fiolab.qualify.suite.profiles import QUICK
from fiolab.target import blockdevice, claim, claimable, contents, sysfs

MIB = 1 << 20


@pytest.fixture
def precious(tmp_path):
    path = tmp_path / "precious"
    path.write_bytes(b"x" * 2 * MIB)
    return path


def refused(path, word, stack, need=MIB, destroy=True):
    with pytest.raises(Problem) as problem:
        claim.prepare(str(path), need, destroy, stack)
    text = str(problem.value)
    assert word in text, text
    assert text.endswith(".") and "\n" not in text


def test_a_file_is_claimed_and_released(precious, stack):
    target = claim.prepare(str(precious), MIB, True, stack)
    assert (target.kind, target.size, target.host) == ("file", 2 * MIB, None)
    assert target.logical_block in claim.BLOCKS and target.warnings == []
    assert os.path.samestat(os.fstat(target.descriptor), os.stat(precious))
    descriptor = target.descriptor
    stack.close()
    with pytest.raises(OSError):
        os.fstat(descriptor)
    assert precious.read_bytes() == b"x" * 2 * MIB


def test_the_claim_does_not_reach_children(precious, stack):
    target = claim.prepare(str(precious), MIB, True, stack)
    assert not os.get_inheritable(target.descriptor)


def test_without_destroy_data_nothing_is_opened(precious, stack, monkeypatch):
    monkeypatch.setattr(claim, "_open", None)
    refused(precious, "give --destroy-data", stack, destroy=False)


def test_both_sizes_are_told(precious, stack):
    refused(precious, f"has {2 * MIB} bytes, but the tests need {3 * MIB}",
            stack, need=3 * MIB)


def test_what_is_neither_a_device_nor_a_file(tmp_path, stack):
    """A FIFO that nobody writes to would hold an open forever."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo", tmp_path / "link", "/dev/null",
                 "/dev/tty"):
        refused(path, "neither a block device nor a file", stack)


def test_what_is_not_there(tmp_path, stack):
    (tmp_path / "dangling").symlink_to(tmp_path / "gone")
    for path in (tmp_path / "gone", tmp_path / "dangling"):
        refused(path, f"there is no {tmp_path}/gone", stack)
    refused(tmp_path / "a" / "b", "there is no", stack)
    (tmp_path / "file").write_bytes(b"")
    refused(tmp_path / "file" / "b", "Not a directory", stack)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    refused(tmp_path / "loop", "neither", stack)
    assert sorted(os.listdir(tmp_path)) == ["dangling", "file", "loop"]


def test_a_link_is_judged_by_what_it_points_to(precious, tmp_path, stack):
    (tmp_path / "link").symlink_to(precious)
    refused(tmp_path / "link", f"all of {precious}", stack, destroy=False)
    target = claim.prepare(str(tmp_path / "link"), MIB, True, stack)
    assert target.path == str(precious)


def test_a_name_that_is_replaced_meanwhile(precious, tmp_path, stack,
                                           monkeypatch):
    """What was judged is what is claimed, whatever the name has become."""
    other = tmp_path / "other"
    other.write_bytes(b"y" * 2 * MIB)
    judged = os.stat(precious)

    def replaced(info):
        os.replace(other, precious)
    monkeypatch.setattr(blockdevice, "file_used", replaced)
    target = claim.prepare(str(precious), MIB, True, stack)
    assert os.path.samestat(os.fstat(target.descriptor), judged)
    assert not os.path.samestat(judged, os.stat(precious))


@pytest.mark.parametrize("name", ["a;b", "a#b", "a$b", "a\\b", "a\nb", "a "])
def test_names_that_fio_would_misread(name, tmp_path, stack):
    (tmp_path / name).write_bytes(b"x" * MIB)
    refused(tmp_path / name, "misread", stack)


def test_two_claims_of_one_file(precious, stack):
    claim.prepare(str(precious), MIB, True, stack)
    refused(precious, "another program has locked it", stack)


def test_it_is_let_go_of_and_claimed_again(precious, stack, monkeypatch):
    """Another may have it meanwhile.  What it holds is asked once: each program
    that is started takes of the time of a power cut."""
    target = claim.prepare(str(precious), MIB, True, stack)
    with claim.let_go(target), contextlib.ExitStack() as other:
        claim.prepare(str(precious), MIB, True, other)
        with pytest.raises(Problem, match="another program has locked it"):
            claim.renew(dataclasses.replace(target, claimed=True))
    monkeypatch.setattr(contents, "warnings", None)
    claim.renew(target)
    claim.check_same(target)
    monkeypatch.undo()
    refused(precious, "another program has locked it", stack)


LOCKER = """import fcntl, struct, sys, time
file = open(sys.argv[1], "r+b")
fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack(
    "hhqqi4x", fcntl.F_RDLCK, 0, 100, 1, 0))
print("locked", flush=True)
time.sleep(60)
"""


def test_an_image_that_a_virtual_machine_runs_on(precious, stack):
    """QEMU locks bytes 100 and on of an image, each for one use."""
    with subprocess.Popen([sys.executable, "-c", LOCKER, precious],
                          stdout=subprocess.PIPE) as locker:
        try:
            assert locker.stdout.readline() == b"locked\n"
            refused(precious, "another program has locked it", stack)
        finally:
            locker.kill()
    claim.prepare(str(precious), MIB, True, stack)


def test_files_of_the_kernel(stack):
    for path in ("/proc/version", "/sys/kernel/uevent_seqnum"):
        if os.path.exists(path):
            refused(path, "it is the kernel's, in", stack, need=0)


@pytest.mark.parametrize("enabled", [True, False])
def test_what_an_nvme_target_exports(enabled, precious, tmp_path, stack,
                                     monkeypatch):
    """The kernel's, which opens it so that others may; of a device what it is
    a part of."""
    subsystem = tmp_path / "nvmet" / "nqn.2026-11.lab:one"
    faketools.tree(subsystem / "namespaces" / "1", {
        "device_path": precious, "enable": int(enabled)})
    faketools.tree(subsystem / "namespaces" / "2", {
        "device_path": "(null)", "enable": 0})
    monkeypatch.setattr(blockdevice, "NVMET", str(tmp_path / "nvmet"))
    monkeypatch.setattr(blockdevice, "family", lambda _: [str(tmp_path)])
    (tmp_path / "dev").write_text("8:16\n")
    (tmp_path / "holders").mkdir()
    monkeypatch.setattr(blockdevice, "device_number", lambda path:
                        os.makedev(8, 16) if path == str(precious) else None)
    said = "the NVMe target nqn.2026-11.lab:one exports it"
    assert blockdevice.held_by(os.makedev(8, 16)) == (said if enabled else
                                                      None)
    if enabled:
        refused(precious, said, stack)
    else:
        claim.prepare(str(precious), MIB, True, stack)


def test_swap_in_a_file(precious, stack, monkeypatch):
    monkeypatch.setattr(blockdevice, "swaps", lambda: [str(precious)])
    refused(precious, "it is swap space", stack)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to any file")
def test_a_file_of_another_user(precious, stack):
    precious.chmod(0o444)
    refused(precious, "Permission denied: be root", stack)


def test_without_o_direct(precious, stack, monkeypatch):
    real_open = os.open

    def old(path, flags, *rest):
        if flags & os.O_DIRECT:
            raise OSError(22, "Invalid argument")
        return real_open(path, flags, *rest)
    monkeypatch.setattr(claim.os, "open", old)
    os.truncate(precious, targetset.SMALLEST)
    assert claim.prepare(str(precious), MIB, True,
                         stack).logical_block is None
    stack.close()
    with pytest.raises(Problem, match="does not take O_DIRECT"):
        targetset.local(str(precious), QUICK, None, stack)


@pytest.mark.parametrize("words, places", diskmagic.KINDS)
def test_each_signature_is_only_a_warning(words, places, precious, stack):
    diskmagic.write(precious, places)
    before = precious.read_bytes()
    target = claim.prepare(str(precious), MIB, True, stack)
    assert target.warnings == [f"{precious} holds {words}, which this run "
                               "destroys."]
    assert precious.read_bytes() == before


def test_several_signatures_are_told_in_their_order(precious, stack):
    diskmagic.write(precious, {**diskmagic.DOS, **diskmagic.EXT})
    warning, = claim.prepare(str(precious), MIB, True, stack).warnings
    assert ("holds a boot sector or partition table and an ext2, ext3 or ext4 "
            "file system, which") in warning


@pytest.mark.parametrize("kind, usage, words", [
    ("jfs", "filesystem", "a file system (jfs)"),
    ("BitLocker", "crypto", "encrypted data (BitLocker)"),
    ("ddf_raid_member", "raid", "a member of an array (ddf_raid_member)"),
    ("sgi", "partition-table", "a partition table (sgi)"),
    ("ceph_bluestore", "other", "data of ceph_bluestore"),
    ("later", None, "data of later")])
def test_what_else_wipefs_knows_has_words(kind, usage, words, fake):
    (fake.folder / "wipefs").unlink()
    fake.add("wipefs", {"": json.dumps({"signatures": [
        {"offset": "0x0", "type": kind, "usage": usage}]})})
    assert contents.found("/dev/x") == [words]


@pytest.mark.parametrize("disk", ["sdx", "sdx/sdx1"])
@pytest.mark.parametrize("flag", ["0\n", "1\n", None])
def test_what_is_removable_needs_leave(disk, flag, tmp_path, monkeypatch):
    """Of the disk, of which a partition is a part."""
    (tmp_path / "sdx" / "sdx1").mkdir(parents=True)
    (tmp_path / "sdx" / "sdx1" / "partition").write_text("1\n")
    if flag:
        (tmp_path / "sdx" / "removable").write_text(flag)
    monkeypatch.setattr(sysfs, "of", lambda _: str(tmp_path / disk))
    found = claimable.doubts(1)
    assert list(found) == (["removable"] if flag == "1\n" else [])
    claimable._check_doubts("/dev/x", found, ["shared", "removable"])
    if found:
        with pytest.raises(Problem, match="^refusing to write to /dev/x, as "
                           "it is removable, .* give --allow removable[.]$"):
            claimable._check_doubts("/dev/x", found, ["shared"])


@pytest.mark.parametrize("top", ["nvme0", "subsystem"])
def test_a_namespace_beside_one_in_use(top, tmp_path, monkeypatch):
    """Of one drive, as a partition is of one disk; also with native
    multipath, where the paths that the controller has are hidden."""
    heads = {}
    for number, name in enumerate(("nvme0n1", "nvme0n2", "nvme0n3"), 1):
        heads[name] = faketools.tree(tmp_path / top / name, {
            "dev": f"259:{number}", "size": 8})
        (tmp_path / top / name / "device").symlink_to("..")
    if top == "subsystem":
        faketools.tree(tmp_path / "nvme0/nvme0c0n2", {"size": 8})
        (tmp_path / top / "nvme0").symlink_to("../nvme0")
    monkeypatch.setattr(sysfs, "of", lambda _: heads["nvme0n1"])
    used = {os.makedev(259, 1): "it is mounted on /a"}
    monkeypatch.setattr(blockdevice, "held_by", used.get)
    assert claimable.doubts(1) == {}
    used[os.makedev(259, 2)] = "it is mounted on /b"
    assert claimable.doubts(1)["shared"].startswith(
        "shares a disk with /dev/nvme0n2, which is in use (it is mounted on "
        "/b), and each")


def test_what_lies_on_a_doubtful_disk_is_doubted(tmp_path, monkeypatch):
    """A volume on a partition of a stick, beside one that is mounted, and on
    another partition of it, which is no other's."""
    for number in (1, 2, 3):
        part = tmp_path / "sdx" / f"sdx{number}"
        part.mkdir(parents=True)
        (part / "partition").write_text(f"{number}\n")
        (part / "dev").write_text(f"8:{number}\n")
    (tmp_path / "dm-0" / "slaves").mkdir(parents=True)
    for number in (1, 2):
        (tmp_path / "dm-0" / "slaves" / f"sdx{number}").symlink_to(
            tmp_path / "sdx" / f"sdx{number}")
    monkeypatch.setattr(sysfs, "of", lambda _: str(tmp_path / "dm-0"))
    monkeypatch.setattr(blockdevice, "held_by", lambda number: {
        2: "it is held by dm-0", 3: "it is mounted on /"}[os.minor(number)])
    found = claimable.doubts(1)
    assert list(found) == ["shared"] and found["shared"].startswith(
        "lies on /dev/sdx2, which shares a disk with /dev/sdx3, which is in "
        "use (it is mounted on /), and each")
    (tmp_path / "sdx" / "removable").write_text("1\n")
    assert claimable.doubts(1)["removable"].startswith(
        "lies on /dev/sdx2, which is removable, as a stick")


@pytest.mark.parametrize("other, refuses", [
    ({}, True), ({"device/vpd_pg80": b"\x00\x80\x00\x01B"}, False),
    ({"size": 8}, False), ({"device/wwid": "naa.5002538550000001"}, False)])
def test_a_drive_that_is_in_use_by_its_other_port(other, refuses, tmp_path,
                                                  monkeypatch):
    """Without multipath each port is a device; and some drives have the WWID
    of their model, so that it alone tells nothing."""
    own = faketools.sata(tmp_path, dev="8:0")
    faketools.sata(tmp_path, "sdb", dev="8:16", **other)
    monkeypatch.setattr(sysfs, "DISKS", str(tmp_path))
    monkeypatch.setattr(sysfs, "of", lambda _: own)
    used = {os.makedev(8, 16): "it is mounted on /a"}
    monkeypatch.setattr(blockdevice, "held_by", used.get)
    if not refuses:
        claimable._check_device("/dev/sda", os.makedev(8, 0))
        return
    with pytest.raises(Problem, match="^refusing to write to /dev/sda: "
                       "/dev/sdb is the same device by another path .WWID "
                       "naa.*, and of that it is mounted on /a, and --destr"):
        claimable._check_device("/dev/sda", os.makedev(8, 0))
    used.clear()
    claimable._check_device("/dev/sda", os.makedev(8, 0))


def test_paths_of_one_multipath_device_are_its_own(tmp_path, monkeypatch):
    """Of dm's, both hold the drive for it; NVMe's are hidden."""
    for name, number in (("sda", 0), ("sdb", 16)):
        faketools.sata(tmp_path, name, dev=f"8:{number}")
    head = faketools.nvme(tmp_path, dev="259:0")
    faketools.nvme(tmp_path, "nvme0c0n1")
    (tmp_path / "dm-0" / "slaves").mkdir(parents=True)
    for name in ("sda", "sdb"):
        (tmp_path / "dm-0/slaves" / name).symlink_to(tmp_path / name)
    monkeypatch.setattr(sysfs, "DISKS", str(tmp_path))
    monkeypatch.setattr(blockdevice, "held_by", lambda number: number
                        and "it is held by dm-0")
    claimable._check_paths("/dev/dm-0", str(tmp_path / "dm-0"))
    claimable._check_paths("/dev/nvme0n1", head)


def test_a_file_is_not_doubted(precious, stack):
    assert claimable.doubts(blockdevice.device_number(str(precious))) == {}


def test_a_file_that_wipefs_cannot_look_at_is_refused(precious, stack, fake):
    """It is not taken to be empty."""
    (fake.folder / "wipefs").unlink()
    refused(precious, "holds cannot be told without wipefs (util-linux: "
            "apt-get install util-linux)", stack)
    for text, status in (("no JSON", 0), ('{"signatures": []}', 1)):
        stack.close()
        fake.add("wipefs", {"": text}, status)
        refused(precious, f"holds cannot be told: wipefs says {text}", stack)


def test_a_small_file_has_no_signature(tmp_path, stack):
    (tmp_path / "small").write_bytes(b"x" * 16384)
    assert claim.prepare(str(tmp_path / "small"), 0, True,
                         stack).warnings == []
