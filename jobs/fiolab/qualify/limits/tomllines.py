# SPDX-License-Identifier: GPL-2.0-only
# A TOML file of tables with one value a line, and the line of each: tomllib
# tells none, so the lines are read one by one, each by tomllib; what would
# need more than its own line is refused.
from dataclasses import dataclass
import re
import tomllib

from ...base.problem import Problem

BIGGEST = 1 << 20       # bytes
AT_END = re.compile(r" \(at [^()]*\)$")     # tomllib's place, in its message
TABLES = ('tables are [spec], [device] and [TEST."CELL"], as in '
          '[iops."4K 0/100"]')


@dataclass
class Table:
    line: int
    names: tuple
    values: dict        # {key: (line, value)}


class Wrong(Exception):
    """(line or None, what is wrong and what to do)"""


def shown(text):
    return ascii(str(text))[1:-1]


def quoted(name):
    text = shown(name)
    return f'"{text if len(text) <= 60 else text[:57] + "..."}"'


def read(path):
    try:
        with open(path, "rb") as file:
            content = file.read(BIGGEST + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise Problem(f"cannot read the spec {shown(path)}: {reason}: give a "
                      "TOML file with limits.") from None
    if len(content) > BIGGEST:
        raise Wrong(None, "is larger than 1 MiB: give a TOML file with "
                    "limits")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Wrong(line, "this is not UTF-8: save the file as UTF-8") \
            from None


def _parsed(line, number):
    """What one line says to tomllib."""
    try:
        return tomllib.loads(line)
    except (ValueError, RecursionError) as error:
        reason = AT_END.sub("", str(error)) or "nested too deeply"
        raise Wrong(number, f"{reason[:1].lower()}{reason[1:80]}: each line "
                    "must be a [header] or key = value by itself") from None


def _header(line, number):
    """The names of a table's header."""
    names, inside = [], _parsed(line, number)
    while isinstance(inside, dict) and inside:
        (name, inside), = inside.items()
        names.append(name)
    if inside != {}:
        raise Wrong(number, f"lists of tables are not read: {TABLES}")
    return Table(number, tuple(names), {})


def _value(line, number):
    (key, value), = _parsed(line, number).items()
    if isinstance(value, dict):
        raise Wrong(number, "dotted keys and inline tables are not read: "
                    "write a [header] and key = value below it")
    return key, value


def _add(table, line, number):
    key, value = _value(line, number)
    if table is None:
        raise Wrong(number, f"{quoted(key)} stands in no table: {TABLES}")
    if key in table.values:
        raise Wrong(number, f"{quoted(key)} is in line "
                    f"{table.values[key][0]} already: leave one out")
    table.values[key] = number, value


def scan(text):
    """[Table] in the order of the file."""
    tables = {}
    for number, line in enumerate(text.split("\n"), 1):
        line = line.removesuffix("\r").strip(" \t")
        if not line.startswith("["):
            if _parsed(line, number):
                _add(next(reversed(tables.values()), None), line, number)
            continue
        table = _header(line, number)
        if table.names in tables:
            raise Wrong(number, "this table is in line "
                        f"{tables[table.names].line} already: put them "
                        "together")
        tables[table.names] = table
    return list(tables.values())


def agrees(text, tables):
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
        raise Wrong(None, f"is not TOML: {str(error)[:80]}: mend it") \
            from None
    if not same:
        raise Wrong(None, "means something else to TOML than line by line: "
                    "write each table once, with key = value lines")
