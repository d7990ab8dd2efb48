# SPDX-License-Identifier: GPL-2.0-only
# The report on the terminal, in 79 columns: the sides, the verdict, then each
# cell with its figures.  With many cells a line for each has to do; the rest
# is in report.html.  B is always set against A: +25% IOPS means that B does a
# quarter more I/Os, -20% CPU that B spends a fifth less CPU time on each.
import re

from ...report import sidewords, wording
from ...report.terminal import (LISTED, _column, fitted, narrow, side_lines,
                                warnings)
from ...report.wording import figure, percent, span
from . import duetdata, ending

FULL_CELLS = 6              # with more of them, one line each
NAME = 14
ROW = "  {:<14} {:>9} {:>9} {:>8} {:>16} {:>15}"
SHORT_ROW = "  {:<33} {:>8} {:<12} {:>8} {:<12}"
FLOOR_WARNING = ("warning: the A/A floor excludes 0: this machine drifted or "
                 "the position in the block matters; repeat with more pairs")


# The head

def head(data: dict) -> list[str]:
    """The sides, and how they were run."""
    pin = ("not pinned" if data["cpu"] is None
           else f"fio pinned to CPU {data['cpu']}")
    where = (f"; clients: {', '.join(data['clients'])}" if data["clients"]
             else "")
    plan = (f"{data['fio']['version']}, {pin}; "
            f"{ending.how_many(data)} of "
            f"{data['runtime_s']:g} s runs after {data['ramp_s']:g} s ramp"
            f"{where}")
    return [*side_lines(data["sides"]), *fitted(plan, "")]


def _unfinished(data):
    said = ending.stopped(data)
    return fitted(f"Stopped early, {said}.", "") if said else []


def _self_check(data):
    check = data["self_check"] or {}
    if "text" not in check:
        return []
    word = "passed" if check.get("passed") else "FAILED"
    return fitted(f"Self-check {word}: {check['text']}.", "")


def _overview(data):
    """The verdict on each side, before any figure."""
    lines = []
    for b, cells in wording.comparisons(data):
        lines += fitted(f"Verdict on {b['letter']} ({b['text']}) against A "
                        f"({data['sides'][0]['text']})"
                        f"{sidewords.other_jobs(data, b)}:", "")
        for metric, name in wording.primary_names(cells).items():
            found = wording.metric_effects(cells, metric)
            lines += fitted(f"{name}: {wording.tally_text(found)}")
        empty = sum(not cell["effects"] for cell in cells)
        if empty:
            lines += fitted(f"not a pair in {empty} of {len(cells)} cells")
    return lines


# One cell

def _label(effect):
    name = effect["name"]
    return name if len(name) <= NAME else effect["metric"][:NAME]


def _metric_row(effect):
    floor = span(effect["aa"] and effect["aa"]["ci95"])
    return ROW.format(_label(effect), figure(effect["median"]["A"]),
                      figure(effect["median"]["B"]), percent(effect["ratio"]),
                      span(effect["ci95"]), floor)


def _calls_row(cell):
    a, b = (cell["calls_per_io"][role] for role in "AB")
    if a is None or b is None:
        return "  system calls per I/O: not counted (needs a working strace)"
    return ROW.format("syscalls / I/O", f"{a:.2f}", f"{b:.2f}", "",
                      "(separate,", "under strace)")


def _verdicts(data, cell):
    letter, lines = cell["b"], []
    for effect in wording.primaries(cell):
        lines += fitted(f"verdict on {letter}, {effect['name']}: "
                        f"{effect['verdict'].upper()} ({effect['reason']})")
    said = ending.course(data, cell)
    lines += fitted(said) if said else []
    rest = [f"{_label(e)}: {e['verdict']}" for e in cell["effects"]
            if e["role"] != "primary"]
    return lines + (fitted("secondary: " + ", ".join(rest)) if rest else [])


def _tails(cell):
    """The far percentiles, which carry no verdict."""
    lines = []
    for direction, found in cell["latency"].items():
        far = [(q, *(found[r]["percentiles"].get(q) for r in "AB"))
               for q in ("99.9", "99.99")]
        said = [f"p{q} {wording.duration(a)} against {wording.duration(b)}"
                for q, a, b in far if a and b]
        if said:
            lines += fitted(f"{direction}, all pairs pooled, A against "
                            f"{cell['b']}: {'; '.join(said)}"
                            .replace("µ", "u"))
    return lines


def _discarded(cell):
    gone = cell["discarded"]
    lines = [f"pair {one['pair'] + 1}"
             + (f" on {one['host']}" if one["host"] else "")
             + f" discarded: {one['why']}" for one in gone[:LISTED]]
    if len(gone) > LISTED:
        lines.append(f"{len(gone) - LISTED} more pairs discarded")
    return [part for text in lines for part in fitted(text)]


def _commands(cell):
    return [part for text in sidewords.commands(cell) for part in fitted(text)]


def _noise(cell, again):
    names = {e["metric"]: e["name"] for e in wording.primaries(cell)}
    order = ", ".join(
        f"{names[m]} {'n/a' if d is None else f'{100 * d:+.1f}%'}"
        for m, d in cell["order_effect"].items() if m in names)
    return [*(fitted(f"order effect (AB less BA): {order}") if order else []),
            _disturbances(cell),
            *([] if again else fitted(cell["stream"]))]


def _disturbances(cell):
    steal, repeats = cell["steal"], cell["repeats"]
    said = ("steal not measured" if steal is None else
            f"steal {100 * steal['mean']:.1f}% (worst run "
            f"{100 * steal['max']:.1f}%)")
    return f"  {said}" + ("" if repeats is None else
                          f"; runs repeated for want of CPU: {repeats}")


def _changes(cell):
    if not cell["changes"]:
        return []
    whole = re.sub("(?<![,;:]) ", "\xa0", cell["changes"])  # break at commas
    return [text.replace("\xa0", " ")
            for text in fitted(f"from the job file: {whole}")]


def _hosts(cell):
    lines = []
    for host, found in cell["hosts"].items():
        said = [f"{e['name']} {percent(e['ratio'])} {e['verdict']}"
                for e in found["effects"] if e["role"] == "primary"]
        lines += fitted(f"{host}: {', '.join(said)}")
    return lines


def _other_target(cell):
    other = cell.get("target_b")
    return fitted(f"{cell['b']}: {wording.path(other)}, "
                  f"{wording.target_text(other)}") if other else []


def _heading(data, cell, before):
    """What the cell is; of one that only goes on with that before it, how."""
    if wording.continues(cell, before):
        return ["", f"  The same, {wording.pairing(cell)}:"]
    target = cell["target"]
    more = f", {cell['b']} against A" if len(data["sides"]) > 2 else ""
    return ["", *fitted(f"{wording.job_name(cell)}, "
                        f"{wording.path(target)}{more}", ""),
            *fitted(wording.target_text(target)), *_other_target(cell),
            *fitted(f"({target['why']})"), *_changes(cell)]


def cell_lines(data: dict, cell: dict,
               before: dict | None = None) -> list[str]:
    """All that is said of one cell, after the one before it."""
    title = ROW.format("median", "A", cell["b"], f"{cell['b']} vs A", "95% CI",
                       "A vs A 95% CI")
    drifted = any(map(wording.floor_excludes_one, wording.primaries(cell)))
    again = wording.continues(cell, before)
    return [*_heading(data, cell, before), title,
            *map(_metric_row, cell["effects"]),
            *([] if again else [_calls_row(cell)]), *_verdicts(data, cell),
            *(fitted(FLOOR_WARNING) if drifted else []),
            *(line for said in duetdata.sentences(cell)
              for line in fitted(said)), *_hosts(cell),
            *_tails(cell), *_discarded(cell), *_commands(cell),
            *_noise(cell, again)]


def _short_figures(cell, metric):
    """Of one metric, blank in a cell that does not decide it."""
    for effect in wording.primaries(cell):
        if effect["metric"] == metric:
            return percent(effect["ratio"]), _column(effect["verdict"], 12)
    return "", ""


def _short_cells(data):
    names = dict(list(wording.primary_names(data["cells"]).items())[:2])
    heads = [_column(name, 21) for name in names.values()]
    lines = ["", "  {:<33} {:<21} {}".format("cell", *heads, *[""] * (
        2 - len(heads))).rstrip()]
    titles = wording.cell_names(data)
    for cell in data["cells"]:
        said = [part for metric in names
                for part in _short_figures(cell, metric)]
        name = titles[cell["id"]].replace(" · ", ", ")
        lines.append(SHORT_ROW.format(
            _column(name, 33), *said, *[""] * (4 - len(said))).rstrip())
    return [*lines, "", "All figures of each cell are in report.html."]


# The whole

def rule(data: dict) -> list[str]:
    """What the verdicts mean."""
    return ["", "Effects: Hodges-Lehmann with exact CI, order balanced and "
            "random.", *fitted(f"Verdict: {ending.rule(data)}.", "")]


def text(data: dict) -> str:
    """The report of report.json as text that ends in a newline."""
    data = wording.cleaned(data, lambda text: narrow(wording.line(text)))
    lines = [*head(data), *_unfinished(data), *_self_check(data), "",
             *_overview(data)]
    if len(data["cells"]) > FULL_CELLS:
        lines += _short_cells(data)
    else:
        for cell, before in zip(data["cells"], [None, *data["cells"]]):
            lines += cell_lines(data, cell, before)
    lines += [*warnings(data), *rule(data),
              *fitted(wording.made(data.get("version")), "")]
    return "\n".join([*lines, ""])
