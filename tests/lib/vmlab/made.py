# SPDX-License-Identifier: GPL-2.0-only
"""Devices that the guest makes by a module: shell text for each kind.  An option
is the module's parameter or the attribute of configfs, as it stands, but for
size and what a kind says.  The text calls `named ID DEVICE...`, which waits for
the devices and makes /dev/lab/ID (machine.py)."""
import shlex

from .problem import Problem


def words(options):
    return " ".join(shlex.quote(f"{key}={value}")
                    for key, value in options.items())


def null_blk(device, options):
    """One by configfs, with memory behind it."""
    options = {"memory_backed": "1", **options,
               "size": str(device.size >> 20)}
    where = "/sys/kernel/config/nullb/" + device.id
    # The kernel gives the disk this name, in spite of what has it: null, sda.
    lines = [f"[ ! -e /dev/{device.id} ] || {{ echo 'the kernel has another "
             f"/dev/{device.id}: give it another id' >&2; exit 1; }}",
             "modprobe null_blk nr_devices=0",
             "mountpoint -q /sys/kernel/config || "
             "mount -t configfs config /sys/kernel/config", f"mkdir {where}"]
    lines += [f"echo {shlex.quote(value)} >{where}/{key}"
              for key, value in options.items()]
    # Its name has been nullbINDEX, and is the folder's since Linux 5.19.
    lines += [f"echo 1 >{where}/power", f"i=$(cat {where}/index)",
              f"if [ -e /sys/block/{device.id} ]",
              f"then named {device.id} {device.id}",
              f"else named {device.id} nullb$i; fi"]
    return lines


def scsi_debug(device, options):
    """One load of the module: all the disks that its parameters make."""
    options = {"dev_size_mb": str(device.size >> 20), **options}
    count = 1
    for key in ("num_tgts", "max_luns", "add_host"):
        count *= int(options.get(key, "1"))
    device.disks = count
    return ["modprobe sd_mod", f"modprobe scsi_debug {words(options)}",
            f"below {device.id} {count} /adapter"]


def zram(device, options):
    where = "/sys/block/zram$i"
    return ["[ -d /sys/class/zram-control ] || modprobe zram num_devices=0",
            "i=$(cat /sys/class/zram-control/hot_add)",
            *(f"echo {shlex.quote(value)} >{where}/{key}"
              for key, value in options.items()),
            f"echo {device.size} >{where}/disksize",
            f"named {device.id} zram$i"]


def brd(device, options):
    """One load of the module."""
    options = {"rd_nr": "1", **options, "rd_size": str(device.size >> 10)}
    device.disks = int(options["rd_nr"])
    return [f"modprobe brd {words(options)}", "named %s %s" % (
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
    over = f"/dev/lab/{options.pop('over', '')}"
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
    over = [f"/dev/lab/{one}" for one in options.pop("over", "").split("+")]
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
