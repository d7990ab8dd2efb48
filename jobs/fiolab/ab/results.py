# SPDX-License-Identifier: GPL-2.0-only
"""A cell of a campaign (one job on one target, one side against another) and
what its runs have given so far, from run files or from the running campaign
alike.  Only whole pairs count; their latency bins are pooled at once, so that
ten thousand runs need little memory."""
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
import math
from statistics import fmean
from typing import Any

from ..fio.jobfile import Job
from ..fio.jobs import syncing
from ..fio.metrics import CHANGES, METRICS, SPECIAL, SYNC, percentiles
from ..stats.pairing import ROLES
from . import commandtally
from .commandtally import CommandTally


class Pool:
    """All latencies of one side of a cell in one direction."""

    def __init__(self):
        self.n, self.total_ns, self.bins = 0, 0.0, Counter()

    def add(self, latency: dict) -> None:
        self.n += latency["n"]
        self.total_ns += latency["n"] * latency["mean_ns"]
        bins = self.bins
        for ns, count in latency["bins"]:
            bins[ns] += count

    def data(self) -> dict | None:
        bins = sorted(self.bins.items())
        if not self.n:
            return None
        return {"n": self.n, "mean_ns": self.total_ns / self.n,
                "percentiles": percentiles(bins, self.n),
                "bins": [[ns, count] for ns, count in bins]}


@dataclass
class Cell:
    """One job on one target: side number b of the campaign is its B, side
    number a its A."""
    id: int
    job: Job
    orders: list                # of its pairs: AB or BA
    place: Any = None           # its target when the campaign began
    a: int = 0
    b: int = 1
    direct: str = "all"         # which of its I/O is: all, some, none
    why: str = ""               # what a comparison there shows
    seed: int = 1               # of the job files that repeat it
    stream: str = ""            # what was found of both sides' I/O
    calls: dict = field(default_factory=lambda: dict.fromkeys("AB"))
    timeline: dict = field(default_factory=dict)    # see streams.over_time()
    metrics: tuple = tuple(METRICS)
    words: dict = field(default_factory=lambda: CHANGES)    # by metric
    runtime: float | None = None        # seconds, if not the campaign's
    ramp: float | None = None           # the same, of a duet
    pairing: str = "alternate"          # or "duet"; see duets.py
    no_duet: str = ""                   # why it is none, if it is for a reason
    # Of B where it has another than A; see cellplan.py.
    job_b: Job | None = None
    place_b: Any = None
    # While there is something to run: the target as it is now, and what is
    # called with it before each run.
    target: Any = None
    restore: Any = None
    target_b: Any = None
    restore_b: Any = None
    # What came of it.
    pairs: dict = field(default_factory=dict)
    discarded: dict = field(default_factory=dict)
    partial: dict = field(default_factory=dict)
    pools: dict = field(default_factory=dict)
    hosts: dict = field(default_factory=dict)
    commands: CommandTally = field(default_factory=CommandTally)
    steal: list = field(default_factory=list)
    cpu: dict = field(default_factory=dict)     # fio's own, by role
    loose: dict = field(default_factory=dict)   # see loosethreads.py, by role
    repeats: int = 0
    options: list | None = None
    seconds: float = 0.0        # of measuring
    closed: bool = False        # decided, so that it gets no more pairs
    lost: int = 0               # pairs that were discarded last, in a row
    given_up: str = ""          # a sentence: why this command makes no more
    effects: Any = field(default_factory=dict)      # see evaluation.py
    host_effects: dict = field(default_factory=dict)

    def role(self, metric: str) -> str:
        """primary or secondary: a job that syncs each write is about that."""
        if metric == SYNC and syncing.each_write(self.job.text):
            return "primary"
        return METRICS[metric].role

    @property
    def primary(self) -> list[str]:
        """The metrics that decide."""
        return [name for name in self.metrics if self.role(name) == "primary"]

    def job_of(self, role: str) -> Job:
        return (role == "B" and self.job_b) or self.job

    def place_of(self, role: str) -> Any:
        return (role == "B" and self.place_b) or self.place

    def target_of(self, role: str) -> Any:
        return (role == "B" and self.target_b) or self.target

    def restore_target(self, role: str) -> None:
        """Bring back the state of a role's target before a run."""
        own = role == "B" and (self.job_b or self.target_b)
        restore = self.restore_b if own else self.restore
        if restore:
            restore(self.target_of(role))

    def done(self, pair: int) -> bool:
        return pair in self.pairs or pair in self.discarded

    def next_seconds(self) -> float:
        """What a block takes, as far as is known."""
        done = len(self.pairs) + len(self.discarded)
        return self.seconds / done if done else 0.0

    def add(self, run: dict) -> None:
        """Of a run; a pair counts when all of its three runs are there."""
        pair = run["pair"]
        sound(run)
        self.commands.add(run["role"], run.get("commands", []))
        if "failed" in run:
            self.partial.pop(pair, None)
            self.seconds += spent([run])
            self.discarded[pair] = {"pair": pair, **run["failed"]}
            return
        runs = self.partial.setdefault(pair, {})
        runs[run["role"]] = run
        if len(runs) == len(ROLES):
            self._complete(pair, self.partial.pop(pair))

    def _values(self, figures):
        return values_of(figures, self.metrics)

    def _complete(self, pair, runs):
        """Count a pair; one that is damaged raises before it counts."""
        values = {role: self._values(runs[role]["values"]) for role in ROLES}
        hosts = {host: {role: self._values(runs[role]["hosts"][host])
                        for role in ROLES}
                 for host in runs["A"].get("hosts", {})}
        latencies = [(direction, role, latency) for role in "AB" for
                     direction, latency in runs[role]["latency"].items()]
        steal = [float(run["steal"]) for run in runs.values()
                 if run["steal"] is not None]       # of other machines
        repeats = sum(run["repeats"] for run in runs.values())
        start = min(run["start"] for run in runs.values())
        cpu = {role: shares_of(runs[role]["values"]) for role in "AB"}
        for direction, role, latency in latencies:
            self.pools.setdefault(direction, {}).setdefault(
                role, Pool()).add(latency)
        for role, shares in cpu.items():
            self.cpu.setdefault(role, []).extend(shares)
            self.loose.setdefault(role, set()).update(
                runs[role].get("loose", []))
        self.steal += steal
        self.repeats += repeats
        self.options = self.options or runs["A"].get("options")
        self.seconds += spent(runs.values())
        self.pairs[pair] = {"pair": pair, "order": self.orders[pair],
                            "start": start, "seed": runs["A"]["seed"],
                            "values": values}
        if self.pairing == "duet":
            self.pairs[pair]["duet"] = runs["A"]["duet"]
        for host, found in hosts.items():
            self.hosts.setdefault(host, {})[pair] = found

    def ordered(self) -> list[dict]:
        return [self.pairs[pair] for pair in sorted(self.pairs)]

    def of_host(self, host: str) -> list[dict]:
        """ordered(), with the values of one host alone."""
        values = self.hosts[host]
        return [{**self.pairs[pair], "values": values[pair]}
                for pair in sorted(values)]

    def series(self, role: str, metric: str) -> list[float]:
        """The values of a metric in all pairs in which it was measured."""
        found = [pair["values"][role][metric] for pair in self.ordered()]
        return [value for value in found if value is not None]

    def changes(self) -> str:
        """What of the user's job file the runs replaced or dropped."""
        return self.job.changes(self.options) if self.options else ""

    def fio_cpu(self) -> dict | None:
        """{role: {"usr", "sys"}}: fio's own CPU time in percent of the runs'
        time, of all jobs the mean; None where it was not kept."""
        if not all(map(self.cpu.get, "AB")):
            return None
        return {role: {name: fmean(shares) for name, shares in zip(
            ("usr", "sys"), zip(*self.cpu[role]))} for role in "AB"}

    def latency(self) -> dict:
        """Of the directions that both sides had."""
        return {direction: {role: pool.data() for role, pool in both.items()}
                for direction, both in sorted(self.pools.items())
                if len(both) == 2}


def _whole(number):
    return type(number) is int and number >= 0


def spent(runs: Iterable[dict]) -> float:
    """Seconds of some runs that belong together."""
    runs = list(runs)
    return max(0.0, max(float(run["end"]) for run in runs)
               - min(float(run["start"]) for run in runs))


def _sound_duet(found):
    """What is kept of a block that was a duet, as report.json has it."""
    shares = [found["sides"][role][name] for role in ROLES
              for name in ("cpu", "asleep", "more", "elsewhere")]
    parts = found["parts"] or dict.fromkeys(ROLES, 0)
    if not (all(type(one) in (int, float) and math.isfinite(one) for one in (
            found["skew_s"], found["kernel"], found["others"], *shares))
            and isinstance(found["repeats"], list)
            and all(isinstance(why, str) for why in found["repeats"])
            and all(parts[role] in range(len(ROLES)) for role in ROLES)):
        raise ValueError("duet")


def sound(run: dict) -> None:
    """ValueError, TypeError or KeyError for what jobs/ab does not write."""
    if not commandtally.sound(run.get("commands", [])):
        raise ValueError("commands")
    if "failed" in run:
        if {"host", "why"} != set(run["failed"]):
            raise ValueError("failed")
        return
    if not all(isinstance(line, str) for line in run.get("options", [])):
        raise ValueError("options")
    if not all(isinstance(name, str) for name in run.get("loose", [])):
        raise ValueError("loose")
    if "duet" in run:
        _sound_duet(run["duet"])
    for latency in run["latency"].values():
        if not (_whole(latency["n"]) and 0 <= latency["mean_ns"] < math.inf
                and all(_whole(ns) and _whole(count)
                        for ns, count in latency["bins"])):
            raise ValueError("latency")


def shares_of(figures: dict) -> list[tuple[float, float]]:
    """[(usr, sys)] of a run in percent; [] of one that has none."""
    usr, sys = figures.get("usr_cpu"), figures.get("sys_cpu")
    if usr is None or sys is None:
        return []
    if not (0 <= usr < math.inf and 0 <= sys < math.inf):
        raise ValueError("usr_cpu")
    return [(usr, sys)]


def values_of(figures: dict,
              metrics: Iterable[str]) -> dict[str, float | None]:
    """The metrics among a run's figures; None where one was not measured.
    Those of what only some jobs do are there where a run did it."""
    found = {name: figures.get(name) for name in metrics
             if name in figures or name not in SPECIAL}
    for name, value in found.items():
        if value is not None and (value is True or not 0 < value < math.inf):
            raise ValueError(f"{name} is {value}")
    return found
