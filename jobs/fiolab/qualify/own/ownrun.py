# SPDX-License-Identifier: GPL-2.0-only
# Runs a group of a job file on one target, in rounds of one fio process each.
# Before the first one of a command its first I/Os are held to the places that
# they were to have, what it verifies is written, and the logs that it replays
# are made.
from dataclasses import replace
import os
import tempfile

from ...fio import fiorun, streams
from ...fio.jobs import written
from ...fio.metrics import LATENCIES
from ...fio.replay import log
from .. import estimate, jobtext
from ..phaserun import PhaseRun

ANY_TIME = 30 * 86400   # seconds, of a job that has a pace of its own
VERIFIED = 3            # times as long may a job take that reads it all again
NO_LATENCY = ("{} takes no completion while it waits for the next I/O of a log "
              "(fio 3.36 does), so that the latencies of {} would last until "
              "then: they are left out.")


class OwnLoad(jobtext.Load):
    @property
    def name(self):
        """As the file has it, or nearly so."""
        return self.stimulus.name


def without_latency(fio, group):
    """Does a fio make latencies of a group that are none?"""
    return group.paced and fiorun.older(fio.version, log.REAPS)


class OwnRun(PhaseRun):
    def __init__(self, bench, test, number, phase, earlier):
        self.group = test.groups[number].on(bench.target)
        super().__init__(bench, test, number, phase, earlier)
        self.round_seconds = self.group.seconds(
            bench.profile, bench.target.size, bench.profile.write_speed)
        self.logs = None        # paths, once they are made

    def _leave_out(self, _stimulus):
        """None alone: what does not fit was refused."""
        return False

    def _processes(self):
        return [[OwnLoad(one, index, 1, one.depth)
                 for index, one in enumerate(self.stimuli)]]

    def _limit(self, _loads):
        if self.group.endless:
            return ANY_TIME
        bench = self.bench
        return estimate.PROCESS + sum(
            estimate.LOAD * one.threads for one in self.stimuli) + (
                VERIFIED * self.group.seconds(
                    bench.profile, bench.target.size, estimate.SLOWEST))

    def _process(self, number, order, loads):
        bench, executor = self.bench, self.bench.executor
        if self.logs is None:
            self._prepare(number)
        known = jobtext.seed(bench.seed, self.test.name, self.phase.name,
                             number)
        text = self.group.text(executor.lines(known, self.group.has_latencies),
                               bench.profile, bench.target.size, self.logs)
        if self.group.trims:
            bench.covered = False
        return executor.run(text, self._name(number, f"{order:03d}"),
                            self._limit(loads), base=False)

    def _prepare(self, number):
        executor, target = self.bench.executor, self.bench.target
        job = self.group.of(self.bench.profile)
        if self.group.verifies:
            self._tell("writing what it verifies", number)
            executor.run(written.Written(job, target.size).effective(
                executor.lines(1)), self._name(number, "written"),
                target.size / estimate.SLOWEST, base=False)
        elif job.writes() and not target.clients:
            self._tell("its first I/Os are looked at", number)
            streams.proven(executor.fio, executor.side,
                           self.group.counted(self.bench.profile), target)
        self.logs = self._logs()

    def _logs(self):
        """The path of each section's log, made for the target of the copy that
        the folder has."""
        profile, target = self.bench.profile, self.bench.target
        source = replace(self.test.source, folder=self.bench.folder.path)
        folder = tempfile.mkdtemp(dir=self.bench.executor.fio.folder)
        found = []
        for number, one in enumerate(self.group.logs):
            found.append(one and os.path.join(folder, f"{number}.iolog"))
            if one:
                self._tell(f"making a log of {one.name}", 1)
                replace(one, path=source.log(one.name)[0]).write(
                    found[-1], target.size, target.logical_block or 512,
                    profile.minute / 60)
        return found

    def _results(self, ran, loads):
        entries, latencies, size = super()._results(ran, loads)
        if without_latency(self.bench.executor.fio, self.group):
            for one in entries:
                one["values"] |= dict.fromkeys(
                    ("lat_mean_us", *LATENCIES, "lat_max_us"))
            latencies = [None] * len(latencies)
        return entries, latencies, size
