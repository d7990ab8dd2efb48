# SPDX-License-Identifier: GPL-2.0-only
"""What a JSON file must hold, and reading one with distrust.

The fields are those of a schema file in jobs/docs (JSON Schema, draft 4, where
an integer has no point); what no field shows alone is said in Python beside
its room.  Whoever reads a report calls load() of the room, whoever writes one
check() first.  What is wrong is one sentence that names the place, as in
cells[0].effects[1].ci95.  Fields that no schema names are let through: a later
minor change may add some.
"""
import functools
import json
from pathlib import Path
import re
from typing import Any, Callable

from .problem import Problem

FOLDER = Path(__file__).resolve().parents[2] / "docs"
BIGGEST = 1 << 30           # bytes; 10,000 runs take about 10 MB
PERCENTILE = re.compile(r"[0-9]{1,2}(\.[0-9]+)?|100")
KINDS = {"string": "text", "integer": "a whole number", "number": "a number",
         "array": "a list", "object": "an object"}


class Wrong(Exception):
    """(where, what): the place and what is wrong there."""


def _content(name: str) -> dict:
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


class Schema:
    """NAME.schema.json, and the relations of data that it cannot tell: a
    function that raises Wrong."""

    def __init__(self, name: str, relations: Callable[[Any], None]):
        self.content = _content(f"{name}.schema.json")
        self.version = self.content["properties"]["schema"]["enum"][0]
        self.relations = relations

    @functools.cached_property
    def _fields(self) -> Callable[[Any], Any]:
        import fastjsonschema   # with compiling 0.1 s, and seldom wanted
        return fastjsonschema.compile(self.content, handlers={"": _content},
                                      use_default=False)

    def check(self, data: Any) -> None:
        """Raise Wrong if this is not what the schema says."""
        from fastjsonschema import JsonSchemaValueException
        try:
            place = _endless(data)
            if place is not None:
                raise Wrong(place.lstrip("."), "is not a finite number")
            self._fields(data)
        except JsonSchemaValueException as error:
            raise Wrong(*_said(error)) from None
        except RecursionError:
            raise Wrong("it", "is nested too deeply") from None
        self.relations(data)


def _endless(value: Any) -> str | None:
    """Where there is a NaN or a number beyond floats; a schema knows none."""
    found = None
    if isinstance(value, (int, float)):
        return None if abs(value) < 1e300 else ""
    if isinstance(value, dict):
        for name, one in value.items():
            if (found := _endless(one)) is not None:
                return f".{name}{found}"
    elif isinstance(value, list):
        for number, one in enumerate(value):
            if (found := _endless(one)) is not None:
                return f"[{number}]{found}"
    return None


def _said(error: Any) -> tuple[str, str]:
    """(where, what) of a JsonSchemaValueException, as for people."""
    where, rule = error.name.removeprefix("data").lstrip("."), error.definition
    if error.rule == "required":
        name = next(n for n in rule["required"] if n not in error.value)
        return f"{where}.{name}".lstrip("."), "is missing"
    return where, {"type": _kind, "enum": _none_of, "minimum": _beyond,
                   "maximum": _beyond}.get(error.rule, _length)(rule)


def _kind(rule: dict) -> str:
    kinds = rule["type"] if isinstance(rule["type"], list) else [rule["type"]]
    if kinds[0] == "boolean":
        return "is neither true nor false"
    return "is not " + " or ".join(KINDS[k] for k in kinds if k in KINDS)


def _none_of(rule: dict) -> str:
    return f"is none of {', '.join(word for word in rule['enum'] if word)}"


def _beyond(rule: dict) -> str:
    if "maximum" in rule:
        return f"is not from {rule['minimum']:g} to {rule['maximum']:g}"
    return f"is {'not above' if 'exclusiveMinimum' in rule else 'below'} " \
           f"{rule['minimum']:g}"


def _length(rule: dict) -> str:
    """Of a list; what has but a minimum must not be empty."""
    if "maxItems" not in rule:
        return "is empty"
    return f"is not a list of {rule['maxItems']}"


def interval(value: list | None, where: str) -> None:
    if value and value[0] > value[1]:
        raise Wrong(where, "ends before it begins")


def latency(value: dict, where: str) -> None:
    """Of one whose fields are right: its bins and percentiles."""
    firsts = [one[0] for one in value["bins"]]
    if any(a >= b for a, b in zip(firsts, firsts[1:])):
        raise Wrong(f"{where}.bins", "is not in ascending order")
    for name in value["percentiles"]:
        if not PERCENTILE.fullmatch(name):
            raise Wrong(f"{where}.percentiles.{name}", "is not a percentile")


def unlike(values: list, where: str, what: str) -> None:
    if len(set(values)) < len(values):
        raise Wrong(where, what)


class Report(Schema):
    """Of what a command writes for others to read; want: that, in a sentence
    for whoever gives another file."""

    def __init__(self, name: str, relations: Callable[[Any], None],
                 command: str, want: str):
        super().__init__(name, relations)
        self.command, self.want = command, want

    def checked(self, data: Any, name: str = "the report") -> Any:
        """Return data, if it is a report of this version."""
        again = f"make it again with {self.command} of this version"
        if not isinstance(data, dict) or "schema" not in data:
            raise Problem(f"{name} is not a report of {self.command} (it "
                          f"names no schema): give {self.want}.")
        if data["schema"] != self.version:
            raise Problem(f"{name} has the schema {data['schema']!r:.40}, and "
                          f"only {self.version!r} can be read here: {again}.")
        try:
            self.check(data)
        except Wrong as wrong:
            where, what = wrong.args
            raise Problem(f"{name} is damaged: {ascii(where)[1:-1]:.120} "
                          f"{what}: {again}.") from None
        return data

    def load(self, path: str) -> Any:
        """The report in a file."""
        return self.checked(*_parsed(path, self.want))


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is not a number of JSON")


def _parsed(path: str, want: str) -> tuple[Any, str]:
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
