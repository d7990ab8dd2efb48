# SPDX-License-Identifier: GPL-2.0-only
# Runs one phase of a test on one target: a purge where asked for, then rounds
# of stimuli until the tracked variables are steady.  What a finished round
# came to is kept, so that a later command goes on after it.
from dataclasses import replace
from statistics import fmean
import time

from ..base import machine
from ..base.problem import Problem
from ..stats import steady
from ..target import claim, purge
from . import estimate, jobtext, prewritten, values
from .execute import Stopped
from .tails import windows


LONGER = 10             # times, where a scaled-down time was too short


def _longer(profile):
    return replace(profile, minute=LONGER * profile.minute,
                   shortest=LONGER * profile.shortest)


def _is_idle(load, ran):
    found, _ = values.of(*ran.named(load.name), load.threads)
    return not found["iops"] > 0


def measured(load, jobs, stats):
    found, latency = values.of(jobs, stats, load.threads)
    if not found["iops"] > 0:
        raise Problem(f"'{load.stimulus.name}' completed no I/O: the target "
                      "hangs, or the time is too short for it.")
    if latency:         # of threads that begin and end together
        latency["seconds"] = latency["n"] / found["iops"]
        latency["windows"] = windows.of_run(stats)
    return found, latency


class PhaseRun:
    """One phase of a test."""

    def __init__(self, bench, test, number, phase, earlier):
        self.bench, self.test, self.phase = bench, test, phase
        self.number, self.position = number, 0
        self.rounds, self.latencies = [], []
        self.kept = True        # nothing was run: rounds may come from disk
        self.purged, self.omitted = None, []
        stimuli = phase.stimuli
        if callable(stimuli):
            stimuli = stimuli(earlier)
        self.stimuli = [one for one in stimuli if not self._leave_out(one)]
        self.round_seconds = estimate.round_seconds(
            self.stimuli, bench.profile, bench.target.size)

    def _leave_out(self, stimulus):
        why = jobtext.left_out(stimulus, self.bench.target.logical_block) or (
            self.phase.why_not and self.phase.why_not(self.bench))
        if why:
            self.omitted.append((stimulus, why))
        return bool(why)

    def _name(self, number, *more):
        return self.bench.label(self.test.file, f"p{self.number:02d}",
                                f"r{number:04d}", *more)

    def _purge(self):
        """Before the first round, as often as that is begun."""
        if self.phase.purge and self.bench.purge:
            self.purged = {"method": self.bench.purge,
                           "seconds": self._do_purge()}

    def _do_purge(self):
        bench = self.bench
        return purge.run(
            bench.target, bench.purge,
            lambda text: self._tell(text, 1), lambda text, _name, seconds:
            bench.executor.run(f"[global]\nsize={bench.target.given}\n{text}",
                               self._name(1, "purge"), seconds))

    def _before_reads(self, number):
        if not any(jobtext.writes(one) < 1 for one in self.stimuli):
            return None
        return prewritten.before_reads(
            self.bench, lambda text: self._tell(text, number))

    def _tell(self, text, number):
        """The progress of a round, and how long the test may last yet; between
        the steps of a purge, too, the command may be asked to end."""
        if self.bench.executor.stop.is_set():
            raise Stopped
        size = self.bench.target.size
        left = self.phase.rounds - number + 1
        later = self.test.phases[self.number + 1:]
        self.bench.progress(
            f"{self.test.name}: {text}", left * self.round_seconds +
            sum(estimate.longest(phase, self.bench.profile, size)
                for phase in later))

    def _processes(self):
        """The loads of each fio process of a round."""
        return jobtext.processes(jobtext.loads(self.stimuli,
                                               self.bench.profile))

    def _process(self, number, order, loads):
        """Run the loads of one fio process; where a scaled-down time was too
        short for one of them, as on a machine that is busy, for longer."""
        profile, name = self.bench.profile, (f"{order:03d}",)
        ran = self._run(number, name, loads, profile)
        if profile.scaled and any(_is_idle(load, ran) for load in loads):
            ran = self._run(number, (*name, "longer"), loads, _longer(profile))
        return ran

    def _run(self, number, name, loads, profile):
        bench = self.bench
        known = [jobtext.seed(bench.seed, self.test.name, self.phase.name,
                              number, load.index) for load in loads]
        offset = self.position if loads[0].stimulus.continues else 0
        other = self._neighbour(loads)
        text = jobtext.text(loads, profile, bench.target.size, known, offset,
                            bench.executor.tells_windows and
                            self.phase.histogram, other,
                            bench.executor.base() if other else ())
        ran = bench.executor.run(text, self._name(number, *name),
                                 self._limit(loads, profile), base=not other)
        if other:
            claim.check_same(other)
        if loads[0].stimulus.continues:
            self.position = jobtext.next_offset(
                offset, values.written(ran.jobs), bench.target.size)
        return ran

    def _neighbour(self, loads):
        """The Target beside the bench's, where they use a part of either; it
        is what was claimed."""
        other = self.bench.neighbour if self.test.neighbours else None
        if not other or not any(load.stimulus.part for load in loads):
            return None
        claim.check_same(other)
        return other

    def _limit(self, loads, profile):
        return estimate.of_loads(loads, profile, self.bench.target.size,
                                 estimate.SLOWEST)

    def _results(self, ran, loads):
        """(entries of qualify.json, latencies, bytes written)."""
        entries, latencies, size = [], [], 0
        for load in loads:
            jobs, stats = ran.named(load.name)
            found, latency = measured(load, jobs, stats)
            size += values.written(jobs)
            if load.stimulus.record:
                entries.append({
                    "stimulus": load.stimulus.name, "values": found,
                    "bytes_written": values.written(jobs),
                    "source": f"{ran.source}#{load.name}"})
                latencies.append(latency if self.phase.histogram else None)
        return entries, latencies, size

    def _measured(self, number):
        """What the loads of a round came to."""
        results, latencies, size = [], [], 0
        for order, loads in enumerate(self._processes()):
            self._tell(f"{self.phase.title}, round {number} of at most "
                       f"{self.phase.rounds}: {loads[0].stimulus.name}",
                       number)
            more = self._results(self._process(number, order, loads), loads)
            results, latencies = results + more[0], latencies + more[1]
            size += more[2]
        if self.phase.adds:
            self.phase.adds(results)
        return results, latencies, size

    def _sampled(self, number):
        return self.bench.sampled(self.number, number)

    def _run_round(self, number):
        began, clock = machine.moment(), time.monotonic()
        if number == 1:
            self._purge()
            prewritten.follow(self.bench, (), self.purged)
        written = self._before_reads(number)
        with self._sampled(number):
            results, latencies, size = self._measured(number)
        return {"round": {"round": number, "start": began,
                          "seconds": time.monotonic() - clock,
                          "written": written, "results": results},
                "latencies": latencies, "written": size,
                "position": self.position, "purged": self.purged,
                "part": self.bench.folder.part}

    def _round(self, number):
        """A round of this command or an earlier one."""
        def make():
            self.kept = False
            return self._run_round(number)
        content = self.bench.folder.once(self._name(number), make, self.kept)
        self.position, self.purged = content["position"], content["purged"]
        prewritten.follow(self.bench, self.stimuli,
                          self.purged if number == 1 else None)
        self.rounds.append({**content["round"],
                            "part": content.get("part", 0)})
        self.latencies.append(content["latencies"])
        return content["written"]

    def breaks(self):
        """The rounds before which the run was resumed."""
        return [two["round"] for one, two in zip(self.rounds, self.rounds[1:])
                if one["part"] != two["part"]]

    def _since(self):
        """How many rounds are from before the last break: what the target
        did meanwhile is not known, so no window spans it."""
        return max((number - 1 for number in self.breaks()), default=0)

    def _most(self):
        """After a break a window must have room yet."""
        most = self.phase.rounds if self.stimuli else 0
        if not most or not self.phase.tracked or not self._since():
            return most
        return max(most, self._since() + self.bench.profile.window)

    def series(self, tracked):
        """One number for each round: the mean of the stimulus' repeats, or
        the last of them."""
        found = [[r["values"][tracked.metric] for r in one["results"]
                  if r["stimulus"] == tracked.stimulus][
                      -1 if tracked.last else 0:] for one in self.rounds]
        return [None if None in each else fmean(each) for each in found]

    def steady(self):
        """The steady state after the rounds so far; None without one."""
        there = {one.name for one in self.stimuli}
        tracked = [one for one in self.phase.tracked if one.stimulus in there]
        if not tracked or not self.rounds:
            return None
        return steady.state([
            (one.stimulus, one.metric, one.label, one.unit, self.series(one))
            for one in tracked], self.bench.profile.window, self._since())

    def run(self, kept):
        """All rounds; kept: nothing before it had to be run."""
        self.kept = kept
        written = 0
        while len(self.rounds) < self._most():
            written += self._round(len(self.rounds) + 1)
            state = self.steady()
            if state and state["reached"]:
                break
            if self.phase.capacity and written >= (
                    self.phase.capacity * self.bench.target.size):
                break
        return self.kept

    def entry(self):
        return {"name": self.phase.name, "title": self.phase.title,
                "purged": self.purged, "rounds": self.rounds,
                "breaks": self.breaks(), "by": self.phase.by or None,
                "steady": self.steady()}
