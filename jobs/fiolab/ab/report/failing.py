# SPDX-License-Identifier: GPL-2.0-only
"""--fail-if, for CI: which verdicts are a failure, of one campaign (here) and
of two (twocampaigns.py).  What cannot be judged is a failure too, as a
regression may hide a cell or a metric, and a check that cannot fail checks
nothing."""
import argparse
from collections.abc import Iterable, Sequence
import sys

from ...fio.metrics import METRICS, PRIMARY, SPECIAL, SYNC

LATENCIES = tuple(name for name in METRICS
                  if name.startswith("lat_") or name in SPECIAL)
# WORD: (verdicts, of which metrics)
KINDS = {"slower": ({"slower"}, ("iops",)),
         "more-cpu": ({"more CPU"}, ("cpu_us",)),
         "longer": ({"longer"}, LATENCIES),
         "inconclusive": ({"inconclusive", "no verdict"}, (*PRIMARY, SYNC))}
WORSE = ("slower", "more-cpu", "longer")
STATUS = 3              # the exit status
UNMEASURED = "no pair was measured"


def add_option(new: argparse.ArgumentParser, more: str) -> None:
    new.add_argument("--fail-if", action="append", choices=sorted(KINDS),
                     help="may be repeated; " + more)


def asked(word: str, pairing: str, both: bool) -> tuple[set, tuple]:
    """(verdicts, metrics) of a word in a cell; both: another cell alternates
    where this is a duet, or the other way round, so each has its metrics."""
    verdicts, metrics = KINDS[word]
    if both:
        return verdicts, tuple(name for name in metrics
                               if (name == "cpu_us") == (pairing == "duet"))
    if pairing == "duet" and "iops" in metrics:     # which follow from CPU
        return (KINDS["more-cpu"][0] if word == "slower" else verdicts,
                ("cpu_us",))
    return verdicts, metrics


def _place(cell):
    return cell["job"], cell["target"]["path"], cell["b"]


def wanted(data: dict, cell: dict,
           words: Iterable[str]) -> list[tuple[set, tuple]]:
    """asked() of a cell of a report for each of the words."""
    pairings = {one.get("pairing", "alternate") for one in data["cells"]
                if _place(one) == _place(cell)}
    return [asked(word, cell.get("pairing", "alternate"), len(pairings) > 1)
            for word in words]


def is_failure(effect: dict, asking: Iterable[tuple[set, tuple]]) -> bool:
    """Is the verdict on an effect one of those that were asked() for?"""
    return any(effect["verdict"] in verdicts and effect["metric"] in metrics
               for verdicts, metrics in asking)


def unjudged(data: dict, words: Iterable[str]) -> list[str]:
    """The words of which no cell of a report has a single metric."""
    return [word for word in words if not any(
        effect["metric"] in metrics for cell in data["cells"]
        for _, metrics in wanted(data, cell, [word])
        for effect in cell["effects"])]


def unmeasured(data: dict) -> list[dict]:
    """The cells without a whole pair, as where time was up before."""
    return [cell for cell in data["cells"] if not cell["effects"]]


def failures(data: dict, words: Sequence[str]) -> list[str]:
    """Sentences about what --fail-if WORD... finds in a report."""
    if not words:
        return []
    sides = {side["letter"]: side["text"] for side in data["sides"]}
    said = [] if data["finished"] else ["the campaign is not finished"]
    said += [f"no cell has anything that tells {word}"
             for word in unjudged(data, words)]

    def name(cell):
        return (f"{sides[cell['b']]} on {cell['job']} "
                f"({cell['target']['label']})")
    said += [f"{name(cell)}: {UNMEASURED}" for cell in unmeasured(data)]
    return said + [f"{name(cell)}: {effect['metric']} "
                   f"{effect['verdict']}" for cell in data["cells"]
                   for asking in [wanted(data, cell, words)]
                   for effect in cell["effects"]
                   if is_failure(effect, asking)]


def end(command: str, failed: Iterable[str]) -> None:
    """Say what failed, and exit with STATUS; return where nothing did."""
    said = "; ".join(failed)
    if said:
        print(f"{command}: {ascii(said)[1:-1]}", file=sys.stderr)
        sys.exit(STATUS)
