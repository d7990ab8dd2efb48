# SPDX-License-Identifier: GPL-2.0-only
"""What differs between the processors that are emulated.  A new one is a line
in ARCHITECTURES."""
from dataclasses import dataclass
import platform

from .problem import Problem


@dataclass(frozen=True)
class Architecture:
    """name: as the kernel says it; debian: as Debian does; machine: QEMU's
    options; console: where the kernel's log goes; package: of the kernel;
    bus: of the shares and the channel; other than "pci", QEMU's devices are
    not for it."""
    name: str
    debian: str
    qemu: str
    machine: tuple
    console: str
    package: str
    bus: str = "pci"

    @property
    def native(self):
        """Whether this machine's own root can be the guest's."""
        return self.name == platform.machine()


ARCHITECTURES = {one.name: one for one in (
    Architecture("x86_64", "amd64", "qemu-system-x86_64",
                 (("-machine", "q35"), ("-cpu", "max")), "ttyS0",
                 "linux-image-amd64"),
    Architecture("aarch64", "arm64", "qemu-system-aarch64",
                 (("-machine", "virt,gic-version=3"),
                  ("-cpu", "max,pauth-impdef=on")), "ttyAMA0",
                 "linux-image-arm64"),
    Architecture("s390x", "s390x", "qemu-system-s390x",
                 (("-machine", "s390-ccw-virtio"), ("-cpu", "max")), "ttyS1",
                 "linux-image-s390x", "ccw"),
)}


def find(name):
    if name not in ARCHITECTURES:
        raise Problem("'%s' is no architecture that is emulated here; these "
                      "are: %s" % (name, ", ".join(ARCHITECTURES)))
    return ARCHITECTURES[name]
