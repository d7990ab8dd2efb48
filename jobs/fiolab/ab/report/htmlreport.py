# SPDX-License-Identifier: GPL-2.0-only
# report.html: one file that needs nothing else, no script and no network.
# Here the report becomes what the template shows; report.html.j2 escapes all
# of it but the pictures, which svg.py makes.  Pictures are the cost: with
# many cells only some get theirs, and the page says so.
import math

from markupsafe import Markup

from ...base import files
from ...fio.metrics import PERCENTILES
from ...report import latencyplots, plotting, svg, sidewords, wording
from ...report.page import environment
from . import duetdata, ending

DRAWN_CELLS = 12
OPEN_CELLS = 2              # with more of them, a cell opens on a click
VERDICTS = {"faster": "is faster than", "slower": "is slower than",
            "equivalent": "is equivalent to"}


# The verdict

def headline(data, b, cells):
    """One sentence on the first primary metric."""
    a = wording.short(data["sides"][0]["text"], 40)
    b = wording.short(b["text"], 40)
    metric = next(iter(wording.primary_names(cells)), None)
    found = wording.metric_effects(cells, metric)
    words = {effect["verdict"] for effect in found}
    if not words:
        return f"{b} against {a}: nothing was measured"
    if len(words) > 1:
        return f"{b} against {a}: {wording.tally_text(found)}"
    word, = words
    if a == b:
        return f"{b} against itself: {word}"
    ending = "" if len(found) == 1 else f" in all {len(found)} cells"
    if word in VERDICTS:
        return f"{b} {VERDICTS[word]} {a}{ending}"
    return f"{b} against {a}: {word}{ending}"


def _card(metric, name, cells):
    found = wording.metric_effects(cells, metric)
    ratios = sorted((e["ratio"] for e in found))
    return {"name": wording.label(name), "count": len(found),
            "single": found[0] if len(found) == 1 else None,
            "tally": wording.tally(found), "low": ratios[0],
            "high": ratios[-1]}


def _comparison(data, b, cells):
    names = wording.primary_names(cells)
    return {"b": b, "headline": headline(data, b, cells) +
            sidewords.other_jobs(data, b),
            "cards": [_card(m, name, cells) for m, name in names.items()]}


# Pictures

def _weight(cell):
    """Decided effects first, then large ones."""
    return max(((wording.tone(e) in ("good", "bad"), abs(math.log(e["ratio"])))
                for e in wording.primaries(cell)), default=(False, 0))


def drawn(cells, limit):
    """The ids of the cells that get pictures."""
    best = sorted(cells, key=_weight, reverse=True)[:limit]
    return {cell["id"] for cell in best}


def _forests(data):
    """A picture for each primary metric, and how many cells it lacks."""
    made = []
    names = wording.cell_names(data)
    keep = drawn(data["cells"], plotting.FOREST_ROWS)
    for i, (metric, name) in enumerate(
            wording.primary_names(data["cells"]).items()):
        rows = [(names[c["id"]], e) for c in data["cells"] if c["id"] in keep
                for e in c["effects"] if e["metric"] == metric]
        picture = plotting.forest(rows, f"effects{i}", f"Effects on {name}",
                                  data["margin"])
        made.append({"name": wording.label(name), "svg": Markup(picture),
                     "left": len(data["cells"]) - len(keep)})
    return made


def _time_note(count):
    size = -(-count // plotting.POINTS)
    return "" if size < 2 else (f" {count:,} pairs in {plotting.POINTS} points,"
                                f" each the median of about {size}.")


def _pictures(data, cell):
    """(svg, caption) of one cell."""
    start, letter = f"cell{cell['id']}", cell["b"]
    rows = [(wording.label(e["name"]), e) for e in cell["effects"]]
    made = [(plotting.forest(rows, f"{start}f", "Effects on all metrics",
                             data["margin"]),
             "Effect, 95% CI and A/A floor (grey bar) of each metric.")
            ] if rows else []
    for i, effect in enumerate(wording.primaries(cell)):
        made.append((plotting.over_time(cell, effect, f"{start}t{i}", letter),
                     f"{wording.label(effect['name'])} of each pair, in the "
                     "order of the runs: a drift would tilt the clouds."
                     + _time_note(effect["n"])))
    for i, (direction, found) in enumerate(cell["latency"].items()):
        made += [(latencyplots.cdf(found, direction, f"{start}c{i}", letter),
                  f"{wording.label(direction)} latency, all pairs pooled."),
                 (latencyplots.percentiles(found, direction, f"{start}p{i}",
                                           letter),
                  "The same, stretched towards the tail: each nine has the "
                  "same width. Descriptive; no verdict rests on it.")]
    made += _timelines(cell, start, letter)
    return [(Markup(picture), caption) for picture, caption in made if picture]


def _timelines(cell, start, letter):
    """Latency over time, of the directions that both sides had."""
    both = cell.get("timeline") or {"A": {}, "B": {}}
    return [(latencyplots.over_time(
        {role: both[role][way] for role in "AB"}, way, f"{start}o{i}", letter),
        f"{wording.label(way)} latency over time, of a run of each side with "
        "fio's log, before the pairs. Descriptive; no verdict rests on it.")
        for i, way in enumerate(both["A"]) if way in both["B"]]


# One cell

def _far(cell):
    """[(direction, [(percentile, ns of A, of B)])]"""
    return [(direction, [(q, *(found[r]["percentiles"].get(q) for r in "AB"))
                         for q in PERCENTILES])
            for direction, found in cell["latency"].items()]


def _order(cell):
    names = {e["metric"]: e["name"] for e in wording.primaries(cell)}
    return [(names[metric], d) for metric, d in cell["order_effect"].items()
            if metric in names]


def _cell(data, cell, name, with_pictures):
    return {**cell, "pairs": None, "name": name,
            "target_text": wording.target_text(cell["target"]),
            "path": wording.path(cell["target"]),
            "pairing": wording.pairing(cell), "heading": "",
            "sentences": duetdata.sentences(cell),
            "other_target": cell.get("target_b") and {
                "path": wording.path(cell["target_b"]),
                "text": wording.target_text(cell["target_b"])},
            "job_b": cell.get("job_b"),
            "count": len(cell["pairs"]), "far": _far(cell),
            "primaries": wording.primaries(cell), "order": _order(cell),
            "commands": sidewords.commands(cell),
            "side_b": wording.side(data, cell["b"]),
            "drift": any(map(wording.floor_excludes_one,
                             wording.primaries(cell))),
            "course": wording.label(ending.course(data, cell)),
            "pictures": _pictures(data, cell) if with_pictures else []}


# The page

def _grouped(data, cells):
    """The cells, in groups of those that differ in their pairing alone."""
    groups = []
    for cell, raw, before in zip(cells, data["cells"],
                                 [None, *data["cells"]]):
        if not wording.continues(raw, before):
            groups.append([])
        groups[-1].append(cell)
    for group in groups:
        group[0]["heading"] = (group[0]["name"].removesuffix(
            f" · {group[0]['pairing']}") if len(group) > 1 else "")
    return groups


def page(data: dict) -> str:
    """The page as text."""
    data = wording.cleaned(data)
    with_pictures = drawn(data["cells"], DRAWN_CELLS)
    names = wording.cell_names(data)
    pairs, runs = wording.measured(data)
    with svg.styled():
        cells = [_cell(data, cell, names[cell["id"]],
                       cell["id"] in with_pictures)
                 for cell in data["cells"]]
        forests = _forests(data)
    comparisons = [_comparison(data, b, found)
                   for b, found in wording.comparisons(data)]
    template = environment().get_template("report.html.j2")
    return template.render(
        data=data, cells=cells, groups=_grouped(data, cells),
        forests=forests, comparisons=comparisons,
        pairs=pairs, runs=runs, stopped=ending.stopped(data),
        rule=ending.rule(data).replace("<=", "≤").replace("+-", "±"),
        pictured=len(with_pictures), opened=len(cells) <= OPEN_CELLS)


def write(data: dict, path: str) -> None:
    files.write_report(path, page(data))
