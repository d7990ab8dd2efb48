# SPDX-License-Identifier: GPL-2.0-only
"""report.json as a table in GitHub's markdown, to paste into a pull request:
the primary metrics of each cell, and all others below, folded."""
from ...report import wording
from ...report.markdown import code, folded, plain, row, table
from . import duetdata, ending

SIDES = "llrrrrl"


def _row(name, effect):
    tone = wording.MARKS[wording.tone(effect)]
    cells = (code(name), plain(effect["name"]),
             *(wording.figure(effect["median"][role]) for role in "AB"),
             wording.percent(effect["ratio"]), wording.span(effect["ci95"]),
             f"{tone} {plain(effect['verdict'])}")
    return row(cells)


def _table(b, rows):
    return table(("cell", "metric", "A", b["letter"], f"{b['letter']} vs A",
                  "95% CI", "verdict"), SIDES, rows)


def _comparison(data, b, cells):
    names = wording.cell_names(data)
    both = {role: [_row(names[cell["id"]], effect) for cell in cells
                   for effect in cell["effects"]
                   if (effect["role"] == "primary") == (role == "primary")]
            for role in ("primary", "secondary")}
    made = [f"### {code(b['text'])} ({b['letter']}) against "
            f"{code(data['sides'][0]['text'])} (A)\n"]
    if both["primary"]:
        made.append(_table(b, both["primary"]))
    if both["secondary"]:
        made.append(folded("All other metrics",
                           _table(b, both["secondary"])))
    return [*made, *_pairings(names, cells)]


def _pairings(names, cells):
    """What is said of duets, and why a cell is none, folded."""
    said = {cell["id"]: duetdata.sentences(cell) for cell in cells}
    rows = [f"- {code(names[number])}: {plain('; '.join(found))}\n"
            for number, found in said.items() if found]
    return [folded("How the pairs were made", "".join(rows))] if rows else []


def _how(data):
    pairs, _ = wording.measured(data)
    return (f"{wording.several(pairs, 'pair')} of {data['runtime_s']:g} s "
            f"runs, {plain(data['fio']['version'])}, Linux "
            f"{plain(data['environment']['kernel'])}. Verdict: "
            f"{plain(ending.rule(data))}. "
            f"{plain(wording.made(data.get('version')))}\n")


def text(data: dict) -> str:
    """The markdown, which ends in a newline."""
    data = wording.cleaned(data, wording.line)
    stopped = ending.stopped(data)
    parts = [f"**Stopped early, {plain(stopped)}.**\n"] if stopped else []
    for b, cells in wording.comparisons(data):
        parts += _comparison(data, b, cells)
    parts += [f"> {plain(warning)}\n" for warning in data["warnings"]]
    return "\n".join([*parts, _how(data)])
