# SPDX-License-Identifier: GPL-2.0-only
# qualify.json, read with distrust: the version, the fields and their types, as
# qualify-schema.md describes them.  Whoever reads such a file calls load();
# whoever writes one calls check() first.  What is wrong is one sentence that
# names the place, as in targets[0].tests[1].cells[3].values.iops.n.
# Fields that are not known here are let through.
from ...base.schema import (ENVIRONMENT, Wrong, among, between, bins, checked,
                            count, couple, each, flag, integer, interval,
                            maybe, number, optional, parsed, percentiles,
                            positive, record, share, table, text)

VERSION = "kaio-qualify/1"
RESULTS = ("pass", "fail", "not measured")
STATES = ("done", "stopped", "not run", "failed")
GROUPS = ("pts", "integrity", "queue")
WANT = "the qualify.json of a qualification"


def anything(value, where):
    """Of no fixed shape: shown as it comes."""


def scalar(value, where):
    """What stands in a table: text, a finite number, a flag or nothing."""
    if value is None or isinstance(value, (str, bool)):
        return
    number(value, where)


def moment(value, where):
    """A time: ISO 8601, or seconds since 1970."""
    if not isinstance(value, str):
        number(value, where)


def least(low):
    return between(low, 1e300)


figures = table(maybe(number))
result = among(*RESULTS)

TRACKED = record(
    stimulus=text, metric=text, label=text, unit=text, series=each(
        maybe(number)),
    mean=maybe(number), allowed_excursion=maybe(number),
    measured_excursion=maybe(number), allowed_slope=maybe(number),
    measured_slope=maybe(number), slope=maybe(number),
    intercept=maybe(number), holds=flag)

STEADY = record(reached=flag, rounds=count, window=count, first=maybe(count),
                last=maybe(count), tracked=each(TRACKED))

RESULT = record(stimulus=text, values=figures, bytes_written=maybe(least(0)),
                source=maybe(text))

ROUND = record(round=count, start=maybe(moment), seconds=maybe(least(0)),
               results=each(RESULT))

PHASE = record(
    name=text, title=text, purged=maybe(record(method=text, seconds=maybe(
        number))),
    rounds=each(ROUND), steady=maybe(STEADY))

STIMULUS = record(rw=text, bs=text, read_percent=maybe(number),
                  threads=maybe(integer), depth=maybe(integer))

VALUE = record(mean=maybe(number), n=count, values=each(maybe(number)),
               low=maybe(number), high=maybe(number), sources=each(text))

LATENCY = record(n=count, mean_ns=maybe(number), max_ns=maybe(number),
                 percentiles=percentiles, bins=bins)

CELL = record(
    name=text, stimulus=STIMULUS, steady=maybe(flag),
    window=maybe(couple(maybe(count), maybe(count))), values=table(VALUE),
    latency=maybe(LATENCY))

CHECK = record(name=text, title=text, result=result, text=text,
               source=maybe(text))

TABLE = record(title=text, columns=each(text), rows=each(each(scalar)),
               note=maybe(text))

GRID = record(title=text, metric=text, unit=text, x_label=text, x=each(scalar),
              y_label=text, y=each(scalar), z=each(each(maybe(number))))

TEST = record(
    name=text, title=text, group=among(*GROUPS), section=maybe(text),
    state=among(*STATES), why=maybe(text), seconds=maybe(number),
    phases=each(PHASE), cells=each(CELL), checks=each(CHECK),
    tables=each(TABLE), grids=each(GRID))

TARGET = record(
    name=text, host=maybe(text), path=text, size_bytes=count,
    active_bytes=count, logical_block=maybe(count),
    physical_block=maybe(count), identity=table(anything),
    smart=record(before=maybe(table(anything)), after=maybe(table(anything)),
                 why=maybe(text)),
    purge=record(method=text, why=maybe(text)),
    written=optional(maybe(record(share=maybe(share), filled_bytes=count))),
    tests=each(TEST))

PROFILE = record(
    name=text, title=text, threads=count, depth=count,
    active_percent=between(0, 100), write_cache=maybe(flag), minute_s=number,
    scaled=flag)

LIMIT = record(
    line=maybe(count), target=text, test=text, cell=maybe(text), key=text,
    metric=text, limit=maybe(number), unit=text, value=maybe(number),
    bound=maybe(number), confidence=maybe(share), n=maybe(count),
    result=result, why=maybe(text), source=maybe(each(text)))

COMPARED = record(
    test=text, cell=text, metric=text, label=text, unit=text,
    this=maybe(number), other=maybe(number), ratio=maybe(positive),
    ci95=maybe(interval), p_holm=maybe(share), verdict=text,
    reason=maybe(text))

AGAINST = record(other=record(path=maybe(text), created=text,
                              identity=table(anything)),
                 rows=each(COMPARED), warnings=each(text), note=text)

ENGINES = record(engine=text, compared_with=text, note=text,
                 rows=each(COMPARED), verdicts=each(record(
                     target=text, cell=text, key=text, this=result,
                     other=result)))

REPORT = record(
    schema=text, version=optional(text), created=text, finished=flag,
    command=each(text), seed=maybe(integer), engine=text,
    ioengine=text, kaio=maybe(text),
    fio=record(path=text, version=text), environment=ENVIRONMENT,
    profile=PROFILE, spec=maybe(record(path=text, name=maybe(text),
                                       confidence=maybe(share))),
    targets=each(TARGET), limits=each(LIMIT), result=result,
    ab=maybe(ENGINES), against=maybe(AGAINST),
    warnings=each(text))


def _unlike(names, where, what):
    if len(set(names)) < len(names):
        raise Wrong(where, f"share a {what}")


def _test_relations(test, where):
    _unlike([cell["name"] for cell in test["cells"]], f"{where}.cells", "name")
    for i, one in enumerate(test["tables"]):
        if any(len(row) != len(one["columns"]) for row in one["rows"]):
            raise Wrong(f"{where}.tables[{i}].rows", "are not as long as "
                        "there are columns")
    for i, one in enumerate(test["grids"]):
        if len(one["z"]) != len(one["y"]) or any(
                len(row) != len(one["x"]) for row in one["z"]):
            raise Wrong(f"{where}.grids[{i}].z", "is not y by x figures")


def _relations(data):
    """What no field shows alone."""
    _unlike([t["name"] for t in data["targets"]], "targets", "name")
    for i, target in enumerate(data["targets"]):
        where = f"targets[{i}].tests"
        _unlike([test["name"] for test in target["tests"]], where, "name")
        for j, test in enumerate(target["tests"]):
            _test_relations(test, f"{where}[{j}]")
    names = {target["name"] for target in data["targets"]}
    for i, limit in enumerate(data["limits"]):
        if limit["target"] not in names:
            raise Wrong(f"limits[{i}].target", "is none of the targets")


def check(data, name="the report"):
    """Return data, if it is a report of this version."""
    return checked(data, name, "jobs/qualify", WANT, VERSION,
                   (lambda found: REPORT(found, ""), _relations))


def load(path):
    """The report in a file."""
    return check(*parsed(path, WANT))
