# SPDX-License-Identifier: GPL-2.0-only
"""Kernels of guests: unpacked from the distribution's packages into the build
folder, once, and never installed; or a folder of one's own."""
from dataclasses import dataclass
from pathlib import Path
import subprocess

from . import unpacked
from .problem import Problem, tool

SUITES = ("stable", "newer")
# An image of late is a package that holds nothing but these names; what is built
# in is in base.
PARTS = "^linux-(image|binary|modules|base)-[0-9]"


@dataclass(frozen=True)
class Kernel:
    folder: Path
    version: str
    image: Path

    @property
    def modules(self):
        return self.folder / "lib" / "modules"


def found_in(folder):
    """The kernel in a folder with lib/modules/VERSION and boot/vmlinuz-VERSION
    (or vmlinuz)."""
    versions = sorted(p.name for p in (folder / "lib" / "modules").glob("*"))
    for version in versions:
        for image in (*folder.glob("boot/vmlinu[xz]-" + version),
                      *folder.glob("lib/modules/%s/vmlinuz" % version),
                      *folder.glob("vmlinuz")):
            return Kernel(folder, version, image)
    raise Problem("%s is no folder of a kernel: it needs "
                  "lib/modules/VERSION and boot/vmlinuz-VERSION" % folder)


def index(kernel):
    """What modprobe reads, which a package makes when it is installed."""
    if not (kernel.modules / kernel.version / "modules.dep").exists():
        subprocess.run([tool("depmod"), "-b", kernel.folder, kernel.version],
                       check=True, timeout=600)


def find(name, architecture):
    """The Kernel of that name: "stable", "newer", or the path of a folder."""
    if name not in SUITES:
        kernel = found_in(Path(name).resolve())
        index(kernel)
        return kernel
    folder = unpacked.cache() / ("kernel-%s-%s" % (name, architecture.debian))
    with unpacked.locked(folder):
        unpacked.fetch(folder, name, architecture, PARTS,
                       [architecture.package])
        kernel = found_in(folder)
        index(kernel)
    return kernel


def load_order(kernel, names):
    """[(file, arguments)]: the modules of these names and all that they need,
    as they have to be loaded; what is built in is left out."""
    order = []
    for name in names:
        done = subprocess.run(
            [tool("modprobe"), "-d", kernel.folder, "-S", kernel.version,
             "--show-depends", "--config", "/dev/null", name],
            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            timeout=60, check=False)
        if done.returncode:
            raise Problem("the kernel %s has no module %s: %s" % (
                kernel.version, name, done.stderr.strip()))
        for line in done.stdout.splitlines():
            word, _, rest = line.partition(" ")
            path = Path(rest.strip())
            if word == "insmod" and path not in order:
                order.append(path)
    return order
