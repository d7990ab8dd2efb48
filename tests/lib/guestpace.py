#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The test pace of jobs/qualify in minutes, of reads alone, as JSON: run in a
guest of tests/vm.

    guestpace.py PATH FIO BUILD FOLDER SECONDS P99_US SHARE...

SECONDS: of a run; P99_US: the bound that the highest of these rates keeps; SHARE:
percent of what the device does at most.
"""
from contextlib import ExitStack
import dataclasses
import json
import os
from pathlib import Path
import sys

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "jobs"))

from fiolab.qualify.limits import specfile  # noqa: E402
from fiolab.qualify.suite import queuetests  # noqa: E402
from fiolab.qualify.suite.profiles import QUICK  # noqa: E402
from fiolab.qualify.tails import pace  # noqa: E402
import qualifycontext  # noqa: E402


def main(path, fio, build, folder, seconds, p99_us, *shares):
    pace.READS, pace.THIN_STEPS = (100,), 0
    pace.THIN_SHARES = tuple(map(int, shares))
    os.makedirs(folder)
    profile = dataclasses.replace(
        QUICK, minute=60 * float(seconds) / pace.SECONDS, threads=2, depth=16)
    test = next(one for one in queuetests.TESTS if one.name == pace.NAME)
    with ExitStack() as stack:
        bench = qualifycontext.bench(path, fio, build, folder, stack,
                                     profile=profile, claimed=True)
        bench.spec = specfile.Spec("s", "s", 0.95, (specfile.Limit(
            1, pace.NAME, f"{pace._mix(100)} {pace.HIGHEST}", "k",
            "iops_at_p99", "min", 1, "IOPS", 0, float(p99_us)),))
        found, _ = qualifycontext.run(bench, test)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
