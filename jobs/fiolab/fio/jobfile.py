# SPDX-License-Identifier: GPL-2.0-only
# A job file, and the effective job file that the comparison really runs. fio
# takes options on its command line as defaults that the job file overrides,
# before and after the file's name alike.  So what the comparison decides is
# written into a copy: every such line is removed from all sections and set
# once, in a [global] section in front.  jobgroups.py makes Jobs of files.
from collections.abc import Iterable
from dataclasses import dataclass, replace
import os
import re
from typing import Protocol

from ..base.problem import Problem
from .jobs import arithmetic, changed, delays, mapping
from .jobs.optionnames import canonical

# Set by the comparison, on both sides alike.
OURS = {"ioengine", "filename", "time_based", "runtime", "ramp_time",
        "randseed", "randrepeat", "exec_prerun", "verify_state_save",
        "startdelay", *mapping.WHERE}
# Removed: they name other files (ack_log: the engine kaio's), end a run early
# or its ramp (ramp_size, which fio has not beside ramp_time), run programs, log
# every I/O, put reads and writes into one figure, or (name) would put text of
# the job file into a shell command.
DROPPED = {"directory", "filename_format", "opendir", "nrfiles",
           "offset_align", "file_append", "io_size", "number_ios", "loops",
           "fill_device", "unlink", "unlink_each_loop", "exec_postrun", "name",
           "description", "ramp_size", "write_iolog", "write_bw_log",
           "write_lat_log", "write_iops_log", "write_hist_log",
           "group_reporting", "unified_rw_reporting", "verify_state_load",
           "verify_dump", "ioscheduler", "ack_log"}
# Removed with the reason: they end a run when its figures are steady, and the
# runs of a comparison are as long as each other.
STEADY = {"steadystate", "steadystate_duration", "steadystate_ramp_time",
          "steadystate_check_interval"}
# Removed where the comparison pins fio to a CPU: they move jobs, or their
# memory, to others.
PINNING = {"cpus_allowed", "cpus_allowed_policy", "cpumask", "numa_cpu_nodes",
           "numa_mem_policy"}
# Refused: they bring in other files or make a timed window meaningless.
REFUSED = {"read_iolog", "replay_redirect", "mmapfile"}
# Refused likewise, but for those that mapping.py puts into the part of the
# target that is given.  inside.py looks for those that are not known here.
BEYOND = re.compile("offset.*|zone.*|.*_zone_.*|file_append")
# Of zonemode=zbd; the last two are the engine spdk_bdev's.
INSIDE = {"zone_reset_threshold", "zone_reset_frequency", "zone_append",
          "initial_zone_reset"}
CACHING = {"direct": True, "buffered": False}
SYNCS = ("fsync", "fdatasync", "sync_file_range")
PATTERNS = {"buffer_pattern", "verify_pattern"}
STATS = "stats_file"        # of the engine kaio
READ_ONLY = {"read", "randread"}


def reserved(key: str) -> bool:
    return canonical(key) in OURS | DROPPED | STEADY or refused(key)


def refused(key: str) -> bool:
    key = canonical(key)
    return key in REFUSED or (key not in mapping.WHERE | INSIDE and
                              bool(BEYOND.fullmatch(key)))


def lines(text: str) -> list[str]:
    """As fio reads them, which knows no other end of a line."""
    return text.split("\n")


def option_of(line: str) -> str:
    """The option that a job file line sets, by its one name (optionnames.py);
    '' for none."""
    line = re.split(r"[;#]", line, maxsplit=1)[0].strip()
    words = re.split(r"[=\s]", line, maxsplit=1)
    return "" if line.startswith("[") else canonical(words[0])


def value_of(line: str) -> str:
    """What a job file line sets its option to; '' for nothing."""
    return re.split(r"[;#]", line.partition("=")[2])[0].strip()


def _on(line):
    """Does a line that sets one of CACHING ask, plainly, for O_DIRECT?"""
    value = arithmetic.meant(value_of(line))
    if not value.isdigit():
        return False
    return bool(int(value)) == CACHING[option_of(line)]


def direct_each(text: str) -> list[bool]:
    """Does each section of a job text use O_DIRECT?  The last line of one wins,
    and [global] sets the default for those after it."""
    default, inside, found = False, False, []
    for line in lines(text):
        if line.strip().startswith("["):
            inside = not _is_global(line)
            found += [default] if inside else []
        elif option_of(line) in CACHING:
            if inside:
                found[-1] = _on(line)
            else:
                default = _on(line)
    return found


def direct_io(text: str) -> str:
    """'all', 'some' or 'none' of a job text's sections use O_DIRECT."""
    found = direct_each(text)
    return "all" if all(found) else "some" if any(found) else "none"


def in_force(text: str, *keys: str) -> list[dict[str, str]]:
    """[{option: value}] of these options, for each section of a job text."""
    default: dict[str, str] = {}
    here, found = default, []
    for line in lines(text):
        if line.strip().startswith("["):
            here = default if _is_global(line) else dict(default)
            found += [here] if here is not default else []
        elif option_of(line) in keys:
            key = option_of(line)
            before = here.pop(key, "")          # the last one is last
            here[key] = arithmetic.over(
                key, arithmetic.meant(value_of(line)), before)
    return found


def _section(line):
    """A section header with a name that is safe in a shell command."""
    name = line.strip()[1:].split("]")[0]
    return "[" + re.sub(r"[^A-Za-z0-9_.-]", "_", name) + "]"


def _is_global(line):
    return _section(line).startswith("[global")     # as fio compares


def sections(text: str) -> list[list[str]]:
    """The lines of each section with its header; others go with the first."""
    found: list[list[str]] = [[]]
    for line in lines(text):
        if line.strip().startswith("[") and any(found[-1]):
            found.append([])
        found[-1].append(line)
    return found


def header(section: list[str]) -> str:
    """The name in it; '' for what has none."""
    line = next((x.strip() for x in section if x.strip().startswith("[")), "")
    return line[1:].split("]")[0]


def name_of(section: list[str]) -> str:
    """The name of a section as a run has it."""
    return _section(f"[{header(section)}]")[1:-1]


def is_job(section: list[str]) -> bool:
    """Is it a section of its own, and not [global]?"""
    return any(line.strip().startswith("[") and not _is_global(line)
               for line in section)


class JobText(Protocol):
    """What fio can be run on."""
    @property
    def name(self) -> str: ...

    def effective(self, options: Iterable[str]) -> str:
        """The job file's text with these option lines in force."""


@dataclass(frozen=True)
class Job:
    path: str
    text: str
    label: str = ""             # of a cell of a matrix
    pinned: bool = False        # the comparison says on which CPU it runs
    group: str = ""             # of a file that is several jobs, one after
                                # the other
    notes: tuple = ()           # on what of the file is in no job

    @property
    def name(self) -> str:
        name = os.path.splitext(os.path.basename(self.path))[0]
        name = f"{name}/{self.group}" if self.group else name
        return f"{name} {self.label}" if self.label else name

    def values(self, *keys: str) -> list[str]:
        """The values that any section gives to an option."""
        return [value_of(line) for line in lines(self.text)
                if option_of(line) in keys]

    def sets(self, key: str) -> bool:
        """Is there a line for this option?"""
        return any(option_of(line) == key for line in lines(self.text))

    def without(self, key: str, note: str) -> "Job":
        """The job without the lines of an option; note: why."""
        return replace(self, notes=(*self.notes, note), text="\n".join(
            line for line in lines(self.text) if option_of(line) != key))

    def _dropped(self):
        return DROPPED | PINNING if self.pinned else DROPPED

    def _where(self):
        """What says of each section where it goes."""
        return in_force(self.text, *mapping.READ)

    def _gone(self, options):
        """The options of the file that are not in force beside these."""
        return OURS | STEADY | self._dropped() | set(map(option_of, options))

    def _laid(self, *part):
        return mapping.mapped(self._where(), *part)

    def placed(self, options: Iterable[str]) -> list[mapping.Mapped]:
        """Where each section goes in the part that option lines give."""
        given = mapping.part(options)
        try:
            return self._laid(*given) if given else []
        except Problem as problem:
            raise Problem(f"job {self.name}: {problem}") from None

    def ranges(self, begin: int, size: int) -> list[tuple[int, int]]:
        """(first byte, byte behind the last) of each of its jobs in the size
        bytes of a target that begin there."""
        return mapping.ranges(self.placed([f"offset={begin}",
                                           f"size={size}"]), begin)

    def least(self) -> int:
        """Bytes that it needs, as far as its text says."""
        return mapping.least(self._where())

    def strided(self) -> bool:
        """Must its target end where the part that it is given ends?"""
        return mapping.strided(self._where())

    def zoned(self) -> bool:
        """Does fio make zones for it (zonemode=zbd)?"""
        return mapping.zoned(self._where())

    def delays(self) -> list[float]:
        """Seconds that each section begins after the first of them."""
        return delays.kept(in_force(self.text, *delays.READ))

    def lasts(self) -> float:
        """Seconds until the last of its jobs begins."""
        return max(self.delays(), default=0)

    def _begins(self, late, options):
        """The lines that keep the delay of a section."""
        return delays.lines(late, self.lasts(), options)

    def changes(self, options: Iterable[str]) -> str:
        """What of this file was replaced by option lines, or dropped."""
        options = list(options)
        new = {option_of(option): value_of(option) for option in options}
        moves = mapping.moves(self._where(), self.placed(options))
        replaced, dropped = dict.fromkeys(moves, True), {}
        gone = self._gone(options)
        for line in lines(self.text):
            key = option_of(line)
            if key not in gone:
                continue
            if key in self._dropped() - set(new) or key == "exec_prerun":
                dropped[key] = True
            elif key == "startdelay":
                replaced[changed.delay(value_of(line), self.lasts())] = True
            elif key in STEADY:
                replaced[f"{key} -> every run lasts as long"] = True
            elif key in new and key not in mapping.WHERE:
                replaced[changed.replacement(key, value_of(line),
                                             new[key])] = True
        parts = [", ".join(filter(None, replaced))]
        parts += ["dropped: " + ", ".join(dropped)] if dropped else []
        return "; ".join(filter(None, parts))

    def writes(self) -> bool:
        """True unless every section only reads (reading is fio's default)."""
        return any(value.partition(":")[0] not in READ_ONLY
                   for value in self.values("rw"))

    def effective(self, options: Iterable[str]) -> str:
        """The job file's text with these option lines in force everywhere,
        and its offsets and sizes put into offset= and size= of these."""
        options = list(options)
        gone = self._gone(options)
        size, base, _ = mapping.part(options) or (0, 0, 1)
        places, late = iter(self.placed(options)), iter(self.delays())
        body = []
        for section in sections(self.text):
            body += [_section(line) if line.strip().startswith("[") else line
                     for line in section if option_of(line) not in gone]
            if size and is_job(section):
                body += next(places).lines(base, size)
                body += self._begins(next(late), options)
        return "\n".join(["[global]", *options, "", *body, ""])
