# SPDX-License-Identifier: GPL-2.0-only
# The report of parts on the terminal, in 79 columns: the parts, what differs
# between A and B, then each cell with its figures and what parts cost.
import statistics

from ...report import terminal, wording
from ...report.terminal import fitted
from ...report.wording import figure, percent, several, span
from ...stats.verdict import SECONDARY
from . import partreport

ROW = "  {:<14} {:>9} {:>9} {:>8} {:>15} {:>8} {:>8}"


def _parts(data):
    lines = []
    for one in data["parts"]:
        state = ("" if one["counts"] else
                 f", does not count: {one['given_up']}" if one["given_up"]
                 else ", not finished")
        lines += fitted(f"{one['number']:>3} {one['label']}  "
                        f"{one['begun'][:16].replace('T', ' ')}  boot "
                        f"{one['boot_id'][:8]}  {one['kernel']}{state}")
    return lines


def _differs(data):
    lines = ["", "What differs between A and B:"] if data["differs"] else []
    for name, (a, b) in data["differs"].items():
        lines += fitted(f"{name}: {wording.short(a, 200)} / "
                        f"{wording.short(b, 200)}", "  ", "    ")
    if data["varies"]:
        lines += fitted("differs among parts of one label: "
                        + ", ".join(data["varies"]), "")
    return lines


def means(data: dict, effect: dict) -> dict[str, float | None]:
    """{label: geometric mean of its parts}"""
    found = {}
    for label in "AB":
        of_label = [part["mean"] for part, one in zip(
            effect["parts"], partreport.labels(data)) if one == label]
        found[label] = (statistics.geometric_mean(of_label) if of_label
                        else None)
    return found


def _share(value):
    return "n/a" if value is None else f"{100 * value:.2g}%"


def _row(data, effect):
    found, spread = means(data, effect), effect["spread"] or {}
    name = effect["name"] if len(effect["name"]) < 15 else effect["metric"]
    return ROW.format(name[:14], figure(found["A"]), figure(found["B"]),
                      percent(effect["ratio"]), span(effect["ci95"]),
                      _share(spread.get("within")),
                      _share(spread.get("between")))


def cost(data: dict, effect: dict) -> str:
    """What it costs that the unit is the part; '' where it is not known."""
    spread = effect["spread"]
    if not spread:
        return ""
    unit = data["unit"]
    return (f"{effect['name']}: runs in one {unit} differ by "
            f"{_share(spread['within'])}, {unit}s by "
            f"{_share(spread['between'])} more (SD): taken for independent, "
            f"the runs would look {spread['certain']:.1f} times as certain as "
            f"they are. With one run in a {unit} the uncertainty would be "
            f"{spread['one_run']:.2f} times what it is, with endless runs "
            f"{spread['endless_runs']:.2f} times")


def _verdicts(cell):
    lines = []
    for effect in wording.primaries(cell):
        lines += fitted(f"verdict on B, {effect['name']}: "
                        f"{effect['verdict'].upper()} ({effect['reason']})")
    rest = [f"{e['name']}: {e['verdict']}" for e in cell["effects"]
            if e["role"] != "primary"]
    return lines + (fitted("secondary: " + ", ".join(rest)) if rest else [])


def _order(cell):
    said = [f"{e['name']} {100 * e['order_effect']:+.1f}%"
            for e in wording.primaries(cell) if e["order_effect"] is not None]
    return fitted("order effect (A first less B first, neighbouring parts): "
                  + ", ".join(said)) if said else []


def _cell(data, cell):
    lines = ["", *fitted(f"{cell['job']}, {wording.path(cell['target'])}", ""),
             *fitted(wording.target_text(cell["target"])),
             ROW.format("geometric mean", "A", "B", "B vs A", "95% CI",
                        "SD runs", f"{data['unit']}s"),
             *(_row(data, effect) for effect in cell["effects"])]
    lines += _verdicts(cell)
    for effect in wording.primaries(cell):
        lines += fitted(cost(data, effect)) if effect["spread"] else []
    return lines + _order(cell)


def counts(data: dict) -> str:
    """'4 parts of A and 4 of B'"""
    found = partreport.labels(data)
    return (f"{several(found.count('A'), 'part')} of A and "
            f"{found.count('B')} of B")


def rule(data: dict) -> str:
    return (f"The unit is the {data['unit']}: each is one figure, the mean of "
            "ln of its runs. Effect: Hodges-Lehmann shift with Mann-Whitney's "
            "exact interval; p of all ways to deal out A and B, corrected over "
            "all primary figures, and over all secondary ones, which have "
            f"{SECONDARY:.0%} of alpha; verdict: p <= {data['alpha']:g}; "
            f"equivalent: 90% CI in +-{data['margin']:.0%}; one look, with "
            f"{data['planned']} {data['unit']}s of each.")


def text(data: dict) -> str:
    """The report as text that ends in a newline."""
    data = wording.cleaned(
        data, lambda found: terminal.narrow(wording.line(found)))
    pin = "not pinned" if data["cpu"] is None else f"on CPU {data['cpu']}"
    lines = [*fitted(f"{data['side']} in two states of the machine, A and B: "
                     f"{counts(data)}", ""),
             *fitted(f"{data['fio']}, {pin}; {data['runs']} runs of "
                     f"{data['runtime_s']:g} s in each part, after "
                     f"{data['ramp_s']:g} s ramp", ""),
             *_parts(data), *_differs(data)]
    for cell in data["cells"]:
        lines += _cell(data, cell)
    return "\n".join([*lines, *terminal.warnings(data), "",
                      *fitted(rule(data), ""),
                      *fitted(wording.made(data["version"]), ""), ""])
