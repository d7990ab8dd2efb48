# SPDX-License-Identifier: GPL-2.0-only
"""A guest: QEMU with the devices, the commands that run inside, and what ends
it.  Its disks stay until close(), so that it may be killed and boot again."""
import itertools
from pathlib import Path
import re
import shutil
import socket
import subprocess
import tempfile
import time

from . import (
    architecture, copies, devices, initrd, kernels, qemu, unpacked,
)  # fmt: skip
from .channel import Channel
from .order import Order
from .problem import Died, Late, Problem, lacking, tool
from .qmp import Monitor

BOOT = 600      # seconds: it takes 20, and minutes on a busy machine
SPARE = 2       # ports for what is added later
PRELUDE = (initrd.GUEST / "named").read_text(encoding="utf-8")


def _last(text):
    """Its last line."""
    return text.splitlines()[-1] if text else "devices"


class Machine:
    """devices: texts for devices.parse; kernel: "stable", "newer" or a folder;
    shares: folders that it may write, at their own paths, besides .shared, the
    one of its own; folder: where disks and logs stay (else they go); icount: a
    clock of instructions (qemu.of_clock); ram: whether it has what is started
    often in its RAM (copies.py); append: to the kernel's command line; extra:
    arguments of QEMU."""

    def __init__(self, specs=(), *, kernel="stable", arch="x86_64", cpus=2,
                 memory=2048, shares=(), folder=None, icount=False, ram=True,
                 append="", extra=()):
        self.arch = architecture.find(arch)
        why = lacking(self.arch)
        if why:
            raise Problem(why)
        self.cpus, self.memory = cpus, memory
        self.icount, self.append, self.extra = icount, append, extra
        self._goes, self.folder = folder is None, Path(
            folder or tempfile.mkdtemp(prefix="kaio-vm-")).resolve()
        self.shared = self.folder / "shared"
        self._disks, self._orders = self.folder / "disks", itertools.count()
        shutil.rmtree(self.shared / ".orders", ignore_errors=True)
        for made in (self.shared, self._disks):
            made.mkdir(parents=True, exist_ok=True)
        self.process = self.channel = self.monitor = None
        try:
            # What is wrong in its words is said before anything is fetched.
            self.devices = devices.all_of(specs, self._disks)
            paths = [self._writable(path) for path in (self.shared, *shares)]
            self.kernel = kernels.find(kernel, self.arch)
            self.layers = self._layers()
            self.copies = copies.archive(self.arch, self.layers.values()) \
                if ram else None
        except BaseException:
            self.close()
            raise
        self.shares = self._shares(paths)
        self.ports = 0 if self.arch.bus != "pci" else SPARE + sum(
            one.get("bus", "") is None
            for d in self.devices for one in d.devices)
        self._free = list(range(self.ports))
        for device in self.devices:
            qemu.plug(device, self._free)

    def _layers(self):
        """{tag: folder} of what is its root, the first on top."""
        if not self.arch.native:
            return {"root": unpacked.programs(self.arch)}
        return {"tools": unpacked.tools(self.arch), "root": "/"}

    @staticmethod
    def _writable(path):
        """A folder that is to be shared."""
        found = Path(path).resolve()
        if not found.is_dir():
            raise Problem(f"there is no folder {path} to be shared: make it "
                          "first")
        # guest/init reads it from a line, and cuts off what is blank.
        if str(found).strip() != str(found) or "\n" in str(found):
            raise Problem(f"the folder {str(found)!r} cannot be shared, as its "
                          "name ends in a blank or has a line feed: share "
                          "another")
        return found

    def _shares(self, paths):
        """[(tag, mode, folder of the host, of the guest)]"""
        return [
            *((tag, "ro", path, "") for tag, path in self.layers.items()),
            ("modules", "ro", self.kernel.modules, "/usr/lib/modules"),
            ("tree", "ro", unpacked.ROOT, unpacked.ROOT),
            *((f"share{i}", "rw", path, path)
              for i, path in enumerate(paths))]

    def _busybox(self):
        return tool("busybox") if self.arch.native else \
            self.layers["root"] / "bin/busybox"

    def __enter__(self):
        try:
            return self.boot()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_):
        self.close()

    def boot(self, seconds=BOOT):
        """Start QEMU, with the disks as they are, and wait for the guest and
        its devices."""
        self.kill()
        self._prepare()
        channel, monitor = socket.socketpair(), socket.socketpair()
        ends = channel[1].fileno(), monitor[1].fileno()
        with open(self.folder / "qemu.log", "ab") as log:
            self.process = subprocess.Popen(
                [tool("setpriv"), "--pdeathsig", "KILL",
                 *qemu.arguments(self, *ends)], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, pass_fds=ends)
        channel[1].close()
        monitor[1].close()
        self.channel = Channel(channel[0])
        try:
            self.monitor = Monitor(monitor[0])
        except Died:
            # Without the words of ours that it repeats before it says why.
            raise Died("QEMU does not start: " + re.sub(
                r"\S+: -\w+ \{.*\}: ", "", self.end())) from None
        self._ready(1, seconds)
        return self

    def _prepare(self):
        for device in self.devices:
            self._files(device)
        initrd.build(
            self.folder / "initrd", self.kernel, self._busybox(),
            dict.fromkeys(
                name for one in self.devices for name in one.modules),
            self.layers, [(tag, mode, where) for tag, mode, _, where in
                          self.shares if tag not in self.layers],
            self.copies)
        (self.folder / "console.log").unlink(missing_ok=True)

    def _files(self, device):
        for node in device.nodes:
            name = node["node-name"].removeprefix("disk-") + ".img"
            with open(self._disks / name, "ab") as file:
                if not file.tell():
                    file.truncate(device.size)

    def _ready(self, boots, seconds):
        """Wait for that boot, then make what the guest makes."""
        ends = time.monotonic() + seconds
        if not self.channel.wait(lambda: self.channel.boots >= boots,
                                 seconds):
            if self.channel.open:
                raise Late(f"the guest has not booted after {seconds:g} s: "
                           + self.end())
            raise Died("the guest has not booted: " + self.end())
        self._set_up(self.devices, max(ends - time.monotonic(), 1))

    def _set_up(self, wanted, seconds=BOOT):
        """All in one command, which says which one it is at."""
        text = "\n".join(f"echo {one.kind} {one.id}\n{one.setup}"
                         for one in wanted)
        order = self.start("sh", "-c", PRELUDE + text)
        try:
            done = order.wait(seconds)
        except Late:
            raise Late(f"the guest has no {_last(order.out)} after "
                       f"{seconds:.0f} s: its driver has made none") from None
        if done.status:
            raise Problem("the guest has no %s: %s" % (
                _last(done.out), "; ".join(done.err.split("\n")).strip("; ")
                or f"status {done.status}"))

    # --- what runs inside ---

    def start(self, *argv, env=None, cwd="/"):
        """An Order: the command, which runs from now on."""
        folder = self.shared / ".orders" / str(next(self._orders))
        return Order(self, folder, argv, env, cwd)

    def run(self, *argv, env=None, cwd="/", seconds=300):
        """Done, whatever its status."""
        return self.start(*argv, env=env, cwd=cwd).wait(seconds)

    def check(self, *argv, **keywords):
        """What it said, of a command that must not fail."""
        done = self.run(*argv, **keywords)
        assert done.status == 0, (argv, done)
        return done.out

    # --- what is known from outside ---

    def log(self):
        """The kernel's, of this boot, as its console had it so far."""
        path = self.folder / "console.log"
        return path.read_text(encoding="utf-8", errors="replace") \
            if path.exists() else ""

    def end(self):
        """The last lines that say why it ended."""
        lines = [line for line in self.log().splitlines() if line.strip()]
        own = [line for line in lines if line.startswith("vm: ")
               or re.search(r"Kernel panic|BUG:|Oops", line)]
        said = (self.folder / "qemu.log").read_text(errors="replace").strip()
        return " / ".join(own[-3:] or [*said.splitlines()[-2:], *lines[-3:]]
                          ) or "nothing was said"

    def disk(self, name):
        """The file behind a disk."""
        return self._disks / (name + ".img")

    # --- what happens to it ---

    def add(self, text):
        """Plug one in, as if by hand: its Device, once the guest has it."""
        device, = devices.all_of([text], self._disks, self.devices)
        qemu.plug(device, self._free)
        self._files(device)
        if device.modules:
            self.check("modprobe", "-a", *device.modules)
        for node in device.nodes:
            self.monitor.do("blockdev-add", node)
        for one in qemu.plugged(device):
            self.monitor.do("device_add", one)
        self.devices.append(device)
        self._set_up([device])
        return device

    def remove(self, name, seconds=120):
        """Pull a device of QEMU's out, with all that is on it, and wait until
        the guest has let go of it."""
        device = next(one for one in self.devices if one.id == name)
        self.monitor.do("device_del", {"id": device.qdev})
        self.monitor.wait("DEVICE_DELETED", seconds, device=device.qdev)
        for node in device.nodes:
            self.monitor.do("blockdev-del", {"node-name": node["node-name"]})
        self.devices.remove(device)
        self._free.append(device.port)

    def reset(self, seconds=BOOT):
        """The reset button: nothing is flushed; wait until it has booted."""
        boots = self.channel.boots
        self.monitor.do("set-action", {"reboot": "reset"})
        self.monitor.do("system_reset")
        self._ready(boots + 1, seconds)
        self.monitor.do("set-action", {"reboot": "shutdown"})

    def kill(self):
        """SIGKILL for this QEMU; the disks stay as they are."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.channel.close()
            if self.monitor:
                self.monitor.close()
        self.process = self.channel = self.monitor = None

    def close(self):
        self.kill()
        if self._goes:
            shutil.rmtree(self.folder, ignore_errors=True)
