# SPDX-License-Identifier: GPL-2.0-only
# What is compared, and how fio's JSON becomes it.  Latencies are whole ones
# (lat: submission and completion together), as only they are comparable
# between all engines; their percentiles come from json+ bins, all directions
# together, whatever percentile_list the job has.
from collections import Counter, namedtuple
import math

from .problem import Problem

Metric = namedtuple("Metric", "name label unit role better")
TABLE = (
    Metric("iops", "IOPS", "1/s", "primary", "higher"),
    Metric("cpu_us", "CPU us per I/O", "us", "primary", "lower"),
    Metric("bw_mib", "Bandwidth", "MiB/s", "secondary", "higher"),
    Metric("lat_mean_us", "Latency mean", "us", "secondary", "lower"),
    Metric("lat_p50_us", "Latency p50", "us", "secondary", "lower"),
    Metric("lat_p99_us", "Latency p99", "us", "secondary", "lower"),
    Metric("ctx_per_io", "Context switches per I/O", "1", "secondary",
           "lower"))
METRICS = {metric.name: metric for metric in TABLE}
PRIMARY = tuple(m.name for m in TABLE if m.role == "primary")
NO_SWITCH = 0.5         # stands for none in a run, so that there is a ratio
DIRECTIONS = ("read", "write", "trim")


def _total(jobs, key):
    return sum(job[d][key] for job in jobs for d in DIRECTIONS)


def percentile(bins, share):
    """The latency in ns that a share of all I/Os does not exceed; sorted."""
    left = math.ceil(share * sum(count for _, count in bins))
    for ns, count in bins:
        left -= count
        if left <= 0:
            return ns
    return None


def _latency(jobs, direction):
    """{"n", "mean_ns", "bins"} of a direction; None without figures."""
    each = [job[direction]["lat_ns"] for job in jobs
            if job[direction]["lat_ns"]["N"]]
    count = sum(one["N"] for one in each)
    if not count:
        return None
    bins = Counter()
    for one in each:
        bins.update({int(ns): n for ns, n in one.get("bins", {}).items()})
    return {"n": count,
            "mean_ns": sum(one["mean"] * one["N"] for one in each) / count,
            "bins": sorted([ns, n] for ns, n in bins.items() if n)}


def _latency_values(latency):
    """The three latency metrics, in us; None where there are no figures."""
    count = sum(one["n"] for one in latency.values())
    bins = Counter()
    for one in latency.values():
        bins.update(dict(one["bins"]))
    bins = sorted(bins.items())
    mean = sum(one["mean_ns"] * one["n"] for one in latency.values())
    found = [mean / count if count else None,
             percentile(bins, 0.5), percentile(bins, 0.99)]
    return dict(zip(("lat_mean_us", "lat_p50_us", "lat_p99_us"),
                    (value and value / 1000 for value in found)))


def _figures(jobs):
    ios, switches = _total(jobs, "total_ios"), sum(j["ctx"] for j in jobs)
    cpu_us = sum((j["usr_cpu"] + j["sys_cpu"]) / 100 * j["job_runtime"] * 1000
                 for j in jobs)
    latency = {d: _latency(jobs, d) for d in DIRECTIONS}
    latency = {d: found for d, found in latency.items() if found}
    return {"iops": _total(jobs, "iops"), "ios": ios, "ctx": switches,
            "bw_mib": _total(jobs, "bw_bytes") / (1 << 20),
            "ctx_per_io": max(switches, NO_SWITCH) / ios if ios else None,
            "fio_cpu_us": cpu_us / ios if ios else None,
            **_latency_values(latency), "latency": latency}


def figures(jobs):
    """fio's own figures, summed over its jobs; latencies by direction."""
    try:
        found = _figures(jobs)
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
