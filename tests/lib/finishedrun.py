# SPDX-License-Identifier: GPL-2.0-only
"""The folder of a finished qualification, without a run: what it was of is
invented (qualifydata.py), its manifest is real."""
from contextlib import ExitStack
from pathlib import Path

import qualifybench
import qualifydata
from fiolab.qualify import folder
from fiolab.qualify.suite import profiles

ROUND = "t00-iops-p01-r0001"
DATA = qualifydata.report(profiles.QUICK)   # made once: it takes a second


def make(path, data=None):
    """Its path; data: of qualify.json."""
    with ExitStack() as stack:
        made = folder.Folder(str(path))
        made.create(stack)
        made.save_plan(qualifybench.PLAN)
        for number in range(3):
            made.save_run(f"{ROUND}-{number:03d}", {"number": number})
        made.save_round(ROUND, {"round": 1})
        made.save_report(DATA if data is None else data)
        made.save_result("report.txt", "Pass\n")
        made.seal()
    return Path(made.path)
