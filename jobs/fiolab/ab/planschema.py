# SPDX-License-Identifier: GPL-2.0-only
# campaign.json, read with distrust like report.json (schema.py): it may have
# been edited, or written by another version.  Only what it names is checked;
# a field that is not known here is let through.
from ..base.schema import (ENVIRONMENT, WRITTEN, Wrong, among, between, count,
                           each, flag, integer, maybe, number, optional,
                           record, share, table, text)
from ..fio.sidespec import LETTERS
from .schema import SIDE, both

pairs = between(1, 10000, integer)
texts = maybe(each(text))

ARGUMENTS = record(
    side=texts, a=maybe(text), b=maybe(text), job=texts, matrix=texts,
    aa=flag, self_check=flag, target=texts, size=maybe(count),
    restore=maybe(text), client=maybe(text), build=text, fio=text, pairs=pairs,
    quick=flag, looks=maybe(each(pairs)), runtime=number, ramp=number,
    cpu=maybe(count), seed=count)
JOB = record(path=text, text=text, label=text)
TARGET = record(path=text, label=text, size=count, ram=flag, o_direct=flag,
                writable=flag, scratch=maybe(text),
                written=optional(maybe(WRITTEN)))
CELL = record(id=count, job=count, target=count, b=text, why=text, stream=text,
              direct=among("all", "some", "none"), calls=both, seed=count)
PLAN = record(
    id=text, title=text, created=text, command=each(text), arguments=ARGUMENTS,
    seed=count, pairs=pairs, looks=maybe(each(pairs)), alpha=share,
    margin=share, runtime_s=number, ramp_s=number, cpu=maybe(count),
    fio=record(path=text, version=text), environment=ENVIRONMENT,
    clients=each(record(name=text, address=text)), sides=each(SIDE),
    jobs=each(JOB), targets=each(TARGET), cells=each(CELL),
    warnings=each(text), stopped_at=maybe(count))
KEPT = each(record(plant=each(text), files=each(maybe(text)),
                   environment=table(text)))


def _relations(plan):
    letters = [side["letter"] for side in plan["sides"]]
    if len(letters) < 2 or letters != list(LETTERS[:len(letters)]):
        raise Wrong("sides", "are not lettered A, B and so on")
    if not plan["cells"]:
        raise Wrong("cells", "are none")
    looks = plan["looks"] or [plan["pairs"]]
    if looks != sorted(set(looks)) or looks[-1] != plan["pairs"]:
        raise Wrong("looks", "do not lead to the number of pairs")
    for i, cell in enumerate(plan["cells"]):
        if not (cell["id"] == i and cell["b"] in letters[1:] and
                cell["job"] < len(plan["jobs"]) and
                cell["target"] < len(plan["targets"])):
            raise Wrong(f"cells[{i}]", "does not fit the rest")


def check(plan):
    """Raise Wrong if this is not the content of a campaign.json."""
    PLAN(plan, "")
    KEPT(plan["sides"], "sides")
    _relations(plan)
