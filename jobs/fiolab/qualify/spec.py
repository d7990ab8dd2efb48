# SPDX-License-Identifier: GPL-2.0-only
# The acceptance spec, a TOML file: what a device must keep.
#
#   [spec]                      # optional, as all of it is
#   name = "Example 480 GB"
#   confidence = 0.95           # of the bound that must meet a limit
#   [device]                    # shell patterns of its identity
#   model = "EXAMPLE X480*"
#   [iops."4K 0/100"]           # [TEST."CELL"]
#   min_iops = 90_000
#   [iops."*"]                  # each cell that has no entry of its own
#   max_p99_us = 2000
#
# tomllib tells no line of a value, so the lines are read one by one, each by
# tomllib; what would need more than its own line is refused.
from dataclasses import dataclass
import difflib
import math
import os
import re
import tomllib

from ..problem import Problem

BIGGEST = 1 << 20       # bytes
CONFIDENCE = 0.95
EVERY = "*"             # the cell that stands for all without an entry
PERCENT = "%"
# KEY: (metric, sense, unit)
KEYS = {
    "min_iops": ("iops", "min", "IOPS"),
    "min_mb_per_s": ("mbps", "min", "MB/s"),
    "max_mean_us": ("lat_mean_us", "max", "us"),
    "max_p50_us": ("lat_p50_us", "max", "us"),
    "max_p99_us": ("lat_p99_us", "max", "us"),
    "max_p99_9_us": ("lat_p99_9_us", "max", "us"),
    "max_p99_99_us": ("lat_p99_99_us", "max", "us"),
    "max_p99_999_us": ("lat_p99_999_us", "max", "us"),
    "max_latency_us": ("lat_max_us", "max", "us"),
    "max_submit_share_percent": ("submit_share", "max", PERCENT),
    "max_excursion_percent": ("excursion", "max", PERCENT)}
SHARES = ("max_submit_share_percent",)      # of a whole: at most 100
HEAD_KEYS, DEVICE_KEYS = ("name", "confidence"), ("model", "firmware")
AT_END = re.compile(r" \(at [^()]*\)$")     # tomllib's place, in its message
TABLES = ('tables are [spec], [device] and [TEST."CELL"], as in '
          '[iops."4K 0/100"]')


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


@dataclass(frozen=True)
class Spec:
    path: str
    name: str
    confidence: float
    limits: tuple
    device: tuple = ()  # Limits too: what the identity must match


@dataclass
class _Table:
    line: int
    names: tuple
    values: dict        # {key: (line, value)}


class _Wrong(Exception):
    """(line or None, what is wrong and what to do)"""


def _shown(text):
    return ascii(str(text))[1:-1]


def _quoted(name):
    text = _shown(name)
    return f'"{text if len(text) <= 60 else text[:57] + "..."}"'


def nearest(name, known, otherwise):
    """'did you mean X?', or what else there is to say."""
    lower = {one.lower(): one for one in known}
    found = difflib.get_close_matches(name.lower(), lower, 1)
    return f"did you mean {_shown(lower[found[0]])}?" if found else otherwise


def _read(path):
    try:
        with open(path, "rb") as file:
            content = file.read(BIGGEST + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise Problem(f"cannot read the spec {_shown(path)}: {reason}: give a "
                      "TOML file with limits.") from None
    if len(content) > BIGGEST:
        raise _Wrong(None, "is larger than 1 MiB: give a TOML file with "
                     "limits")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _Wrong(line, "this is not UTF-8: save the file as UTF-8") \
            from None


# Lines

def _parsed(line, number):
    """What one line says to tomllib."""
    try:
        return tomllib.loads(line)
    except (ValueError, RecursionError) as error:
        reason = AT_END.sub("", str(error)) or "nested too deeply"
        raise _Wrong(number, f"{reason[:1].lower()}{reason[1:80]}: each line "
                     "must be a [header] or key = value by itself") from None


def _header(line, number):
    """The names of a table's header."""
    names, inside = [], _parsed(line, number)
    while isinstance(inside, dict) and inside:
        (name, inside), = inside.items()
        names.append(name)
    if inside != {}:
        raise _Wrong(number, f"lists of tables are not read: {TABLES}")
    return _Table(number, tuple(names), {})


def _value(line, number):
    (key, value), = _parsed(line, number).items()
    if isinstance(value, dict):
        raise _Wrong(number, "dotted keys and inline tables are not read: "
                     "write a [header] and key = value below it")
    return key, value


def _add(table, line, number):
    key, value = _value(line, number)
    if table is None:
        raise _Wrong(number, f"{_quoted(key)} stands in no table: {TABLES}")
    if key in table.values:
        raise _Wrong(number, f"{_quoted(key)} is in line "
                     f"{table.values[key][0]} already: leave one out")
    table.values[key] = number, value


def _scan(text):
    """[_Table] in the order of the file."""
    tables = {}
    for number, line in enumerate(text.split("\n"), 1):
        line = line.removesuffix("\r").strip(" \t")
        if not line.startswith("["):
            if _parsed(line, number):
                _add(next(reversed(tables.values()), None), line, number)
            continue
        table = _header(line, number)
        if table.names in tables:
            raise _Wrong(number, "this table is in line "
                         f"{tables[table.names].line} already: put them "
                         "together")
        tables[table.names] = table
    return list(tables.values())


def _agrees(text, tables):
    """That tomllib reads the same in the whole file."""
    known = {}
    for table in tables:
        inside = known
        for name in table.names:
            inside = inside.setdefault(name, {})
        inside.update((key, value) for key, (_, value)
                      in table.values.items())
    try:
        same = tomllib.loads(text) == known
    except ValueError as error:
        raise _Wrong(None, f"is not TOML: {str(error)[:80]}: mend it") \
            from None
    if not same:
        raise _Wrong(None, "means something else to TOML than line by line: "
                     "write each table once, with key = value lines")


# Tables

def _key_known(key, line, known):
    if key not in known:
        raise _Wrong(line, f"unknown key {_quoted(key)}: " + nearest(
            key, known, "the keys are " + ", ".join(known)))


def _number(line, key, value):
    """Finite, above 0, as a float where it is none; else refused."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _Wrong(line, f"{key} is no number: write one without a unit, "
                     "which is in the key's name")
    try:
        good = math.isfinite(value) and value > 0
    except OverflowError:
        good = False
    if not good:
        raise _Wrong(line, f"{key} must be a finite number above 0")
    return value


def _text(line, key, value):
    if not isinstance(value, str) or not value.strip():
        raise _Wrong(line, f'{key} must be text in quotes, as "..."')
    return value


def _limit(table, key, line, value):
    test, cell = table.names
    _key_known(key, line, KEYS)
    if _number(line, key, value) > 100 and key in SHARES:
        raise _Wrong(line, f"{key} must be at most 100, as it is a share")
    return Limit(line, test, cell, key, *KEYS[key][:2], value, KEYS[key][2])


def _limits_of(table):
    name = table.names[0]
    if len(table.names) == 1:
        raise _Wrong(table.line, f"unknown table {_quoted(name)}: " + nearest(
            name, ("spec", "device"), TABLES))
    if len(table.names) > 2 or name in ("spec", "device"):
        raise _Wrong(table.line, f"this table is too deep: {TABLES}")
    if not table.values:
        raise _Wrong(table.line, "this table has no limit: give it one, as "
                     "min_iops = 1000, or leave it out")
    return [_limit(table, key, *value) for key, value in table.values.items()]


def _device(table):
    for key, (line, value) in table.values.items():
        _key_known(key, line, DEVICE_KEYS)
        yield Limit(line, "device", "", key, key, "match",
                    _text(line, key, value), "")


def _head(table, path):
    """(name, confidence)"""
    for key, (line, _) in table.values.items() if table else ():
        _key_known(key, line, HEAD_KEYS)
    values = table.values if table else {}
    name, confidence = os.path.basename(str(path)), CONFIDENCE
    if "name" in values:
        name = _text(values["name"][0], "name", values["name"][1])
    if "confidence" in values:
        line, confidence = values["confidence"]
        if not 0.5 <= _number(line, "confidence", confidence) < 1:
            raise _Wrong(line, "confidence must be from 0.5 to below 1, as "
                         "0.95")
    return name, confidence


def _spec(path):
    text = _read(path)
    tables = {table.names: table for table in _scan(text)}
    head, device = (tables.pop((name,), None) for name in ("spec", "device"))
    limits = [limit for table in tables.values()
              for limit in _limits_of(table)]
    found = Spec(str(path), *_head(head, path), tuple(limits),
                 tuple(_device(device)) if device else ())
    if not found.limits and not found.device:
        raise _Wrong(None, 'has no limit: write one, as [iops."4K 0/100"] and '
                     "below it min_iops = 1000")
    _agrees(text, [table for table in (head, device, *tables.values())
                   if table])
    return found


def _problem(path, line, what):
    end = "" if what.endswith("?") else "."
    return Problem(f"{_shown(path)}, line {line}: {what}{end}" if line
                   else f"the spec {_shown(path)} {what}{end}")


def load(path):
    """The Spec in a file; Problem with its line where it is wrong."""
    try:
        return _spec(path)
    except _Wrong as wrong:
        raise _problem(path, *wrong.args) from None


def check_names(spec, tests):
    """Refuse a test or cell that there is not.

    tests: {test: names of its cells}; without names what cells it will have is
    not known before it runs, and only the test is looked at.
    """
    for limit in spec.limits:
        if limit.test not in tests:
            raise _problem(spec.path, limit.line, f"no test is called "
                           f"{_quoted(limit.test)}: " + nearest(
                               limit.test, tests, "the tests are "
                               + ", ".join(tests)))
        cells = tests[limit.test]
        if cells and limit.cell != EVERY and limit.cell not in cells:
            raise _problem(spec.path, limit.line, f"{_shown(limit.test)} has "
                           f"no cell {_quoted(limit.cell)}: " + nearest(
                               limit.cell, cells, "its cells are "
                               + ", ".join(sorted(cells))))
