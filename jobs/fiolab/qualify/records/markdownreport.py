# SPDX-License-Identifier: GPL-2.0-only
# qualify.json in GitHub's markdown, for a ticket or a pull request: the result,
# what was tested and who tested it, the limits, the checks, and the state of
# each test; what passed among the checks is folded.
from ...report import wording
from ...report.markdown import code, folded, plain, row, table
from ..fleet import fleettext
from ..own import ownwords
from ..report import phrases, steadywords
from ..shorter import figuremarks
from . import recorded


def _result(word):
    return f"{phrases.MARKS[word]} {word}"


def _pairs(found):
    return "; ".join(f"{plain(name)} {code(text)}" for name, text in found)


def _head(data):
    profile = data["profile"]
    said = [f"**{phrases.SCALED}**\n"] if profile["scaled"] else []
    if figuremarks.is_cut(data):
        said.append(f"**{plain(figuremarks.banner(data))}**\n")
    said.append(f"**{phrases.MARKS[data['result']]} "
                f"{plain(phrases.headline(data))}**\n")
    if not data["finished"]:
        said.append("**Stopped early: what was measured is here, the rest was "
                    "not.**\n")
    devices = [f"- {code(target['name'])}: "
               f"{_pairs(recorded.device(target))}\n"
               for target in data["targets"]]
    return [*said, f"{_pairs(recorded.run(data))}\n", "".join(devices)]


def _limits(data):
    if not data["limits"]:
        return ["No limit was given: the checks alone decide.\n"]
    return [table(
        ("test, cell", "metric", "asked for", "bound", "result", "figure"),
        "llrrll",
        [row((code(phrases.where(one, data)), plain(phrases.metric_of(one)),
              plain(phrases.bar(one)), plain(phrases.bound(one)),
              _result(one["result"])
              + ("" if one["result"] == "pass" or not one["why"] else
                 f": {plain(one['why'])}"), one.get("extent") or "–"))
         for one in data["limits"]])]


def _check(data, target, check):
    where = f"{target['name']}, " if len(data["targets"]) > 1 else ""
    return (f"- {_result(check['result'])}: {plain(where + check['title'])}: "
            f"{plain(phrases.ended(check['text']))}\n")


def _checks(data):
    found = [(check["result"] == "pass", _check(data, target, check))
             for target, _, check in phrases.checks(data)]
    loud, quiet = ("".join(text for passed, text in found if passed == which)
                   for which in (False, True))
    return [*([loud] if loud else []),
            *([folded("Checks that passed", quiet)] if quiet else [])]


def _steady(test):
    return "; ".join(steadywords.steady(test, phase)
                     for phase in test["phases"] if phase["steady"])


def _tests(data):
    many = len(data["targets"]) > 1
    return [table(
        ("test", "state", "figures", "steady state", "time"), "llllr",
        [row((code(f"{target['name']}, {test['title']}" if many
                   else test["title"]),
              _result(test["state"])
              + (f": {plain(test['why'])}" if test["why"] else ""),
              plain(figuremarks.said(test)),
              plain(_steady(test)) or "not asked for",
              plain(wording.time(test["seconds"]))))
         for target in data["targets"] for test in target["tests"]])]


def _own(data):
    """The figures of loads of the user's own."""
    lines = [f"- {code(test['title'])}: {plain(one)}\n"
             for target in data["targets"] for test in target["tests"]
             for one in ownwords.figures(test)]
    return ["".join(lines)] if lines else []


def text(data):
    """The markdown, which ends in a newline."""
    data = wording.cleaned(data, wording.line)
    warnings = [f"> {plain(one)}\n" for one in data["warnings"]]
    out = figuremarks.left_out(data)
    warnings += [f"> left out for the time: {plain(out)}\n"] if out else []
    fleet = [fleettext.markdown_text(data["fleet"])] if data.get(
        "fleet") else []
    end = [f"{plain(wording.made(data['version']))}\n"] if data.get(
        "version") else []
    return "\n".join([*_head(data), *fleet, *_limits(data), *_checks(data),
                      *_tests(data), *_own(data), *warnings, *end])
