# SPDX-License-Identifier: GPL-2.0-only
# The pictures of latency: its distribution, the percentiles towards the tail,
# and how it goes over time.  A is drawn dashed, B solid.
from collections.abc import Iterable, Sequence
import math

from matplotlib.axis import Axis
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
import numpy as np

from ..fio.metrics import SHARES
from . import plotting, svg, wording

FAR = "99.9"                # the percentile that ends a distribution


def thinned(bins: Sequence[Sequence[int]],
            keep: Iterable[float] = ()) -> tuple[np.ndarray, np.ndarray]:
    """(ns, share of the I/Os up to it), at plotting.POINTS places at most,
    densest where the shares change and never without the far tail."""
    ns = np.array([b[0] for b in bins], dtype=float)
    share = np.cumsum([b[1] for b in bins], dtype=float)
    total = share[-1] if len(share) else 0
    if not total:
        return ns[:0], ns[:0]
    share /= total
    even = np.linspace(0, 1, plotting.POINTS // 2)
    tail = 1 - np.geomspace(1, 1 / total, plotting.POINTS // 2)
    wanted = np.concatenate([even, tail, np.asarray(keep, dtype=float)])
    at = np.unique(np.clip(np.searchsorted(share, wanted), 0, len(ns) - 1))
    return ns[at], share[at]


def log_ticks(low: float, high: float) -> list[float]:
    """Round places in a range, as many as fit: 1, 10... or 1, 2, 5, 10..."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)))
    for steps in ((1, 1.5, 2, 3, 4, 5, 7), (1, 2, 5), (1, 3), (1,)):
        found = [m * 10.0 ** k for k in powers for m in steps]
        found = [x for x in (*found, 10.0 ** powers.stop) if low <= x <= high]
        if len(found) <= 5:
            return found
    return found[::len(found) // 4]


def latency_axis(axis: Axis) -> None:
    """Once the limits are known."""
    axis.set_major_locator(FixedLocator(log_ticks(*axis.get_view_interval())))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(
        lambda ns, _: wording.duration(ns)))


def _lines(axes, found, draw, letter):
    """Both sides by draw(thinned points, style); A dashed and B solid."""
    for role, name, style in (
            ("A", "A", {"color": svg.A, "linestyle": (0, (4, 2))}),
            ("B", letter, {"color": svg.B})):
        draw(found[role], {**style, "linewidth": 1.7, "label": name})
    axes.grid(True)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, which="both")
    axes.legend(loc="lower right", bbox_to_anchor=(1.02, 1.0), ncol=2,
                borderaxespad=0, handlelength=2.2, columnspacing=1.2)


def _far(found):
    """Where the picture of a distribution ends: the slower side's FAR."""
    return max(ns[min(np.searchsorted(share, SHARES[FAR]), len(ns) - 1)]
               for ns, share in found.values() if len(ns))


def cdf(found: dict, direction: str, prefix: str,
        letter: str = "B") -> str | None:
    """The share of I/Os that are done within a time."""
    points = {role: thinned(found[role]["bins"], [SHARES[FAR]])
              for role in "AB"}
    if not any(len(ns) for ns, _ in points.values()):
        return None
    made = svg.figure(250)
    axes = made.add_axes([0.11, 0.18, 0.83, 0.70])
    _lines(axes, points, lambda at, style: axes.step(
        at[0], 100 * at[1], where="post", **style), letter)
    axes.set_xscale("log")
    axes.set_xlim(right=_far(points) * 1.05)
    axes.set_ylim(0, 101)
    latency_axis(axes.xaxis)
    axes.set_xlabel(f"latency, up to p{FAR}")
    plotting.caption(axes, f"{direction}: % done within")
    return svg.render(made, prefix, f"Distribution of {direction} latency",
                      _percentile_text(found, letter))


def _percentile_text(found, letter):
    said = []
    for role, name in (("A", "A"), ("B", letter)):
        marks = ", ".join(f"p{q} {wording.duration(ns)}" for q, ns in
                          found[role]["percentiles"].items())
        said.append(f"{name}: {marks}")
    return "; ".join(said)


def nines(share: float | np.ndarray) -> np.ndarray:
    return -np.log10(np.maximum(1 - share, 1e-9))


def percentiles(found: dict, direction: str, prefix: str,
                letter: str = "B") -> str | None:
    """Latency against percentile, stretched so that each nine is a step."""
    points = {}
    for role in "AB":
        ns, share = thinned(found[role]["bins"], list(SHARES.values()))
        inner = share < 1       # the maximum has no percentile
        points[role] = ns[inner], share[inner]
    if not any(len(ns) for ns, _ in points.values()):
        return None
    made = svg.figure(250)
    axes = made.add_axes([0.19, 0.18, 0.79, 0.70])
    _lines(axes, points, lambda at, style: axes.plot(
        nines(at[1]), at[0], **style), letter)
    axes.set_yscale("log")
    latency_axis(axes.yaxis)
    far = max(nines(share).max() for _, share in points.values()
              if len(share))
    shown = [q for q in SHARES.values() if nines(q) <= max(far, 1)]
    axes.xaxis.set_major_locator(FixedLocator([nines(q) for q in shown]))
    axes.xaxis.set_major_formatter(FuncFormatter(
        lambda x, _: f"{100 - 100 * 10 ** -x:.6g}"))
    axes.set_xlim(0, max(far, 1) * 1.02)
    axes.set_xlabel("percentile")
    plotting.caption(axes, f"{direction} latency")
    return svg.render(made, prefix, f"Percentiles of {direction} latency",
                      _percentile_text(found, letter))


def over_time(found: dict, direction: str, prefix: str,
              letter: str = "B") -> str | None:
    """Mean latency in windows of time; found: {role: [[ms, ns]]}"""
    points = {role: np.array([[ms / 1000, ns] for ms, ns in found[role]
                              if ns > 0], dtype=float).reshape(-1, 2)
              for role in "AB"}
    every = np.concatenate(list(points.values()))
    if not len(every):
        return None
    made = svg.figure(250)
    axes = made.add_axes([0.165, 0.18, 0.82, 0.70])
    _lines(axes, points, lambda at, style: axes.plot(
        at[:, 0], at[:, 1], **style), letter)
    axes.set_yscale("log")
    axes.set_ylim(every[:, 1].min() / 1.3, every[:, 1].max() * 1.3)
    latency_axis(axes.yaxis)
    axes.set_xlim(left=0)
    axes.set_xlabel("seconds")
    plotting.caption(axes, f"mean {direction} latency")
    about = "; ".join(
        f"{name}: median {wording.duration(float(np.median(at[:, 1])))}, "
        f"longest {wording.duration(at[:, 1].max())}"
        for name, at in zip(("A", letter), points.values()) if len(at))
    return svg.render(made, prefix, f"{direction} latency over time", about)
