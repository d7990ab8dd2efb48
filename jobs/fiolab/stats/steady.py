# SPDX-License-Identifier: GPL-2.0-only
# SNIA's steady state (PTS 2.0.2, 2.1.24, per implementations quoting it): in
# the last `window` rounds, 5 by default,
#   max - min              <= 20% of the mean, and
#   |slope| x (window - 1) <= 10% of the mean, of the least-squares line,
# for all tracked variables in the same window.  What exists reads the slope's
# limit for each round (4 x too loose) or the range as +-20% (2 x too loose).
from collections.abc import Sequence
from fractions import Fraction
import math

WINDOW = 5
EXCURSION = Fraction(20, 100)   # of the mean: max - min
SLOPE = Fraction(10, 100)       # of the mean: the line's change in the window
FIGURES = ("mean", "allowed_excursion", "measured_excursion", "allowed_slope",
           "measured_slope", "slope", "intercept")


def _known(value):
    return value is not None and math.isfinite(value)


def _exact(value):
    """The number that qualify.json shows: a series that is exactly at a limit
    there holds, which 1.1 - 0.9 in binary does not."""
    return Fraction(value if isinstance(value, int) else repr(float(value)))


def line(values: Sequence[Fraction], first: int) -> tuple[Fraction, Fraction]:
    """(slope for each round, value at round 0) of the least-squares line
    through values of the rounds from `first` on."""
    n = len(values)
    mean = sum(values, Fraction(0)) / n
    middle = Fraction(n - 1, 2)
    slope = sum(((i - middle) * y for i, y in enumerate(values)),
                Fraction(0)) / Fraction(n * (n * n - 1), 12)
    return slope, mean - slope * (first + middle)


def _figures(values, first):
    """FIGURES of a window, all exact and in the unit of the series: slope and
    intercept are of the line over round numbers, as value = intercept +
    slope x round; allowed_ and measured_slope are over the whole window."""
    mean = sum(values) / len(values)
    slope, intercept = line(values, first)
    return dict(zip(FIGURES, (
        mean, EXCURSION * mean, max(values) - min(values), SLOPE * mean,
        abs(slope) * (len(values) - 1), slope, intercept)))


def _holds(found):
    """A device that does nothing, or less, is not steady."""
    return (found["mean"] > 0
            and found["measured_excursion"] <= found["allowed_excursion"]
            and found["measured_slope"] <= found["allowed_slope"])


def evaluate(series: Sequence[float | None], window: int = WINDOW,
             since: int = 0) -> dict:
    """The determination of one tracked variable after its last round.

    series: a number for each round so far; the last `window` count, but none
    of the first `since`.  With fewer, or with one in the window that was not
    measured (None, NaN), every figure is None and it does not hold.
    """
    if window < 2:
        raise ValueError("a line needs a window of two rounds")
    shown = [value if _known(value) else None for value in series]
    last = shown[since:][-window:]
    if len(last) < window or None in last:
        return {"series": shown, **dict.fromkeys(FIGURES), "holds": False}
    values = [_exact(value) for value in last]
    found = _figures(values, len(shown) - window + 1)
    return {"series": shown,
            **{name: float(value) for name, value in found.items()},
            "holds": _holds(found)}


def state(tracked: Sequence[tuple], window: int = WINDOW,
          since: int = 0) -> dict | None:
    """The steady state of a phase after its last round; None if it tracks
    nothing.

    tracked: [(stimulus, metric, label, unit, series)].  A series that lacks
    the last rounds was not measured in them.  first and last are the rounds of
    the window, all of them while there are fewer than it has; the first
    `since`, from before a break, are in none.
    """
    if not tracked:
        return None
    rounds = max(len(series) for *_, series in tracked)
    rows = [{"stimulus": stimulus, "metric": metric, "label": label,
             "unit": unit, **evaluate(
                 [*series, *[None] * (rounds - len(series))], window, since)}
            for stimulus, metric, label, unit, series in tracked]
    return {"reached": all(row["holds"] for row in rows), "rounds": rounds,
            "window": window, "first": max(since + 1, rounds - window + 1),
            "last": rounds, "tracked": rows}
