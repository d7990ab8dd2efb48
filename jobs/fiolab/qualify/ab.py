# SPDX-License-Identifier: GPL-2.0-only
# The A/B section: do the verdicts depend on the engine?  jobs/ab compares the
# engine of the qualification (A) with another one (B) in pairs, on the cells
# that the limits are about, and each bound is moved by the ratio that it found.
# Its campaign stays in the folder of the run, with its own report.
import os
import re
import shutil
import signal
import sys

from .. import process, schema as ab_schema
from ..problem import Problem
from . import job

COMMAND = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__)))), "ab")
# Metric here -> there.
METRICS = {"iops": "iops", "mbps": "bw_mib", "lat_mean_us": "lat_mean_us",
           "lat_p50_us": "lat_p50_us", "lat_p99_us": "lat_p99_us"}
DEFAULT = (("iops", "4K 0/100"), ("iops", "64K 65/35"), ("iops", "1M 100/0"))
PER_PAIR = 3                # runs
PATIENCE, OVERHEAD = 600, 4     # seconds: of checks and fills; of a run


def other_engine(engine):
    return "kaio" if engine.split(",")[0] == "libaio" else "libaio"


def cells(tests, limits):
    """[(test, Stimulus)] to compare: those of the limits, else a few."""
    wanted = [(one["test"], one["cell"]) for one in limits
              if one["metric"] in METRICS] or DEFAULT
    known = {(test.name, stimulus.name): stimulus for test in tests
             for phase in getattr(test, "phases", ())
             if isinstance(phase.stimuli, tuple) for stimulus in phase.stimuli}
    return [(test, known[test, cell]) for test, cell in dict.fromkeys(wanted)
            if (test, cell) in known]


def job_text(stimulus, profile):
    """The job file of a cell; jobs/ab adds the target, times and seeds."""
    return "\n".join([
        "[cell]", "direct=1", "thread=1", "group_reporting=1",
        "norandommap=1", "refill_buffers=1", *job.blocks(stimulus),
        f"numjobs={job.threads_of(stimulus, profile)}",
        f"iodepth={job.depth_of(stimulus, profile)}", *stimulus.options, ""])


def _file_name(test, stimulus):
    return re.sub(r"[^A-Za-z0-9]+", "-", f"{test} {stimulus.name}") + ".fio"


def _write_jobs(folder, chosen, profile):
    """{path: (test, cell)}"""
    os.makedirs(folder, exist_ok=True)
    made = {}
    for test, stimulus in chosen:
        path = os.path.join(folder, _file_name(test, stimulus))
        with open(path, "w", encoding="utf-8") as file:
            file.write(job_text(stimulus, profile))
        made[path] = (test, stimulus.name)
    return made


def command(place, files, target, engines, how):
    """The words of jobs/ab; it goes on where an earlier one stopped, unless
    its scratch target is gone."""
    if how["anew"]:
        shutil.rmtree(place, ignore_errors=True)
    if os.path.exists(os.path.join(place, "campaign.json")):
        return [COMMAND, "--resume", place, "--destroy-data"]
    words = [COMMAND, "--target", target["path"], "--destroy-data",
             "--size", f"{target['active_bytes'] >> 20}M", "--out", place,
             "--build", how["build"], "--fio", how["fio"], "--cpu", "all",
             "--pairs", str(how["pairs"]), "--runtime", str(how["runtime"]),
             "--seed", str(how["seed"]), "--restore", "none"]
    for engine in engines:
        words += ["--side", engine]
    for path in files:
        words += ["--job", path]
    return words


def _run(words, seconds, log):
    with open(log, "wb") as out, process.Child(
            [sys.executable, *words], stdout=out, stderr=out) as child:
        if not child.wait(seconds):
            raise Problem(f"jobs/ab did not end in {seconds:.0f} s: see {log}.")
        if child.status == -signal.SIGINT or child.status == 130:
            raise KeyboardInterrupt
        if child.status:
            with open(log, encoding="utf-8", errors="replace") as file:
                said = file.read().strip().splitlines()[-1:]
            raise Problem(f"jobs/ab failed: {' '.join(said) or 'no message'}")


def _rows(report, files, target):
    """One row for each cell and metric."""
    names = {os.path.basename(path): cell for path, cell in files.items()}
    for cell in report["cells"]:
        test, name = names[os.path.basename(cell["job_path"])]
        found = {effect["metric"]: effect for effect in cell["effects"]}
        for here, there in METRICS.items():
            if there not in found:
                continue
            e = found[there]
            yield {"target": target["name"], "test": test, "cell": name,
                   "metric": here, "label": e["name"], "unit": e["unit"],
                   "a": e["median"]["A"], "b": e["median"]["B"],
                   "ratio": e["ratio"], "ci95": e["ci95"],
                   "aa95": e["aa"] and e["aa"]["ci95"],
                   "verdict": e["verdict"], "reason": e["reason"],
                   "n": e["n"]}


def _good(limit, bound):
    return (bound >= limit["limit"] if limit["key"].startswith("min_")
            else bound <= limit["limit"])


def moved(limit, row):
    """The limit's result under the other engine: its bound, moved by the
    ratio; undecided where the interval of the ratio reaches over the limit."""
    bounds = [limit["bound"] * ratio for ratio in (
        row["ratio"], *(row["ci95"] or (0, float("inf"))))]
    results = {_good(limit, bound) for bound in bounds}
    other = "pass" if _good(limit, bounds[0]) else "fail"
    same = (other == limit["result"] if len(results) == 1 else None)
    return {**{key: limit[key] for key in (
        "line", "target", "test", "cell", "key", "limit", "unit", "bound",
        "result")}, "ratio": row["ratio"], "bound_other": bounds[0],
        "other": other, "same": same}


def _limits(limits, rows):
    known = {(row["target"], row["test"], row["cell"], row["metric"]): row
             for row in rows}
    for limit in limits:
        row = known.get(tuple(limit[key] for key in (
            "target", "test", "cell", "metric")))
        if row and limit["bound"] is not None:
            yield moved(limit, row)


def conclusion(engines, found):
    """One sentence on all limits."""
    a, b = engines
    if not found:
        return f"No limit rests on what was compared of {a} and {b}."
    changed = sum(one["same"] is False for one in found)
    unsure = sum(one["same"] is None for one in found)
    if changed or unsure:
        return (f"Of {len(found)} limits, {changed} have another result with "
                f"{b} than with {a}, and of {unsure} the pairs cannot tell.")
    return (f"All {len(found)} limits have the same result with {a} and with "
            f"{b}.")


def run(folder, targets, tests, profile, limits, how):
    """data["ab"] of a run.

    targets: those of qualify.json that are on this machine, their claims let
    go; how: engine, build, fio, pairs, runtime (s), seed, anew (the targets
    of an earlier command are gone).
    """
    engines = (how["engine"], other_engine(how["engine"]))
    chosen = cells(tests, limits)
    files = _write_jobs(os.path.join(folder, "ab-jobs"), chosen, profile)
    rows = []
    for number, target in enumerate(targets):
        place = os.path.join(folder, f"ab-{number}")
        _run(command(place, files, target, engines, how),
             PATIENCE + len(files) * how["pairs"] * PER_PAIR *
             (how["runtime"] + OVERHEAD), place + ".log")
        rows += _rows(ab_schema.load(os.path.join(place, "report.json")),
                      files, target)
    found = list(_limits(limits, rows))
    return {"engines": list(engines), "pairs": how["pairs"], "rows": rows,
            "limits": found, "text": conclusion(engines, found),
            "folders": [f"ab-{n}" for n in range(len(targets))]}
