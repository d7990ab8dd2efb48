#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The tests of SNIA on the simulated drive of flashdrive.py: the project's own
phases, job files, rules of steady state and cells, with a stand-in for fio that
reads the job file and answers in its JSON.

    tests/lib/modelruns.py      prints the table of jobs/README.md
"""
from dataclasses import dataclass
from pathlib import Path
import re
import sys
from types import SimpleNamespace
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "jobs"))

from flashdrive import Drive
from fiolab.fio.metrics import TABLE
from fiolab.qualify import context, jobtext, phaserun
from fiolab.qualify.execute import Ran
from fiolab.qualify.shorter import chooser, figuremarks
from fiolab.qualify.suite import pts
from fiolab.qualify.suite.profiles import ENTERPRISE

NONE = {"runtime": 0, "total_ios": 0, "io_bytes": 0,
        "lat_ns": {"N": 0, "mean": 0, "max": 0, "bins": {}}}


@dataclass
class Load:
    """A section of a job file, as the drive needs it."""
    bytes: float            # of an I/O, in the mean
    reads: float            # share
    flight: int
    offset: int
    size: int
    seconds: float          # 0: an amount
    amount: float
    sequential: bool
    sprandom: bool
    zones: tuple


def _mean_block(options):
    if "bssplit" not in options:
        return jobtext.block_sizes(options["bs"])[0]
    parts = [one.split("/") for one in options["bssplit"].split(":")]
    return sum(jobtext.block_sizes(size)[0] * int(share)
               for size, share in parts) / 100


def _zones(text):
    return tuple(tuple(int(one) / 100 for one in part.split("/"))
                 for part in text.removeprefix("zoned:").split(":")) if text \
        else ()


def load(options):
    mixed = options["rw"] in jobtext.MIXED
    runtime = options.get("runtime", "0ms").removesuffix("ms")
    threads = int(options["numjobs"])
    return Load(
        _mean_block(options),
        int(options["rwmixread"]) / 100 if mixed else
        float("read" in options["rw"]), threads * int(options["iodepth"]),
        int(options["offset"]), int(options["size"]), int(runtime) / 1000,
        threads * int(options.get("io_size", 0)),
        options["rw"] in ("read", "write"), "sprandom" in options,
        _zones(options.get("random_distribution")))


def _side(ios, size, seconds, mean_ns):
    count = round(ios)
    return {"runtime": max(1, round(1000 * seconds)), "total_ios": count,
            "io_bytes": round(size), "lat_ns": {
                "N": count, "mean": mean_ns, "max": mean_ns,
                "bins": {str(round(mean_ns)): count}}} if count else NONE


def _entry(name, one, threads, ran):
    ios, written, seconds = ran
    mean = 1e9 * one.flight * seconds / ios
    return {"jobname": name, "ctx": 1, "usr_cpu": 1, "sys_cpu": 1,
            "job_runtime": threads * max(1, round(1000 * seconds)),
            "read": _side(ios * one.reads, ios * one.reads * one.bytes,
                          seconds, mean),
            "write": _side(ios * (1 - one.reads), written, seconds, mean),
            "trim": NONE}


class Fio:
    """Takes the part of an Executor."""
    tells_windows = False

    def __init__(self, drive, size):
        self.drive, self.seconds = drive, 0.0
        self.stop = SimpleNamespace(is_set=lambda: False)
        self.target = SimpleNamespace(
            size=size, logical_block=512, clients=("the model",), given=size)
        self.folder = SimpleNamespace(part=0, once=lambda name, make,
                                      *_, **__: make())

    def run(self, text, name, *_, **__):
        jobs = [self._job(part) for part in re.split(r"^\[", text, flags=re.M)
                if part and not part.startswith("global]")]
        return Ran(jobs, [], 0, "", name, 0.0)

    def _job(self, part):
        name, *lines = part.split("\n")
        options = dict(line.partition("=")[::2] for line in lines if line)
        if "exec_prerun" in options:
            pause = float(options["exec_prerun"].removeprefix("sleep "))
            self.drive.idle(pause)
            self.seconds += pause
        one = load(options)
        ran = self.drive.run(one)
        self.seconds += ran[2]
        return _entry(name.removesuffix("]"), one, int(options["numjobs"]), ran)


def run(tests, profile, size, seed=1, **drive):
    """[a test in qualify.json] of tests in their order, and the seconds."""
    fio = Fio(Drive(size, seed=seed, **drive), size * profile.active // 100)
    bench = context.Bench(0, fio, profile, seed, "model", lambda *_: None)

    def purged(*_):
        fio.drive.purge()
        return 0.0
    with mock.patch.object(phaserun.purge, "run", purged):
        found = []
        for test in tests:
            found.append(test.entry())
            test.run(bench, found[-1])
    return found, fio.seconds


# The table of jobs/README.md

SIZE, HOURS = int(0.96e12), (48, 24, 12, 6)
SHOWN = (("iops", "4K 0/100", "iops"), ("iops", "64K 65/35", "iops"),
         ("iops", "4K 100/0", "iops"), ("throughput", "128K SEQ 0/100", "mbps"),
         ("latency", "4K 0/100", "lat_mean_us"), ("wsat", "4K 0/100", "iops"),
         ("hir", "after 10 s idle", "iops"),
         ("hir", "baseline 10 s", "iops"), ("dirth", "T32 QD32", "iops"),
         ("xsr", "2: 8K random write", "iops"),
         ("xsr", "3: 1M sequential write", "mbps"))


def planned(hours, sprandom=False):
    """The Draft of SNIA's tests in so many hours; None: all of them."""
    draft = chooser.Draft(pts.tests(ENTERPRISE), ENTERPRISE, [SIZE],
                          sprandom=sprandom)
    assert hours is None or chooser.choose(draft, hours * 3600)
    return draft


def measured(draft):
    return of(draft.made(), ENTERPRISE)


def of(tests, profile):
    """({(test, cell, metric): (mean, extent, steady)}, seconds)"""
    found, seconds = run(tests, profile, SIZE)
    for test, one in zip(tests, found):
        figuremarks.mark(test, one, profile)
    return {(one["name"], cell["name"], metric): (
        value["mean"], cell["extent"], cell["steady"]) for one in found
        for cell in one["cells"]
        for metric, value in cell["values"].items()}, seconds


def _text(whole, found):
    """'+2.1%', with a star where the figure is shortened."""
    if not found:
        return "left out"
    change = 100 * (found[0] / whole[0] - 1)
    return (f"{change:+.1f}%" + ("*" if found[1] == figuremarks.CUT else "")
            + _steadiness(found))


def _steadiness(found):
    return " (not steady)" if found[2] is False else ""


def table(hours=HOURS):
    """Its lines, in markdown."""
    whole, most = measured(planned(None))
    drafts = [planned(one) for one in hours]
    runs = [measured(one) for one in drafts]
    rows = [["", "whole", *(f"`--time {one}h`" for one in hours)],
            ["---"] * (2 + len(hours)),
            ["hours, of at most", *(
                f"{took / 3600:.1f} of {draft.seconds() / 3600:.1f}"
                for took, draft in zip((most, *(took for _, took in runs)),
                                       (planned(None), *drafts)))]]
    for key in SHOWN:
        test, cell, metric = key
        rows.append([f"{test}, {cell}, {TABLE[metric].unit_said}",
                     f"{float(f'{whole[key][0]:.3g}'):,g}"
                     + _steadiness(whole[key]),
                     *(_text(whole[key], found.get(key)) for found, _ in runs)])
    return [f"| {' | '.join(row)} |" for row in rows]


if __name__ == "__main__":
    print("\n".join(table()))
