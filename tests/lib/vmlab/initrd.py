# SPDX-License-Identifier: GPL-2.0-only
"""The initial RAM disk of a guest: busybox, the modules that it takes to reach
the root, guest/, and copies of what is started often."""
import lzma
from pathlib import Path
import shutil
import subprocess

from . import kernels
from .archive import FILE, FOLDER, PROGRAM, Archive
from .problem import Problem, tool

GUEST = Path(__file__).parent / "guest"
# The root, the channel of commands.
MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay", "virtio_console")


def module(path):
    """(name, content) of a module as it is loaded, without its
    compression."""
    name = path.name.removesuffix(".xz").removesuffix(".zst")
    if path.suffix == ".xz":
        return name, lzma.decompress(path.read_bytes())
    if path.suffix == ".zst":
        return name, subprocess.run([tool("zstd") or "zstd", "-qdc", path],
                                    stdout=subprocess.PIPE, check=True).stdout
    return name, path.read_bytes()


def write(out, order, busybox, layers, mounts):
    """order: files of modules."""
    archive = Archive(out)
    for folder in ("bin", "modules", "proc", "sys", "dev"):
        archive.add(folder, FOLDER)
    archive.add("bin/busybox", PROGRAM, Path(busybox).read_bytes())
    for script in ("init", "serve"):
        archive.add(script, PROGRAM, (GUEST / script).read_bytes())
    names = []
    for path in order:
        name, content = module(path)
        archive.add("modules/" + name, FILE, content)
        names.append((name,))
    for name, rows in (("modules/order", names), ("mounts", mounts),
                       ("layers.list", [(one,) for one in layers])):
        archive.add(name, FILE, "".join(
            " ".join(map(str, row)) + "\n" for row in rows).encode())
    archive.close()


def build(path, kernel, busybox, modules, layers, mounts, copies):
    """Write an initrd to path.  modules: names beyond MODULES; layers: tags of
    shares that are the root, the first hides what is below; mounts: (tag,
    "ro"|"rw", folder) of those that are mounted in it; copies: an archive of
    copies.py, or None."""
    order = kernels.load_order(kernel, (*MODULES, *modules))
    try:
        with open(path, "wb") as out:
            write(out, order, busybox, layers, mounts)
            if copies:
                with open(copies, "rb") as more:
                    shutil.copyfileobj(more, out)
    except OSError as error:
        raise Problem(f"the initrd {path} could not be written: "
                      f"{error.strerror}") from None
