# SPDX-License-Identifier: GPL-2.0-only
"""The table of metrics: what figures of runs are called, and all that anybody
says of them; the percentiles; and how fio's JSON becomes figures.

Latencies are whole ones (lat: submission and completion together), as only
they are comparable between all engines; their percentiles come from json+
bins, all directions together, whatever percentile_list the job has.

A rate is a count over the time of the whole run.  fio's own are of a direction
over its own time: of a write that is verified afterwards they add up to about
twice what was done, and 3.33 gives reads of verify_backlog= a millisecond.
"""
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
import math

from ..base.problem import Problem
from .jobs.optionnames import canonical

# Those of every latency, as the keys of reports have them, and as shares.
PERCENTILES = ("50", "90", "99", "99.9", "99.99", "99.999", "99.9999")
SHARES = {name: float(Decimal(name) / 100) for name in PERCENTILES}
CLASSES = ("none", "RT", "BE", "IDLE")      # the kernel's of I/O priority
FASTER, LONGER = ("faster", "slower"), ("longer", "shorter")


@dataclass(frozen=True)
class Metric:
    """A figure of runs."""
    name: str                   # in every file
    label: str                  # in the reports of ab and bench
    unit: str                   # "share": of a whole, shown as percent
    better: str                 # "higher" or "lower"
    changes: tuple = ()         # what a significant one is called: (up, down)
    role: str = ""              # in a campaign, primary or secondary
    said: str = ""              # in the reports of qualify
    head: str | None = None     # of its column there, beside the unit
    asked: str = ""             # its unit among words, where it is another
    key: str = ""               # of a limit on it; TIME: which has a time
    percentile: str = ""        # one of PERCENTILES
    longest: bool = False       # of several, the longest and not the mean
    of: str = ""                # what only some jobs do: runfigures.py

    @property
    def short(self) -> str:
        """Among figures that are compared: 'mean latency', 'p99'."""
        return (self.percentile and self.head) or self.said

    @property
    def title(self) -> str:
        """The same at the beginning of a line; 'p99' is as it is."""
        return self.short if self.percentile else \
            self.said[:1].upper() + self.said[1:]

    @property
    def unit_said(self) -> str:
        """Its unit in limits, comparisons and tables: 'IOPS', not '1/s'."""
        return self.asked or self.unit

    @property
    def limit(self) -> tuple[str, str, str]:
        """(its name, the sense of a limit on it, the unit of that)"""
        return (self.name, "min" if self.better == "higher" else "max",
                self.unit_said)


def _percentile(name, role=""):
    word = "p" + name.replace(".", "_")
    return Metric(f"lat_{word}_us", f"Latency p{name}", "us", "lower", LONGER,
                  role, f"p{name} latency", f"p{name}", key=f"max_{word}_us",
                  percentile=name)


def _due(name):
    """A percentile of latencies from the moment that I/Os were due."""
    word = f"due_p{name.replace('.', '_')}_us"
    return Metric(word, f"Latency from due p{name}", "us", "lower",
                  said=f"p{name} from when due", head=f"p{name} from due",
                  key=f"max_{word}")


def _of(prefix, label, of, *marks):
    """Latencies of what only some jobs do: the mean, and percentiles."""
    return (Metric(f"{prefix}_mean_us", label, "us", "lower", LONGER,
                   "secondary", of=of),
            *(Metric(f"{prefix}_p{mark}_us", f"{label} p{mark}", "us", "lower",
                     LONGER, "secondary", percentile=mark, of=of)
              for mark in marks))


# In the order of every table.
TABLE = {metric.name: metric for metric in (
    Metric("iops", "IOPS", "1/s", "higher", FASTER, "primary", "IOPS", "IOPS",
           "IOPS", "min_iops"),
    Metric("read_iops", "Read IOPS", "1/s", "higher", said="read IOPS"),
    Metric("write_iops", "Write IOPS", "1/s", "higher", said="write IOPS"),
    Metric("cpu_us", "CPU us per I/O", "us", "lower",
           ("more CPU", "less CPU"), "primary"),
    Metric("bw_mib", "Bandwidth", "MiB/s", "higher",
           ("more bandwidth", "less bandwidth"), "secondary"),
    Metric("mbps", "Throughput", "MB/s", "higher", said="throughput", head="",
           key="min_mb_per_s"),
    Metric("lat_mean_us", "Latency mean", "us", "lower", LONGER, "secondary",
           "mean latency", "mean", key="max_mean_us"),
    _percentile("50", "secondary"), _percentile("99", "secondary"),
    *map(_percentile, PERCENTILES[3:]),
    Metric("lat_max_us", "Latency max", "us", "lower", said="longest latency",
           head="longest", key="max_latency_us", longest=True),
    Metric("submit_share", "Share inside io_submit", "share", "lower",
           said="inside io_submit", head="in submit", asked="%",
           key="max_submit_share_percent"),
    Metric("ready_s", "Ready after a power cut", "s", "lower",
           said="time until ready", head="ready", key="max_ready_s",
           longest=True),
    Metric("excursion", "Excursion", "%", "lower", said="excursion",
           key="max_excursion_percent"),
    Metric("outliers", "Outliers", "1/h", "lower", said="I/Os an hour over",
           key="max_outliers_over(TIME)_per_hour"),
    Metric("iops_at_p99", "IOPS at p99", "1/s", "higher",
           said="IOPS at p99 of", asked="IOPS", key="min_iops_at_p99(TIME)"),
    _due("50"), _due("99"), _due("99.9"),
    Metric("behind_us", "Behind its schedule", "us", "lower",
           said="behind its schedule at the end", head="behind"),
    Metric("times_alone", "Times p99 alone", "1", "lower", head="x alone",
           said="p99 from due over that alone", key="max_p99_times_alone"),
    Metric("ctx_per_io", "Context switches per I/O", "1", "lower",
           ("more switches", "fewer switches"), "secondary"),
    *_of("sync", "Sync latency", "sync", "50", "99"),
    *_of("trim", "Trim latency", "trim", "99"),
    *(one for name in CLASSES for one in _of(
        f"prio_{name.lower()}", f"Prio {name}", f"prio {name}", "99")),
    # As jobs/bench has always written them.
    *(Metric(f"p{n}_us", f"p{n} us", "us", "lower", LONGER) for n in (50, 99)),
    Metric("iops_per_cpu", "IOPS/CPU", "1/s", "higher", FASTER),
    Metric("wall_s", "wall s", "s", "lower", ("later", "sooner")))}
METRICS = {name: one for name, one in TABLE.items() if one.role}
PRIMARY = tuple(name for name in METRICS if TABLE[name].role == "primary")
LATENCIES = {name: one.percentile for name, one in TABLE.items()
             if one.percentile and not one.of}
SPECIAL = {name: one for name, one in TABLE.items() if one.of}
COMMON = tuple(name for name in METRICS if name not in SPECIAL)
SYNC = "sync_mean_us"       # primary where each write is followed by a sync
LIMITS = {one.key: one for one in TABLE.values() if one.key}
CHANGES = {name: one.changes for name, one in TABLE.items() if one.changes}
NO_SWITCH = 0.5         # stands for none in a run, so that there is a ratio
DIRECTIONS = ("read", "write", "trim")
READING, MIXED = ("read", "randread"), ("rw", "readwrite", "randrw")
VERIFY, WITH_VERIFY = "verify", "read and verify"
IO_KINDS = (*DIRECTIONS, VERIFY, WITH_VERIFY)   # each I/O is of one of them


def _total(jobs, key, directions=DIRECTIONS):
    return sum(job[d][key] for job in jobs for d in directions)


def _seconds(jobs, threads):
    """From the start to the end of the longest: fio counts whole ms, down for
    a job and up for a direction, and adds those of what it makes one of."""
    return max(max(1, job["job_runtime"] / threads,
                   *(job[d]["runtime"] for d in DIRECTIONS))
               for job in jobs) / 1000


def rate(jobs: Sequence[dict], key: str = "total_ios",
         directions: Sequence[str] = DIRECTIONS, threads: int = 1) -> float:
    """I/Os (or io_bytes) of jobs that run at once, per second.

    threads: how many of them group_reporting has made one entry of.
    """
    return (_total(jobs, key, directions) / _seconds(jobs, threads)
            if jobs else 0)


def entries(result: dict, name: str = "jobs") -> list[dict]:
    """fio's entries of its jobs, each with what all jobs have."""
    common = result.get("global options", {})
    return [{**job, "global options": common} for job in result[name]]


def option(job: dict, default: str, name: str) -> str:
    """What fio took for an option."""
    found = [value for part in ("global", "job")
             for key, value in job.get(f"{part} options", {}).items()
             if canonical(key) == name]
    return found[-1] if found else default


def _kind(job, direction):
    """A direction, or VERIFY, whose reads fio counts with those of a mix."""
    pattern = option(job, "read", "rw").split(":")[0]
    if direction != "read" or pattern in READING or \
            option(job, "0", "verify") == "0":
        return direction
    return WITH_VERIFY if pattern in MIXED else VERIFY


def percentile(bins: Sequence[Sequence[int]], share: float) -> int | None:
    """The latency in ns that a share of all I/Os does not exceed; sorted."""
    left = math.ceil(share * sum(count for _, count in bins))
    for ns, count in bins:
        left -= count
        if left <= 0:
            return ns
    return None


def enough(count: int, share: str) -> bool:
    """Is one of so many beyond the percentile?  Else that is the longest."""
    return count * (100 - Decimal(share)) >= 100


def percentiles(bins: Sequence[Sequence[int]],
                count: int) -> dict[str, int | None]:
    """Those of PERCENTILES, in ns, that so many I/Os have; none without bins.
    """
    return {name: percentile(bins, share) for name, share in SHARES.items()
            if bins and enough(count, name)}


def _latencies(jobs):
    """{kind of I/O: latency} of those that were done."""
    found = {}
    for direction in DIRECTIONS:
        for job in jobs:
            one = job[direction]["lat_ns"]
            if one["N"]:
                found.setdefault(_kind(job, direction), []).append(one)
    return {name: latency(each) for name, each in found.items()}


def latency(each: Sequence[dict]) -> dict:
    """{"n", "mean_ns", "bins"} of several of fio's."""
    count = sum(one["N"] for one in each)
    bins: Counter[int] = Counter()
    for one in each:
        bins.update({int(ns): n for ns, n in one.get("bins", {}).items()})
    return {"n": count,
            "mean_ns": sum(one["mean"] * one["N"] for one in each) / count,
            "bins": sorted([ns, n] for ns, n in bins.items() if n)}


def together(latencies: Iterable[dict]) -> dict:
    """Several of them as one; its mean is None if there is none."""
    every = list(latencies)
    bins: Counter[int] = Counter()
    for one in every:
        bins.update(dict(one["bins"]))
    count = sum(one["n"] for one in every)
    total = sum(one["mean_ns"] * one["n"] for one in every)
    return {"n": count, "mean_ns": total / count if count else None,
            "bins": sorted(bins.items())}


def _latency_values(latencies):
    """The latencies of METRICS, in us; None where there are no figures, or
    too few I/Os for a percentile."""
    whole = together(latencies.values())
    marks = percentiles(whole["bins"], whole["n"])
    found = {"lat_mean_us": whole["mean_ns"],
             **{name: marks.get(mark) for name, mark in LATENCIES.items()
                if name in METRICS}}
    return {name: value and value / 1000 for name, value in found.items()}


def _figures(jobs, threads):
    ios, switches = _total(jobs, "total_ios"), sum(j["ctx"] for j in jobs)
    cpu_us = sum((j["usr_cpu"] + j["sys_cpu"]) / 100 * j["job_runtime"] * 1000
                 for j in jobs)
    kinds = _latencies(jobs)
    return {"iops": rate(jobs, threads=threads), "ios": ios, "ctx": switches,
            "bw_mib": rate(jobs, "io_bytes", threads=threads) / (1 << 20),
            "ctx_per_io": max(switches, NO_SWITCH) / ios if ios else None,
            "fio_cpu_us": cpu_us / ios if ios else None,
            **{name: sum(j[name] for j in jobs) / len(jobs)
               for name in ("usr_cpu", "sys_cpu")},
            **_latency_values(kinds), "latency": kinds}


def figures(jobs: Sequence[dict], threads: int = 1) -> dict:
    """The figures of a run, from the counts of the entries() of its jobs.

    Latencies are by direction, those of a verify apart; threads: see rate().
    """
    try:
        found = _figures(jobs, threads)
        bad = [key for key, value in found.items()
               if isinstance(value, (int, float))
               and not (math.isfinite(value) and value >= 0)]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Problem("fio's JSON lacks what a result must have "
                      f"({type(error).__name__}: {error}): name another fio "
                      "with --fio.") from None
    if bad:
        raise Problem(f"fio reports {found[bad[0]]} as {bad[0]}, which is no "
                      "measurement: name another fio with --fio.")
    return found
