# SPDX-License-Identifier: GPL-2.0-only
"""Devices of a guest, from "KIND,KEY=VALUE,...".  What QEMU emulates is in
DISKS: a controller and its disks, on sparse files; an option that the table
does not name is a property of QEMU's own device, as it stands in
`qemu-system-x86_64 -device nvme,help`.  What the guest makes is in made.py.
In the guest each is /dev/lab/ID, the second disk of it /dev/lab/ID-2."""
from dataclasses import dataclass, field
import re

from . import made
from .problem import Problem

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
SHORT = {"lba": "logical_block_size", "pba": "physical_block_size",
         "cache": "write-cache"}
# Of a SATA disk that is given its commands one at a time.
UNQUEUED = "echo 1 >/sys/block/$(basename $(readlink /dev/lab/{}))/device/" \
    "queue_depth"
ZONED = ("zone_size", "zone_capacity", "max_open", "max_active", "cross_read",
         "descr_ext_size", "numzrwa", "zrwas", "zrwafg")


@dataclass(frozen=True)
class Disk:
    """A kind that QEMU emulates.  controller: the device that has a bus;
    disk: what is on it, or is the whole; count: the option that says how many
    disks; own: options of the controller, or, with rest, those of the disks,
    as the others are the controller's; modules: the drivers."""
    controller: str
    disk: str
    count: str
    own: tuple
    modules: tuple
    rest: bool = False


DISKS = {
    "nvme": Disk("nvme", "nvme-ns", "namespaces", (
        "logical_block_size", "physical_block_size", "ms", "mset", "pi",
        "pil", "pif", "shared", "discard_granularity", "zoned", "uuid",
        "eui64", "nguid", "mssrl", "mcl", "msrc",
        *("zoned." + name for name in ZONED)), ("nvme",), True),
    "ahci": Disk("ich9-ahci", "ide-hd", "", (), ("ahci", "sd_mod")),
    "scsi": Disk("virtio-scsi-pci", "scsi-hd", "luns", (
        "num_queues", "cmd_per_lun", "virtqueue_size", "max_sectors",
        "event_idx"), ("virtio_scsi", "sd_mod")),
    "virtio": Disk("", "virtio-blk-pci", "", (), ("virtio_blk",)),
}


@dataclass
class Device:
    """id: its name in /dev/lab; disks: how many; nodes: of its block layer in
    QEMU, devices: in QEMU, in order ("bus": None is a port that the machine
    has); setup: shell text of the guest."""
    id: str
    kind: str
    size: int
    disks: int = 1
    nodes: list = field(default_factory=list)
    devices: list = field(default_factory=list)
    modules: tuple = ()
    over: tuple = ()        # names of the disks that it is made of
    setup: str = ""
    port: str = ""

    @property
    def qdev(self):
        """Its id in QEMU, where no property of a device has such a name."""
        return "dev-" + self.id

    @property
    def names(self):
        """Of its disks."""
        return [self.id + (f"-{i + 1}" if i else "")
                for i in range(self.disks)]


def number(text):
    """The bytes of "64M"; None if it is no number."""
    found = re.fullmatch(r"(\d+)([KMGT]?)", text)
    return int(found[1]) * UNITS[found[2]] if found else None


def value_of(key, text):
    """As QEMU's JSON wants it."""
    if key in ("serial", "uuid", "nguid"):
        return text
    if key == "write-cache":
        return {"0": "off", "1": "on"}.get(text, text)
    if re.fullmatch("0x[0-9a-fA-F]+", text):
        return int(text, 16)
    if text in ("on", "off", "true", "false"):
        return text in ("on", "true")
    if key in ("zoned", "shared", "removable", "dpofua"):
        return text != "0"
    found = number(text)
    return text if found is None else found


def properties(kind, options):
    """(of the controller, of each disk)"""
    ours, theirs = {}, {}
    for key, text in options.items():
        key = SHORT.get(key, key)
        if kind.controller == "nvme" and key in ZONED:
            key = "zoned." + key
        value = value_of(key, text)
        on_disk = (key in kind.own) == kind.rest
        (theirs if on_disk else ours)[key] = value
        if key == "logical_block_size":
            theirs.setdefault("physical_block_size", value)
    return ours, theirs


def node(name, path, bad):
    """The block layer of a disk: a raw file; bad: sectors of 512 bytes that
    cannot be read or written."""
    file = {"driver": "file", "filename": str(path), "discard": "unmap"}
    if bad:
        file = {"driver": "blkdebug", "image": file, "inject-error": [
            {"event": event, "iotype": kind, "errno": 5, "sector": sector}
            for sector in bad for event, kind in (
                ("read_aio", "read"), ("pwritev", "write"))]}
    return {"node-name": name, "driver": "raw", "discard": "unmap",
            "file": file}


def emulated(device, kind, options, folder):
    """Fill in what QEMU is told."""
    if kind.count:
        device.disks = made.count(options, kind.count)
        options.pop(kind.count, None)
    bad = options.pop("bad", "")
    if not re.fullmatch(r"(\d+(\+\d+)*)?", bad):
        raise Problem(f"bad={bad} is no SECTOR+SECTOR, numbers of sectors of "
                      "512 bytes")
    bad = [int(one) for one in bad.split("+") if one]
    serial = options.pop("serial", device.id)
    if kind.disk == "ide-hd" and options.pop("ncq", "1") == "0":
        device.setup = UNQUEUED.format(device.id)
    ours, theirs = properties(kind, options)
    bus = device.qdev if kind.controller == "nvme" else device.qdev + ".0"
    if kind.controller:
        device.devices.append({"driver": kind.controller, "id": device.qdev,
                               "bus": None, **ours})
    if kind.controller == "nvme":
        device.devices[0]["serial"] = serial
    for i, name in enumerate(device.names):
        device.nodes.append(node("disk-" + name, folder / (name + ".img"),
                                 bad))
        disk = {"driver": kind.disk, "id": name + "-disk",
                "drive": "disk-" + name, "bus": bus, **theirs}
        if kind.controller == "nvme":
            disk["nsid"] = i + 1
        else:
            disk["serial"] = serial if not i else f"{serial}-{i + 1}"
        if kind.count == "luns":
            disk.update({"scsi-id": 0, "lun": i})
        if not kind.controller:
            disk.update({"bus": None, "id": device.qdev})
        device.devices.append(disk)
    device.modules = kind.modules


def all_of(texts, folder, before=()):
    """The Devices of texts, which come after others: each name is there once,
    and what one is made of comes before it."""
    found = list(before)
    for text in texts:
        one = parse(text, len(found), folder)
        names = {name for other in found for name in other.names}
        for name in names.intersection(one.names):
            raise Problem(f"two devices are called {name}: give one of them "
                          "another id=")
        for name in sorted(set(one.over) - names):
            raise Problem(f"over={name} of {text} is no device that comes "
                          "before it")
        found.append(one)
    return found[len(before):]


def parse(text, index, folder):
    """The Device of "KIND,KEY=VALUE,..."; index: how many were before it.
    Options of every kind: id=NAME, size=256M."""
    kind, *words = text.split(",")
    options = {}
    for word in words:
        key, found, value = word.partition("=")
        if not key or not found or key in options:
            raise Problem(f"'{word}' in {text} is no KEY=VALUE"
                          if key not in options else
                          f"{key}= is there twice in {text}")
        options[key] = value
    if kind not in DISKS and kind not in made.KINDS:
        raise Problem("'%s' is no kind of device; these are: %s" % (
            kind, ", ".join((*DISKS, *made.KINDS))))
    name = options.pop("id", kind + str(index))
    if not re.fullmatch(r"[A-Za-z][\w.]*", name):
        raise Problem("'%s' is no name of a device: a letter, then letters, "
                      "digits, _ and ." % name)
    size = number(options.pop("size", "256M"))
    if not size:
        raise Problem("the size of %s is no number like 64M" % text)
    device = Device(name, kind, size)
    if kind in DISKS:
        emulated(device, DISKS[kind], options, folder)
    else:
        made.fill(device, options)
    return device
