# SPDX-License-Identifier: GPL-2.0-only
"""report.json as JUnit's XML, as Jenkins and GitLab read it: a suite for each
cell, in it a test case for each metric.  What --fail-if names is a failure;
what has no verdict (inconclusive, or too few pairs) is skipped, unless that is
what it names.  A campaign that was stopped, a self-check and a word of
--fail-if of which nothing was measured are cases of a suite of their own."""
from collections.abc import Sequence

from ...report import junit, wording
from . import failing


def _said(effect):
    """The figures of a case, in a line."""
    middle = ", ".join(f"{role} {wording.figure(effect['median'][role])} "
                       f"{effect['unit']}" for role in "AB")
    return (f"{wording.verdict_line(effect)}; median {middle}; "
            f"Holm's p {wording.p_text(effect['p_holm'])}"
            + ("" if effect["reason"].startswith("p ") else
               f"; {effect['reason']}"))


def _effect(suite, effect, asking, host=""):
    said, name = _said(effect), effect["name"] + host
    if failing.is_failure(effect, asking):
        junit.case(suite, name, why=said, said=said)
    elif effect["verdict"] in wording.OPEN:
        junit.case(suite, name, skipped=said, said=said)
    else:
        junit.case(suite, name, said=said)


def _cell(data, cell, name, words, named):
    made = junit.suite(name, data["created"])
    junit.properties(made, (
        ("A", data["sides"][0]["text"]),
        ("B", wording.side(data, cell["b"])["text"]),
        ("target", wording.target_text(cell["target"])),
        ("fio", data["fio"]["version"])))
    asking = failing.wanted(data, cell, words)
    if not cell["effects"]:
        junit.case(made, "measured", failing.UNMEASURED if named else "",
                   failing.UNMEASURED)
    for effect in cell["effects"]:
        _effect(made, effect, asking)
    for host, found in cell["hosts"].items():
        for effect in found["effects"]:
            _effect(made, effect, asking, f" on {host}")
    return made


def _campaign(data, words):
    """What is true or false of all of it."""
    made = junit.suite("campaign", data["created"])
    junit.case(made, "finished", "" if data["finished"] else
               "the campaign was stopped before its end")
    for word in failing.unjudged(data, words):
        junit.case(made, f"{word} can be told",
                   f"no cell has what tells {word}")
    check = data["self_check"]
    if check and "passed" in check:
        junit.case(made, "self-check",
                   "" if check["passed"] else check["text"])
    return made


def text(data: dict, words: Sequence[str] | None = None) -> str:
    """words: those of --fail-if; None: failing.WORSE, as far as it can be
    told."""
    named, words = words or (), failing.WORSE if words is None else words
    data = wording.cleaned(data, wording.line)
    names = wording.cell_names(data)
    suites = [_campaign(data, named)]
    for cell in data["cells"]:
        b = wording.side(data, cell["b"])["text"]
        name = (f"{names[cell['id']]}: {b} against "
                f"{data['sides'][0]['text']}")
        suites.append(_cell(data, cell, name, words, named))
    return junit.document("jobs/ab", suites)
