# SPDX-License-Identifier: GPL-2.0-only
"""The device lab: virtual machines that boot the distribution's kernel on this
machine's own root, read-only, with the devices that a test wants.

    problem       what is said when something is missing or fails
    architecture  what differs between processors, as data
    unpacked      packages that are unpacked and not installed
    kernels       those with a kernel, and its modules
    devices       "nvme,lba=4096": what QEMU is told, what the guest makes
    elf           what a program is linked to
    archive       what a kernel unpacks into its first root
    copies        fio, Python and others for a guest's RAM
    imports       what Python reads for the commands in jobs/, for copies
    initrd        the few megabytes that find the root
    qmp           QEMU's monitor
    machine       a guest: boot, run commands, pull the plug, boot again
    command       tests/vm/run

guest/ is what runs inside.
"""
from .machine import Machine
from .problem import Died, Late, Problem, Unfetched, lacking
from .qemu import FAST

__all__ = ["Died", "FAST", "Late", "Machine", "Problem", "Unfetched", "lacking"]
