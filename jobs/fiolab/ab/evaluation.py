# SPDX-License-Identifier: GPL-2.0-only
"""The effects and the verdicts of cells, of all hosts together and of each
host: whether they were measured just now or are read again makes no
difference."""
from collections.abc import Iterable, Sequence
from itertools import groupby
import math

from ..stats import paired, verdict
from .campaign import Campaign
from .results import Cell


class Effects(dict):
    """{metric: Effect} of some pairs of a cell, those alone in which the
    metric was measured in all three runs."""

    def __init__(self, pairs: Iterable[dict], metrics: Iterable[str]):
        super().__init__()
        self.pairs = {}
        for metric in metrics:
            measured = [pair for pair in pairs if all(
                values.get(metric) is not None
                for values in pair["values"].values())]
            if measured:
                self.pairs[metric] = measured

    def differences(self, metric: str, role: str) -> list[float]:
        """ln(role/A) of each pair."""
        return [math.log(pair["values"][role][metric] /
                         pair["values"]["A"][metric])
                for pair in self.pairs[metric]]

    def order_effects(self) -> dict[str, float | None]:
        """{metric: what the pairs AB have more than the pairs BA}"""
        return {metric: paired.order_effect(effect.d, [
            pair["order"] == "AB" for pair in self.pairs[metric]])
            for metric, effect in self.items()}


def _fill(groups, anytime):
    """Of many Effects, all those of equally many pairs at once."""
    wanted = [(group, metric) for group in groups for metric in group.pairs]

    def length(item):
        return len(item[0].pairs[item[1]])
    found = {}
    for _, same in groupby(sorted(wanted, key=length), length):
        same = list(same)
        d, floor = ([group.differences(metric, role)
                     for group, metric in same] for role in ("B", "A'"))
        for (group, metric), effect in zip(same, verdict.many(
                [metric for _, metric in same], d, floor, anytime)):
            found[id(group), metric] = effect
    for group, metric in wanted:        # in the order of the metrics
        group[metric] = found[id(group), metric]
    return [effect for group in groups for effect in group.values()]


def evaluate(cells: Sequence[Cell],
             alpha: float = verdict.ALPHA,
             anytime: bool = False) -> list[verdict.Effect]:
    """Judge what was measured in the cells; all of the effects.

    anytime: may the campaign stop at any pair?
    """
    groups = []
    for cell in cells:
        cell.effects = Effects(cell.ordered(), cell.metrics)
        cell.host_effects = {
            host: Effects(cell.of_host(host), cell.metrics)
            for host in cell.hosts}
        groups += [cell.effects, *cell.host_effects.values()]
    effects = _fill(groups, anytime)
    for effect in effects:
        effect.secondary = True
    for cell in cells:      # a host alone decides nothing
        for metric in cell.primary:
            if metric in cell.effects:
                cell.effects[metric].secondary = False
    words = {name: said for cell in cells for name, said in
             cell.words.items()}
    verdict.judge_all(effects, words, alpha)
    return effects


def _narrow(effect, precision):
    """Is the interval no wider than +-precision (a share)?"""
    low, high = effect.ci95
    return precision is None or high - low <= 2 * math.log1p(precision)


def close(campaign: Campaign) -> None:
    """Close the cells whose primary effects are decided, and known as
    precisely as was asked for."""
    evaluate(campaign.cells, campaign.alpha, anytime=True)
    for cell in campaign.cells:
        found = [cell.effects[metric] for metric in cell.primary
                 if metric in cell.effects]
        cell.closed = cell.closed or bool(found) and all(
            verdict.decided(one) and _narrow(one, campaign.asked.precision)
            for one in found)
