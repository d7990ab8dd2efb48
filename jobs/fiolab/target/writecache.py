# SPDX-License-Identifier: GPL-2.0-only
# The device's write cache, as the profile asks, and at the end as it was.  It
# is the drive that must change: what queue/write_cache holds is only what the
# kernel believes, so that is read and never written.  NVMe: feature 6.
# SATA: hdparm.  SCSI, virtio and SATA without hdparm: the driver's cache_type,
# which it passes on to the drive.  What the drive says is asked of it: of SCSI
# by sdparm, as cache_type tells what the driver knew when it last looked.
import contextlib
import glob
import os
import re
import stat
from typing import Any

from ..base.problem import Problem
from . import blockdevice, identity, sysfs, tools
from .drive import nvme

SECONDS = 20
# Of a controller: it may refuse the feature for a single namespace.
EVERYWHERE = "--namespace-id=0xffffffff"
WORDS = {True: "on", False: "off"}
STATES = {"write back": True, "write through": False}


class Nvme:
    """Feature 6, which is the controller's: of all its namespaces."""
    TOOL, HOW = "nvme", "NVMe feature 6"

    def __init__(self, disk, path):
        self.disk, self.path = disk, path

    def lacks(self):
        if not tools.find("nvme"):
            return f"that needs {tools.hint('nvme')}"
        if sysfs.namespaces(self.disk).keys() - {os.path.basename(self.disk)}:
            return "that would change the controller's other namespaces, too"
        return None

    def get(self):
        value = nvme.feature(self.path, nvme.CACHE, EVERYWHERE)
        if value is None:       # as where there is no cache, which VWC tells
            control, _ = nvme.asked("id-ctrl", self.path)
            return None if control.get("vwc", 1) & 1 else False
        return bool(value & 1)

    def set(self, on):
        tools.run("nvme", "set-feature", self.path, "-f", str(nvme.CACHE),
                  EVERYWHERE, f"--value={int(on)}", seconds=SECONDS)


class Hdparm:
    TOOL, HOW = "hdparm", "hdparm -W"

    def __init__(self, disk, path):
        self.path = path

    def lacks(self):
        return None if tools.find("hdparm") else (
            f"that needs {tools.hint('hdparm')}")

    def get(self):
        answer = tools.run("hdparm", "-W", self.path, seconds=SECONDS)
        value = answer and re.search(r"write-caching\s*=\s*([01])",
                                     answer.text)
        return None if not value else value[1] == "1"

    def set(self, on):
        tools.run("hdparm", f"-W{int(on)}", self.path, seconds=SECONDS)


class CacheType:
    """The driver's own switch: sd sends a MODE SELECT, virtio sets its
    configuration."""
    TOOL: str | None = None
    HOW = "its virtio configuration"

    def __init__(self, disk, path):
        self.path = path
        found = [*glob.glob(f"{disk}/device/scsi_disk/*/cache_type"),
                 *glob.glob(f"{disk}/cache_type")]
        self.file = found[0] if found else None

    def lacks(self):
        # Root may write anywhere: what the driver allows is in the mode.
        if not self.file or not os.stat(self.file).st_mode & stat.S_IWUSR:
            return "its driver has no switch for it"
        return None

    def get(self):
        return _state(self.file and sysfs.read(self.file))

    def set(self, on):
        sysfs.write("write back" if on else "write through", self.file)


class Scsi(CacheType):
    """The same, and what the drive itself says: WCE of mode page 8, which not
    each has."""
    TOOL, HOW = "sdparm", "SCSI mode page 8"

    def told(self):
        # A drive that has something to attend to answers the second time.
        for _ in range(2):
            answer = tools.run("sdparm", "--quiet", "--get=WCE", self.path,
                               seconds=SECONDS)
            value = answer and re.search(r"^WCE\s+([01])\b", answer.text,
                                         re.M)
            if value:
                return value[1] == "1"
        return None

    def get(self):
        on = self.told()
        return super().get() if on is None else on


SWITCHES = {"nvme": (Nvme,), "sata": (Hdparm, CacheType), "scsi": (Scsi,),
            "virtio": (CacheType,)}


def _state(text):
    """True for on; sd says "write through", "write back, no read ..." ."""
    return STATES.get((text or "").split(",")[0])


def _switch(disk, path, kind):
    """(a switch, None), or (None, why there is none)."""
    reason = f"a {kind} device has no switch for it"
    for make in SWITCHES.get(kind, ()):
        switch = make(disk, path)
        reason = switch.lacks()
        if reason is None:
            return switch, None
    return None, reason


def _sentence(path, on, believed, reason):
    now = (f"the kernel takes it to be {believed!r}" if believed else
           "whether it is on is not known")
    return (f"the write cache of {path} should be {WORDS[on]} and was not "
            f"set, as {reason}; {now}.")


def _put_back(path, before, known):
    """True if that is what it is now.  It is looked up anew: after a power
    cut the device may be elsewhere, or another."""
    if identity.same(known, identity.describe(path), identity.DEVICE):
        return False
    switch, _ = _usable(path)
    if switch is None:
        return False
    switch.set(before)
    return switch.get() == before


def _restore(path, before, known):
    try:
        done = _put_back(path, before, known)
    except OSError:
        done = False
    if not done:
        raise Problem(f"cannot set the write cache of {path} back to "
                      f"{WORDS[before]}: do so by hand.")


def _apply(switch, path, on, stack, before):
    """None, or why it did not help."""
    now = switch.get()
    if now is None:
        return "the device does not tell whether it has one"
    before = now if before is None else before
    if before != on:
        stack.callback(_restore, path, before, identity.describe(path))
    if now == on:
        return None
    switch.set(on)
    return None if switch.get() == on else "the device did not take it"


def _usable(path):
    """(a switch, None), or (None, why there is none), of a block device."""
    folder = sysfs.place(path)
    disk = sysfs.whole(folder)
    switch, reason = _switch(disk, path, sysfs.kind(disk))
    if switch and folder != disk:
        return None, "that would change the disk's other partitions, too"
    return switch, reason


def now(path: str) -> bool | None:
    """Is it on?  None where that cannot be changed."""
    path = os.path.realpath(path)
    if blockdevice.node_number(path) is None:
        return None
    switch, _ = _usable(path)
    return switch and switch.get()


def _asked(disk):
    """(is it on or None, how the device was asked or None, why it was not)"""
    kind = sysfs.kind(disk)
    make = next(iter(SWITCHES.get(kind, ())), None)
    if make is None:
        return None, None, f"{kind or 'it'} has no way to be asked"
    if make.TOOL and not tools.find(make.TOOL):
        return None, None, f"asking it needs {tools.hint(make.TOOL)}"
    try:
        switch = make(disk, sysfs.node(disk))
        on = switch.told() if isinstance(switch, Scsi) else switch.get()
    except OSError:
        on = None
    return on, make.HOW, None if on is not None else "it gave no answer"


def _look(folder):
    disk = sysfs.whole(folder)
    on, how, why = _asked(disk)
    return {"name": os.path.basename(disk), "device": on,
            "kernel": sysfs.read(disk, "queue/write_cache"), "how": how,
            "why": why, "members": [_look(one)
                                    for one in sysfs.members(disk)]}


def look(path: str) -> dict[str, Any]:
    """{"device": is it on, as the device says (None: it does not), "kernel":
    what the kernel believes, "how" it was asked, "why" it was not, "members":
    the same of those that it is made of}; of a file, of the device below it."""
    folder = identity.folder(path)
    return _look(folder) if folder else {
        "name": None, "device": None, "kernel": None, "how": None,
        "why": "it lies on no device", "members": []}


def contradictions(name: str, found: dict, lost: bool = False) -> list[str]:
    """A sentence for each that says other than the kernel, members too; lost:
    only where the kernel does not know that the cache is on."""
    said = [one for member in found["members"] for one in contradictions(
        f"{member['name']}, a member of {name},", member, lost)]
    kernel = _state(found["kernel"])
    if None in (found["device"], kernel) or found["device"] == kernel or (
            lost and not found["device"]):
        return said
    return [f"the write cache of {name} is {WORDS[found['device']]}, as the "
            f"device says, and the kernel believes {found['kernel']!r}" + (
                ": it sends no flush, and what a sync wrote may be lost."
                if found["device"] else "."), *said]


def _device(path, on, stack, before):
    believed = sysfs.read(sysfs.disk(path),
                          "queue/write_cache")
    switch, reason = _usable(path)
    if switch:
        try:
            reason = _apply(switch, path, on, stack, before)
        except OSError as error:
            reason = error.strerror
        return reason and _sentence(path, on, believed, reason)
    if _state(believed) == on:
        return None
    return _sentence(path, on, believed, reason)


def _file(path, on):
    below = identity.describe(path)["below"] or {}
    believed = below.get("write_cache")
    if _state(believed) == on:
        return None
    return _sentence(path, on, believed, "it is a file, and others use the "
                     "device below it")


def set(path: str, on: bool, stack: contextlib.ExitStack,
        before: bool | None = None) -> str | None:
    """None, or a sentence for the report where it could not be set.

    before: what the stack is to bring back, if that is not how it is now, as
    a run that was killed has set it.
    """
    path = os.path.realpath(path)
    if blockdevice.node_number(path) is None:
        return _file(path, on)
    return _device(path, on, stack, before)


def again(path: str, on: bool) -> str | None:
    """The same after the device had no power.  What the first set() was to
    bring back, it still does."""
    return set(path, on, contextlib.ExitStack())
