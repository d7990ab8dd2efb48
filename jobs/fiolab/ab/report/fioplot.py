# SPDX-License-Identifier: GPL-2.0-only
"""report.json as folders that fio-plot reads with -i, TARGET/SIDE/BS, the last
two of which are its names for them (a folder of a job, where there is one, is
above these): JSON files as fio writes them,
RW-IODEPTH-NUMJOBS.json for each depth and number of jobs,
with the fields that fio-plot takes (fio_plot/fiolib/jsonparsing_support.py).
IOPS and bandwidth are medians of the runs, their deviation that between runs;
latencies are those of all runs together, usr_cpu and sys_cpu fio's own, means
of the runs.  In a mixed load a direction's share of the I/Os is its share of
both.  What fio-plot has no place for is left out, with a sentence."""
from collections.abc import Iterator, Sequence
import math
import os
import re
import statistics
import sys
from typing import Any

from ...base import files
from ...base.problem import Problem
from ...fio import jobfile
from ...fio.metrics import SHARES

# fio-plot looks for files whose names begin with what it is asked for, so that
# readwrite would be among those of read.
SAME = {"readwrite": "rw"}
MIXED = ("rw", "randrw")
MODES = {"read": "read", "randread": "read", "write": "write",
         "randwrite": "write"}
STEPS = (2, 4, 10, 20, 50, 100, 250, 500, 750, 1000)    # fio's, of ns and us
LONG = (*STEPS, 2000)                                   # and of ms
DEFAULTS = {"rw": "read", "iodepth": "1", "numjobs": "1", "bs": "4k"}


class Left(Exception):
    """A cell that fio-plot has no place for, with the reason."""


def _alternates(cell: dict) -> None:
    if cell.get("pairing") == "duet":
        raise Left("a duet tells of CPU time alone: its IOPS are those of "
                   "three runs on one CPU (--pairing alternate measures them)")


def _options(text: str) -> dict[str, str]:
    """What a file is named by, of the effective job file."""
    found = jobfile.in_force(text, *DEFAULTS)
    if len(found) != 1:
        raise Left(f"it has {len(found)} jobs, and fio-plot's files have one")
    known = {**DEFAULTS, **found[0]}
    for key, value in known.items():
        if not value:
            raise Left(f"its {key} is a variable that is not set here")
    kind = known["rw"].split(":")[0]
    known["rw"] = SAME.get(kind, kind)
    if known["rw"] not in (*MODES, *MIXED):
        raise Left(f"fio-plot has no pictures of rw={known['rw']}")
    for key in ("iodepth", "numjobs"):
        if not re.fullmatch("[0-9]{1,9}", known[key]):
            raise Left(f"its {key}={known[key]} is no plain number")
    if known["rw"] in MIXED and "," in known["bs"]:
        raise Left("reads and writes differ in block size, so that the "
                   "bandwidth of each is not known")
    return known


def _shares(bins: Sequence[Sequence[int]]) -> dict[str, dict[str, float]]:
    """fio's latency_ns, _us and _ms: percent of the I/Os up to each step."""
    total = sum(count for _, count in bins)
    found: dict[str, dict[str, float]] = {}
    for unit, scale, steps in (("ns", 1, STEPS), ("us", 1000, STEPS),
                               ("ms", 1000000, LONG)):
        low = 0 if unit == "ns" else scale
        one = found[f"latency_{unit}"] = {}
        for step in steps:
            one[str(step)] = 100 * sum(
                count for ns, count in bins
                if low <= ns < step * scale) / total if total else 0.0
            low = max(low, step * scale)
    found["latency_ms"][">=2000"] = 100 * sum(
        count for ns, count in bins if ns >= 2e9) / total if total else 0.0
    return found


def _latency(one: dict) -> dict[str, Any]:
    """fio's lat_ns of a latency of a report, which has its bins."""
    mean, bins = one["mean_ns"] or 0, one["bins"]
    spread = math.sqrt(sum(count * (ns - mean) ** 2 for ns, count in bins)
                       / one["n"]) if one["n"] else 0.0
    return {"min": bins[0][0] if bins else 0,
            "max": bins[-1][0] if bins else 0, "mean": mean,
            "stddev": spread, "N": one["n"],
            "percentile": {f"{100 * SHARES[name]:.6f}": ns for name, ns in
                           one["percentiles"].items() if name in SHARES}}


NOTHING: dict = {"n": 0, "mean_ns": 0.0, "bins": [], "percentiles": {}}


def _direction(way, values, latency, share):
    """The part of a direction in the medians."""
    iops, bw = ([one[name] * share for one in values if one.get(name)]
                for name in ("iops", "bw_mib"))
    if not iops or not bw:
        raise Left("IOPS and bandwidth were not measured")
    lat = _latency(latency)
    kib = statistics.median(bw) * 1024
    return {way: {"iops": statistics.median(iops), "bw": round(kib),
                  "bw_bytes": round(kib * 1024), "total_ios": lat["N"],
                  "iops_mean": statistics.fmean(iops),
                  "iops_stddev": statistics.pstdev(iops), "lat_ns": lat}}


def _job(cell, role, known):
    """fio's entry of a job of the runs of one side of a cell."""
    found = {way: cell["latency"][way][role] if way in cell["latency"]
             else NOTHING for way in ("read", "write")}
    total = sum(one["n"] for one in found.values())
    if not total:
        raise Left("it has no latencies of reads or writes")
    values = [pair["values"][role] for pair in cell["pairs"]]
    cpu = cell.get("fio_cpu") or {}
    if role not in cpu:
        raise Left("its report is of an earlier version, which has not the "
                   "CPU time of fio: make it again with --resume")
    made: dict[str, Any] = {}
    for way, one in found.items():
        made |= _direction(way, values, one, one["n"] / total)
    bins: dict[int, int] = {}
    for one in found.values():
        for ns, count in one["bins"]:
            bins[ns] = bins.get(ns, 0) + count
    return {"jobname": cell["job"], "error": 0, "job options": known,
            **made, **_shares(sorted(bins.items())),
            "usr_cpu": cpu[role]["usr"], "sys_cpu": cpu[role]["sys"]}


# Where it goes

def safe(text: str) -> str:
    """A name of a folder, of letters that need no quotes."""
    return re.sub(r"[^A-Za-z0-9_.,=+-]", "_", text)[:80].strip(".") or "_"


def _target_of(cell, role):
    """Where a side of a cell ran."""
    return (role == "B" and cell.get("target_b") or cell["target"])["path"]


def _folders(data):
    """{path of a target: its folder}: its last name, if no other has that."""
    paths = dict.fromkeys(_target_of(cell, role) for cell in data["cells"]
                          for role in "AB")
    names = [safe(os.path.basename(path)) for path in paths]
    return {path: name if names.count(name) == 1 else safe(f"{number}{path}")
            for number, (path, name) in enumerate(zip(paths, names), 1)}


def _made(cell):
    """{role: fio's entry of its job}; {}, with a sentence, if there is none."""
    try:
        _alternates(cell)
        return {role: _job(cell, role, _options(cell["effective"][role]))
                for role in "AB"}
    except Left as left:
        print(f"ab: fio-plot: {ascii(cell['job'])[1:-1]} is left out: "
              f"{ascii(str(left))[1:-1]}.", file=sys.stderr)
        return {}


def _places(data: dict) -> Iterator[tuple[tuple, str, dict, dict]]:
    """((folder, file), the cell's job, fio's JSON, its cell), of each side of
    each cell that fio-plot has a place for."""
    folders = _folders(data)
    for cell in data["cells"]:
        for role, made in _made(cell).items():
            letter, options = cell["b"] if role == "B" else "A", made[
                "job options"]
            side = next(s for s in data["sides"] if s["letter"] == letter)
            folder = (folders[_target_of(cell, role)],
                      f"{letter}-{safe(side['text'])}", safe(options["bs"]))
            name = "{rw}-{iodepth}-{numjobs}.json".format(**options)
            yield (folder, name), cell["job"], {
                "fio version": data["fio"]["version"],
                "timestamp": int(cell["pairs"][0]["start"]),
                "global options": {}, "jobs": [made]}, cell


def documents(data: dict) -> dict[tuple, dict]:
    """{(folder, ..., file): what it holds}.  Cells that would share a file, as
    they differ in something that is no part of its name, get a folder of their
    job's; A of several comparisons is the first."""
    every = list(_places(data))
    jobs: dict[tuple, dict[str, None]] = {}
    for place, job, _, _ in every:
        jobs.setdefault(place, {})[job] = None
    found: dict[tuple, dict] = {}
    for place, job, made, cell in every:
        (target, *labels), name = place
        more = (safe(job),) if len(jobs[place]) > 1 else ()
        where = (target, *more, *labels, name)
        if where in found and labels[0][0] != "A":
            where = (target, *more, f"cell-{cell['id']}", *labels, name)
        found.setdefault(where, made)
    return found


def write(data: dict, path: str) -> None:
    """The folder; what is in it already stays, or is written anew."""
    found = documents(data)
    if not found:
        raise Problem("no cell of this campaign can be shown by fio-plot.")
    for where, made in found.items():
        name = os.path.join(path, *where)
        try:
            os.makedirs(os.path.dirname(name), exist_ok=True)
        except OSError as error:
            raise Problem(f"cannot make {ascii(os.path.dirname(name))[1:-1]}: "
                          f"{files.reason(error)}.") from None
        files.write_report(name, files.dump(made, indent=1))
