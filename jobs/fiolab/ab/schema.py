# SPDX-License-Identifier: GPL-2.0-only
# report.json, read with distrust: the version, the fields and their types, as
# jobs/docs/report-schema.md describes them.  Whoever reads such a file calls
# load(); whoever writes one calls check() first.  Fields that are not known
# here are let through: a later minor change may add some.
from ..base.schema import (ENVIRONMENT, WRITTEN, Wrong, among, between, bins,
                           checked, count, each, flag, interval, maybe, number,
                           optional, parsed, percentiles, positive, record,
                           share, table, text)
from ..fio.metrics import METRICS
from ..fio.sidespec import LETTERS
from ..stats.pairing import ROLES

VERSION = "kaio-ab/1"


def by_every_role(check_one):
    return record(**dict.fromkeys(sorted(ROLES), check_one))


def figures(value, where):
    """Of one run: any names; those of metrics such that ratios are finite."""
    table(maybe(number))(value, where)
    for name in METRICS.keys() & value.keys():
        maybe(between(1e-30, 1e30))(value[name], f"{where}.{name}")


def by_role(check_one):
    """{"A": x, "B": x}"""
    return record(A=check_one, B=check_one)


both = by_role(maybe(number))

EFFECT = record(
    metric=text, name=text, unit=text, role=among("primary", "secondary"),
    better=among("higher", "lower"), median=both, ratio=positive,
    ci95=maybe(interval), ci90=maybe(interval),
    aa=maybe(record(ratio=positive, ci95=maybe(interval))), p=share,
    p_holm=share, tost_p=maybe(share), verdict=text, reason=text,
    detectable=maybe(number), n=count)

PAIR = record(pair=count, order=among("AB", "BA"), start=number, seed=count,
              values=by_every_role(figures))

LATENCY = record(n=count, mean_ns=maybe(number), percentiles=percentiles,
                 bins=bins)

CELL = record(
    id=count, job=text, job_path=text, job_text=text, b=text, changes=text,
    stream=text, command=by_role(text), effective=by_role(text),
    target=record(path=text, label=text, why=text, size=count,
                  direct=among("all", "some", "none"),
                  written=optional(maybe(WRITTEN))),
    calls_per_io=both, order_effect=table(maybe(number)),
    steal=maybe(record(mean=share, max=share)), repeats=maybe(count),
    discarded=each(record(pair=count, host=maybe(text), why=text)),
    pairs=each(PAIR), effects=each(EFFECT),
    latency=table(by_role(LATENCY)),
    hosts=table(record(effects=each(EFFECT))))

SIDE = record(letter=text, text=text, ioengine=text, options=each(text),
              environment=table(text), library=maybe(text))

REPORT = record(
    schema=text, version=optional(text), title=text, created=text,
    finished=flag, command=each(text),
    seed=count, pairs=count, looks=maybe(each(count)), alpha=share,
    margin=share, comparisons=count, runtime_s=number, ramp_s=number,
    cpu=maybe(count), fio=record(path=text, version=text), clients=each(text),
    environment=ENVIRONMENT, sides=each(SIDE), cells=each(CELL),
    warnings=each(text), self_check=maybe(table(lambda *_: None)))


def _relations(data):
    """What no field shows alone."""
    letters = [side["letter"] for side in data["sides"]]
    if len(letters) < 2 or letters != list(LETTERS[:len(letters)]):
        raise Wrong("sides", "are not lettered A, B and so on")
    ids = [cell["id"] for cell in data["cells"]]
    if len(set(ids)) < len(ids):
        raise Wrong("cells", "share an id")
    for i, cell in enumerate(data["cells"]):
        _cell_relations(cell, letters[1:], f"cells[{i}]")


def _cell_relations(cell, letters, where):
    if cell["b"] not in letters:
        raise Wrong(f"{where}.b", "is not the letter of a side but A")
    numbers = [pair["pair"] for pair in cell["pairs"]]
    if len(set(numbers)) < len(numbers):
        raise Wrong(f"{where}.pairs", "has a pair twice")
    for i, effect in enumerate(cell["effects"]):
        if effect["n"] > len(numbers):
            raise Wrong(f"{where}.effects[{i}].n",
                        f"says more pairs than the {len(numbers)} there are")


def check(data, name="the report"):
    """Return data, if it is a report of this version."""
    return checked(data, name, "jobs/ab", "the report.json of a campaign",
                   VERSION, (lambda found: REPORT(found, ""), _relations))


def load(path):
    """The report in a file."""
    return check(*parsed(path))
