# SPDX-License-Identifier: GPL-2.0-only
# The acceptance spec, a TOML file: what a device must keep.
#
#   [spec]                      # optional, as all of it is
#   name = "Example 480 GB"
#   confidence = 0.95           # of the bound that must meet a limit
#   [record]                    # for the head of the report: any names
#   project = "X400 refresh"
#   [device]                    # shell patterns of its identity
#   model = "EXAMPLE X480*"
#   [health]                    # of the whole run
#   max_temperature_c = 70
#   max_throttled_windows = 0
#   [iops."4K 0/100"]           # [TEST."CELL"]
#   min_iops = 90_000
#   [iops."*"]                  # each cell that has no entry of its own
#   max_p99_us = 2000
#   [job."mine".randread]       # of --job mine.fio, its job randread
from dataclasses import dataclass
import difflib
import math
import os
import re

from ...base.problem import Problem
from ...fio.metrics import LIMITS, TABLE
from ...stats import bounds
from . import tomllines
from .tomllines import TABLES, Wrong, quoted, shown

JOBS = "job"            # tables of loads of the user's own
EVERY = "*"             # the cell that stands for all without an entry
# KEY: (metric, sense, unit)
KEYS = {key: one.limit for key, one in LIMITS.items()}
# The same limit in a larger unit, and how much larger it is.
LARGER = {"max_max_ms": ("max_latency_us", 1000)}
KEYS.update({key: KEYS[same] for key, (same, _) in LARGER.items()})
WITH_TIME = re.compile(r"([^()]*)\(([^()]*)\)([^()]*)")
TIME = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s)")
US = {"us": 1, "ms": 1000, "s": 1_000_000}
HEAD_KEYS, DEVICE_KEYS = ("name", "confidence"), ("model", "firmware")
HEALTH_KEYS = {
    "max_temperature_c": ("highest temperature", "max", "°C"),
    "max_throttled_windows": ("windows in which it throttled", "max", "n"),
    "max_new_media_errors": ("new media errors", "max", "n"),
    "max_new_unsafe_shutdowns": ("new unsafe shutdowns", "max", "n"),
    "max_new_link_errors": ("new link errors", "max", "n"),
    "min_spare_percent": ("available spare", "min", "%"),
    "max_used_percent": ("endurance used", "max", "%"),
    "max_write_amplification": ("write amplification", "max", "")}
OWN = ("spec", "device", "health", "record")      # tables that are no test's
FIELDS, LENGTH = 30, 200    # of [record]: how many, and of how many letters


@dataclass(frozen=True)
class Limit:
    line: int
    test: str
    cell: str
    key: str
    metric: str
    sense: str          # "min", "max"; "match" of a pattern in [device]
    limit: float | str
    unit: str
    header: int = 0     # the line of its table
    at_us: float = 0    # the time in the key's brackets


@dataclass(frozen=True)
class Spec:
    path: str
    name: str
    confidence: float
    limits: tuple
    device: tuple = ()  # Limits too: what the identity must match
    health: tuple = ()  # and what its health log must keep
    record: tuple = ()  # (name, text): what the report is to say of the run


def nearest(name, known, otherwise):
    """'did you mean X?', or what else there is to say."""
    lower = {one.lower(): one for one in known}
    found = difflib.get_close_matches(name.lower(), lower, 1)
    return f"did you mean {shown(lower[found[0]])}?" if found else otherwise


# Tables

def _key_known(key, line, known):
    if key not in known:
        raise Wrong(line, f"unknown key {quoted(key)}: " + nearest(
            key, known, "the keys are " + ", ".join(known)))


def _number(line, key, value, zero=False):
    """Finite, above 0 (zero: or 0), as a float where it is none; else refused.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Wrong(line, f"{key} is no number: write one without a unit, "
                    "which is in the key's name")
    try:
        good = math.isfinite(value) and (value > 0 or zero and value == 0)
    except OverflowError:
        good = False
    if not good:
        raise Wrong(line, f"{key} must be a finite number above 0"
                    f"{', or 0' if zero else ''}")
    return value


def _text(line, key, value):
    if not isinstance(value, str) or not value.strip():
        raise Wrong(line, f'{key} must be text in quotes, as "..."')
    return value


def _at(key, line):
    """(the key with TIME in its brackets, that time in us): of
    min_iops_at_p99(200us)."""
    match = WITH_TIME.fullmatch(key)
    name = f"{match[1]}(TIME){match[3]}" if match else key
    if name not in KEYS or not match:
        return name, 0
    time = TIME.fullmatch(match[2])
    if not time or not float(time[1]):
        raise Wrong(line, f"{quoted(match[2])} in {quoted(key)} is no time: "
                    "write one as 200us, 5ms or 1s")
    return name, float(time[1]) * US[time[2]]


def _place(table):
    """(test, cell)"""
    names = table.names
    if names[0] == JOBS and len(names) != 3:
        raise Wrong(table.line, 'a table of a load of yours is [job."FILE".'
                    'JOB], FILE without its .fio')
    if names[0] == JOBS:
        return f"{JOBS}/{names[1]}", names[2]
    if len(names) > 2 or names[0] in OWN:
        raise Wrong(table.line, f"this table is too deep: {TABLES}")
    return names


def _limit(table, key, line, value):
    test, cell = _place(table)
    name, at_us = _at(key, line)
    _key_known(name, line, KEYS)
    metric, sense, unit = KEYS[name]
    if _number(line, key, value) > 100 and TABLE[metric].unit == "share":
        raise Wrong(line, f"{key} must be at most 100, as it is a share")
    times = LARGER.get(name, ("", 1))[1]
    return Limit(line, test, cell, key, metric, sense, value * times, unit,
                 table.line, at_us)


def _limits_of(table):
    name = table.names[0]
    if len(table.names) == 1:
        raise Wrong(table.line, f"unknown table {quoted(name)}: " + nearest(
            name, OWN, TABLES))
    _place(table)
    if not table.values:
        raise Wrong(table.line, "this table has no limit: give it one, as "
                    "min_iops = 1000, or leave it out")
    return [_limit(table, key, *value) for key, value in table.values.items()]


def _device(table):
    for key, (line, value) in table.values.items():
        _key_known(key, line, DEVICE_KEYS)
        yield Limit(line, "device", "", key, key, "match",
                    _text(line, key, value), "")


def _health(table):
    for key, (line, value) in table.values.items():
        _key_known(key, line, HEALTH_KEYS)
        yield Limit(line, "health", "", key, *HEALTH_KEYS[key][:2],
                    _number(line, key, value, zero=True), HEALTH_KEYS[key][2])


def _record(table):
    """A number is as good as text: of a sample, an order, a rack."""
    if len(table.values) > FIELDS:
        raise Wrong(table.line, f"[record] has more than {FIELDS} fields: "
                    "leave some out")
    for key, (line, value) in table.values.items():
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            value = str(value)
        if len(_text(line, quoted(key), value)) > LENGTH:
            raise Wrong(line, f"{quoted(key)} is longer than {LENGTH} letters:"
                        " say it shorter")
        yield key, value


def _head(table, path):
    """(name, confidence)"""
    for key, (line, _) in table.values.items() if table else ():
        _key_known(key, line, HEAD_KEYS)
    values = table.values if table else {}
    name, confidence = os.path.basename(str(path)), bounds.CONFIDENCE
    if "name" in values:
        name = _text(values["name"][0], "name", values["name"][1])
    if "confidence" in values:
        line, confidence = values["confidence"]
        if not 0.5 <= _number(line, "confidence", confidence) < 1:
            raise Wrong(line, "confidence must be from 0.5 to below 1, as "
                        "0.95")
    return name, confidence


def _spec(path):
    tables = {table.names: table
              for table in tomllines.scan(tomllines.read(path))}
    head, device, health, record = (tables.pop((name,), None)
                                    for name in OWN)
    limits = [limit for table in tables.values()
              for limit in _limits_of(table)]
    found = Spec(str(path), *_head(head, path), tuple(limits),
                 tuple(_device(device)) if device else (),
                 tuple(_health(health)) if health else (),
                 tuple(_record(record)) if record else ())
    if not (found.limits or found.device or found.health or found.record):
        raise Wrong(None, 'has no limit: write one, as [iops."4K 0/100"] and '
                    "below it min_iops = 1000")
    return found


def _problem(path, line, what):
    end = "" if what.endswith("?") else "."
    return Problem(f"{shown(path)}, line {line}: {what}{end}" if line
                   else f"the spec {shown(path)} {what}{end}")


def load(path):
    """The Spec in a file; Problem with its line where it is wrong."""
    try:
        return _spec(path)
    except Wrong as wrong:
        raise _problem(path, *wrong.args) from None


def check_names(spec, tests):
    """Refuse a test or cell that there is not.

    tests: {test: names of its cells}; without names what cells it will have is
    not known before it runs, and only the test is looked at.
    """
    for limit in spec.limits:
        if limit.test not in tests:
            raise _problem(spec.path, limit.header, f"no test is called "
                           f"{quoted(limit.test)}: " + nearest(
                               limit.test, tests, "the tests are "
                               + ", ".join(tests)))
        cells = tests[limit.test]
        if cells and limit.cell != EVERY and limit.cell not in cells:
            raise _problem(spec.path, limit.header, f"{shown(limit.test)} has "
                           f"no cell {quoted(limit.cell)}: " + nearest(
                               limit.cell, cells, "its cells are "
                               + ", ".join(sorted(cells))))
