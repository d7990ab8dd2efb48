# SPDX-License-Identifier: GPL-2.0-only
"""report.json as a table in GitHub's markdown, to paste into a pull request:
the primary metrics of each cell, and all others below, folded.  Names of the
user's are code, in which nothing has a meaning but the end of it, so that no
name is a link, mentions somebody or ends a cell of the table."""
import re

from ...report import wording
from . import duetdata, ending

HEAD = ("| cell | metric | A | {b} | {b} vs A | 95% CI | verdict |\n"
        "|:--|:--|--:|--:|--:|--:|:--|\n")
ACTIVE = re.compile(r"([\\`*_{}\[\]<>#|~&!$@:]|(?<=www)\.)", re.I)


def plain(text: str) -> str:
    """Text in which nothing is markup."""
    return ACTIVE.sub(r"\\\1", wording.line(text))


def code(text: str) -> str:
    """A code span: fenced longer than what is in it, and a bar does not end
    the table's cell."""
    text = wording.short(text, 200) or " "
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    room = " " if text[0] in "` " or text[-1] in "` " else ""
    escaped = text.replace("|", r"\|")
    return f"{fence}{room}{escaped}{room}{fence}"


def _row(name, effect):
    tone = wording.MARKS[wording.tone(effect)]
    cells = (code(name), plain(effect["name"]),
             *(wording.figure(effect["median"][role]) for role in "AB"),
             wording.percent(effect["ratio"]), wording.span(effect["ci95"]),
             f"{tone} {plain(effect['verdict'])}")
    return "| " + " | ".join(cells) + " |\n"


def _table(b, rows):
    return HEAD.format(b=b["letter"]) + "".join(rows)


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
        made.append("<details><summary>All other metrics</summary>\n\n"
                    f"{_table(b, both['secondary'])}\n</details>\n")
    return [*made, *_pairings(names, cells)]


def _pairings(names, cells):
    """What is said of duets, and why a cell is none, folded."""
    said = {cell["id"]: duetdata.sentences(cell) for cell in cells}
    rows = [f"- {code(names[number])}: {plain('; '.join(found))}\n"
            for number, found in said.items() if found]
    return ["<details><summary>How the pairs were made</summary>\n\n"
            f"{''.join(rows)}\n</details>\n"] if rows else []


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
