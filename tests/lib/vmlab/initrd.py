# SPDX-License-Identifier: GPL-2.0-only
"""The initial RAM disk of a guest: busybox, the modules that it takes to reach
the root, and guest/, in the archive that the kernel unpacks."""
import lzma
from pathlib import Path
import shutil
import subprocess
import tempfile

from . import kernels
from .problem import Problem, tool

GUEST = Path(__file__).parent / "guest"
# The root, the channel of commands.
MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay", "virtio_console")


def put_module(path, folder):
    """Copy a module as it is loaded, without its compression."""
    name = path.name.removesuffix(".xz").removesuffix(".zst")
    if path.suffix == ".xz":
        (folder / name).write_bytes(lzma.decompress(path.read_bytes()))
    elif path.suffix == ".zst":
        subprocess.run([tool("zstd") or "zstd", "-qd", path, "-o",
                        folder / name], check=True)
    else:
        shutil.copy(path, folder / name)
    return name


def build(path, kernel, busybox, modules, layers, mounts):
    """Write an initrd to path.  modules: names beyond MODULES; layers: tags of
    shares that are the root, the first hides what is below; mounts: (tag,
    "ro"|"rw", folder) of those that are mounted in it."""
    with tempfile.TemporaryDirectory(prefix="kaio-initrd-") as name:
        root = Path(name)
        for folder in ("bin", "modules", "proc", "sys", "dev"):
            (root / folder).mkdir()
        shutil.copy(busybox, root / "bin/busybox")
        for script in ("init", "serve"):
            shutil.copy(GUEST / script, root / script)
            (root / script).chmod(0o755)
        order = [put_module(one, root / "modules") for one in
                 kernels.load_order(kernel, (*MODULES, *modules))]
        for name, rows in (
                ("modules/order", [(one,) for one in order]),
                ("layers.list", [(one,) for one in layers]),
                ("mounts", mounts)):
            (root / name).write_text("".join(
                " ".join(map(str, row)) + "\n" for row in rows),
                encoding="utf-8")
        files = "\n".join(sorted(str(p.relative_to(root))
                                 for p in root.rglob("*")))
        with open(path, "wb") as out:
            done = subprocess.run(
                [tool("cpio"), "--quiet", "-o", "-H", "newc", "-R", "0:0"],
                input=files.encode(), stdout=out, stderr=subprocess.PIPE,
                cwd=root, check=False, timeout=60)
        if done.returncode:
            raise Problem("the initrd could not be written: "
                          + done.stderr.decode().strip())
