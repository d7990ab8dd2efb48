# SPDX-License-Identifier: GPL-2.0-only
# What a JSON file must hold, in combinators, and reading one with distrust: the
# version, the fields and their types.  Whoever reads a report calls the load()
# of its schema, whoever writes one check() first.  What is wrong is one
# sentence that names the place, as in cells[0].effects[1].ci95.  Fields that
# are not known here are let through: a later minor change may add some.
import json

from .problem import Problem

BIGGEST = 1 << 30           # bytes; 10,000 runs take about 10 MB


class Wrong(Exception):
    """(where, what): the place and what is wrong there."""


def text(value, where):
    if not isinstance(value, str):
        raise Wrong(where, "is not text")


def flag(value, where):
    if not isinstance(value, bool):
        raise Wrong(where, "is neither true nor false")


def number(value, where):
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Wrong(where, "is not a number")
    if not abs(value) < 1e300:      # NaN and infinity are not, either
        raise Wrong(where, "is not a finite number")


def integer(value, where):
    number(value, where)
    if not isinstance(value, int):
        raise Wrong(where, "is not a whole number")


def between(low, high, kind=number):
    def run(value, where):
        kind(value, where)
        if not low <= value <= high:
            raise Wrong(where, f"is not from {low:g} to {high:g}")
    return run


def positive(value, where):
    number(value, where)
    if value <= 0:
        raise Wrong(where, "is not above 0")


def among(*words):
    def run(value, where):
        if value not in words:
            raise Wrong(where, f"is none of {', '.join(words)}")
    return run


class optional:
    """Of a record: a field that earlier versions lack."""

    def __init__(self, check_one):
        self.check_one = check_one

    def __call__(self, value, where):
        self.check_one(value, where)


def maybe(check_one):
    def run(value, where):
        if value is not None:
            check_one(value, where)
    return run


def each(check_one):
    def run(value, where):
        if not isinstance(value, list):
            raise Wrong(where, "is not a list")
        for i, item in enumerate(value):
            check_one(item, f"{where}[{i}]")
    return run


def table(check_one):
    """Any names, values of one kind."""
    def run(value, where):
        if not isinstance(value, dict):
            raise Wrong(where, "is not an object")
        for name, item in value.items():
            check_one(item, f"{where}.{name}")
    return run


def record(**fields):
    """The names given, at least."""
    def run(value, where):
        if not isinstance(value, dict):
            raise Wrong(where, "is not an object")
        for name, check_one in fields.items():
            if name not in value:
                if isinstance(check_one, optional):
                    continue
                raise Wrong(f"{where}.{name}".lstrip("."), "is missing")
            check_one(value[name], f"{where}.{name}".lstrip("."))
    return run


def couple(first, second):
    def run(value, where):
        if not isinstance(value, list) or len(value) != 2:
            raise Wrong(where, "is not a list of two")
        first(value[0], f"{where}[0]")
        second(value[1], f"{where}[1]")
    return run


def interval(value, where):
    couple(positive, positive)(value, where)
    if value[0] > value[1]:
        raise Wrong(where, "ends before it begins")


def bins(value, where):
    each(couple(positive, count))(value, where)
    if any(a[0] >= b[0] for a, b in zip(value, value[1:])):
        raise Wrong(where, "is not in ascending order")


def percentiles(value, where):
    table(number)(value, where)
    for name in value:
        if not name.replace(".", "", 1).isdecimal() or float(name) > 100:
            raise Wrong(f"{where}.{name}", "is not a percentile")


count = between(0, 1 << 62, integer)
share = between(0, 1)

WRITTEN = record(share=maybe(share), bytes=count, compressed=share)

ENVIRONMENT = record(
    kernel=text, machine=text, cpu_model=maybe(text), cpus=count,
    memory_bytes=maybe(count), distribution=maybe(text), governor=maybe(text),
    clocksource=maybe(text), load_1m=maybe(number), virtual=maybe(text))


def checked(data, name, command, want, version, rules):
    """Return data, if it is a report of that version of a command, and all
    the rules hold; want: what to give instead."""
    again = f"make it again with {command} of this version"
    if not isinstance(data, dict) or "schema" not in data:
        raise Problem(f"{name} is not a report of {command} (it names no "
                      f"schema): give {want}.")
    if data["schema"] != version:
        raise Problem(f"{name} has the schema {data['schema']!r:.40}, and "
                      f"only {version!r} can be read here: {again}.")
    try:
        for rule in rules:
            rule(data)
    except Wrong as wrong:
        where, what = wrong.args
        raise Problem(f"{name} is damaged: {ascii(where)[1:-1]:.120} {what}: "
                      f"{again}.") from None
    return data


def _refuse(word):
    raise ValueError(f"{word} is not a number of JSON")


def parsed(path, want="the report.json of a campaign"):
    """What a JSON file holds; (value, the file's name to show)."""
    shown = ascii(str(path))[1:-1]
    try:
        with open(path, "rb") as file:
            content = file.read(BIGGEST + 1)
        if len(content) > BIGGEST:
            raise ValueError("it is larger than 1 GiB")
        return json.loads(content, parse_constant=_refuse), shown
    except OSError as error:
        raise Problem(f"cannot read {shown}: {error.strerror}: give {want}."
                      ) from None
    except (ValueError, RecursionError) as error:
        reason = str(error) or "nested too deeply"
        raise Problem(f"{shown} is not JSON ({reason:.80}): give {want}."
                      ) from None
