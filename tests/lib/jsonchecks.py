# SPDX-License-Identifier: GPL-2.0-only
"""Reports with one place changed, how their schema refuses them, and the page
that describes the schema."""
import copy
import json
from pathlib import Path
import re

import pytest

from fiolab.base.problem import Problem

DOCS = Path(__file__).resolve().parents[2] / "jobs" / "docs"


def changed(good, path, value):
    """A report in which one place is another; path as in cells.0.id.  With
    KeyError as the value it is missing."""
    data = copy.deepcopy(good)
    *way, last = [int(x) if x.isdigit() else x for x in path.split(".")]
    place = data
    for step in way:
        place = place[step]
    if value is KeyError:
        del place[last]
    else:
        place[last] = value
    return data


def refused(check, data, *words):
    """The one sentence, with the words in it."""
    with pytest.raises(Problem) as caught:
        check(data)
    text = str(caught.value)
    assert text.endswith(".") and "\n" not in text and len(text) < 300
    for word in words:
        assert word in text
    return text


def records(value):
    """Every object of a schema that names properties."""
    if isinstance(value, dict):
        if isinstance(value.get("properties"), dict):
            yield value
        for one in value.values():
            yield from records(one)


def schema_records(*names):
    return [one for name in names for one in records(json.loads(
        (DOCS / f"{name}.schema.json").read_text()))]


def unnamed(page, *names):
    """The properties of schema files that a page does not name."""
    told = set(fields(page))
    every = {name for one in schema_records(*names)
             for name in one["properties"]}
    assert len(every) > 60
    # Where nothing has to be said of them, names stand in the type of what
    # they are of.
    return sorted(name for name in every - told if f"`{name}`" not in page)


def fields(page):
    """The names in the tables of a page; of a.b, b."""
    return [name.rpartition(".")[2]
            for name in re.findall(r"^[|] `([^`|]+)` [|]", page, re.M)]


def keys(value):
    """Every name in what JSON holds."""
    if isinstance(value, list):
        return set().union(*map(keys, value))
    if not isinstance(value, dict):
        return set()
    return set(value).union(*map(keys, value.values()))
