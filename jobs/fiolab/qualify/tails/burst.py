# SPDX-License-Identifier: GPL-2.0-only
# Recovery after a burst: single reads before it, writes or trims as fast as
# they go, and single reads again, sample by sample, until they take as long as
# before.  Reads are of the first half of the range, the burst of the second.
from statistics import median

from ..suite.derive import column, values
from ..suite.model import Phase, Stimulus

BEFORE, BURST, AFTER = "reads before", "burst", "reads after"
NEAR = 1.1                  # times as long as before: recovered
SHOWN = "lat_mean_us"


def _reads(phase, name, count):
    return Phase(phase, "single 4K reads", (Stimulus(
        name, "randread", "4k", threads=1, depth=1, seconds=5, repeat=count,
        part=1),))


def phases(rw, bs):
    """With a burst of that fio's rw= and bs=."""
    return (_reads("before", BEFORE, 5),
            Phase("burst", f"{rw} of {bs}", (Stimulus(
                BURST, rw, bs, 0, seconds=20, repeat=3, part=2),)),
            _reads("after", AFTER, 12))


def _samples(phases, name, metric=SHOWN):
    return [value for phase in phases for value in values(phase, name, metric)]


def _each(phases, name):
    """Seconds of a sample, with what is between two."""
    rounds = [one for phase in phases for one in phase["rounds"]
              if one["results"] and one["results"][0]["stimulus"] == name]
    return rounds[0]["seconds"] / len(rounds[0]["results"]) if rounds else 0


def recovered(samples, usual):
    """From which sample on all are as before; None: the last is not."""
    late = [i for i, one in enumerate(samples) if one > NEAR * usual]
    first = late[-1] + 1 if late else 0
    return first if first < len(samples) else None


def derive(found):
    """The table of before and after."""
    before, after = (_samples(found, name) for name in (BEFORE, AFTER))
    if not before or not after:
        return {}
    usual, first = median(before), recovered(after, median(before))
    said = ("not in the time that was measured" if first is None else
            "at once" if first == 0 else
            f"after {first * _each(found, AFTER):.3g} s")
    note = (f"within {NEAR - 1:.0%} of the {usual:,.1f} us before the burst: "
            f"{said}; the median before, and each sample after it")
    rows = [["before", usual, max(_samples(found, BEFORE, "lat_max_us"))]]
    longest = _samples(found, AFTER, "lat_max_us")
    rows += [[f"after, {i + 1}", one, most]
             for i, (one, most) in enumerate(zip(after, longest))]
    return {"tables": [{"title": "Recovery after a burst", "note": note,
                        "columns": ["reads", column(SHOWN),
                                    column("lat_max_us")], "rows": rows}]}
