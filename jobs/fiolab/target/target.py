# SPDX-License-Identifier: GPL-2.0-only
# What I/O goes to: a file of our own, a file of the user's, a block device, a
# path on other hosts, or several files or devices that each job does its I/O on
# (members.py).  Every command has this one type of it, from the claim
# (claim.py) to the report; what each file of a run keeps of it is said here.
from dataclasses import dataclass, field, fields
import os
from typing import Any, Protocol, Self

from ..base.problem import Problem
from . import extents

IO_NAMES = {"all": "O_DIRECT", "some": "O_DIRECT in part",
            "none": "buffered (page cache)"}
WHYS = {"all": "the device sets the pace, so it hides the engines' difference",
        "some": "part of the I/O is the page cache's and not the device's",
        "none": "the page cache takes part, so this is not the device's pace"}
FOUND = ", as found (not pre-written)"
# {key in a file: field or property}, of each file that has targets.
CAMPAIGN = {"path": "path", "size": "size", "ram": "ram", "label": "title",
            "o_direct": "direct", "writable": "writable", "created": "created",
            "scratch": "scratch", "written": "share_written",
            "handed": "handed", "members": "number"}
# Of those and of a cell's, in report.json.
REPORT = ("path", "label", "size", "why", "direct", "written", "handed",
          "members")
PLAN = {"name": "name", "path": "path", "host": "host", "size": "size",
        "total": "whole", "logical_block": "logical_block",
        "physical_block": "physical_block", "kind": "kind", "direct": "direct",
        "seat": "seat"}
QUALIFY = {"name": "name", "host": "host", "path": "path",
           "size_bytes": "whole", "active_bytes": "size",
           "logical_block": "logical_block", "physical_block": "physical_block",
           "seat": "seat"}


class Named(Protocol):
    """A job, of which the name is enough here."""
    @property
    def name(self) -> str: ...


@dataclass
class Target:
    path: str
    size: int = 0               # bytes that are used, from its first on; of
                                # several members those of each
    ram: bool = False
    label: str = ""             # what it lies on
    direct: bool = True         # it takes O_DIRECT
    writable: bool = False      # it may be overwritten
    name: str = ""              # in reports; as a rule the path
    handed: bool = False        # a name for an engine; see ab/places.py
    clients: tuple = ()         # of clientrun.parse(); (): this machine
    kind: str = ""              # "file", "remote", or as sysfs.kind() has it
    given: int = 0              # bytes that may be used, so those of a purge
    whole: int = 0              # all of its bytes; 0: not known
    logical_block: int | None = None    # None: a file without O_DIRECT
    physical_block: int | None = None
    created: bool = False       # by this command, which removes it
    scratch: str | None = None  # the folder of a scratch file
    written: extents.Written | None = None      # None: nobody looked
    warnings: list = field(default_factory=list)
    refused: str | None = None  # of one that is only planned for: why
    number: int = 1             # of members
    members: tuple = ()         # a Target each, where there are several
    seat: dict | None = None    # where fio runs for it; see qualify/fleet
    # The claim
    claimed: bool = False       # its path must stand for the descriptor
    descriptor: int = -1        # of what was claimed; -1: it was let go of
    folder: str | None = None   # of a device, in sysfs
    diskseq: int | None = None  # which disk of that number it is
    gone: Problem | None = None     # claim.Gone, from when that was seen
    allowed: tuple = ()         # of claimable.DOUBTS, what the user allows

    def __post_init__(self):
        self.name = self.name or self.path

    # What was claimed

    def each(self) -> tuple["Target", ...]:
        """The members, or what it is itself."""
        return self.members or (self,)

    @property
    def named(self) -> str:
        """As fio's filename= has it: a list, in which \\: is no end."""
        if self.handed or self.number > len(self.each()):
            return self.path            # as it was planned
        return ":".join(one.path.replace(":", "\\:") for one in self.each())

    @property
    def held(self) -> str:
        """A path of what is claimed, whatever has become of its name."""
        return f"/proc/self/fd/{self.descriptor}"

    def reopen(self, flags: int) -> int:
        """A descriptor of what is claimed."""
        return os.open(self.held, flags | os.O_CLOEXEC)

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    @property
    def runs(self) -> bool:
        """Is fio run on it?  Not where it is only planned for, or told of."""
        return self.writable or self.claimed

    # What is used of it

    @property
    def used(self) -> int:
        """Bytes, of all members."""
        return self.size * self.number

    def is_part(self) -> bool:
        """Does anything lie behind what is used?  Of a target on another host
        that is not known, and taken for so."""
        return any(not one.whole or one.whole > one.size
                   for one in self.each())

    def check_size(self, job: Named) -> None:
        """Refuse to go on with a file that a job made longer or shorter."""
        for one in self.members:
            one.check_size(job)
        if self.members or self.kind != "file":
            return
        try:
            now = os.stat(self.path).st_size
        except OSError as error:
            raise Problem(f"{self.path} is gone after a run of job {job.name} "
                          f"({error.strerror}): put it back.") from None
        if now != self.whole:
            raise Problem(f"{self.path} had {self.whole} bytes and has {now} "
                          f"after a run of job {job.name}, which so leaves "
                          "what was given to it: take out of the job file what "
                          "moves its offsets.")

    def look(self) -> None:
        """How much of it was written; what was filled here is."""
        self.written = extents.look(self.path, self.size)
        if self.writable and not self.written.known:
            self.written = extents.Written(self.size)
        extents.refuse(self.path, self.written)

    # In words

    def describe(self, direct: str = "all") -> str:
        """direct: what the job that ran used, as jobfile.direct_io() says."""
        io = IO_NAMES[direct if self.direct else "none"]
        said = extents.said(self.share_written)
        times = f"{self.number} x " if self.number > 1 else ""
        return (f"{self.label}, {times}{self.size >> 20} MiB, {io}"
                f"{'' if self.writable else FOUND}"
                f"{', ' if said else ''}{said}")

    def why(self, direct: str = "all") -> str:
        """What a comparison on it shows."""
        if self.handed:
            return "only its engine knows what sets the pace there"
        if self.ram:
            return "no device: shows the engine's own cost"
        return WHYS[direct]

    def doubts(self) -> list[str]:
        """Sentences on what its reads may be instead of reads of a device."""
        return [text for one in self.each() if one.written
                for text in extents.warnings(one.path, one.written)]

    # As files have it

    @property
    def title(self) -> str:
        return self.label + (
            "" if self.writable or self.handed else FOUND)

    @property
    def host(self) -> str | None:
        """The name of the first that it is on; None for this machine."""
        return self.clients[0]["name"] if self.clients else None

    @property
    def share_written(self) -> dict | None:
        return extents.data(self.written) if self.written else None

    def data(self, keys: dict[str, str]) -> dict:
        """What a file keeps of it; keys: CAMPAIGN, PLAN or QUALIFY."""
        return {key: getattr(self, name) for key, name in keys.items()}

    @classmethod
    def of(cls, data: dict, keys: dict[str, str], **more: Any) -> Self:
        """As data() kept it; nothing of it is claimed."""
        names = {one.name for one in fields(cls)}
        host = data.get("host")
        return cls(**{
            "label": data.get("label", "").removesuffix(FOUND),
            "clients": ({"name": host},) if host else (),
            "written": extents.again(data.get("written"), data["size"]),
            **{name: data[key] for key, name in keys.items()
               if name in names and key in data}, **more})
