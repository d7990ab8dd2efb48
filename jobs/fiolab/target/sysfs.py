# SPDX-License-Identifier: GPL-2.0-only
# What sysfs says of block devices: attributes by their folder, and of which
# kind a device is.  What it does not tell is None.  All that reads or writes
# there does it through here.
from collections.abc import Callable
import glob
import os
import re

# By the name that the kernel gives.
KINDS = (("nvme", "nvme"), ("zram", "zram"), ("loop", "loop"),
         ("vd", "virtio"), ("dm-", "dm"), ("md", "md"), ("nbd", "nbd"),
         ("mmcblk", "mmc"), ("pmem", "pmem"), ("ram", "ram"),
         ("nullb", "null"), ("xvd", "xen"))
DRIVERS = {"nullb": "null"}     # where the user gives the name
DEVICES, DISKS = "/proc/devices", "/sys/block"
# Fields of "stat": of what was finished; FLUSHES since Linux 5.5.
READS, WRITES, DISCARDS, FLUSHES = 0, 4, 11, 15


def of(device: int) -> str:
    """The folder of a device, by its number (st_rdev); of a partition its own.
    """
    return os.path.realpath(
        f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")


def device(folder: str) -> int | None:
    """The number of a device; None where it has none."""
    text = read(folder, "dev")
    return os.makedev(*map(int, text.split(":"))) if text else None


def whole(folder: str) -> str:
    """The folder of the whole disk."""
    return (os.path.dirname(folder)
            if os.path.exists(folder + "/partition") else folder)


def place(path: str) -> str:
    """The folder of a block device; of a partition its own."""
    return of(os.stat(path).st_rdev)


def disk(path: str) -> str:
    """The folder of the whole disk that a block device is, or is a part of."""
    return whole(place(path))


def disks() -> list[str]:
    """Folders of all whole disks."""
    return sorted(os.path.realpath(os.path.join(DISKS, name))
                  for name in _listed(DISKS))


def wwid(folder: str) -> str | None:
    return first(folder, "wwid", "device/wwid")


def partitions(folder: str) -> list[str]:
    """Folders of a disk's partitions."""
    return sorted(os.path.join(folder, name) for name in os.listdir(folder)
                  if os.path.exists(os.path.join(folder, name, "partition")))


def node(folder: str) -> str:
    """The path of a device in /dev."""
    return "/dev/" + os.path.basename(folder).replace("!", "/")


def _listed(folder):
    """The names in a folder; none where it is not there."""
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _bytes(*names):
    try:
        with open(os.path.join(*names), "rb") as file:
            return file.read()
    except OSError:
        return b""


def read(*names: str) -> str | None:
    """An attribute, or None."""
    return _bytes(*names).decode(errors="replace").strip("\0 \t\n") or None


def path(*names: str) -> str | None:
    """An attribute that is the path of a file, as the kernel knows it: such a
    name need not be text, and may end in blanks; or None."""
    return os.fsdecode(_bytes(*names)).removesuffix("\n") or None


def page(folder: str, name: str) -> bytes:
    """A page of a SCSI device's vital product data; b"" without one."""
    return _bytes(folder, "device", name)


def write(text: str, *names: str) -> None:
    """Set an attribute; OSError where the kernel does not take it."""
    with open(os.path.join(*names), "w", encoding="ascii") as file:
        file.write(text)


def first(folder: str, *names: str) -> str | None:
    """The first of several attributes that there is; names may have *."""
    found = (read(path) for name in names
             for path in sorted(glob.glob(os.path.join(
                 glob.escape(folder), name))))
    return next(filter(None, found), None)


def number(*names: str) -> int | None:
    text = read(*names)
    return int(text) if text and re.fullmatch(r"-?\d+", text) else None


def counted(folder: str, field: int) -> int | None:
    """A field of the device's "stat"; None where that is not told."""
    fields = (read(folder, "stat") or "").split()
    return int(fields[field]) if len(fields) > field else None


def finished(folder: str | None) -> list[int | None]:
    """Counts of what a device has finished since it is there, of each kind of
    I/O, which differ as soon as it has finished more; folder: None of what is
    no device."""
    return [counted(folder, field) if folder else None
            for field in (READS, WRITES, DISCARDS, FLUSHES)]


def members(folder: str) -> list[str]:
    """Folders of the devices that an md or dm device is made of."""
    below = os.path.join(folder, "slaves")
    return sorted(os.path.realpath(os.path.join(below, name))
                  for name in _listed(below))


def controllers(folder: str) -> list[str]:
    """Folders of the NVMe controllers of a namespace: with native multipath
    it hangs on its subsystem, and these have it in common."""
    return sorted(os.path.realpath(path) for path in glob.glob(
        os.path.join(glob.escape(folder), "device/nvme*"))
        if re.fullmatch(r"nvme\d+", os.path.basename(path)))


def hidden(folder: str) -> list[str]:
    """Folders of the disks that a namespace with native multipath is by each of
    its controllers: these have no node, and the errors, and their names are in
    the kernel's log."""
    name = re.fullmatch(r"(nvme\d+)(n\d+)", os.path.basename(folder))
    return [path for top in controllers(folder) if name for path in sorted(
        glob.glob(f"{glob.escape(top)}/{name[1]}c*{name[2]}"))]


def namespaces(folder: str) -> dict[str, str]:
    """{name: folder} of those of the same NVMe controllers, its own too; of
    another device none."""
    found: dict[str, str] = {}
    for top in (*controllers(folder), folder + "/device"):
        for path in sorted(glob.glob(glob.escape(top) + "/nvme*n*")):
            # nvme0c1n2 is the path by controller 1 to nvme0n2.
            name = re.sub(r"c\d+(?=n)", "", os.path.basename(path))
            if re.fullmatch(r"nvme\d+n\d+", name):
                found[name] = path
    return found


def family(folder: str) -> list[str]:
    """Folders of all that a device is or is made of, from its own: its disk,
    partitions and NVMe controllers with its paths, and those of its members, to
    the last; of one that is gone, its own."""
    disk = whole(folder)
    found = [folder, disk, *(
        partitions(folder) if os.path.isdir(folder) else ()),
        *controllers(disk), *hidden(disk)]
    for member in members(disk):
        found += family(member)
    return list(dict.fromkeys(found))


def names(folder: str | None) -> list[str]:
    """By which the kernel's log may call a device: its own, that of its disk
    and, up to the bus, those of what it hangs on; folder need not be there any
    more."""
    own, *above = reversed((folder or "").split("/"))
    ports = [name for name in above if re.fullmatch(r"ata\d+", name)]
    address = next((re.fullmatch(r"\d+:(\d+):(\d+):\d+", name)
                    for name in above if name.count(":") == 3), None)
    # libata's name of a drive: its port, and its place there.
    drives = [f"{port}.{int(address[1]) + int(address[2]):02d}"
              for port in ports if address]
    return [name for name in dict.fromkeys((
        own, *(name for i, name in enumerate(above) if i == 0 and name not in
               ("", "block") or re.search(r"\d", name)), *drives))
            if name and not name.startswith("pci")]


def naming(known: list[str]) -> Callable[[str], bool]:
    """Does a text have one of these names, and not only as a part of another?
    """
    pattern = re.compile(r"(?<![\w.:-])(?:%s)(?![\w-]|[.:]\w)" % "|".join(
        map(re.escape, known)))
    return lambda text: bool(known and pattern.search(text))


def driver(folder: str) -> str | None:
    """What a device's major number was registered for, as /proc/devices has
    it."""
    number, blocks = read(folder, "dev") or "", (
        read(DEVICES) or "").partition("Block devices:")[2]
    found = re.search(rf"^\s*{number.partition(':')[0]} (\S+)$", blocks, re.M)
    return found[1] if found else None


def kind(folder: str) -> str | None:
    name = os.path.basename(folder)
    for begin, what in KINDS:
        if re.fullmatch(re.escape(begin) + r"[0-9a-z]*", name):
            return what
    if read(folder, "device/vendor") == "ATA":
        return "sata"
    if os.path.exists(folder + "/device/scsi_device"):
        return "scsi"
    return DRIVERS.get(driver(folder) or "")
