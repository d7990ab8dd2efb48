# SPDX-License-Identifier: GPL-2.0-only
# The power cuts of a real device: the user's command, run while fio writes,
# cuts its power and gives it back.  Nothing of ours but that fio is open
# meanwhile, as a device that somebody holds comes back under another name; and
# what comes back must be the same device, free, and is claimed and set as
# before.
import contextlib
import os
import subprocess
import textwrap

from ...base import process
from ...base.problem import Problem
from ...report.wording import several
from ...target import (blockio, claim, claimable, erase, identity, sysfs,
                       tools, writecache)
from . import machinecut
from .cutruns import BLOCK, RETURN, Writer
from .verifying import UNKNOWN, judged, unknown

REGION = 1 << 30            # bytes
NAMES = ("serial", "wwid", "backing_file", "inode")     # of one device alone
SETTINGS = ("power-cut settings", "The device is set as before the cut")
COUNTED = ("power-cut counted", "The device has counted the cuts")
# What SMART logs call power that went without a word: NVMe's, and those of ATA.
COUNTERS = ("unsafe_shutdowns", "Unsafe_Shutdown_Count",
            "Unexpect_Power_Loss_Ct", "Power-Off_Retract_Count")


def is_back(target):
    """To its last block."""
    try:
        with blockio.opened(target) as raw:
            raw.read((target.size // BLOCK - 1) * BLOCK, BLOCK)
        return True
    except OSError:
        return False


def atomic_write(path):
    """Bytes of the largest write that no power cut tears, as an NVMe device
    says (NAWUPF, AWUPF), if the kernel makes one command of it; 0: of none, nor
    where either depends on its place (NABSPF, chunk_sectors), nor of other
    devices, whose promise is not for each write."""
    if identity.describe(path)["kind"] != "nvme" or not tools.find("nvme"):
        return 0
    disk = sysfs.disk(path)
    space, control = (erase.json_of("nvme", what, sysfs.node(disk), "-o",
                                    "json") for what in ("id-ns", "id-ctrl"))
    block, most, chunk = (sysfs.number(disk, "queue", name) or 0 for name in (
        "logical_block_size", "max_sectors_kb", "chunk_sectors"))
    own = space.get("nawupf") if space.get("nsfeat", 0) & 2 else None
    blocks = own or control.get("awupf")
    return 0 if blocks is None or space.get("nabspf") or chunk else min(
        (blocks + 1) * block, most << 10)


def run_command(command, path, noted):
    """Why there was no cut, as far as the user's command says; or None."""
    with open(noted, "wb") as said, process.Child(
            ["/bin/sh", "-c", command], env={**os.environ, "TARGET": path},
            stdout=said, stderr=subprocess.STDOUT) as child:
        if not child.wait(RETURN):
            return f"the command of --power-cut did not end in {RETURN} s"
    if child.status == 0:
        return None
    with open(noted, encoding="utf-8", errors="replace") as said:
        text = textwrap.shorten(said.read(), 200, placeholder=" ...")
    return (f"the command of --power-cut failed (exit status {child.status}"
            f"{': ' if text else ''}{text}), so there may have been no cut")


def _set_back(path, before):
    """The settings of its queue."""
    disk, now = sysfs.disk(path), identity.describe(path)
    for name, _ in identity.SETTINGS:
        if now.get(name) != before.get(name) is not None:
            with contextlib.suppress(OSError):
                sysfs.write(str(before[name]), disk, "queue", name)


def settings(context, before, had_switch):
    """The check that the device is set as before.  A drive that had no power
    has its own default, and a device that comes back a new queue."""
    path, fields = context.target.path, identity.SETTINGS
    said = [had_switch and writecache.again(path, context.profile.write_cache)]
    if not had_switch:          # then it is as the kernel takes it to be
        fields = (identity.WRITE_CACHE, *fields)
    if before["kind"] != "file":
        _set_back(path, before)
    elif not before["below"]:
        said.append("The device below the file is not known.")
    said.append(identity.same(before, identity.describe(path), fields))
    said = " ".join(filter(None, said))
    return unknown(SETTINGS, said) if said else judged(
        SETTINGS, None, "write cache, scheduler and queue size are as they "
        "were")


def counted(before, after, cuts, kind):
    """The check of its own counter; [] for a device without one.  before,
    after: (SMART data or None, why there are none)."""
    name = next((name for name in COUNTERS
                 if all(name in (log or {}) for log, _ in (before, after))),
                None)
    if name is None:
        return [] if kind != "nvme" else [unknown(
            COUNTED, before[1] or after[1] or "its SMART data lack "
            f"{COUNTERS[0]}")]
    rose = after[0][name] - before[0][name]
    return [judged(COUNTED, None, f"{name} rose by {rose} in "
                   f"{several(cuts, 'cut')}",
                   rose < cuts, None if cuts else "there was no cut")]


class Device:
    """The target, whose power the command cuts.  That there was a cut is the
    command's word: its exit status, or that it took the machine."""

    def __init__(self, context, command, atomic):
        self.context, self.command, self.atomic = context, command, atomic
        self.path = context.target.path
        self.before = identity.describe(self.path)
        # Before the first cut of all, also of one who resumes.
        self.smart = context.bench.folder.once(
            context.bench.label(context.test.name, "smart"),
            lambda: identity.smart(self.path))
        self.had_switch = writecache.now(self.path) is not None
        self.writer, self.settings = None, None
        self.kept = machinecut.Kept(context) if context.ack_log else None

    def _begin(self):
        """Before the first."""
        self.context.progress("writing what is there before the cuts")
        self.writer = Writer(self.context,
                             min(self.context.target.size, REGION),
                             self.kept and self.kept.path)
        self.writer.fill(self.path)

    def _took_the_machine(self, number):
        """The cut that did, before the run was resumed; None if none did."""
        left = self.kept and self.kept.left(number)
        if not left:
            return None
        note, log = left
        self.writer = Writer(self.context, log.size, log=log)
        return self._look(self.writer.ended(note["begun"]))

    def _look(self, cut):
        """With what became of the writes.  The device is claimed again, but
        for one that holds nothing of ours and has no name of its own: that is
        another, or has lost all, and neither may pass or be written to."""
        changed = self._changed()
        if changed:
            return self._gone(cut, f"is not as it went: {changed}")
        try:
            cut, seen = self.writer.look(self.path, cut, self.atomic)
        except OSError as error:
            return self._gone(cut, "cannot be read any more after the cut "
                              f"({error.strerror})")
        if not seen.ours and not any(map(self.before.get, NAMES)):
            self._check_same()
            return self._gone(
                cut, "held nothing of what was written to it, and has no "
                "serial number: it has lost all, or another device has come "
                "back")
        self._take_back()
        why = self._refuses(int(seen.unreadable.argmin()))
        return self._gone(cut, why) if why else cut

    def _gone(self, cut, why):
        """Of a device that is no use any more: that fails, but where the
        command that was to bring it back has."""
        if cut["why"] and cut.get("tried"):
            return {**cut, "why": f"{cut['why']}; {self.path} {why}"}
        return {**cut, "gone": True, "why": f"{self.path} {why}"}

    def _difference(self):
        """From what went; None: there is none."""
        return identity.same(self.before, identity.describe(self.path),
                             identity.DEVICE)

    def _changed(self):
        """How it differs, or what it lacks, where by its name it is the device
        that went; else whoever claims it says so."""
        now = identity.describe(self.path)
        if not any(self.before.get(name) and
                   self.before.get(name) == now.get(name) for name in NAMES):
            return None
        return "it is read-only." if now.get("read_only") else (
            self._difference())

    def _refuses(self, unit):
        """Why it takes no write, of what that unit holds; None if it does."""
        unit, size = unit * self.writer.unit, self.writer.unit
        try:
            with blockio.opened(self.context.target, writable=True) as raw:
                raw.write(unit, raw.read(unit, size))
        except OSError as error:
            return f"takes no writes any more after the cut ({error.strerror})"
        return None

    def once(self, number, sync):
        """One cut, and what became of the writes."""
        if self.writer is None:
            cut = self._took_the_machine(number)
            if cut:
                return cut
            self._begin()
        target = self.context.target
        self._prepare(number)
        try:
            with claim.let_go(target):
                cut = self.writer.load(
                    self.path, number, sync, lambda: self._cut(number),
                    lambda: is_back(target))
        except Problem as problem:
            raise self._failed(problem) from None
        if not is_back(target):
            return self._gone(cut, self._why_gone())
        return {**self._look(cut), **({"gone": True} if cut["broke"] else {})}

    def _prepare(self, number):
        """What the last cut has left, before the claim is let go of."""
        target = self.context.target
        claim.check_same(target)
        # The look before the first test may have been days ago.
        own = target.folder and sysfs.device(target.folder)
        shared = claimable.doubts(own or None).get(claimable.SHARED)
        if shared:
            raise Problem(f"no power is cut, as {self.path} {shared}: end that "
                          "use, then go on with --resume.")
        try:
            self.writer.prepare(target.held if target.claimed else self.path,
                                number)
        except OSError as error:
            raise Problem(f"{self.path} can be written no more, before cut "
                          f"{number + 1} ({error.strerror}): look at "
                          "dmesg.") from None

    def _why_gone(self):
        """It may be there, but shorter than it was."""
        other = None
        with contextlib.suppress(OSError):
            other = self._difference()
        return f"did not come back in {RETURN} s" + (
            f", or not as it went: {other}" if other else "")

    def _cut(self, number):
        if self.kept:
            self.kept.note(number, self.writer)
        why = run_command(self.command, self.path,
                          os.path.join(self.context.folder, "cut"))
        # A sync that ends once there is power again cannot promise what was
        # acknowledged before that went.
        self.writer.log.stop()
        if self.kept:
            self.kept.forget()
        return why

    def _check_same(self):
        """Where it is another device, a Problem: no test writes there any
        more."""
        other = self._difference()
        if other:
            self.context.target.close()
            raise Problem(f"what came back as {self.path} after the power cut "
                          f"is not the device that went: {other}")

    def _take_back(self):
        """The claim, and the settings: last, as udev may set what has just
        come back.  A Problem where somebody has taken it, too."""
        self._check_same()
        claim.renew(self.context.target)
        self._check_same()          # from now on it stays that
        found = settings(self.context, self.before, self.had_switch)
        if self.settings is None or self.settings["result"] != UNKNOWN:
            self.settings = found

    def _failed(self, problem):
        """The Problem of a run that failed, once the device is taken back."""
        said = None
        try:
            if is_back(self.context.target):
                self._take_back()
                found = self.settings
                said = found["text"] if found["result"] == UNKNOWN else None
        except Problem as other:
            said = str(other)
        return Problem(" ".join(filter(None, (str(problem), said))))

    def checks(self, cuts):
        """Of what is no write, after so many; it is not cut any more."""
        if self.kept:
            self.kept.remove()
        if self.settings is None:   # it did not come back, or was not cut
            return []
        return [self.settings, *counted(
            self.smart, identity.smart(self.path), cuts,
            self.before["kind"])]
