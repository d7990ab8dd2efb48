# SPDX-License-Identifier: GPL-2.0-only
# Does an fsync bring the data to the device, and what does it cost?  That it
# arrives is seen by the kernel's count of flushes that the device completed; a
# device that says that its cache is on, and that the kernel takes for one
# without, gets none.  That it keeps what it flushed is for the power cut to
# show.
import os

from ...fio.metrics import PERCENTILES, enough
from ...target import blockdevice, sysfs, writecache
from .verifying import fault, judged, section, too_few, unknown

EVERY = 4                   # writes between two syncs
SHORTEST = 1000             # ns of a sync: fio 3.28 does not time those of AIO
LEAST = 1                   # syncs, to say anything of them
TIMES = 1, 10, 60           # as long, where a slow machine did not make one
KINDS = ("fsync", "fdatasync")


def seconds(profile, _size):
    return 2 * profile.duration(30) + 2


def disk(path):
    """The sysfs folder of the whole disk that a device is (a part of)."""
    number = blockdevice.node_number(path)
    if number is None:
        return None
    return sysfs.whole(sysfs.of(number))


def count(folder):
    """Flushes that the disk has completed; None where that is not told."""
    return sysfs.counted(folder, sysfs.FLUSHES)


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


def _job(context, kind, length):
    block = max(4096, context.target.logical_block)
    return section(kind, rw="randwrite", bs=block, size=context.target.size //
                   block * block, iodepth=1, time_based=1, **{kind: EVERY},
                   runtime=f"{round(length * 1000)}ms",
                   percentile_list=":".join(PERCENTILES),
                   randseed=context.seed)


def _measured(context, kind):
    """(run, flushes that the device completed in it or None)."""
    folder = None if _unseen(context) else disk(context.target.path)
    for times in TIMES:
        length = times * context.scaled(30)
        before = count(folder) if folder else None
        ran = context.fio(_job(context, kind, length), kind, length,
                          tolerant=True)
        if fault(ran) or _syncs(ran) >= LEAST:
            break
    return ran, count(folder) - before if folder else None


def _syncs(ran):
    """fio's total_ios of syncs does not count every kind."""
    return sum(job["sync"].get("lat_ns", {}).get("N", 0) for job in ran.jobs)


def _answers(kind, ran):
    """Each sync succeeds."""
    syncs = _syncs(ran)
    wrote = sum(job["write"]["total_ios"] for job in ran.jobs)
    return judged((f"{kind} succeeds", f"{kind} succeeds"), ran.source,
                  f"{syncs:,} of {syncs:,} after {wrote:,} writes succeeded",
                  fault(ran), too_few(syncs, LEAST, kind))


def _flushes(kind):
    return f"{kind} flushes", f"{kind} reaches the device"


def reaches(kind, ran, flushed, cache):
    """cache: what the kernel takes the device's cache for."""
    syncs, fewer = _syncs(ran), False
    if cache == "write through":
        text = ("the kernel takes the device for one without a volatile write "
                "cache (write through), so there is nothing to flush: "
                f"{flushed:,} flushes in {syncs:,} syncs")
    else:
        fewer = flushed < syncs
        text = (f"{syncs:,} syncs made the device complete {flushed:,} "
                "flushes" + (": fewer" if fewer else ""))
    return judged(_flushes(kind), ran.source, text, fewer,
                  too_few(syncs, LEAST, kind))


def _arrives(context, kind, ran, flushed, kept):
    """kept: sentences on caches that are on and get no flush."""
    why = _unseen(context)
    if kept:
        return judged(_flushes(kind), ran.source, "", " ".join(kept))
    if why:
        return unknown(_flushes(kind), why, ran.source)
    return reaches(kind, ran, flushed, sysfs.read(disk(context.target.path),
                                                  "queue/write_cache"))


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
        enough(calls, p) else None for p in PERCENTILES]


def _kept(context):
    if not context.local:
        return []
    path = context.target.path
    return writecache.contradictions(path, writecache.look(path), lost=True)


def run(context):
    checks, rows, kept = [], [], _kept(context)
    for kind in KINDS:
        context.progress(f"{kind} after each {EVERY} writes")
        ran, flushed = _measured(context, kind)
        checks += [_answers(kind, ran),
                   _arrives(context, kind, ran, flushed, kept)]
        rows.append(_row(kind, ran))
    return {"checks": checks, "tables": [{
        "title": "Latency of a sync", "note": f"in us, one after each {EVERY} "
        "writes, one I/O at a time; none where fio gives no time of theirs, "
        "or too few calls", "rows": rows,
        "columns": ["call", "calls", "mean", *(f"p{p}" for p in PERCENTILES)],
    }]}
