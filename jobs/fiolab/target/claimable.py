# SPDX-License-Identifier: GPL-2.0-only
# May a target be claimed?  All that can be asked without opening it; what is
# not to be overwritten is refused, in a sentence, and what is seldom meant
# where the user does not say that it is.
import fcntl
import os
import re
import stat
import struct
from collections.abc import Collection
from typing import Any, NoReturn

from ..base.problem import Problem
from . import blockdevice, identity, sysfs

REFUSE = "refusing to write to {}: {}, and --destroy-data does not change that."
MISREAD = ("has a character that fio would misread (; # $ a backslash or an "
           "outer blank)")
# What may be overwritten where --allow names it.
REMOVABLE, SHARED = DOUBTS = "removable", "shared"
UNLESS = ("refusing to write to {0}, as it {1}: if it is meant, give --allow "
          "{2}.")
ALLOW = ("overwrite what else is refused: removable, a stick or a card; "
         "shared, a partition or a namespace of a disk of which another is in "
         "use; may be repeated")
# File systems whose regular files are no data: writing there sets the machine.
PSEUDO = {"sysfs", "proc", "debugfs", "tracefs", "configfs", "securityfs",
          "efivarfs", "cgroup", "cgroup2", "bpf", "pstore", "devpts",
          "selinuxfs", "binfmt_misc", "fusectl", "mqueue", "resctrl", "nsfs",
          "rpc_pipefs"}
FLOCK = "hhqqi4x"           # struct flock
# For all of a file, and for writing.
WHOLE = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
LOCKED = "another program has locked it"
# What two paths to one device have in common, and no two devices: some have the
# WWID of their model.
SAME = ("wwid", "serial", "size_bytes")


def refuse(path: str, reason: str) -> NoReturn:
    """Problem: whatever the user has given away, this is not taken."""
    raise Problem(REFUSE.format(path, reason))


def check_type(path: str, mode: int) -> None:
    """Problem for what is neither a device nor a file, or of a bad name."""
    if not stat.S_ISBLK(mode) and not stat.S_ISREG(mode):
        raise Problem(f"{path} is neither a block device nor a file: name "
                      "one.")
    if misread(path):
        raise Problem(f"the target {path!r} {MISREAD}: rename it.")


def _has_locks(path):
    """Does another program have a lock on a file, as QEMU on its images?"""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, WHOLE)
        return struct.unpack(FLOCK, answer)[0] != fcntl.F_UNLCK
    except OSError:
        return False            # not every file system has locks
    finally:
        os.close(descriptor)


def _check_below(path, folder):
    """A loop device: what it is on, too, may be used by others."""
    backing = sysfs.path(folder, "loop/backing_file")
    try:
        info = os.stat(backing or "")
    except OSError:
        return
    name, is_block = os.path.basename(folder), stat.S_ISBLK(info.st_mode)
    reason = (blockdevice.held_by(info.st_rdev, but=name) if is_block else
              blockdevice.file_used(info, but=name)) or (
                  LOCKED if _has_locks(backing) else None)
    if reason:
        refuse(path, f"it is a loop device on {backing}, and of that "
               f"{reason}")
    if is_block:
        _check_below(path, sysfs.whole(sysfs.of(info.st_rdev)))


def _leaves(folder):
    """What a device of md or dm is made of, to the last; itself."""
    return [leaf for one in sysfs.members(sysfs.whole(folder))
            for leaf in _leaves(one)] or [folder]


def used_beside(own: str, mine: Collection[str] = ()) -> str:
    """Partitions of the same disk, and namespaces of the same NVMe drive, that
    are in use, in words; own: the folder of a device; mine: others with which
    it makes one up."""
    disk = sysfs.whole(own)
    others = [folder for folder in sysfs.partitions(disk)
              if folder != own] if disk != own else []
    others += [folder for name, folder in sysfs.namespaces(disk).items()
               if name != os.path.basename(disk)]
    others = [folder for folder in others if folder not in mine]
    found = [(sysfs.node(folder), blockdevice.held_by(number))
             for folder in others if (number := sysfs.device(folder))]
    return " and ".join(f"{node}, which is in use ({reason})"
                        for node, reason in found if reason)


def doubts(number: int | None) -> dict[str, str]:
    """{one of DOUBTS: what speaks against a device, in words}; {} of a file,
    which has no number."""
    found: dict[str, str] = {}
    if number is None:
        return found
    own = sysfs.of(number)
    leaves = _leaves(own)
    for leaf in leaves:
        lies = "" if leaf == own else f"lies on {sysfs.node(leaf)}, which "
        if sysfs.number(sysfs.whole(leaf), "removable"):
            found[REMOVABLE] = (f"{lies}is removable, as a stick or a card is, "
                                "and the wrong one is soon named")
        used = used_beside(leaf, leaves)
        if used:
            found[SHARED] = (f"{lies}shares a disk with {used}, and each slows "
                             "the other down")
    return found


def _check_paths(path, own):
    """By another path, too, it must not be in use: the ports of one drive are a
    device each where no multipath makes them one."""
    mine = [sysfs.whole(leaf) for leaf in _leaves(own)]
    for disk in filter(sysfs.wwid, mine):
        known = identity.block(disk)
        for other in sysfs.disks():
            number = sysfs.device(other)    # a hidden path has none
            if other in mine or not number or (
                    sysfs.wwid(other) != known["wwid"]):
                continue
            found = identity.block(other)
            reason = blockdevice.held_by(number) if all(
                found[key] == known[key] for key in SAME) else None
            if reason:
                refuse(path, f"{sysfs.node(other)} is the same device by "
                       f"another path (WWID {known['wwid']}), and of that "
                       f"{reason}")


def _check_doubts(path, found, allowed):
    for name, text in found.items():
        if name not in allowed:
            raise Problem(UNLESS.format(path, text, name))


def _check_device(path, number):
    reason = blockdevice.held_by(number)
    if reason:
        refuse(path, reason)
    folder = sysfs.of(number)
    disk = sysfs.whole(folder)
    if any(sysfs.read(place, "ro") == "1" for place in (folder, disk)):
        raise Problem(f"{path} is read-only: make it writable (blockdev "
                      "--setrw), or name another.")
    if sysfs.read(disk, "queue/zoned") == "host-managed":
        raise Problem(f"{path} has zones that must be written in order, which "
                      "the tests do not do: name another.")
    _check_below(path, disk)
    _check_paths(path, folder)


def _check_file(path, info):
    kernel = [row[2] for row in blockdevice.mounts()
              if row[0] == info.st_dev and row[2] in PSEUDO]
    if kernel:
        refuse(path, f"it is the kernel's, in {kernel[0]}, and holds no data")
    if blockdevice.among_devices(path):
        refuse(path, "it is a file among the devices, so in memory (a program "
               "may have made it where a device had gone: remove it)")
    reason = blockdevice.file_used(info)
    if reason:
        refuse(path, reason)


def known(path: str, info: os.stat_result,
          allowed: Collection[str] = ()) -> dict[str, Any]:
    """What the Target needs to know of what may be claimed; a Problem where it
    may not be.  allowed: of DOUBTS."""
    if not stat.S_ISBLK(info.st_mode):
        _check_file(path, info)
        return {"kind": "file"}
    _check_device(path, info.st_rdev)
    found = doubts(info.st_rdev)
    _check_doubts(path, found, allowed)
    folder = sysfs.of(info.st_rdev)
    disk = sysfs.whole(folder)
    return {"kind": sysfs.kind(disk) or "device", "doubts": [
        f"{path} {text}." for text in found.values()], "partitions": [
        os.path.basename(part) for part in sysfs.partitions(folder)],
            "folder": folder, "diskseq": sysfs.number(disk, "diskseq"),
            "logical_block": sysfs.number(disk, "queue/logical_block_size"),
            "physical_block": sysfs.number(disk, "queue/physical_block_size")}


def misread(path: str) -> bool:
    """True for a path that fio would cut short or expand, even when quoted."""
    return path != path.strip() or bool(
        re.search(r"[\x00-\x1f\x7f;#$\\]", path))
