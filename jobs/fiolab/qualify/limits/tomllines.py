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
TABLES = ('tables are [spec], [record], [device], [health] and '
          '[TEST."CELL"], as in '
          '[iops."4K 0/100"]')


@dataclass
class Table:
    line: int
    names: tuple
    values: dict        # {key: (line, value)}


class Wrong(Exception):
    """(line or None, what is wrong and what to do)"""


def shown(text: object) -> str:
    return ascii(str(text))[1:-1]


def quoted(name: object) -> str:
    text = shown(name)
    return f'"{text if len(text) <= 60 else text[:57] + "..."}"'


def read(path: str) -> str:
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


def _open(tables, found, number):
    """A header, by what it says to tomllib: a table in a table."""
    names = []
    while isinstance(found, dict) and found:
        (name, found), = found.items()
        names.append(name)
    if found != {}:
        raise Wrong(number, f"lists of tables are not read: {TABLES}")
    table = tables.setdefault(tuple(names), Table(number, tuple(names), {}))
    if table.line != number:
        raise Wrong(number, f"this table is in line {table.line} already: put "
                    "them together")


def _add(table, key, value, number):
    if isinstance(value, dict):
        raise Wrong(number, "dotted keys and inline tables are not read: "
                    "write a [header] and key = value below it")
    if table is None:
        raise Wrong(number, f"{quoted(key)} stands in no table: {TABLES}")
    line, _ = table.values.setdefault(key, (number, value))
    if line != number:
        raise Wrong(number, f"{quoted(key)} is in line {line} already: leave "
                    "one out")


def scan(text: str) -> list[Table]:
    """[Table] in the order of the file.  As each line is TOML by itself, and
    says nothing twice, tomllib reads the same in all of them together."""
    tables: dict[tuple[str, ...], Table] = {}
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        found = _parsed(line.strip(" \t"), number)
        if line.strip(" \t").startswith("["):
            _open(tables, found, number)
        else:
            for key, value in found.items():
                _add(next(reversed(tables.values()), None), key, value, number)
    return list(tables.values())
