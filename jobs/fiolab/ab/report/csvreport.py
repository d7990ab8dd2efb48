# SPDX-License-Identifier: GPL-2.0-only
# report.csv: one row for each effect, of all hosts together (host is empty)
# and of each host alone, for spreadsheets and R.  Ratios are B/A as in
# report.json; an empty field was not measured.  The runs are in report.json.
from collections.abc import Iterator
import csv
import io

from ...base import files
from ...report import spreadsheet, wording

COLUMNS = (
    "cell", "job", "target", "a", "b", "host", "metric", "unit", "role",
    "better", "median_a", "median_b", "ratio", "ci95_low", "ci95_high",
    "ci90_low", "ci90_high", "aa_ratio", "aa_ci95_low", "aa_ci95_high", "p",
    "p_holm", "tost_p", "detectable", "n", "verdict", "reason", "closed",
    "seconds", "pairing")


def _interval(name, found):
    low, high = found or (None, None)
    return {f"{name}_low": low, f"{name}_high": high}


def _row(data, cell, host, effect):
    floor = effect["aa"] or {"ratio": None, "ci95": None}
    plain = ("metric", "unit", "role", "better", "ratio", "p", "p_holm",
             "tost_p", "detectable", "n", "verdict", "reason")
    row = {"cell": cell["id"], "job": cell["job"], "host": host,
           "target": cell["target"]["path"], "a": data["sides"][0]["text"],
           "b": wording.side(data, cell["b"])["text"],
           "median_a": effect["median"]["A"],
           "median_b": effect["median"]["B"], "aa_ratio": floor["ratio"],
           **{name: effect[name] for name in plain},
           **{name: cell.get(name) for name in ("closed", "seconds",
                                                "pairing")},
           **_interval("ci95", effect["ci95"]),
           **_interval("ci90", effect["ci90"]),
           **_interval("aa_ci95", floor["ci95"])}
    return {name: spreadsheet.field(x) for name, x in row.items()}


def rows(data: dict) -> Iterator[dict]:
    for cell in data["cells"]:
        hosts = [("", cell), *sorted(cell["hosts"].items())]
        for host, found in hosts:
            for effect in found["effects"]:
                yield _row(data, cell, host, effect)


def text(data: dict) -> str:
    """The table, as RFC 4180 has it."""
    made = io.StringIO()
    writer = csv.DictWriter(made, COLUMNS)
    writer.writeheader()
    writer.writerows(rows(data))
    return made.getvalue()


def write(data: dict, path: str) -> None:
    files.write_report(path, text(data))
