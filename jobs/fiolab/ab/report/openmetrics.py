# SPDX-License-Identifier: GPL-2.0-only
"""report.json as OpenMetrics 1.0: gauges only, so that Prometheus' older text
format (node_exporter's textfile collector) reads the same file.  Every sample
says of which cell, job, target, sides and metric it is; what was not measured
has no sample."""
from collections.abc import Iterator

from ...base.version import VERSION
from ...report import wording

BETTER = {"good": 1, "bad": -1, "same": 0}
# name: (unit, which its name ends in; help)
FAMILIES = {
    "kaio_ab_median": ("", "Median of the runs of a side, in the unit that "
                       "the label says"),
    "kaio_ab_effect_ratio": ("ratio", "B/A, Hodges-Lehmann"),
    "kaio_ab_effect_low_ratio": ("ratio", "Lower end of the 95% interval of "
                                 "B/A"),
    "kaio_ab_effect_high_ratio": ("ratio", "Upper end of the 95% interval of "
                                  "B/A"),
    "kaio_ab_floor_low_ratio": ("ratio", "Lower end of the 95% interval of A "
                                "against itself"),
    "kaio_ab_floor_high_ratio": ("ratio", "Upper end of the 95% interval of A "
                                 "against itself"),
    "kaio_ab_p": ("", "p of the difference, corrected by Holm"),
    "kaio_ab_pairs": ("", "Pairs that took part"),
    "kaio_ab_better": ("", "1: B is better, -1: worse, 0: equivalent; none: "
                       "no verdict"),
    "kaio_ab_verdict": ("", "1, with the verdict as a label"),
    "kaio_ab_finished": ("", "1: the campaign was not stopped early"),
    "kaio_ab_campaign": ("", "1, with what made the report as labels")}


def escaped(value: str) -> str:
    """Of a label, as the format has it; no other control character stays."""
    text = wording.clean(value).replace("\t", "\\t")
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _sample(name, labels, value):
    said = ",".join(f'{key}="{escaped(text)}"' for key, text in labels.items()
                    if text)
    return name, f"{name}{{{said}}} {value!r}\n"


def _effect(labels, effect):
    labels = {**labels, "metric": effect["metric"], "role": effect["role"]}
    for side, value in effect["median"].items():
        if value is not None:
            yield _sample("kaio_ab_median", {**labels, "side": side,
                                             "unit": effect["unit"]}, value)
    floor = effect["aa"] and effect["aa"]["ci95"]
    for name, (low, high) in (("effect", effect["ci95"] or (None, None)),
                              ("floor", floor or (None, None))):
        if low is not None:
            yield _sample(f"kaio_ab_{name}_low_ratio", labels, low)
            yield _sample(f"kaio_ab_{name}_high_ratio", labels, high)
    yield _sample("kaio_ab_effect_ratio", labels, effect["ratio"])
    yield _sample("kaio_ab_p", labels, effect["p_holm"])
    yield _sample("kaio_ab_pairs", labels, effect["n"])
    tone = wording.tone(effect)
    if tone in BETTER:
        yield _sample("kaio_ab_better", labels, BETTER[tone])
    yield _sample("kaio_ab_verdict", {**labels,
                                      "verdict": effect["verdict"]}, 1)


def _samples(data: dict) -> Iterator[tuple[str, str]]:
    """(the family's name, the line) of every sample."""
    yield _sample("kaio_ab_campaign", {
        "version": data.get("version") or VERSION, "title": data["title"],
        "created": data["created"], "fio": data["fio"]["version"],
        "kernel": data["environment"]["kernel"]}, 1)
    yield _sample("kaio_ab_finished", {}, int(data["finished"]))
    for cell in data["cells"]:
        labels = {"cell": str(cell["id"]), "job": cell["job"],
                  "target": cell["target"]["path"],
                  "pairing": cell.get("pairing", ""),
                  "a": data["sides"][0]["text"],
                  "b": wording.side(data, cell["b"])["text"]}
        for host, found in (("", cell), *cell["hosts"].items()):
            for effect in found["effects"]:
                yield from _effect({**labels, "host": host}, effect)


def text(data: dict) -> str:
    """The exposition, whole."""
    found: dict[str, list[str]] = {}
    for name, line in _samples(data):
        found.setdefault(name, []).append(line)
    made = []
    for name, lines in found.items():
        unit, about = FAMILIES[name]
        made += [f"# TYPE {name} gauge\n",
                 *([f"# UNIT {name} {unit}\n"] if unit else []),
                 f"# HELP {name} {about}.\n", *lines]
    return "".join([*made, "# EOF\n"])
