# SPDX-License-Identifier: GPL-2.0-only
# The report: one HTML file that needs nothing else, no script, no network.
# Here qualify.json becomes what qualify.html.j2 shows; that escapes all of it
# but the pictures, which svg.py makes.
from ...report import page, svg, wording
from .. import prewritten
from . import cachewords, phrases, testpage

SMART_ROWS = 60
FAILED = 6                  # named under the headline
IDENTITY = ("vendor", "model", "serial", "firmware", "kind", "transport",
            "write_cache", "scheduler", "rotational")
NAMED = {name: f"{name}, as the kernel believes"
         for name in ("write_cache", "below.write_cache")}
ELSEWHERE = ("name", "size_bytes", "logical_block", "physical_block")
BELOW = ("name", "kind", "model", "serial", "size_bytes", "write_cache",
         "scheduler", "rotational", "transport")    # a file


# The result

def failures(data):
    """What failed, one line each: limits first."""
    made = [phrases.failure(one, data) for one in data["limits"]
            if one["result"] == "fail"]
    many = len(data["targets"]) > 1
    return made + [f"{target['name'] + ', ' if many else ''}{check['title']}: "
                   f"{check['text']}"
                   for target, _, check in phrases.checks(data)
                   if check["result"] == "fail"]


def _steady_count(data):
    found = [phase["steady"]["reached"] for target in data["targets"]
             for _, phase in phrases.phases(target)]
    return sum(found), len(found)


def _states(data):
    found = [test["state"] for target in data["targets"]
             for test in target["tests"]]
    return [(word, found.count(word)) for word in (
        "failed", "stopped", "not run", "done") if word in found]


def summary(data):
    made = [check["result"] for _, _, check in phrases.checks(data)]
    return {"headline": phrases.headline(data), "failures": failures(data),
            "limits": phrases.tally(one["result"] for one in data["limits"]),
            "checks": phrases.tally(made), "steady": _steady_count(data),
            "states": _states(data)}


# The device

def flat(found, prefix=""):
    """{dotted name: scalar} of whatever a tool printed."""
    if isinstance(found, dict):
        return {key: value for name, one in found.items() for key, value in
                flat(one, f"{prefix}.{name}" if prefix else name).items()}
    if isinstance(found, list):
        return {key: value for i, one in enumerate(found) for key, value in
                flat(one, f"{prefix}[{i}]").items()}
    return {prefix: found}


def smart(target):
    """(rows of name, before, after, changed), how many are left out."""
    before, after = (flat(target["smart"][when] or {})
                     for when in ("before", "after"))
    both = bool(before and after)
    rows = [(name, before.get(name), after.get(name),
             both and before.get(name) != after.get(name))
            for name in {**before, **after}]
    rows.sort(key=lambda row: not row[3])
    return rows[:SMART_ROWS], max(0, len(rows) - SMART_ROWS)


def identity(target):
    """[(name, text)]: the known fields first, in order, then what is set."""
    found = flat(target["identity"])
    rest = [name for name, value in found.items() if name not in
            (*IDENTITY, *ELSEWHERE) and value is not None]
    return [(wording.label(NAMED.get(name, name).replace("_", " ").replace(
                 ".", ": ")), phrases.plain(found.get(name)))
            for name in (*IDENTITY, *rest)
            if name in IDENTITY or not name.startswith("below.")
            or name.removeprefix("below.") in BELOW]


def _target(target, number):
    tests = [testpage.made(test, f"t{number}-{i}")
             for i, test in enumerate(target["tests"])]
    rows, left = smart(target)
    return {**target, "anchor": f"t{number}", "tests": tests,
            "fields": identity(target), "smart_rows": rows,
            "smart_left": left, "device": phrases.device(target),
            "written_said": prewritten.said(target)}


# Comparisons

def against(found):
    """The rows, what changed first, and how many of each verdict."""
    rows = found["rows"]
    changed = phrases.changed(rows)
    return {**found, "changed": changed,
            "rest": [row for row in rows if row not in changed],
            "tally": phrases.verdicts(rows)}


# The page

def _anchors(data):
    """{(target, test): anchor}"""
    return {(target["name"], test["name"]): f"t{i}-{j}"
            for i, target in enumerate(data["targets"])
            for j, test in enumerate(target["tests"])}


def _titles(data):
    return {(target["name"], test["name"]): test["title"]
            for target in data["targets"] for test in target["tests"]}


def again(data):
    """The words of the command that repeats it: into a new folder, with the
    same seed."""
    words, skip = [], False
    for word in data["command"]:
        if not skip and word != "--out" and not word.startswith("--out="):
            words.append(word)
        skip = word == "--out"
    known = any(word.startswith("--seed") for word in words)
    return words if known else [*words, "--seed", str(data["seed"])]


def _environment():
    made = page.environment()
    made.filters.update(
        rmark=phrases.MARKS.get, rtone=phrases.TONES.get, bar=phrases.bar,
        again=again, bound=phrases.bound, amount=phrases.amount,
        plain=phrases.plain, time=wording.time, decimal=wording.decimal_size,
        day=phrases.day,
        sources=phrases.sources, sentence=phrases.sentence,
        heading=phrases.heading, metric_of=phrases.metric_of,
        signed=phrases.signed,
        unit=lambda name: phrases.UNITS.get(name, name),
        part=lambda x: "n/a" if x is None else f"{x:.1f}%")
    made.tests["figure"] = lambda x: isinstance(x, (int, float)) or x is None
    return made


def render(data):
    """The page as text."""
    data = wording.cleaned(data)
    with svg.styled():
        targets = [_target(target, i)
                   for i, target in enumerate(data["targets"])]
    return _environment().get_template("qualify.html.j2").render(
        data=data, targets=targets, summary=summary(data),
        write_cache=cachewords.of(data),
        confidence=phrases.confidence(data),
        anchors=_anchors(data), titles=_titles(data), many=len(targets) > 1,
        shown_failures=FAILED, against=data["against"] and against(
            data["against"]))
