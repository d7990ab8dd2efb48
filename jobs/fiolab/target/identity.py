# SPDX-License-Identifier: GPL-2.0-only
# Which device was measured, and how it was set: from sysfs alone, and for the
# report from the device's own tools, too (asked()); what they do not tell is
# None.  Not from lsblk, which has the serial number and the WWN of udev, in
# other words or not at all, cuts ATA's model and firmware short, and tells
# neither NVMe's firmware and transport nor the write cache.  A device that is
# made of others has those described as well, to the last, and a file the device
# below it.
from collections.abc import Iterable
import os
import re
import stat

from . import blockdevice, health, medium, sysfs
from .drive import bus, nvme
from .sysfs import first, kind, node, number, read, whole

TRANSPORTS = ((r"/usb\d", "usb"), (r"/ata\d+/", "sata"),
              (r"/virtio\d", "virtio"), (r"/end_device-", "sas"),
              (r"/rport-", "fc"), (r"/session\d+/", "iscsi"),
              (r"/mmc_host/", "mmc"))
# What must be the same when a qualification is resumed: the device, and the
# settings that figures depend on.  Not the write cache: a run sets it, and a
# run that was killed leaves it so.
DEVICE = (("kind", "kind"), ("model", "model"), ("serial", "serial number"),
          ("vendor", "vendor"), ("firmware", "firmware"), ("wwid", "WWID"),
          ("size_bytes", "size"), ("logical_block", "logical block size"),
          ("physical_block", "physical block size"),
          ("partition_start_bytes", "start of the partition"),
          ("backing_file", "backing file"), ("direct_io", "direct I/O"),
          ("file_system", "file system"), ("inode", "inode"))
SETTINGS = (("scheduler", "I/O scheduler"), ("nr_requests", "queue size"))
WRITE_CACHE = ("write_cache", "write cache")
FIXED = (*DEVICE, *SETTINGS)


def _words(data):
    """Text of ATA's IDENTIFY DEVICE: each two bytes are swapped."""
    swapped = bytes(data[i ^ 1] for i in range(len(data)))
    return swapped.decode("ascii", "replace").strip("\0 ") or None


def _of_ata(folder):
    """Model and firmware, which SCSI's own fields cut short."""
    data = sysfs.page(folder, "vpd_pg89")[60:]
    if len(data) < 512:
        return {}
    return {"model": _words(data[54:94]), "firmware": _words(data[46:54])}


def _serial(folder):
    text = sysfs.page(folder, "vpd_pg80")[4:].decode("ascii", "replace")
    return (text.strip("\0 ") or
            first(folder, "device/serial", "serial", "dm/uuid"))


def _transport(folder):
    told = first(folder, "device/transport", "device/nvme*/transport")
    return told or next((name for pattern, name in TRANSPORTS
                         if re.search(pattern, folder + "/")), None)


def _who(folder):
    found = {"kind": kind(folder),
             "model": first(folder, "device/model", "device/name", "dm/name"),
             "serial": _serial(folder),
             "firmware": first(folder, "device/firmware_rev", "device/rev",
                               "device/fwrev"),
             "vendor": first(folder, "device/vendor", "device/manfid"),
             "transport": _transport(folder),
             "wwid": sysfs.wwid(folder)}
    found.update((name, text) for name, text in _of_ata(folder).items()
                 if text and found["kind"] == "sata")
    return found


def _scheduler(queue):
    text = read(queue, "scheduler") or ""
    chosen = re.search(r"\[(.+?)\]", text)
    return chosen[1] if chosen else text or None


def _settings(folder):
    queue = folder + "/queue"
    rotational, discard = (number(queue, "rotational"),
                           number(queue, "discard_max_bytes"))
    return {"logical_block": number(queue, "logical_block_size"),
            "physical_block": number(queue, "physical_block_size"),
            "rotational": None if rotational is None else bool(rotational),
            "write_cache": read(queue, "write_cache"),
            "scheduler": _scheduler(queue),
            "nr_requests": number(queue, "nr_requests"),
            "queue_depth": number(folder, "device/queue_depth"),
            "discard_max_bytes": discard,
            "discard_granularity": number(queue, "discard_granularity"),
            "zoned": read(queue, "zoned"), "queues": bus.queues(folder),
            "bus": bus.of(folder), "integrity": bus.protection(folder),
            "namespaces": bus.namespaces(folder), "array": bus.array(folder)}


def _members(folder):
    return [block(one) for one in sysfs.members(folder)] or None


def _loop(folder):
    if not os.path.exists(folder + "/loop"):
        return {}
    direct = read(folder, "loop/dio")
    return {"backing_file": read(folder, "loop/backing_file"),
            "direct_io": None if direct is None else direct == "1"}


def _partition(folder):
    if folder == whole(folder):
        return {"partition_of": None, "partition_start_bytes": None}
    start = number(folder, "start")
    return {"partition_of": os.path.basename(whole(folder)),
            "partition_start_bytes": None if start is None else start * 512}


def block(folder: str) -> dict:
    """The identity of a block device, from its folder in sysfs."""
    disk, sectors = whole(folder), number(folder, "size")
    return {"name": os.path.basename(folder), **_who(disk),
            "size_bytes": None if sectors is None else sectors * 512,
            "read_only": number(folder, "ro") == 1, **_settings(disk),
            "members": _members(disk), **_loop(disk), **_partition(folder)}


EMPTY = dict.fromkeys((*_who("/none"), "size_bytes", *_settings("/none"),
                       "members"))


def _below(row):
    """The folder of the device that a file system is on, if it is on one."""
    source = row and blockdevice.device_number(row[3])
    return sysfs.of(source) if source else None


def folder(path: str) -> str | None:
    """Of a block device, or of the one below a file; None if there is none.
    """
    path = os.path.realpath(path)
    return (sysfs.place(path) if blockdevice.node_number(path) is not None
            else _below(medium.mount_of(path)))


def _file(path, info):
    row = medium.mount_of(path)
    below = _below(row)
    return {**EMPTY, "name": os.path.basename(path), "kind": "file",
            "size_bytes": info.st_size, "inode": info.st_ino,
            "file_system": row and row[2], "mounted_on": row and row[1],
            "below": below and block(below)}


def describe(path: str) -> dict:
    """What a block device, or a file, says of itself."""
    path = os.path.realpath(path)
    info = os.stat(path)
    return (block(sysfs.place(path)) if stat.S_ISBLK(info.st_mode)
            else _file(path, info))


def _asked(known):
    """With what NVMe devices say of themselves, its members too."""
    disk = known.get("partition_of") or known["name"]
    more = {"nvme": nvme.identity(node(disk))} if (
        known["kind"] == "nvme") else {}
    return {**known, **more, "members": known["members"] and [
        _asked(one) for one in known["members"]], **(
            {"below": _asked(known["below"])} if known.get("below") else {})}


def asked(path: str) -> dict:
    """describe(), with what the device tells its tools alone."""
    return _asked(describe(path))


def smart(path: str) -> tuple[dict | None, str | None]:
    """(SMART data or None, why there is none) of the whole device."""
    path = os.path.realpath(path)
    try:
        info = os.stat(path)
    except OSError as error:
        return None, f"{path} is gone ({error.strerror})."
    if not stat.S_ISBLK(info.st_mode):
        return None, ("a file has no SMART data, and the device below it is "
                      "used by others too.")
    return _smart(sysfs.disk(path))


def _smart(disk):
    """Of a device that is made of others, theirs: {"sda: NAME": value}."""
    parts = list(dict.fromkeys(map(whole, sysfs.members(disk))))
    if not parts:
        return health.of(node(disk), kind(disk))
    found, whys = {}, []
    for part in parts:
        log, why = _smart(part)
        found.update({f"{os.path.basename(part)}: {name}": value
                      for name, value in (log or {}).items()})
        whys += [why] if why else []
    return found or None, " ".join(whys) or None


def _made_of(known):
    """What tells its members apart, whatever they are called now."""
    return sorted(str([one.get(key) for key, _ in DEVICE])
                  for one in known.get("members") or ())


def same(before: dict | None, now: dict | None,
         fields: Iterable[tuple[str, str]] = FIXED) -> str | None:
    """None, or a sentence that says in what they differ."""
    if before is None or now is None:
        return None if before is now else "one of them is not known."
    found = [f"its {words} was {before.get(key)!r} and is {now.get(key)!r}"
             for key, words in fields if before.get(key) != now.get(key)]
    if "members" in before and _made_of(before) != _made_of(now):
        found.append("it is made of other devices")
    if before.get("below") or now.get("below"):
        below = same(before.get("below"), now.get("below"), fields)
        found += [f"below the file {below[:-1]}"] if below else []
    return ", ".join(found) + "." if found else None
