# SPDX-License-Identifier: GPL-2.0-only
# Real devices: what a qualification refuses it has neither opened for writing
# nor changed.  Loop devices; there are no others here to be destroyed.
from contextlib import ExitStack
import os
from pathlib import Path
import re
import stat
import subprocess
import tempfile

import pytest

import straceout
import targets
from qualifyloop import SIZE, content, fill, mounted

from fiolab.base.problem import Problem
from fiolab.qualify import targetset
from fiolab.qualify.suite.profiles import QUICK
from fiolab.target import blockdevice, claim, contents

MIB = 1 << 20
pytestmark = pytest.mark.root
CLAIM = """import sys, contextlib
sys.path.insert(0, sys.argv[1])
from fiolab.base.problem import Problem
from fiolab.target import claim
from fiolab.target import purge
with contextlib.ExitStack() as stack:
    try:
        target = claim.prepare(sys.argv[2], 1 << 20, sys.argv[3] == "destroy",
                               stack)
        purge.run(target, purge.plan(target)[0])
    except Problem as problem:
        sys.exit(f"qualify: {problem}")
"""
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


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
        monkeypatch.setattr(blockdevice, "mounts", lambda: [])
        refused(loop, "something holds it (exclusive open fails)", stack)


def test_partitions_in_use_and_their_disk(loop, stack, tmp_path):
    with (targets.partition(loop, 1, 1 * MIB, 24 * MIB) as first,
          targets.partition(loop, 2, 32 * MIB, 24 * MIB) as second):
        targets.run("mkfs.ext4", "-q", "-F", first)
        with mounted(first, tmp_path / "m"):
            refused(loop, "it is mounted", stack)
            refused(first, "it is mounted", stack)
            with ExitStack() as inner:
                target = claim.prepare(second, MIB, True, inner, ["shared"])
                assert target.size == 24 * MIB and target.kind == "loop"
                claim.renew(target)     # as after a power cut
                assert target.descriptor >= 0


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


def warned(path, allowed=()):
    """What is said of a target before the first write."""
    with ExitStack() as inner:
        return targetset.local(path, QUICK, None, inner, allowed).warnings


def test_a_partition_beside_a_mounted_one(loop, root, stack, tmp_path):
    """Refused, but where the user says that it is meant: then the report says
    it.  Nobody writes to what is only held."""
    with (targets.partition(loop, 1, 1 * MIB, 24 * MIB) as first,
          targets.partition(loop, 2, 32 * MIB, 24 * MIB) as second):
        assert warned(second) == []
        targets.run("mkfs.ext4", "-q", "-F", first)
        with mounted(first, tmp_path / "m"):
            why = (f"shares a disk with {first}, which is in use (it is "
                   f"mounted on {tmp_path}/m), and each slows the other down")
            refused(second, f"refusing to write to {second}, as it {why}: if "
                    "it is meant, give --allow shared.", stack)
            assert why in plan(second, root)
            said, = warned(second, ["shared"])
            assert said == f"{second} {why}."
            assert said in plan(second, root, "--allow", "shared", status=0)
            assert claim.hold(second, stack).warnings == [said]


def test_a_stopped_md_member_on_a_partition(loop, stack):
    with targets.partition(loop, 1, 1 * MIB, 24 * MIB) as part:
        assert not any("md array" in said for said in warned(loop))
        with open(part, "r+b") as file:
            file.seek(4096)
            file.write(b"\xfc\x4e\x2b\xa9\1" + bytes(139) + b"\x08" +
                       bytes(367))
        for path, where in ((loop, f"holds in {part} a member"),
                            (part, "holds a member")):
            assert any(f"{path} {where} of an md array" in said
                       for said in warned(path)), warned(path)


@pytest.mark.parametrize("kind, words", [
    ("linux_raid_member", "a member of an md array"),
    ("LVM2_member", "an LVM physical volume"), ("zfs_member", "a ZFS pool"),
    ("crypto_LUKS", "LUKS encrypted data"), ("xfs", "a file system (xfs)")])
def test_what_udev_knows_is_said_in_the_plan(kind, words, loop, tmp_path,
                                             monkeypatch):
    """Which must not open the device."""
    monkeypatch.setattr(contents, "UDEV", str(tmp_path))
    number = os.stat(loop).st_rdev
    (tmp_path / f"b{os.major(number)}:{os.minor(number)}").write_text(
        f"S:disk/by-id/x\nE:ID_FS_TYPE={kind}\nE:ID_FS_USAGE=raid\n")
    target = targetset.planned(loop, QUICK, None)
    assert target.refused is None
    assert target.warnings == [
        f"{loop} holds {words}, which this run destroys."]


@pytest.mark.parametrize("name", [
    "a\\b", 'q"', "#x", "\u2003x", "\u2028x", "\x0cx", "\x1cx", "\udcffx"])
def test_mounted_where_the_name_is_odd(name, loop, stack, tmp_path):
    targets.run("mkfs.ext4", "-q", "-F", loop)
    with mounted(loop, tmp_path / name):
        refused(loop, f"it is mounted on {tmp_path}/{name}", stack)


def test_mounts_that_cannot_be_told(loop, stack, fake):
    """They are not taken for none."""
    (fake.folder / "findmnt").unlink()
    refused(loop, "what is mounted cannot be told without findmnt "
            "(util-linux: apt-get install util-linux)", stack)
    for text, status in (("", 0), ('{"filesystems": []}', 1)):
        fake.add("findmnt", {"": text}, status)
        refused(loop, "what is mounted cannot be told: findmnt says", stack)


def test_swap_in_a_file_of_an_odd_name(stack):
    """Not in /tmp, which may be a tmpfs."""
    folder = stack.enter_context(tempfile.TemporaryDirectory(dir="/var/tmp"))
    path = Path(folder) / "a b\u2003c"
    path.write_bytes(bytes(2 * MIB))
    path.chmod(0o600)
    targets.run("mkswap", path)
    targets.run("swapon", path)
    try:
        assert str(path) in blockdevice.swaps()
        refused(path, "it is swap space", stack)
    finally:
        targets.run("swapoff", path)


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
        refused(other, f"it is a loop device on {backing}, and of "
                f"that {loop} is a loop device on it", stack)


def test_a_loop_device_on_a_file_of_an_odd_name(stack, tmp_path):
    """No text, and with a blank at its end."""
    path = str(tmp_path / "b\udcff ")
    with (targets.sized_file(path, SIZE), targets.loop(path) as one,
          targets.loop(path) as other):
        refused(one, f"of that {other} is a loop device on it", stack)


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
    with targets.under_device_mapper(loop, SIZE):
        refused(loop, "it is held by dm-", stack)


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
        capture_output=True, text=True, timeout=300, check=False)
    if "ModuleNotFoundError" in done.stderr:
        pytest.skip("the source is not readable for others")
    assert done.stderr == (f"qualify: cannot open {loop} for writing: "
                           "Permission denied: be root.\n")


# --- the plan, which opens nothing and says what would be refused

def plan(path, root, *words, front=(), status=2):
    done = subprocess.run(
        [*front, str(root / "jobs" / "qualify"), "--target", path, "--plan",
         "--engine", "psync", "--profile", "quick", *words],
        capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == status and "total" in done.stdout, done.stderr
    return done.stderr


def test_the_plan_says_what_would_be_refused(loop, root, tmp_path):
    assert plan(loop, root, status=0) == ""
    targets.run("mkfs.ext4", "-q", "-F", loop)
    with mounted(loop, tmp_path / "m"):
        said = plan(loop, root)
    assert said.startswith("qualify: A run would end at once: refusing to "
                           f"write to {loop}: it is mounted on {tmp_path}/m")
    assert said.count("\n") == 1


def test_the_plan_of_a_device_needs_no_root(loop, root):
    if subprocess.run([*NOBODY, "test", "-r", root / "jobs" / "qualify"],
                      check=False).returncode:
        pytest.skip("the source is not readable for others")
    assert plan(loop, root, front=NOBODY).endswith(
        f"qualify: A run would end at once: cannot open {loop} for writing: "
        "be root.\n")


def test_the_plan_knows_what_is_too_small_or_read_only(shm):
    with targets.small_tmpfs(shm, 2 * MIB) as small:
        path = os.path.join(small, "file")
        with open(path, "wb") as file:
            file.truncate(MIB)
        assert claim.refusal(path, MIB, MIB) is None
        assert "has 1048576 bytes, but the tests need 2097152" in \
            claim.refusal(path, MIB, 2 * MIB)
        targets.run("mount", "-o", "remount,ro", str(small))
        assert claim.refusal(path, MIB, MIB) == (
            f"cannot open {path} for writing: it is read-only.")


# --- a refusal as strace sees it

WRITING = re.compile(r"O_WRONLY|O_RDWR")


def traced(path, how, tmp_path, root):
    log = tmp_path / "trace"
    done = subprocess.run(
        ["strace", "-f", "-y", "-o", log, "-e",
         "trace=openat,write,pwrite64,pwritev,ioctl,fallocate,io_submit",
         "/usr/bin/python3", "-c", CLAIM, root / "jobs", path, how],
        capture_output=True, text=True, timeout=300, check=False)
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
