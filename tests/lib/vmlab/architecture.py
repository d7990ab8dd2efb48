# SPDX-License-Identifier: GPL-2.0-only
"""What differs between the processors that are emulated.  A new one is a line
in ARCHITECTURES."""
from dataclasses import dataclass
import platform

from .problem import Problem


@dataclass(frozen=True)
class Architecture:
    """name: as the kernel says it; debian: as Debian does; machine: QEMU's
    options; console: where the kernel's log goes; package: of the kernel."""
    name: str
    debian: str
    qemu: str
    machine: tuple
    console: str
    package: str

    @property
    def native(self):
        """Whether this machine's own root can be the guest's."""
        return self.name == platform.machine()


ARCHITECTURES = {one.name: one for one in (
    Architecture("x86_64", "amd64", "qemu-system-x86_64",
                 (("-machine", "q35"), ("-cpu", "max")), "ttyS0",
                 "linux-image-amd64"),
)}


def find(name):
    if name not in ARCHITECTURES:
        raise Problem("'%s' is no architecture that is emulated here; these "
                      "are: %s" % (name, ", ".join(ARCHITECTURES)))
    return ARCHITECTURES[name]
