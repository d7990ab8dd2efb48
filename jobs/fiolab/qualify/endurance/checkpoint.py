# SPDX-License-Identifier: GPL-2.0-only
# A soak is rounds, each a checkpoint: the load for a time, then a part of the
# range is read back, from where the last checkpoint ended, and what the guard
# knows is held against the device.  After the last one all of it is read, and
# so it is before a run goes on that was broken off: what was written must have
# outlived whatever broke it off.
from dataclasses import dataclass, replace

from ...base.problem import Problem
from .. import estimate, jobtext
from ..phaserun import PhaseRun
from ..suite.verifying import done, fault, patience, verified
from ..tails import beside
from . import ackguard, soakhealth, workloads

READ = 128 << 10            # bytes of a read, and of each place in the range
SHARE, LEAST = 0.1, 0.2     # of a checkpoint's time; seconds
TRIMMED = 16                # of the range, one part in
TRIMMING = workloads.TRIMS, workloads.REWRITES
# Marks in the folder: others wrote after it; what it had written was lost.
SPOILT, LOST = "spoilt", "lost"


def wrong(found):
    """What is, of a "checkpoint" of a round, in words; None: nothing."""
    return found["wrong"] or found["guard_wrong"]


@dataclass(frozen=True)
class Area:
    """What the load writes: behind the guard's part and that of trims, in whole
    blocks, a part for each thread."""
    first: int
    part: int               # bytes
    threads: int

    @property
    def end(self):
        return self.first + self.part * self.threads

    @classmethod
    def of(cls, size, threads, before):
        first = -(-before // READ) * READ
        return cls(first, (size - first) // threads // READ * READ, threads)


class CheckpointRun(PhaseRun):
    """The phase of a soak that is one: its test fills the range before."""

    def __init__(self, bench, test, number, phase, earlier):
        super().__init__(bench, test, number, phase, earlier)
        self.earlier, self.looked = earlier, None
        self.fresh = self.begun = False     # see run()
        block = bench.target.logical_block or workloads.SECTOR
        self.stimuli = [replace(one, bs=workloads.fitted(one.bs, block))
                        for one in self.stimuli]
        self.unguarded = ackguard.why_not(bench)
        self.guard = None if self.unguarded else ackguard.Guard(
            bench, test.file)
        self.trimmed = bench.target.size // TRIMMED // READ * READ if any(
            one.name in TRIMMING for one in self.stimuli) else 0
        self.area = Area.of(
            bench.target.size, bench.profile.threads, self.trimmed + (
                self.guard.size if self.guard else READ))
        self.taken_up = None        # of what a broken off run had written
        self.spoilt = False         # did others write meanwhile?
        self.beside = {}            # bytes of a checkpoint: {"read", "guard"}

    def _leave_out(self, stimulus):
        why = (beside.why_no_trims(self.bench.target)
               if stimulus.name in TRIMMING else None)
        if why:
            self.omitted.append((stimulus, why))
        return bool(why)

    # The load

    def planned_seconds(self):
        """Of a checkpoint's load."""
        return sum(self.bench.profile.duration(one.seconds)
                   for one in self.stimuli)

    def _placed(self, load):
        """The load in its part of the range.  (That of trims is neither at the
        beginning nor at the end, where udev looks after each run: what it has
        in the page cache cannot be trimmed.)"""
        one, where = load.stimulus, [f"offset_increment={self.area.part}"]
        if one.name in TRIMMING:
            where = [f"offset={self.area.first - self.trimmed}",
                     f"size={self.trimmed}"]
        return replace(load, stimulus=replace(one, options=(*one.options,
                                                            *where)))

    def _process(self, number, order, loads):
        bench, area = self.bench, self.area
        known = [jobtext.seed(bench.seed, self.test.name, number, load.index)
                 for load in loads]
        placed = list(map(self._placed, loads))
        where = bench.profile, area.first + area.part
        text = jobtext.text(placed[:1], *where, known, area.first)
        if self.guard:      # beside the first, before the next one's stonewall
            text += "\n" + self.guard.section(bench.profile.duration(
                loads[0].stimulus.seconds), known[0])
        for load, seed in zip(placed[1:], known[1:]):
            text += "\n" + "\n".join(jobtext.section(load, *where, seed,
                                                     area.first))
        ran = bench.executor.run(text, self._name(number, f"{order:03d}"),
                                 self._limit(loads, bench.profile))
        guards, _ = ran.named(ackguard.JOB)
        self.beside = {"read": done(ran, "read"), "guard": sum(
            job["write"]["io_bytes"] for job in guards)}
        return ran

    # What is there of it

    def _scrub(self, number, start, seconds=None):
        """(source, bytes, what is wrong or None) of reading back to the end,
        or for so long."""
        size = self.area.end - start
        text = verified(
            "scrub", rw="read", bs=READ, offset=start, size=size,
            iodepth=self.bench.profile.depth,
            verify_interval=workloads.SECTOR,
            runtime=seconds and f"{round(1000 * seconds)}ms")
        ran = self.bench.executor.run(
            text, self._name(number, "scrub" if seconds else "all"),
            patience(size), tolerant=True)
        return ran.source, done(ran, "read"), fault(
            ran, None if seconds else size)

    def _seen(self, number, start, seconds=None):
        """"checkpoint" of a round, of what was looked at."""
        source, read, why = self._scrub(number, start, seconds)
        found = self.guard and self.guard.look()
        return {"source": source, "from": start, "read_back_bytes": read,
                "all": not seconds, "guard": found, "wrong": why,
                "guard_wrong": ackguard.fault(found)}

    def _look(self, number):
        """After the load of a checkpoint."""
        first, end = self.area.first, self.area.end
        self._tell(f"checkpoint {number}: reading back", number)
        if number == self.phase.rounds:
            return self._seen(number, first)
        start = self.position or first
        found = self._seen(number, start, max(
            LEAST, SHARE * self.planned_seconds()))
        place = start + found["read_back_bytes"] // READ * READ
        self.position = place if place < end else first
        return found

    def _measured(self, number):
        found = super()._measured(number)
        self.looked = {
            "load_seconds": self.planned_seconds(), "taken_up": self.taken_up,
            "refilled": self.spoilt,
            "read_bytes": self.beside["read"],
            "guard_written_bytes": self.beside["guard"],
            **self._look(number)}
        self.taken_up, self.spoilt = None, False
        return found

    # A run that goes on

    def _mark(self, name):
        return self.bench.label(self.test.file, name)

    def _take_up(self, number):
        """Is all that an earlier command wrote still there?"""
        folder = self.bench.folder
        lost = folder.load_round(self._mark(LOST))
        if lost:
            self._demand_good(lost)
        if self.guard and (self.fresh or self.spoilt):
            self.guard.forget()
        if self.spoilt:
            self._fill_again(number)
        if self.guard:
            self.guard.open()
        if not self.fresh and not self.spoilt:
            self._tell("reading back what was written before", number)
            found = self._seen(number, self.area.first)
            if wrong(found):
                folder.save_round(self._mark(LOST), found)
            self._demand_good(found)

    def _demand_good(self, found):
        """What it was taken up with."""
        self.taken_up = found
        if wrong(found):
            raise Problem("what was written before the run was broken off is "
                          f"not there: {wrong(found)}; the soak ended there.")

    def _fill_again(self, number):
        """What others wrote over, or what is on no disk any more."""
        bench, fill = self.bench, self.test.phases[0]
        self.spoil()        # until it is done
        self._tell("filling the range again", number)
        loads = jobtext.loads(fill.stimuli, bench.profile)
        bench.executor.run(
            jobtext.text(loads, bench.profile, bench.target.size, [
                jobtext.seed(bench.seed, self.test.name, number, "again")]),
            self._name(number, "fill"), self._limit(loads, bench.profile))
        bench.folder.forget_round(self._mark(SPOILT))

    def _demand_health(self, number):
        """No further wear of a device that has failed its limits."""
        rows = soakhealth.broken(
            self.bench, self.test.entry(),
            [*self.earlier[:self.number], self.entry()])
        if rows:
            raise Problem(f"the soak ended before checkpoint {number}, as "
                          f"[health] is not kept: {'; '.join(rows)}.")

    def _sampled(self, number):
        return self.bench.sampled(
            self.number, number, every=soakhealth.every(self.planned_seconds()))

    def _run_round(self, number):
        if not self.begun:
            self.begun = True
            self._take_up(number)
        self._demand_health(number)
        content = super()._run_round(number)
        content["round"]["checkpoint"] = self.looked
        return content

    def _round(self, number):
        written = super()._round(number)
        said = wrong(self.rounds[-1]["checkpoint"])
        if said:
            raise Problem(f"after checkpoint {number} the data are not what "
                          f"was written: {said}; the soak ended there.")
        return written

    def run(self, kept):
        bench = self.bench
        self.fresh, self.begun = not kept, False
        self.spoilt = kept and bool(
            bench.target.created or bench.executor.used or
            bench.folder.load_round(self._mark(SPOILT)))
        return super().run(kept)

    def end(self):
        """It is over: the guard's log has told what it knew."""
        if self.guard and self.begun:
            self.guard.forget()

    def spoil(self):
        """Others are about to write to the range of a soak that is not over.
        """
        self.bench.folder.save_round(self._mark(SPOILT), {"rounds": len(
            self.rounds)})

    def _limit(self, loads, profile):
        return super()._limit(loads, profile) + estimate.PROCESS
