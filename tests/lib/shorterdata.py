# SPDX-License-Identifier: GPL-2.0-only
"""The invented report of qualifydata.py as that of a run with --time."""
import copy
from types import SimpleNamespace

import qualifydata
from fiolab.qualify.shorter import figuremarks
from fiolab.qualify.suite.profiles import ENTERPRISE, SHORTENED


def report(short=("iops",)):
    """A report in which these tests are shortened."""
    data = copy.deepcopy(qualifydata.report(targets=1))
    data["profile"].update(name=SHORTENED, of="pts-e")
    data["time"] = {
        "asked_s": 8 * 3600, "planned_s": [3600, 28000], "whole_s": [1e5, 5e5],
        "sprandom": False, "left_out": [
            {"test": "reap", "title": "Completion paths", "seconds": 500}]}
    for target in data["targets"]:
        for test in target["tests"]:
            made = SimpleNamespace(
                group=test["group"], keeps=test["name"] not in short,
                cuts=("fewer cells",) if test["name"] in short else ())
            figuremarks.mark(made, test, ENTERPRISE)
    figuremarks.mark_limits(data)
    return data
