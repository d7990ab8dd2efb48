# SPDX-License-Identifier: GPL-2.0-only
# What of a job file runs at once (a group): each of its jobs is a cell, and a
# job that replays a log reads one that is made for the target.  From here comes
# the text that fio is given.
from dataclasses import dataclass, replace
from functools import partial

from ...base.problem import Problem
from ...fio import jobfile
from ...fio.jobfile import Job
from ...fio.jobs import (amounts, aswritten, jobgroups, mapping, trims,
                         written)
from ...fio.jobs.aswritten import AsWritten
from ...fio.replay import log
from .. import jobtext
from ..suite.model import Stimulus

SECONDS = 60            # of an amount, in a profile that is scaled down
TIMES = ("runtime", "ramp_time", "startdelay", "io_size", "loops")
MIXES = ("rwmixread", "rwmixwrite")
SHAPE = ("rw", *MIXES, *amounts.BLOCKS, "numjobs", "iodepth", "kb_base")
HALF = 50               # fio's rwmixread
# Which latencies the engine does not count, for all of a process of fio.
UNCOUNTED = ("disable_lat", "gtod_reduce", "io_submit_mode")
# What makes a job take longer than its bytes do.
PACES = ("rate", "rate_min", "rate_iops", "thinktime")


# Names

def _named(text, names):
    """A job text with other names of its sections."""
    left, found = iter(names), []
    for section in jobfile.sections(text):
        if jobfile.is_job(section):
            place = next(i for i, line in enumerate(section)
                         if line.strip().startswith("["))
            section[place] = f"[{next(left)}]"
        found += section
    return "\n".join(found)


def _names(text, taken):
    """A name for each section that no other of the test has."""
    found = []
    for section in filter(jobfile.is_job, jobfile.sections(text)):
        name = stem = jobfile.name_of(section) or "job"
        number = 1
        while name in taken:
            number += 1
            name = f"{stem}.{number}"
        taken.add(name)
        found.append(name)
    return found


# Stimuli: what of a section reports show

def _number(values, key):
    text = values.get(key, "1")
    return int(text) if text.isascii() and text.isdigit() and text != "0" \
        else 1


def _reads(values):
    """Percent; of the two options the last that is set counts."""
    for key in reversed(values):
        if key in MIXES and values[key].isdigit():
            share = int(values[key])
            return share if key == "rwmixread" else 100 - share
    return HALF


def _stimulus(name, values, late):
    kind = amounts.pattern(values)[0]
    bs = next((values[key] for key in reversed(values)
               if key in ("bsrange", "bssplit") and values[key]),
              values.get("bs") or "4k")
    length = aswritten.length(values)       # 0: an amount ends it
    return Stimulus(
        name, kind, bs, _reads(values) if kind in jobtext.MIXED else
        100 if kind in jobfile.READ_ONLY else 0, _number(values, "numjobs"),
        _number(values, "iodepth"), length and late + length)


def _percent(found):
    """Of the bytes of a log, those that are read."""
    total = sum(found.bytes.values())
    return round(100 * found.bytes.get("read", 0) / total)


def _replayed(one, found):
    """The Stimulus of a section that replays a Log."""
    sizes = sorted(found.lengths)
    bs = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]}-{found.longest}"
    kinds = sorted(found.bytes)
    return replace(one, rw=kinds[0] if len(kinds) == 1 else "rw", bs=bs,
                   read=_percent(found), seconds=found.seconds)


def words(one, replayed):
    """'randread: randread 4k, 2 jobs at depth 32' of a Stimulus."""
    jobs = f"{one.threads} jobs" if one.threads > 1 else "1 job"
    how = f"{jobs} at depth {one.depth}"
    if not replayed:
        return f"{one.name}: {one.rw} {one.bs}, {how}"
    pace = (f"over {replayed.seconds:,.1f} s" if replayed.way.paced
            else "without waiting")
    return (f"{one.name}: replays the {sum(replayed.counts.values()):,} I/Os "
            f"of {replayed.name} {pace}, {how}")


# A group

@dataclass(frozen=True)
class Group:
    job: Job                # AsWritten, without what replays
    stimuli: tuple          # of each section, in order
    logs: tuple             # of each section the log.Log, or None

    @property
    def writes(self):
        """Is anything written to its target, by it or for it?"""
        return (self.job.writes() or self.verifies or
                any(one.writes for one in self.logs if one))

    @property
    def verifies(self):
        """Is what it reads to be written before, so that it verifies?"""
        return written.needed(self.job)

    @property
    def trims(self):
        return any(map(trims.trims, jobfile.in_force(
            self.job.text, *trims.READ))) or any(
                one.trims for one in self.logs if one)

    @property
    def replays(self):
        return any(self.logs)

    @property
    def paced(self):
        """Does a log say when its I/Os begin?"""
        return any(one and one.way.paced for one in self.logs)

    def on(self, target):
        """As it is run on a target, whose CPUs its jobs do not leave where it
        has some for itself."""
        return replace(self, job=replace(self.job, pinned=bool(target.seat)))

    @property
    def has_latencies(self):
        """Of each second: has each of its jobs some that the engine counts?"""
        return all(value in ("0", "inline") for one in jobfile.in_force(
            self.job.text, *UNCOUNTED) for value in one.values())

    def of(self, profile):
        """The Job of a profile: one that is scaled down tries it in any size,
        as jobs/ab does, in proportion."""
        return self.plain() if profile.scaled else self.job

    def plain(self):
        """The Job as jobs/ab has it: for a stand-in of any size."""
        job = self.job
        return Job(job.path, job.text, pinned=job.pinned, group=job.group,
                   notes=job.notes)

    def counted(self, profile):
        """The Job for a run of so many I/Os, whatever its times."""
        job = self.of(profile)
        return replace(job, timed=False) if job is self.job else job

    @property
    def endless(self):
        """May it take any time, as a pace of its own says, and nothing ends
        it before?"""
        return any(value not in ("", "0") for one, log_, values in zip(
            self.stimuli, self.logs, jobfile.in_force(self.job.text, *PACES))
            if log_ or not one.seconds for value in values.values())

    def seconds(self, profile, size, speed):
        """Until the last of its jobs ends, on so many bytes that are written
        so fast, in bytes per second."""
        if profile.scaled:
            return max(profile.duration(one.seconds or SECONDS)
                       for one in self.stimuli)
        return max(map(partial(_lasts, speed), self.stimuli, self.logs,
                       jobfile.in_force(self.job.text, *TIMES, "kb_base"),
                       self.job.placed([f"size={size}"]), self.job.delays()))

    def text(self, options, profile, size, logs):
        """The job file; options: lines that hold for all of it; logs: the path
        of each section's log, or None."""
        if profile.scaled:
            ms = round(1000 * self.seconds(profile, size, 1))
            options = [*options, "time_based=1", f"runtime={ms}ms"]
        text = self.of(profile).effective(options)
        return _with_logs(text, self.logs, logs) if self.replays else text


def _lasts(speed, one, log_, values, place, late):
    """Seconds of a section, by its Stimulus, until it ends."""
    if log_:
        return one.seconds + one.threads * sum(log_.bytes.values()) / speed
    return one.seconds or late + place.number * aswritten.amount(
        values, place.size) / speed


def _with_logs(text, logs, paths):
    left, lines = iter(zip(logs, paths)), []
    for section in jobfile.sections(text):
        log_, path = next(left) if jobfile.is_job(section) else (None, None)
        if log_:
            section = [line for line in section if jobfile.option_of(line)
                       not in ("offset", "size", "time_based", "runtime",
                               "offset_increment")]
            section += ["read_iolog=" + path.replace(":", "\\:"),
                        "replay_redirect=${TARGET}",
                        f"replay_no_stall={int(not log_.way.paced)}",
                        "time_based=0", "runtime=0"]
        lines += section
    return "\n".join([*lines, ""])


def _without_replays(job):
    return replace(job, text="\n".join(
        line for line in jobfile.lines(job.text)
        if jobfile.option_of(line) not in log.GONE))


def _logs(text, source):
    """The Log of each section, or None."""
    found = []
    for values in jobfile.in_force(text, "read_iolog", *log.KEYS):
        path = values.get("read_iolog")
        found.append(log.Log.of(source.log(path)[0], path, log.Way.of(values))
                     if path else None)
    return tuple(found)


def _group(job, source, taken):
    logs = _logs(job.text, source)
    job = _without_replays(job)
    names = _names(job.text, taken)
    job = AsWritten.of(replace(job, text=_named(job.text, names)))
    late = job.delays()
    stimuli = [_stimulus(*one) for one in zip(names, jobfile.in_force(
        job.text, *SHAPE, *TIMES), late)]
    stimuli = tuple(_replayed(one, log_) if log_ else one
                    for one, log_ in zip(stimuli, logs))
    return Group(job, stimuli, logs)


def refuse_engines(source):
    """What a job of a file needs and no target is a part of the load."""
    jobs = filter(jobfile.is_job, jobfile.sections(source.text))
    for section, values in zip(jobs, jobfile.in_force(source.text,
                                                      "ioengine")):
        engine = values.get("ioengine", "").split(":")[0]
        if engine in jobgroups.ELSEWHERE:
            raise Problem(
                f"{source.path} needs the engine {engine}, which "
                f"{jobgroups.ELSEWHERE[engine]}, for its job "
                f"{jobfile.name_of(section)}: all loads here are run with "
                "that of --engine on the target, so take the job out.")


def groups(source):
    """[[Group]]: those of each test that a Source is."""
    jobs = jobgroups.split(source.path, source.text, True)
    if source.way == "suite":
        taken = set()
        return [[_group(job, source, taken) for job in jobs]]
    return [[_group(job, source, set())] for job in jobs]


def ranges(group, profile, size):
    """[(first byte, byte behind the last)] of each section, all of its jobs
    together."""
    found = []
    for one in group.of(profile).placed([f"size={size}"]):
        each = mapping.ranges([one], 0)
        found.append((min(first for first, _ in each),
                      max(end for _, end in each)))
    return found
