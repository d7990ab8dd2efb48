# SPDX-License-Identifier: GPL-2.0-only
"""fio's command line as a job file: --name begins a section, job options before
the first one are [global]'s, and those are also the first job file's, of which
any number may be named among the options.  What is fio's own there (its output,
how it shows its progress) is left out with a sentence, as a comparison has its
own; what makes fio something else is refused.
"""
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
import re

from ...base.problem import Problem
from .. import jobfile
from ..jobfile import Job
from . import fromhere, includes, jobgroups
from .optionnames import canonical

WORD = re.compile(r"--?([A-Za-z][A-Za-z0-9_-]*)(?:=(.*))?", re.S)
# Options that take a value only after "=", as fio has them.
FLAGS = {"bs_unaligned", "exitall", "exitall_on_error", "group_reporting",
         "new_group", "norandommap", "refill_buffers", "stonewall", "thread",
         "time_based", "verify_only", "zero_buffers",
         "fixedbufs", "hipri", "registerfiles", "sqthread_poll",
         "userspace_reap"}
# fio's own, that say nothing of the I/O: do they take a value?
OWN = {"output": True, "output-format": True, "latency-log": True,
       "bandwidth-log": False, "minimal": False, "append-terse": False,
       "readonly": False, "eta": True, "eta-interval": True,
       "eta-newline": True, "debug": True, "inflate-log": True,
       "alloc-size": True, "warnings-fatal": False, "max-jobs": True,
       "terse-version": True, "idle-prof": False, "status-interval": True,
       "trigger-file": True, "trigger-timeout": True, "trigger": True,
       "trigger-remote": True, "aux-path": True}
SECTION = "section"
OTHER = {"client": "name the hosts by --client of this command",
         "server": "start it on its own", "remote-config": "name its file here",
         "profile": "write its jobs into a job file",
         **dict.fromkeys(("version", "help", "cmdhelp", "enghelp", "showcmd",
                          "parse-only", "cpuclock-test", "crctest",
                          "memcpytest", "daemonize", "merge-blktrace-only"),
                         "ask fio itself")}


@dataclass
class Line:
    """What the words of a command line are."""
    sections: list = field(default_factory=lambda: [("global", [])])
    files: list = field(default_factory=list)
    chosen: list = field(default_factory=list)      # by --section
    own: list = field(default_factory=list)

    def take(self, name: str, value: str | None) -> None:
        if name == SECTION:
            self.chosen.append(value)
        elif name in OWN:
            self.own.append(f"--{name}")
        elif name == "name":
            self.sections.append((value, []))
        else:
            self.sections[-1][1].append(
                name if value is None else f"{name}={value}")

    def text(self) -> str:
        return "\n".join(line for name, lines in self.sections
                         for line in (f"[{name}]", *lines))


def _value(name, value, rest):
    """What an option is set to; taken from the words behind it, if need be."""
    if value is not None or canonical(name) in FLAGS or OWN.get(name) is False:
        return value
    if not rest:
        raise Problem(f"fio's option --{name} wants a value: write "
                      f"--{name}=VALUE.")
    return rest.pop(0)


def parse(words: Sequence[str]) -> Line:
    """The words behind `--`."""
    found, rest = Line(), list(words)
    while rest:
        word = rest.pop(0)
        match = WORD.fullmatch(word)
        if not match and word.startswith("-"):
            raise Problem(f"'{ascii(word)[1:-1]}' is no option of fio's: write "
                          "--OPTION=VALUE, and --name=NAME before those of a "
                          "job.")
        if not match:
            found.files.append(word)
        elif match[1] in OTHER:
            raise Problem(f"--{match[1]} is not for a comparison: "
                          f"{OTHER[match[1]]}.")
        else:
            found.take(match[1], _value(match[1], match[2], rest))
    return found


def _only(text, chosen):
    """What --section leaves of a text."""
    if not chosen:
        return text
    return "\n".join(
        line for section in jobfile.sections(text) for line in section
        if not jobfile.is_job(section) or jobfile.header(section) in chosen)


def _first(line):
    """The Jobs of the command line and of the first file, which fio runs at
    once and with the same [global] options."""
    named = [name for name, _ in line.sections
             if not name.startswith("global")]
    more = [includes.text_of(path) for path in line.files[:1]]
    own = map(fromhere.line, jobfile.lines(line.text()))
    text = _only("\n".join([*own, *more]), line.chosen)
    path = named[0] if named else line.files[0] if line.files else "job"
    return jobgroups.split(path, text)


def _note(jobs, line):
    if not line.own:
        return jobs
    said = (f"of fio's command line, {', '.join(dict.fromkeys(line.own))} "
            "is left out, as a comparison has its own.")
    return [replace(job, notes=(*job.notes, said)) for job in jobs]


def load(words: Iterable[str]) -> list[Job]:
    """The Jobs of fio's command line."""
    line = parse(list(words))
    jobs = _first(line)
    for path in line.files[1:]:
        jobs += jobgroups.split(path, _only(includes.text_of(path),
                                            line.chosen))
    return _note(jobs, line)
