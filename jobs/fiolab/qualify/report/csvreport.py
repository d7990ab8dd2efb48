# SPDX-License-Identifier: GPL-2.0-only
# report.csv: a row for each figure of each cell of each test, for spreadsheets
# and R, as RFC 4180 has it.  An empty field was not measured.
import csv
import io

from ...fio.metrics import TABLE
from ...report import spreadsheet

COLUMNS = ("target", "test", "group", "state", "figures", "cell", "rw", "bs",
           "read_percent", "threads", "depth", "steady", "first_round",
           "last_round", "metric", "unit", "mean", "low", "high", "n")


def _rows(data):
    for target in data["targets"]:
        for test in target["tests"]:
            for cell in test["cells"]:
                first, last = cell["window"] or (None, None)
                common = {"target": target["name"], "test": test["name"],
                          "group": test["group"], "state": test["state"],
                          "figures": cell.get("extent"),
                          "cell": cell["name"], **cell["stimulus"],
                          "steady": cell["steady"], "first_round": first,
                          "last_round": last}
                for metric, value in cell["values"].items():
                    yield {**common, "metric": metric,
                           "unit": TABLE[metric].unit if metric in TABLE
                           else "", **{name: value[name] for name in (
                               "mean", "low", "high", "n")}}


def text(data):
    """The table."""
    made = io.StringIO()
    writer = csv.DictWriter(made, COLUMNS, extrasaction="ignore")
    writer.writeheader()
    writer.writerows({name: spreadsheet.field(one)
                      for name, one in row.items()} for row in _rows(data))
    return made.getvalue()
