# SPDX-License-Identifier: GPL-2.0-only
# Rows of jobs/bench with planted figures, and how their goals are judged.
from fiolab.ab import evaluation, runner
from fiolab.ab.campaign import Request
from fiolab.bench import goalset, presets, rowset
from fiolab.target.target import Target

DUET = {"skew_s": 0.004, "kernel": 0.02, "others": 0.05, "repeats": [],
        "parts": None, "sides": {role: {"cpu": 0.3, "asleep": 0.0, "more": 0.0,
                                        "elsewhere": 0.0}
                                 for role in ("A'", "A", "B")}}
TEXTS = list(dict.fromkeys(text for spec in presets.specs()
                           for text in (spec.a, spec.b)))


def planted(spec, ratio=1.0, pairs=10, **ratios):
    """A row on which every metric of B is so many times that of A."""
    asked = Request(pairs=pairs, seed=1)
    row = rowset.row(asked, 0, spec, Target("/f", 48 << 20, True, "RAM"), TEXTS)
    for block in range(pairs):
        noise = 1 + (-1) ** block * (1 + block) / 5000
        for role in ("A", "A'", "B"):
            by = noise if role != "A" else 1
            row.add({**runner.WITHOUT, "pair": block, "role": role, "seed": 1,
                     "start": 1.0, "end": 2.0, "duet": DUET, "values": {
                         m: 1000 * by * (ratios.get(m, ratio) if role == "B"
                                         else 1) for m in rowset.NAMES}})
    return row


def spec_of(part, b="kaio", a="libaio", on=None, depth=None):
    found = [s for s in presets.specs() if s.part == part and s.b == b and
             s.a == a and on in (None, s.on) and
             depth in (None, *map(int, s.job.values("iodepth")))]
    return found[0]


def judged(*rows, sweep=None, skipped=()):
    """[met] of the goals."""
    found = goalset.goals(rows, sweep, skipped, len(evaluation.evaluate(rows)))
    assert all(len(line) <= 80 for goal in found
               for line in goal["line"].splitlines())
    return [goal["met"] for goal in found]
