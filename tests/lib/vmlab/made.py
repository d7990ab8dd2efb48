# SPDX-License-Identifier: GPL-2.0-only
"""Devices that the guest makes by a module: shell text for each kind.  An option
is the module's parameter or the attribute of configfs, as it stands, but for
size and what a kind says.  The text calls `named ID DEVICE...`, which waits for
the devices and makes /dev/lab/ID (machine.py)."""
import math
import re
import shlex

from .problem import Problem


def words(options):
    return " ".join(shlex.quote(f"{key}={value}")
                    for key, value in options.items())


def attributes(where, options):
    """Each is a file in that folder."""
    return [f"attribute {where}/{shlex.quote(key)} {shlex.quote(value)}"
            for key, value in options.items()]


def load(module, options):
    """With parameters, of which the kernel only logs that it has none such."""
    return [f"modprobe {module} {words(options)}",
            f"if dmesg | grep -o '{module}: unknown parameter.*' >&2; "
            "then exit 1; fi"]


def count(options, key):
    """How many disks an option says: one, if it is not there."""
    text = options.get(key, "1")
    if not re.fullmatch(r"[1-9]\d{0,4}", text):
        raise Problem(f"{key}={text} is no number from 1 on")
    return int(text)


def mebibytes(device):
    """Its size, as text."""
    if device.size % (1 << 20):
        raise Problem(f"the size of {device.kind} {device.id} is not in whole "
                      "MiB, as size=64M is")
    return str(device.size >> 20)


def null_blk(device, options):
    """One by configfs, with memory behind it."""
    options = {"memory_backed": "1", **options, "size": mebibytes(device)}
    where = "/sys/kernel/config/nullb/" + device.id
    # The kernel gives the disk this name, in spite of what has it: null, sda.
    lines = [f"[ ! -e /dev/{device.id} ] || {{ echo 'the kernel has another "
             f"/dev/{device.id}: give it another id' >&2; exit 1; }}",
             "modprobe null_blk nr_devices=0",
             "mountpoint -q /sys/kernel/config || "
             "mount -t configfs config /sys/kernel/config", f"mkdir {where}"]
    lines += attributes(where, options)
    # Its name has been nullbINDEX, and is the folder's since Linux 5.19.
    lines += [f"echo 1 >{where}/power", f"i=$(cat {where}/index)",
              f"if [ -e /sys/block/{device.id} ]",
              f"then named {device.id} {device.id}",
              f"else named {device.id} nullb$i; fi"]
    return lines


def scsi_debug(device, options):
    """One load of the module: all the disks that its parameters make."""
    options = {"dev_size_mb": mebibytes(device), **options}
    device.disks = math.prod(count(options, key) for key in (
        "num_tgts", "max_luns", "add_host"))
    return ["modprobe sd_mod", *load("scsi_debug", options),
            f"below {device.id} {device.disks} /adapter"]


def zram(device, options):
    where = "/sys/block/zram$i"
    return ["[ -d /sys/class/zram-control ] || modprobe zram num_devices=0",
            "i=$(cat /sys/class/zram-control/hot_add)",
            *attributes(where, options),
            f"echo {device.size} >{where}/disksize",
            f"named {device.id} zram$i"]


def brd(device, options):
    """One load of the module."""
    options = {"rd_nr": "1", **options, "rd_size": str(device.size >> 10)}
    device.disks = count(options, "rd_nr")
    return [*load("brd", options), "named %s %s" % (
        device.id, " ".join(f"ram{i}" for i in range(device.disks)))]


def loop(device, options):
    """On a file in the guest's RAM; options are losetup's, as sector-size."""
    flags = " ".join(shlex.quote(f"--{key}={value}")
                     for key, value in options.items())
    file = "/dev/shm/" + device.id
    return ["modprobe loop", f"truncate -s {device.size} {file}",
            f"d=$(losetup --find --show {flags} {file})",
            f"named {device.id} ${{d##*/}}"]


def dm(device, options):
    """target=linear over=ID, after=TEXT: what the target wants behind the
    device and its first sector, as after='5 5' of flakey."""
    device.over = (options.pop("over", ""),)
    over = "/dev/lab/" + device.over[0]
    target, after = options.pop("target", "linear"), options.pop("after", "")
    if over == "/dev/lab/" or options:
        raise Problem("dm takes over=ID, target=NAME and after=TEXT")
    return ["modprobe dm_mod", f"modprobe -q dm_{target} || :",
            f'echo "0 $(blockdev --getsz {over}) {target} {over} 0 {after}" |'
            f" dmsetup create --noudevsync {device.id}",
            f"named {device.id} $(dmsetup info -c --noheadings "
            f"-o blkdevname {device.id})"]


def md(device, options):
    """level=1 over=ID+ID; other options are mdadm's, as bitmap=none."""
    device.over = tuple(filter(None, options.pop("over", "").split("+")))
    if not device.over:
        raise Problem("md takes over=ID+ID, and options of mdadm's")
    over = [f"/dev/lab/{one}" for one in device.over]
    level = options.pop("level", "1")
    flags = " ".join(shlex.quote(f"--{key}={value}")
                     for key, value in options.items())
    return [f"modprobe -q raid{level} || modprobe -q raid456 || :",
            "i=0; while [ -e /sys/block/md$i ]; do i=$((i + 1)); done",
            f"yes | mdadm --quiet --create /dev/md$i --run --level={level} "
            f"--assume-clean {flags} --raid-devices={len(over)} "
            + " ".join(over), f"named {device.id} md$i"]


KINDS = {make.__name__: make for make in (
    null_blk, scsi_debug, zram, brd, loop, dm, md)}


def fill(device, options):
    """Fill in what the guest does."""
    device.setup = "\n".join(KINDS[device.kind](device, options))
