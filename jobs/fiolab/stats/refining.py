# SPDX-License-Identifier: GPL-2.0-only
# Where to measure next: rows of figures over a ladder of places, of which few
# are known; the next is in the middle of the two known neighbours, in whichever
# row, that differ most.
from collections.abc import Mapping, Sequence
import math

TELLING = math.log(1.25)    # less of a difference is not looked into
Known = Mapping[int, Mapping[int, float | None]]


def _gaps(row, known, ladder):
    """(difference, row, the place in the middle) of neighbours with room."""
    places = sorted(place for place, figure in known.items() if figure)
    for low, high in zip(places, places[1:]):
        between = [place for place in ladder if low < place < high
                   and place not in known]
        if between:
            yield (abs(math.log(known[high] / known[low])), row,
                   between[len(between) // 2])


def next_place(known: Known, ladder: Sequence[int]) -> tuple[int, int] | None:
    """(row, place on the ladder) of {row: {place: figure}}; None: nowhere is
    there as much to find."""
    found = max((gap for row, one in known.items()
                 for gap in _gaps(row, one, ladder)),
                key=lambda gap: gap[0], default=None)
    return found[1:] if found and found[0] >= TELLING else None
