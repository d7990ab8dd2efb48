# SPDX-License-Identifier: GPL-2.0-only
# What tests are made of: phases, each a round of stimuli that is repeated until
# its tracked variables are steady; and the profiles that scale them.  Nothing
# here runs anything.  Times are PTS seconds.
from collections.abc import Callable
from dataclasses import dataclass

from ...fio.metrics import TABLE


@dataclass(frozen=True)
class Stimulus:
    """One kind of load, for a time or an amount; becomes one fio job."""
    name: str                   # the cell: unique in its test
    rw: str                     # fio's rw=
    bs: str                     # fio's bs=, or bssplit= where it has a "/"
    read: int = 100             # percent of reads, for rw=randrw or rw=rw
    threads: int | None = None  # None: the profile's
    depth: int | None = None    # of each thread; None: the profile's
    seconds: float = 60
    capacity: float = 0         # not 0: an amount, in active ranges, no time
    pace: float = 1             # of that, of the speed that is reckoned with
    wait: float = 0             # seconds without I/O before it
    repeat: int = 1             # in a row, each with figures of its own
    continues: bool = False     # goes on where the one before ended
    record: bool = True         # False: only prepares what comes next
    together: bool = False      # begins with the one before it, not after it
    part: int = 0               # of the range: 1 or 2, its halves, or the
                                # target and its neighbour; 0: all of it
    options: tuple = ()         # further fio options, "name=value"


@dataclass(frozen=True)
class Tracked:
    """A steady-state variable: a metric of a stimulus (mean of its repeats,
    unless said)."""
    stimulus: str
    metric: str
    label: str
    unit: str
    last: bool = False          # the last of the repeats, and not their mean


def tracked(stimulus, metric, label, last=False):
    return Tracked(stimulus, metric, label, TABLE[metric].unit_said, last)


@dataclass(frozen=True)
class Phase:
    """Rounds of stimuli: until all tracked variables are steady, at most
    `rounds`; without tracked variables exactly `rounds`."""
    name: str
    title: str
    # A tuple, or a function of the test's phases so far (as in qualify.json).
    stimuli: tuple[Stimulus, ...] | Callable
    rounds: int = 1
    tracked: tuple[Tracked, ...] = ()
    by: int = 0                 # not 0: the round by which it must be steady
    purge: bool = False         # before the first round
    capacity: float = 0         # not 0: ends once so many active ranges are
                                # written in it
    histogram: bool = False     # keep the latency histograms of its stimuli
    keep: bool = True           # its figures are results (False: it prepares)
    prepares: bool = False      # alone it is no test, though its figures count
    # Adds figures of its own to the results of a round (as in qualify.json).
    adds: Callable | None = None
    # Of a function: what it gives where it gives anything, for the plan.
    planned: tuple[Stimulus, ...] = ()
    # Of a Bench, why nothing of it can be run there; None where it can.
    why_not: Callable | None = None

    def foreseen(self) -> tuple[Stimulus, ...]:
        """What it runs, or would, where that depends on earlier phases."""
        return self.planned if callable(self.stimuli) else self.stimuli


@dataclass(frozen=True)
class Profile:
    """Of PTS: who the device is for; and how much of it all is done."""
    name: str
    title: str
    threads: int
    depth: int
    active: int                 # percent of the device
    write_cache: bool
    minute: float = 60          # seconds that a PTS minute takes
    shortest: float = 1         # seconds of any timed stimulus
    repeats: float = 1          # of a stimulus' repeats, this share
    window: int = 5             # rounds of the measurement window
    most: int = 25              # rounds until steady
    thin: bool = False          # leave cells out, so that all of it is quick
    # Where the specification is read in more than one way (readings.py).
    capacity: str = "user"      # of what amounts are multiples, or "active"
    wsat_hours: float = 24      # at most
    wsat_sample: str = "31st"   # tracked in each round, or "mean"
    dirth_fill: str = "wsat"    # its preconditioning, or "composite"
    rounds: int = 0             # not 0: the operator goes on after `most`
    cycles: int = 1             # power cuts
    soak: float = 0             # days of the endurance test; 0: its own time
    write_speed: float = 500e6  # bytes/s, with which amounts are reckoned
    # What --time cuts (shorter/ladder.py).
    of: str = ""                # the name that it had before
    fill: str = "pts"           # the preconditioning: shorter/fills.py
    shared: bool = False        # or that of the test before
    passes: float = 2           # capacities that WIPC writes
    recoveries: float = 1       # of the samples of HIR and XSR, this share

    @property
    def scaled(self):
        """True: not the specification's test, whatever the figures are."""
        return self.minute < 60 or self.thin or self.repeats < 1

    def duration(self, seconds):
        """Real seconds of so many PTS seconds."""
        return max(seconds * self.minute / 60, self.shortest)

    def amount(self, times):
        """So many capacities, in active ranges."""
        return times * (100 / self.active if self.capacity == "user" else 1)

    @property
    def last(self):
        """The last round of a search for a steady state."""
        return max(self.rounds, self.most)

    def times(self, repeat):
        return max(1, round(repeat * self.repeats))

    def recovering(self, repeat):
        return max(1, round(repeat * self.repeats * self.recoveries))
