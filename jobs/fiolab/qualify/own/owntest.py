# SPDX-License-Identifier: GPL-2.0-only
# A load of the user's own as a test: a group of a job file (of a suite, all of
# the file's, one after the other), each of its jobs a cell, in a few rounds or
# until they are steady.
from dataclasses import dataclass
import hashlib

from .. import estimate
from ..limits import specfile
from ..suite.kinds import Table
from ..suite.model import Phase, tracked
from . import loads, sources
from .ownrun import OwnRun

REPEAT = 3              # rounds without --steady; a bound takes two
STEADY = {"iops": "iops", "bw": "mbps", "lat": "lat_mean_us"}


@dataclass(frozen=True)
class OwnTest(Table):
    groups: tuple = ()          # of loads.Group, one for each phase
    source: sources.Source | None = None
    number: int = 0             # of the run's own tests
    purges = False

    @property
    def file(self):
        """Its name in those of files."""
        return f"job{self.number:02d}"

    @property
    def writes(self):
        return any(one.writes for one in self.groups)

    def said(self):
        return [f"{self.name}: " + "; ".join(
            loads.words(*each) for group in self.groups
            for each in zip(group.stimuli, group.logs)) + "."]

    def entry(self):
        one = self.source
        return {**super().entry(), "job": {
            "path": one.path, "copy": one.copy, "sha256": one.sha256,
            "logs": [{"path": log.path, "copy": log.copy, "sha256": log.sha256}
                     for log in one.logs]}}

    def phase_run(self, bench, number, phase, earlier):
        return OwnRun(bench, self, number, phase, earlier)

    def _impossible(self, _target):
        """What it could not do was refused."""
        return None

    def _conclude(self, found, made):
        super()._conclude(found, made)
        if made:
            profile = made[0].bench.profile
            found["tables"] += [
                self.table(profile, made[0].bench.target),
                *self._paces(found["cells"], profile.minute / 60)]

    def table(self, profile, target):
        """What each of its jobs does, and where."""
        rows, said, size = [], [], target.size
        for group in (one.on(target) for one in self.groups):
            for one, log, (first, end) in zip(
                    group.stimuli, group.logs,
                    loads.ranges(group, profile, size)):
                rows.append([one.name, f"replays {log.name}" if log else one.rw,
                             one.bs, one.threads, one.depth,
                             0 if log else first,
                             min(size, log.extent) if log else end])
            said.append(group.of(profile).changes([f"size={size}"]))
        return {"title": "The jobs", "note": "; ".join(filter(None, said)),
                "columns": ["job", "I/O", "block size", "jobs", "depth",
                            "from byte", "to byte"], "rows": rows}

    def _paces(self, cells, pace):
        """How near replays came to the pace of their logs, in one table."""
        found = {cell["name"]: cell["values"].get("iops") for cell in cells}
        rows = []
        for one, log in ((one, log) for group in self.groups
                         for one, log in zip(group.stimuli, group.logs)):
            iops = found.get(one.name) if log and log.seconds else None
            if iops and iops["mean"]:
                asked = pace * log.seconds
                took = one.threads * log.ios_of_data / iops["mean"]
                rows.append([one.name, asked, took, took / asked])
        return [{"title": "Pace of the replay", "rows": rows, "columns": [
            "job", "seconds of the log", "seconds taken", "ratio"],
            "note": "fio waits before each I/O for as long as in the log, and "
            "makes up for no delay"}] if rows else []

    def _seconds(self, profile, size):
        return [estimate.PROCESS + one.seconds(profile, size,
                                               profile.write_speed)
                for one in self.groups]

    def estimate(self, profile, size):
        each = self._seconds(profile, size)
        most = self.phases[0].rounds
        least = min(profile.window, most) if self.phases[0].tracked else most
        return estimate.Estimate(
            self.name, least * len(each), most * len(each), least * sum(each),
            most * sum(each), 0, self.writes)

    def digest(self):
        told = [super().digest(), self.source.sha256,
                [one.sha256 for one in self.source.logs]]
        return hashlib.sha256(repr(told).encode()).hexdigest()


def _phase(group, profile, asked):
    name = group.job.group or "job"
    title = f"{', '.join(one.name for one in group.stimuli)}"
    if not asked.steady:
        return Phase(name, title, group.stimuli, asked.repeat or REPEAT,
                     histogram=True)
    metric = STEADY[asked.steady]
    return Phase(name, title, group.stimuli, profile.last, tuple(
        tracked(one.name, metric, one.name) for one in group.stimuli),
        profile.most, histogram=True)


def _names(source, groups):
    """Of its tests."""
    if source.way == sources.SUITE:
        return [source.stem]
    found = [group.job.group for group, in groups]
    return [f"{source.stem}/{name}" if name else source.stem
            for name in found]


def made(asked, profile, found):
    """The tests that Sources are, in their order; those of one name get a
    number."""
    tests, known = [], set()
    for source in found:
        loads.refuse_engines(source)
        groups = loads.groups(source)
        for stem, mine in zip(_names(source, groups), groups):
            name, number = f"{specfile.JOBS}/{stem}", 1
            while name in known:
                number += 1
                name = f"{specfile.JOBS}/{stem}.{number}"
            known.add(name)
            tests.append(OwnTest(
                name, ("Replay " if source.way == sources.REPLAY else "Job ")
                + name.partition("/")[2], source.path,
                tuple(_phase(one, profile, asked) for one in mine),
                specfile.JOBS, groups=tuple(mine), source=source,
                number=len(tests)))
    return tuple(tests)
