# SPDX-License-Identifier: GPL-2.0-only
# The table of the seconds that stand out in a test, the worst first, with what
# the kernel's log had about the device then, and what its health was.
from ...base import kernellog
from ...stats import oddwindows
from ..watch import healthfacts
from ..watch.healthsamples import expanded

MOST = 20                   # rows of a cell
ROOM = 5                    # seconds around, as the log's clock goes astray
LONGEST = 120               # letters of a line of the log
NOTE = ("windows with a latency beyond {times:g} times the median of the "
        "windows' longest, or in which less than {share:.0%} of the median of "
        "I/Os ended; times since the cell's first I/O, without what was "
        "between its rounds")
TITLE = "Outlier windows"


def _errors_first(line):
    return line["level"] not in kernellog.ERRORS, line["at"]


def _said(kernel, begin, end):
    """The first line about the device in that time, and how many more."""
    if not kernel or kernel["why"]:
        return "not known"
    lines = sorted((one for one in kernel["lines"] if one["device"] and
                    "at" in one and begin - ROOM <= one["at"] <= end + ROOM),
                   key=_errors_first)
    if not lines:
        return "nothing"
    more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
    return f"{lines[0]['text'][:LONGEST]}{more}"


def _rows(cell, kernel, samples):
    found = sorted(cell["over_time"]["outliers"],
                   key=lambda one: (-one["max_ns"], one["after_s"]))[:MOST]
    return [[cell["name"], round(one["after_s"], 1), round(one["seconds"], 1),
             one["max_ns"] / 1e6, one["iops"],
             cell["over_time"]["usual"]["iops"],
             _said(kernel, one["begin"], one["end"]),
             healthfacts.then(samples, one["begin"], one["end"])]
            for one in sorted(found, key=lambda one: one["after_s"])]


def add(test):
    """To the tables of a test of qualify.json, once its "kernel" and "health"
    are there."""
    cells = [cell for cell in test["cells"] if cell.get("over_time")
             and cell["over_time"].get("outliers")]
    left = sum(max(0, len(cell["over_time"]["outliers"]) - MOST)
               for cell in cells)
    if not cells:
        return
    samples = list(expanded((test.get("health") or {"samples": ()})["samples"]))
    note = NOTE.format(times=oddwindows.TIMES, share=oddwindows.SHARE)
    test["tables"].append({
        "title": TITLE, "columns": ["cell", "from s", "for s", "longest ms",
                                    "IOPS", "usual IOPS", "kernel's log",
                                    "health"],
        "rows": [row for cell in cells
                 for row in _rows(cell, test["kernel"], samples)],
        "note": f"{note}; {left} more, less long, are in qualify.json"
        if left else note})
