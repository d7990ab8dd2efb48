# SPDX-License-Identifier: GPL-2.0-only
# qualify.json as JUnit's XML: a suite for each test of each target, in it a
# case for each limit and check and one that it was run; suites for what is of
# no single test, and of the whole run.  What was not measured is skipped, as is
# the case that the figures qualify anything where the profile is scaled down.
from ...report import junit, wording
from ..report import phrases
from ..shorter import figuremarks
from . import recorded


def _case(suite, name, result, said):
    """result: that of a limit or a check."""
    said = phrases.ended(said)
    junit.case(suite, name, why=said if result == "fail" else "",
               skipped=said if result == "not measured" else "", said=said)


def _limits(suite, found):
    for one in found:
        name = " ".join(filter(None, (
            f"{one['cell']}:" if one["cell"] else "", one["key"])))
        said = (f"is {phrases.bound(one)}, asked for {phrases.bar(one)}"
                + (f"; {one['why']}" if one["why"] else "")
                + (f"; the figure is {one['extent']}"
                   if one.get("extent") else ""))
        _case(suite, name, one["result"], said)


def _checks(suite, found):
    for one in found:
        _case(suite, one["title"], one["result"], one["text"])


def _test(data, target, test):
    made = junit.suite(f"{target['name']}: {test['title']}", data["created"])
    made.set("time", f"{test['seconds'] or 0:.3f}")
    if test.get("extent"):
        junit.properties(made, [("figures", figuremarks.said(test))])
    state, why = test["state"], test["why"] or "it was not begun"
    junit.case(made, "the test was run", why=why if state == "failed" else "",
               skipped=f"{state}: {why}" if state in ("stopped", "not run")
               else "")
    _limits(made, [one for one in data["limits"] if (
        one["target"], one["test"]) == (target["name"], test["name"])])
    _checks(made, test["checks"])
    return made


def _device(data, target):
    """What it is, and what is of none of its tests."""
    made = junit.suite(target["name"], data["created"])
    junit.properties(made, recorded.device(target))
    names = [test["name"] for test in target["tests"]]
    _limits(made, [one for one in data["limits"] if one["target"] ==
                   target["name"] and one["test"] not in names])
    _checks(made, target.get("checks", ()))
    return made


def _run(data):
    made = junit.suite("qualification", data["created"])
    junit.properties(made, recorded.run(data))
    junit.case(made, "finished", "" if data["finished"] else
               "the run was stopped before its end")
    junit.case(made, "the figures are those of the profile",
               skipped="; ".join(filter(None, (
                   phrases.SCALED if data["profile"]["scaled"] else "",
                   figuremarks.banner(data)))))
    return made


def text(data):
    """The document."""
    data = wording.cleaned(data, wording.line)
    suites = [_run(data)]
    for target in data["targets"]:
        suites.append(_device(data, target))
        suites += [_test(data, target, test) for test in target["tests"]]
    return junit.document("jobs/qualify", suites)
