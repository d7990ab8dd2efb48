# SPDX-License-Identifier: GPL-2.0-only
"""Disks that a guest makes and unmakes within a test, and what they count."""
import contextlib

DRIVER = "/sys/bus/pseudo/drivers/scsi_debug"
NULLB = "/sys/kernel/config/nullb"
LOAD = """
modprobe scsi_debug "$@" || exit
until d=$(find /sys/block -lname '*/adapter*' -printf %f) && [ "$d" ]
do sleep 0.1; done
until [ -b /dev/$d ]; do sleep 0.1; done
echo $d"""
# Attributes come as NAME=VALUE, for all of them.
MAKE = f"""
modprobe null_blk nr_devices=0
mountpoint -q /sys/kernel/config ||
	mount -t configfs config /sys/kernel/config
cd {NULLB} && mkdir $names || exit
for name in $names; do
	for one; do echo ${{one#*=}} >$name/${{one%%=*}} || exit; done
	echo 1 >$name/power || exit
	until [ -b /dev/$name ]; do sleep 0.1; done
done"""
UNMAKE = f"cd {NULLB} && for d; do echo 0 >$d/power; done; rmdir \"$@\""
COUNTS = """for name; do
	disk=$(readlink /dev/lab/$name)
	cat /sys/block/${disk##*/}/stat
done"""
FLUSHES = 15    # Documentation/block/stat.rst


def words(parameters):
    return [f"{key}={value}" for key, value in parameters.items()]


@contextlib.contextmanager
def scsi_debug(vm, **parameters):
    """The path of its disk, as long as the module is loaded."""
    disk = vm.check("sh", "-c", LOAD, "sh", *words(
        {"dev_size_mb": 16, **parameters})).strip()
    try:
        yield "/dev/" + disk
    finally:
        vm.check("sh", "-c", f"echo 0 >{DRIVER}/opts; modprobe -r scsi_debug")


@contextlib.contextmanager
def null_blks(vm, count, **attributes):
    """The paths of so many of 1 MiB each, with memory behind them."""
    names = [f"many{i}" for i in range(count)]
    vm.check("sh", "-c", MAKE, "sh", *words(
        {"size": 1, "memory_backed": 1, **attributes}),
             env={"names": " ".join(names)}, seconds=600)
    try:
        yield ["/dev/" + name for name in names]
    finally:
        vm.check("sh", "-c", UNMAKE, "sh", *names, seconds=600)


def flushes(vm, names):
    """How many times each of /dev/lab was told to flush its cache."""
    lines = vm.check("sh", "-c", COUNTS, "sh", *names).splitlines()
    return {name: int(line.split()[FLUSHES])
            for name, line in zip(names, lines, strict=True)}
