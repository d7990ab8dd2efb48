#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
# For a guest of tests/vm: the power-cut test of jobs/qualify alone, on DEVICE,
# whose power the shell command COMMAND cuts, CUTS times.  Prints its entry in
# qualify.json, with the cuts.  (All of jobs/qualify takes a minute to start and
# to write its page under emulation.)
import contextlib
import dataclasses
import json
from pathlib import Path
import sys
import tempfile

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "jobs"), str(ROOT / "tests/lib")]

import qualifycontext
from fiolab.qualify.suite import integrity, powercut
from fiolab.qualify.suite.profiles import QUICK


def cut(device, cuts, command, fio, build):
    test, = (one for one in integrity.TESTS if one.name == "power-cut")
    kept, series = [], powercut.series
    powercut.series = lambda *words: kept.extend(series(*words)) or kept
    with contextlib.ExitStack() as stack:
        where = stack.enter_context(tempfile.TemporaryDirectory())
        bench = qualifycontext.bench(
            device, fio, build, where, stack, claimed=True,
            profile=dataclasses.replace(QUICK, cycles=int(cuts)))
        found, _ = qualifycontext.run(bench, test, power_cut=command)
    return {**found, "cuts": kept}


if __name__ == "__main__":
    print(json.dumps(cut(*sys.argv[1:])))
