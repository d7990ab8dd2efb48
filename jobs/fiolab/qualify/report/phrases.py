# SPDX-License-Identifier: GPL-2.0-only
# How a qualify.json is put into words and figures, for the terminal, the page
# and the pictures alike: results, limits, metrics with their units, sources.
from collections import Counter
import os

from ...fio.metrics import TABLE
from ...report import wording
from ...report.wording import figure, several
from ...stats.bounds import CONFIDENCE
from ..shorter import figuremarks

TONES = {"pass": "good", "fail": "bad", "not measured": "open",
         "done": "good", "failed": "bad", "stopped": "open",
         "not run": "open"}
MARKS = {"pass": "✓", "fail": "✗", "not measured": "○", "done": "✓",
         "failed": "✗", "stopped": "■", "not run": "○"}
UNITS = {"us": "µs", "1/s": "", "1/h": "", "1": "", "IOPS": "", "": "",
         "share": "", "n": ""}
WHOLE = ("n", "°C")         # units of what is counted
UNIT = 12                   # letters of one, at most
# On a terminal that knows nothing else.
ASCII = str.maketrans({"µ": "u", "≥": ">=", "≤": "<=", "±": "+", "×": "x",
                       "−": "-", "–": "-", "…": ".", "°": ""})
CHANGED = ("slower", "longer", "faster", "shorter")
VERDICTS = (*CHANGED, "inconclusive", "equivalent", "no verdict")
SCALED = "SCALED DOWN: qualifies nothing"


def ascii_only(text):
    return text.translate(ASCII)


def label(metric):
    return TABLE[metric].said if metric in TABLE else metric


def unit(metric):
    return TABLE[metric].unit if metric in TABLE else ""


def amount(value, of=""):
    """A figure with its unit: '1,203 µs', '4.20%', '120,000'."""
    if value is None:
        return "n/a"
    if of in ("share", "%"):
        return f"{figure(value if of == '%' else 100 * value)}%"
    if of in WHOLE:
        return f"{value:,.6g} {UNITS.get(of, of)}".rstrip()
    return f"{figure(value)} {UNITS.get(of, of)[:UNIT]}".rstrip()


def plain(value):
    """What stands in a table."""
    if value is None:
        return "n/a"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10000 else str(value)
    return figure(value) if isinstance(value, float) else str(value)


# Limits

def confidence(data):
    """Of the bounds that the spec asks for."""
    return (data["spec"] or {}).get("confidence") or CONFIDENCE


def _of(limit, name):
    return amount(limit[name], limit["unit"])


def bar(limit):
    """'≥ 120,000': what is asked for; of an identity, its pattern."""
    if "pattern" in limit:
        return f"like {limit['pattern']}"
    sign = "≥" if limit["key"].startswith("min") else "≤"
    return f"{sign} {_of(limit, 'limit')}"


def bound(limit):
    """What was compared with it: the bound, or what was observed where there
    is none.  Where rounding would make it the limit, with more digits."""
    if "pattern" in limit:
        return plain(limit.get("found"))
    name = "value" if limit["bound"] is None else "bound"
    said = _of(limit, name)
    if said == _of(limit, "limit") and limit[name] != limit["limit"]:
        return f"{limit[name]:.9g} {limit['unit'][:UNIT]}"
    return said


def metric_of(limit):
    """With the time that is in the key: 'IOPS at p99 of 200us'."""
    if "pattern" in limit:
        return limit["key"]
    time = limit["key"].partition("(")[2].partition(")")[0]
    return f"{label(limit['metric'])} {time}".rstrip()


def _without_bound(limit):
    """A limit that its figure itself misses, which says more than its bound."""
    value, asked = limit["value"], limit["limit"]
    missed = limit["bound"] is not None and value is not None and (
        value < asked if limit["key"].startswith("min") else value > asked)
    return {**limit, "bound": None} if missed else limit


def failure(limit, data):
    """'IOPS, 4K 100/0: IOPS 644,490 (95% bound), asked for ≥ 700,000'."""
    limit = _without_bound(limit)
    kind = ("" if limit["bound"] is None else
            f" ({100 * (limit['confidence'] or CONFIDENCE):g}% bound)")
    return (f"{where(limit, data)}: {metric_of(limit)} {bound(limit)}{kind}, "
            f"asked for {bar(limit)}")


def title(data, limit):
    """Of the test that a limit is about."""
    return next((test["title"] for target in data["targets"]
                 for test in target["tests"]
                 if test["name"] == limit["test"]), limit["test"])


def where(limit, data):
    """'IOPS, 4K 0/100': test and cell, with the target if there are more."""
    many = len(data["targets"]) > 1
    return ", ".join(part for part in (
        limit["target"] if many else "", title(data, limit),
        limit["cell"] or "") if part)


def checks(data):
    """[(target, test, check)] of all targets; test: None of what is of no
    single one."""
    return [(target, test, check) for target in data["targets"]
            for test in (*target["tests"], None)
            for check in (test or target).get("checks", ())]


def tally(results):
    """[(result, how many)], what is bad first."""
    counts = Counter(results)
    return [(word, counts[word]) for word in ("fail", "not measured", "pass")
            if counts[word]]


def _share(found, word, what):
    count = sum(result == word for result in found)
    return f"{count} of {several(len(found), what)}" if count else None


def headline(data):
    """One sentence: the result and what it rests on."""
    word = data["result"]
    limits = [one["result"] for one in data["limits"]]
    made = [check["result"] for _, _, check in checks(data)]
    parts = [part for part in (_share(limits, word, "limit"),
                               _share(made, word, "check")) if part]
    if word == "pass":
        parts = [f"all {several(len(found), what)}" if len(found) > 1
                 else f"the one {what}" for found, what in (
                     (limits, "limit"), (made, "check")) if found]
    said = f"{wording.label(word)}: {' and '.join(parts)}"
    if word == "not measured" and not parts:
        return _undone(data)
    short = figuremarks.on_shortened(data)
    if short:
        said += f"; {several(short, 'limit')} on shortened figures, not PTS's"
    return said if parts else f"{wording.label(word)}: nothing was judged"


def _undone(data):
    """Nothing failed, but not all was made."""
    states = [test["state"] for target in data["targets"]
              for test in target["tests"]]
    left = len(states) - states.count("done")
    return ("Not measured: nothing was judged" if not left else
            f"Not measured: {left} of {several(len(states), 'test')} "
            "not done")


# Comparisons

def verdicts(rows):
    """[(verdict, how many)] of a comparison's rows, what changed first."""
    counts = Counter(row["verdict"] for row in rows)
    return [(word, counts[word]) for word in dict.fromkeys(
        (*VERDICTS, *counts)) if counts[word]]


def changed(rows):
    """Those that did, what became worse first."""
    return [row for word in CHANGED for row in rows if row["verdict"] == word]


# Steady state

def formula(one):
    """The fit: 'y = -12.3 x + 4,567'."""
    if one["slope"] is None:
        return "n/a"
    sign = "+" if one["intercept"] >= 0 else "−"
    return (f"y = {signed(one['slope'])} x {sign} "
            f"{figure(abs(one['intercept']))}")


def signed(value):
    return figure(value).replace("-", "−")


# Resumed

def places(found):
    """'/dev/a in iops, before round 4 of Rounds': where it went on."""
    return "; ".join(f"{one['target']} in {one['test']}" + (
        f", before round {one['round']} of {one['phase']}"
        if one["round"] else "") for one in found) or "with nothing left to run"


# Names, times, sources

def device(target):
    """'EXAMPLE X-480, serial 123', or the path alone."""
    identity = target["identity"]
    model = " ".join(str(identity[name]) for name in ("vendor", "model")
                     if identity.get(name))
    if identity.get("vendor") and identity.get("model") and str(
            identity["model"]).startswith(str(identity["vendor"])):
        model = str(identity["model"])
    return model or target["path"]


def day(created):
    """An ISO time for people."""
    return created.replace("T", " ").replace("Z", " UTC")


def _digits(text, end):
    """Where the number begins that ends before that place."""
    while end and text[end - 1].isdigit():
        end -= 1
    return end


def sources(found):
    """All of them in one line: 'runs/a-r02…r06.json#JOB (5 runs)'."""
    found = list(dict.fromkeys(found or ()))
    if len(found) < 2:
        return "".join(found)
    one, two = found[0], found[-1]
    same = _digits(one, len(os.path.commonprefix([one, two])))
    tail = len(os.path.commonprefix([one[same:][::-1], two[same:][::-1]]))
    while tail and one[-tail].isdigit():
        tail -= 1
    end = one[len(one) - tail:] if tail else ""
    return (f"{one[:len(one) - tail]}…{two[same:len(two) - tail]}{end} "
            f"({len(found)} runs)")


def ended(text):
    """With one full stop at its end."""
    return text if text.endswith((".", "!", "?")) else f"{text}."


def sentence(text):
    """That begins a line, and ends."""
    text = text.rstrip(". ")
    if not text.startswith(("fio", "io_")):     # names are as they are
        text = wording.label(text)
    return f"{text}." if text else ""


def heading(text):
    """A table's head, with the units and signs of the page."""
    return " ".join({"us": "µs", "x": "×"}.get(word, word)
                    for word in text.split(" "))


def columns(cells):
    """The metrics that the cells have, in order."""
    seen = dict.fromkeys(name for cell in cells for name, value in
                         cell["values"].items() if value["mean"] is not None)
    return ([name for name in TABLE if name in seen]
            + [name for name in seen if name not in TABLE])
