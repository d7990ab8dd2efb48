# SPDX-License-Identifier: GPL-2.0-only
# qualify.json, read with distrust: its fields are those of
# jobs/docs/qualify.schema.json, and here is what no field shows alone.
from ...base.schema import Report, Wrong, interval, latency, unlike


def _test_relations(test, where):
    unlike([cell["name"] for cell in test["cells"]], f"{where}.cells",
           "share a name")
    for i, cell in enumerate(test["cells"]):
        over = cell.get("over_time") or {}
        if any(len(row) != len(over["edges_ns"]) - 1
               for row in over.get("counts", ())):
            raise Wrong(f"{where}.cells[{i}].over_time.counts", "are not as "
                        "long as there are edges")
        if cell["latency"]:
            latency(cell["latency"], f"{where}.cells[{i}].latency")
    for i, one in enumerate(test["tables"]):
        if any(len(row) != len(one["columns"]) for row in one["rows"]):
            raise Wrong(f"{where}.tables[{i}].rows", "are not as long as "
                        "there are columns")
    for i, one in enumerate(test["grids"]):
        if len(one["z"]) != len(one["y"]) or any(
                len(row) != len(one["x"]) for row in one["z"]):
            raise Wrong(f"{where}.grids[{i}].z", "is not y by x figures")


def _fleet_relations(fleet):
    count, batches = len(fleet["devices"]), fleet["batches"]
    for i, row in enumerate(fleet["rows"]):
        where = f"fleet.rows[{i}]"
        if row["batch"] >= len(batches):
            raise Wrong(f"{where}.batch", "is none of the batches")
        if len(row["values"]) != len(batches[row["batch"]]["devices"]):
            raise Wrong(f"{where}.values", "is not one for each device")
        if any(one["device"] >= count for one in row["outliers"]):
            raise Wrong(f"{where}.outliers", "names none of the devices")
    if any(number >= count for one in batches for number in one["devices"]):
        raise Wrong("fleet.batches", "names none of the devices")


def _relations(data):
    names = [target["name"] for target in data["targets"]]
    unlike(names, "targets", "share a name")
    for i, target in enumerate(data["targets"]):
        where = f"targets[{i}].tests"
        unlike([test["name"] for test in target["tests"]], where,
               "share a name")
        for j, test in enumerate(target["tests"]):
            _test_relations(test, f"{where}[{j}]")
    for i, limit in enumerate(data["limits"]):
        if limit["target"] not in names:
            raise Wrong(f"limits[{i}].target", "is none of the targets")
    if data.get("fleet"):
        _fleet_relations(data["fleet"])
    for part in ("against", "ab", "interference"):
        for i, row in enumerate(data[part]["rows"] if data.get(part) else ()):
            interval(row["ci95"], f"{part}.rows[{i}].ci95")


REPORT = Report("qualify", _relations, "jobs/qualify",
                "the qualify.json of a qualification")
check, load = REPORT.checked, REPORT.load
