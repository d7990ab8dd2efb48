# SPDX-License-Identifier: GPL-2.0-only
# From fio's JSON to the figures of a stimulus.  Mixed loads: reads and writes
# together.  Latencies are whole ones, of all directions.
from collections import Counter

from ..fio.metrics import (DIRECTIONS, LATENCIES, figures, percentiles,
                           rate)


DUE = ("50", "99", "99.9")
STEPS = 100             # of the time that unsent I/Os have waited


def _pooled(parts):
    """{"n", "mean_ns", "max_ns", "percentiles", "bins"} of several."""
    bins, count = Counter(), sum(part["n"] for part in parts)
    if not count:
        return None
    for part in parts:
        bins.update(dict(map(tuple, part["bins"])))
    ordered = sorted([ns, n] for ns, n in bins.items())
    longest = max(part["max_ns"] for part in parts)
    # A bin is named by a time within it, which may be beyond the longest.
    return {"n": count,
            "mean_ns": sum(p["mean_ns"] * p["n"] for p in parts) / count,
            "max_ns": longest, "percentiles": {
                name: min(longest, ns)
                for name, ns in percentiles(ordered, count).items()},
            "bins": ordered}


def pool(latencies):
    """One latency of many; None where there is none."""
    return _pooled([one for one in latencies if one])


def _latency(jobs, found):
    longest = max((job[d]["lat_ns"]["max"] for job in jobs
                   for d in DIRECTIONS if job[d]["lat_ns"]["N"]), default=0)
    return _pooled([{**one, "max_ns": longest}
                    for one in found["latency"].values()])


def us(latency):
    """The latency metrics, in microseconds; None without I/Os, or with fewer
    than a percentile takes."""
    if latency is None:
        return dict.fromkeys(("lat_mean_us", *LATENCIES, "lat_max_us"))
    found = latency["percentiles"]
    return {"lat_mean_us": latency["mean_ns"] / 1000,
            **{name: found[share] / 1000 if share in found else None
               for name, share in LATENCIES.items()},
            "lat_max_us": latency["max_ns"] / 1000}


def _unsent(one):
    """{ns: I/Os} of those that were due at a thread's end and never sent, by
    how long they had waited: one that is sent takes longer yet."""
    count, longest = one.get("unsent_ios", 0), one["behind_ns"]
    steps = min(count, STEPS)
    return {round(longest * (2 * i + 1) / (2 * steps)):
            count * (i + 1) // steps - count * i // steps
            for i in range(steps)}


def due(stats):
    """Latencies from when I/Os were due, of the threads of one run that had a
    schedule (due_stats=1); none without one.  Each bin is named by its end."""
    bins = Counter()
    for one in stats:
        bins.update(dict(map(tuple, one.get("from_due_bins", ()))))
    if not bins:
        return {}
    for one in stats:
        bins.update(_unsent(one))
    longest = max(max(one["from_due_ns"]["max"], one["behind_ns"])
                  for one in stats)
    count = sum(bins.values())
    found = percentiles(sorted(bins.items()), count)
    return {**{f"due_p{name.replace('.', '_')}_us": min(
                   longest, found[name]) / 1000 if name in found else None
               for name in DUE},
            "behind_us": max(one["behind_ns"] for one in stats) / 1000}


def submit_share(stats):
    """The share of the runs inside io_submit; None if no engine tells."""
    run = sum(one["run_ns"] for one in stats)
    return sum(one["submit_ns"] for one in stats) / run if run else None


def of(jobs, stats, threads=1):
    """(values, latency or None) of the JSON entries of one stimulus; threads:
    how many of them group_reporting has made one of."""
    found = figures(jobs, threads)
    latency = _latency(jobs, found)
    return {"iops": found["iops"],
            **{f"{way}_iops": rate(jobs, directions=(way,), threads=threads)
               for way in ("read", "write")},
            "mbps": found["bw_mib"] * (1 << 20) / 1e6, **us(latency),
            "submit_share": submit_share(stats), **due(stats)}, latency


def written(jobs):
    return sum(job["write"]["io_bytes"] for job in jobs)
