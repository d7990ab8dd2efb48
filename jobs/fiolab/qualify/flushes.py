# SPDX-License-Identifier: GPL-2.0-only
# Does an fsync bring the data to the device, and what does it cost?  That it
# arrives is seen by the kernel's count of flushes that the device completed;
# that the device keeps what it flushed is for the power cut to show.
import os

from .. import device
from .verifying import (FAIL, PASS, UNKNOWN, check, fault, section)

FLUSHES = 15                # the field of /sys/block/X/stat, from 0: Linux 5.5
EVERY = 4                   # writes between two syncs
SHORTEST = 1000             # ns of a sync: fio 3.28 does not time those of AIO
PERCENTILES = ("50", "90", "99", "99.9", "99.99", "99.999")
KINDS = ("fsync", "fdatasync")


def seconds(profile, _size):
    return 2 * profile.duration(30) + 2


def _read(path):
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return None


def disk(path):
    """The sysfs folder of the whole disk that a device is (a part of)."""
    number = device.node_number(path)
    if number is None:
        return None
    folder = device.sysfs(number)
    whole = os.path.exists(folder + "/partition")
    return os.path.dirname(folder) if whole else folder


def attribute(folder, name):
    """Of a disk's queue, as text; None where there is none."""
    return _read(f"{folder}/queue/{name}")


def count(folder):
    """Flushes that the disk has completed; None where that is not told."""
    fields = (_read(folder + "/stat") or "").split()
    return int(fields[FLUSHES]) if len(fields) > FLUSHES else None


def _unseen(context):
    """Why flushes cannot be seen on this target; None if they can."""
    if not context.local:
        return "the target is on another host, whose counters are not read"
    folder = disk(context.target.path)
    if folder is None:
        return ("the target is a file: whether its file system flushes the "
                "device is not counted for one file")
    if count(folder) is None:
        return "this kernel does not count flushes (Linux 5.5 does)"
    if not os.path.isdir(folder + "/mq"):
        return "the kernel does not count the flushes of such a device"
    return None


def _job(context, kind):
    block = max(4096, context.target.logical_block)
    return section(kind, rw="randwrite", bs=block, size=context.target.size //
                   block * block, iodepth=1, time_based=1, **{kind: EVERY},
                   runtime=f"{round(context.scaled(30) * 1000)}ms",
                   percentile_list=":".join(PERCENTILES),
                   randseed=context.seed)


def _measured(context, kind):
    """(run, flushes that the device completed in it or None)."""
    folder = None if _unseen(context) else disk(context.target.path)
    before = count(folder) if folder else None
    ran = context.fio(_job(context, kind), kind, context.scaled(30),
                      tolerant=True)
    return ran, count(folder) - before if folder else None


def _syncs(ran):
    """fio's total_ios of syncs does not count every kind."""
    return sum(job["sync"].get("lat_ns", {}).get("N", 0) for job in ran.jobs)


def _answers(kind, ran):
    """Each sync succeeds."""
    why, syncs = fault(ran), _syncs(ran)
    wrote = sum(job["write"]["total_ios"] for job in ran.jobs)
    if not why and not syncs:
        why = f"none was done in {wrote} writes"
    return check(f"{kind} succeeds", f"{kind} succeeds", FAIL if why else PASS,
                 why or f"{syncs:,} of {syncs:,} after {wrote:,} writes "
                 "succeeded", ran.source)


def reaches(kind, ran, flushed, cache):
    """cache: what the kernel takes the device's cache for."""
    name, title = f"{kind} flushes", f"{kind} reaches the device"
    syncs = _syncs(ran)
    if not syncs:
        return check(name, title, UNKNOWN, "no sync was done", ran.source)
    if cache == "write through":
        return check(name, title, PASS, "the device says that it has no "
                     "volatile write cache (write through), so there is "
                     f"nothing to flush: {flushed:,} flushes in {syncs:,} "
                     "syncs", ran.source)
    good = flushed >= syncs
    return check(name, title, PASS if good else FAIL,
                 f"{syncs:,} syncs made the device complete {flushed:,} "
                 "flushes" + ("" if good else ": fewer"), ran.source)


def _arrives(context, kind, ran, flushed):
    why = _unseen(context)
    if why:
        return check(f"{kind} flushes", f"{kind} reaches the device", UNKNOWN,
                     why, ran.source)
    return reaches(kind, ran, flushed, attribute(disk(context.target.path),
                                                 "write_cache"))


def _row(kind, ran):
    """Of the latencies in us; a percentile of fewer calls than it takes is
    none."""
    times = ran.jobs[0]["sync"].get("lat_ns", {}) if ran.jobs else {}
    found = {float(key): value for key, value in
             times.get("percentile", {}).items()}
    mean, calls = times.get("mean"), _syncs(ran)
    if mean and mean < SHORTEST:
        mean, found = None, {}
    return [kind, calls, mean and mean / 1e3] + [
        found[float(p)] / 1e3 if float(p) in found and
        calls * (100 - float(p)) >= 100 else None for p in PERCENTILES]


def run(context):
    checks, rows = [], []
    for kind in KINDS:
        context.progress(f"{kind} after each {EVERY} writes")
        ran, flushed = _measured(context, kind)
        checks += [_answers(kind, ran),
                   _arrives(context, kind, ran, flushed)]
        rows.append(_row(kind, ran))
    return {"checks": checks, "tables": [{
        "title": "Latency of a sync", "note": f"in us, one after each {EVERY} "
        "writes, one I/O at a time; none where fio gives no time of theirs, "
        "or too few calls", "rows": rows,
        "columns": ["call", "calls", "mean", *(f"p{p}" for p in PERCENTILES)],
    }]}
