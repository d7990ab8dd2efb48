# SPDX-License-Identifier: GPL-2.0-only
# All devices of a "fleet" in words: on the terminal, in 79 columns, as CSV and
# in GitHub's markdown.
import csv
import io

from ...report import spreadsheet, wording
from ...report.markdown import code, plain, row, table
from ...report.terminal import fitted
from ..report import phrases
from ..shorter import figuremarks
from . import batch

LISTED = 40             # differences that are named one by one
ROW = "  {:<12} {:>8} {:>8} {:>11}  {}"
COLUMNS = ("run", "device", "sample", "serial", "firmware", "batch", "test",
           "cell", "metric", "unit", "value", "batch_median", "ratio",
           "outlier", "figures")


def share(counts):
    """'3 of 4' that passed."""
    total = sum(counts.values())
    return f"{counts.get('pass', 0)} of {total}" if total else "-"


def differs(device):
    """'2 of 80' figures; '-' where the batch is too small."""
    return (f"{device['marks']} of {device['figures']}"
            if device["figures"] else "-")


def marks(fleet):
    """[(device, row, outlier)], the farthest of each row first."""
    return [(fleet["devices"][one["device"]], row, one)
            for row in fleet["rows"] for one in row["outliers"]]


def where(row):
    short = figuremarks.CUT in row.get("extents", ())
    return (f"{row['title']}, {row['cell']}: {row['label']}"
            + (" (shortened)" if short else ""))


def difference(row, one):
    """'1,234 µs, the median 600 µs: +105.7%'"""
    return (f"{phrases.amount(one['value'], row['unit'])}, the median "
            f"{phrases.amount(row['median'], row['unit'])}: "
            f"{wording.percent(one['ratio'])}")


def sizes(fleet):
    """'8 x EXAMPLE X-480, 480 GB; ...': the batches."""
    return "; ".join(
        f"{len(one['devices'])} x {one['model']}, "
        f"{wording.decimal_size(one['size_bytes'])}"
        for one in fleet["batches"])


def _device(one):
    made = ROW.format(one["result"].upper() if one["result"] == "fail" else
                      one["result"], share(one["limits"]),
                      share(one["checks"]), differs(one), "")
    said = batch.called(one)
    if len(made) + len(said) <= 79:
        return [made + said]
    return [made.rstrip(), *fitted(said, " " * 15)]


def lines(fleet):
    """The table; [] without a fleet."""
    if not fleet:
        return []
    made = ["", *fitted(f"All devices: {sizes(fleet)}", "", "  "),
            ROW.format("result", "limits", "checks", "differs in", "device")]
    for one in fleet["devices"]:
        made += _device(one)
    found = marks(fleet)
    for device, row_, one in found[:LISTED]:
        made += fitted(f"{batch.called(device)} differs from its batch in "
                       f"{where(row_)} {difference(row_, one)}.")
    if len(found) > LISTED:
        made.append(f"  and in {len(found) - LISTED} more figures")
    return [*made, *fitted(fleet["note"])]


# For other programs

def csv_text(fleet):
    """A row for each figure of each device (RFC 4180)."""
    made = io.StringIO()
    writer = csv.writer(made)
    writer.writerow(COLUMNS)
    for one in fleet["rows"]:
        outliers = {each["device"] for each in one["outliers"]}
        those = fleet["batches"][one["batch"]]["devices"]
        for number, value, extent in zip(those, one["values"], one["extents"]):
            device = fleet["devices"][number]
            writer.writerow(map(spreadsheet.field, (
                *(device[name] for name in ("run", "name", "sample", "serial",
                                            "firmware", "batch")),
                *(one[name] for name in ("test", "cell", "metric", "unit")),
                value, one["median"], value and value / one["median"],
                int(number in outliers), extent)))
    return made.getvalue()


def _mark(word):
    return f"{phrases.MARKS[word]} {word}"


def markdown_text(fleet):
    """The devices, then each difference."""
    fleet = wording.cleaned(fleet, wording.line)
    made = [f"{plain(sizes(fleet))}\n", table(
        ("device", "result", "limits", "checks", "differs in"), "llrrr",
        [row((code(batch.called(one)), _mark(one["result"]),
              share(one["limits"]), share(one["checks"]), differs(one)))
         for one in fleet["devices"]])]
    found = [row((code(batch.called(device)), plain(where(each)),
                  *(plain(phrases.amount(value, each["unit"]))
                    for value in (one["value"], each["median"])),
                  wording.percent(one["ratio"])))
             for device, each, one in marks(fleet)]
    if found:
        made.append(table(("device", "figure", "is", "median", "differs by"),
                          "llrrr", found))
    return "\n".join([*made, f"{plain(fleet['note'])}\n"])
