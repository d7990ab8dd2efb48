# SPDX-License-Identifier: GPL-2.0-only
# The part of jobs/bench-lib that runs fio: its plan, and all of its runs in
# memory, with progress.
import tempfile

import numpy as np

from ..ab import runner
from ..base import commandline, progress
from ..fio import asking, fiorun, jobfile, sidespec
from . import inmemory


def make_plan(args, sides, stack):
    """What to run and on which jobs; finds mistakes before any writing."""
    sides = tuple(sidespec.parse(text, args.build) for text in sides)
    jobs = [jobfile.load("randread")]
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="kaio-ab-"))
    fio = fiorun.Fio(commandline.find_fio(args.fio), args.cpu, folder)
    asking.check(fio, sides, jobs, args.size)
    libraries = asking.check_libraries(fio, sides)
    plan = inmemory.Plan(fio, sides, args.pairs, args.runtime, args.ramp,
                         np.random.default_rng(args.seed), libraries)
    return plan, jobs


def measure(plan, cells, **how):
    """Check and run the cells; how: of runner.check()."""
    runs = 3 * plan.pairs * len(cells)
    checks = 3 * len(cells)
    seconds = (runs * (plan.ramp + plan.runtime + commandline.STEP_OVERHEAD) +
               checks * commandline.CHECK_SECONDS)
    shown = progress.Progress(runs + checks, seconds)
    try:
        runner.check(plan, cells, shown.tick, **how)
        inmemory.run(plan, cells, shown.tick)
    finally:
        shown.clear()
