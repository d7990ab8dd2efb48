# SPDX-License-Identifier: GPL-2.0-only
# The tables and the JSON of the two benchmarks.  B is always set against A:
# +25% IOPS means that B does a quarter more I/Os, -20% CPU that B spends a
# fifth less CPU time on each.
from itertools import zip_longest
import math
import platform
import re
import statistics
import textwrap

from ..base.version import VERSION
from ..fio.metrics import METRICS, PRIMARY
from ..report import wording
from ..report.terminal import fitted
from ..stats import paired
from ..stats.verdict import ALPHA, MARGIN, count_pairs, floor_excludes_zero

NAMES = {name: METRICS[name].label for name in PRIMARY}
FLOOR_WARNING = """warning: the A/A floor excludes 0: this machine drifted or
the position in the block matters; repeat with more pairs"""
ROW = "  {:<14} {:>9} {:>9} {:>8} {:>16} {:>15}"


def _signed(d):
    return "n/a" if math.isinf(d) else f"{paired.percent(d):+.1f}%"


def _range(pair):
    if math.isinf(pair[0]):
        return "n/a"
    return "{:+.1f}..{:+.1f}%".format(*map(paired.percent, pair))


def _value(metric, values):
    middle = statistics.median(values)
    return f"{middle:,.0f}" if metric == "iops" else f"{middle:.2f}"


def _metric_row(cell, effect):
    a, b = (_value(effect.metric, cell.series(role, effect.metric))
            for role in "AB")
    return ROW.format(NAMES[effect.metric], a, b, _signed(effect.estimate),
                      _range(effect.ci95), _range(effect.floor))


def _calls_row(cell):
    a, b = (cell.calls.get(role) for role in "AB")
    if a is None or b is None:
        return "  system calls per I/O: not counted (needs a working strace)"
    return ROW.format("syscalls / I/O", f"{a:.2f}", f"{b:.2f}", "",
                      "(separate,", "under strace)")


def _verdict_rows(effect):
    return wrapped(f"verdict on B, {NAMES[effect.metric]}: "
                   f"{effect.verdict.upper()} ({effect.reason})")


def _order_effects(cell):
    ab = [order == "AB" for order in cell.orders]
    return {e.metric: paired.order_effect(e.d, ab) for e in cell.effects}


def _noise_rows(cell):
    order = ", ".join(f"{NAMES[m]} {_signed(d) if d is not None else 'n/a'}"
                      for m, d in _order_effects(cell).items())
    stolen = [100 * run["steal"] for run in cell.runs]
    repeats = sum(run["repeats"] for run in cell.runs)
    return [f"  order effect (AB less BA): {order}",
            f"  steal {statistics.mean(stolen):.1f}% (worst run "
            f"{max(stolen):.1f}%); runs repeated for want of CPU: {repeats}",
            f"  {cell.stream}"]


def wrapped(text):
    """Lines that fit, indented."""
    return textwrap.wrap(text.replace("\n", " "), 79, initial_indent="  ",
                         subsequent_indent="    ", break_on_hyphens=False)


def ratio(d):
    value = math.exp(d)
    return f"{value:.3g}" if value < 999.5 else f"{value:.0f}"


def span(pair):
    return "n/a" if math.isinf(pair[0]) else "-".join(map(ratio, pair))


def goal(text, found, shown, met):
    """A line of the list of goals; met: None where it was not judged."""
    word = {True: "met", False: "MISSED", None: "not judged"}[met]
    return {"goal": text, "found": found, "met": met,
            "line": "\n".join(wrapped(f"{word}: {text}: {shown}"))}


def _change_rows(cell):
    changes = cell.changes()
    whole = re.sub("(?<![,;:]) ", "\xa0", changes)     # break after commas
    lines = wrapped(f"from the job file: {whole}") if changes else []
    return [line.replace("\xa0", " ") for line in lines]


def _floor_rows(cell):
    drifted = any(map(floor_excludes_zero, cell.effects))
    return wrapped(FLOOR_WARNING) if drifted else []


def _cell_lines(plan, cell):
    direct = cell.direct(plan)
    head = ROW.format("median", "A", "B", "B vs A", "95% CI", "A vs A 95% CI")
    return ["", f"{cell.job.name}, {cell.target.path}",
            *fitted(cell.target.describe(direct)),
            *[line for text in cell.target.doubts()
              for line in fitted(f"warning: {text}")],
            f"  ({cell.target.why(direct)})", *_change_rows(cell), head,
            *[_metric_row(cell, e) for e in cell.effects], _calls_row(cell),
            *[row for e in cell.effects for row in _verdict_rows(e)],
            *_floor_rows(cell), *_noise_rows(cell)]


def side_lines(sides, libraries, program):
    """What A and B are, and the library that a program was seen to use."""
    lines = []
    for letter, side, library in zip_longest("AB", sides, libraries):
        engine = "" if side.ioengine == side.text else f" ({side.ioengine})"
        lines.append(f"{letter} = {side.text}{engine}")
        lines += [f"    {name}={value}" for name, value in side.environment]
        lines += [f"    {program} uses {library}"] if library else []
    return lines


def _head(plan):
    pin = ("not pinned" if plan.fio.cpu is None
           else f"fio pinned to CPU {plan.fio.cpu}")
    sides = side_lines(plan.sides, plan.libraries, "fio")
    return [*sides, f"{plan.fio.version}, {pin}; {count_pairs(plan.pairs)} of "
            f"{plan.runtime:g} s runs after {plan.ramp:g} s ramp"]


def table(plan, cells, others=0):
    """The report on stdout; others: comparisons that are shown elsewhere."""
    count = others + sum(len(cell.effects) for cell in cells)
    rule = (f"Effects: Hodges-Lehmann with exact CI, order balanced and random."
            f"\nVerdict: p <= {ALPHA} by Holm over {count} comparisons; "
            f"equivalent: 90% CI in +-{MARGIN:.0%}.")
    lines = _head(plan)
    for cell in cells:
        lines += _cell_lines(plan, cell)
    return "\n".join([*lines, "", rule, ""])


def end(goals, seed):
    """The last lines on stdout; takes the lines out of the goals."""
    return [*(["", "goals", *[goal.pop("line") for goal in goals]] if goals
              else []), "", f"To repeat the order and the I/O: --seed {seed}",
            wording.made(VERSION)]


def _finite(pair):
    return None if math.isinf(pair[0]) else list(pair)


def effect_data(effect):
    return {"metric": effect.metric, "d": effect.d, "floor_d": effect.floor_d,
            "estimate": effect.estimate, "ci95": _finite(effect.ci95),
            "ci90": _finite(effect.ci90), "aa_ci95": _finite(effect.floor),
            "p": effect.p, "p_holm": effect.p_holm, "verdict": effect.verdict,
            "reason": effect.reason}


def slim(run):
    """A run without its latency bins, which are long."""
    return {key: value for key, value in run.items() if key != "latency"}


def _cell_data(plan, cell):
    target, direct = cell.target, cell.direct(plan)
    return {"job": cell.job.path, "job_text": cell.job.text,
            "target": target.path, "target_label": target.describe(direct),
            "size": target.size, "direct": direct == "all",
            "direct_io": direct, "job_changes": cell.changes(),
            "stream": cell.stream, "calls_per_io": cell.calls,
            "order_effect": _order_effects(cell),
            "effects": [effect_data(e) for e in cell.effects],
            "runs": [slim(run) for run in cell.runs]}


def side_data(sides, libraries):
    return {letter: {"text": s.text, "ioengine": s.ioengine,
                     "options": list(s.options),
                     "environment": dict(s.environment), "library": library}
            for letter, s, library in zip_longest("AB", sides, libraries)}


def data(plan, cells, seed):
    """Everything measured; effects are natural logarithms of ratios."""
    return {"sides": side_data(plan.sides, plan.libraries),
            "fio": plan.fio.version, "cpu": plan.fio.cpu, "seed": seed,
            "pairs": plan.pairs, "runtime": plan.runtime, "ramp": plan.ramp,
            "kernel": platform.release(), "machine": platform.machine(),
            "cells": [_cell_data(plan, cell) for cell in cells]}
