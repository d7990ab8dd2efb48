# SPDX-License-Identifier: GPL-2.0-only
# How late the reads of one user of a device are beside another user of it who
# takes all that there is: at a set rate, open loop, on one part, alone and
# beside each kind of noise on the other.  The parts are the halves of the
# range, or the target and another namespace or partition (--neighbour).  The
# rate is a quarter of what the reader does alone at most, and so well within
# half of the device.  Trims come last, as what they leave is read from no
# medium, and beside a time alone of their own.
from dataclasses import replace
from functools import partial

from ..suite import pts
from ..suite.derive import column, mean, middle
from ..suite.model import Phase, Stimulus
from . import pace
from .beside import why_no_trims

NAME, TITLE = "neighbour", "Reads beside a noisy neighbour"
READER, NOISE = 1, 2        # the parts
THREADS, DEPTH = 4, 8       # of the reader, in every profile
SHARE = 25                  # percent of its closed loop
ROUNDS, SECONDS = 3, 30
FASTEST, ALONE = "closed loop", "alone"
TIMES = "times_alone"
SHOWN = ("iops", "due_p50_us", "due_p99_us", "due_p99_9_us", "behind_us")
PLANNED = 1000              # IOPS, in a plan
LOUD = tuple(Stimulus(name, rw, bs, read, threads, 32, SECONDS, together=True,
                      part=NOISE) for name, rw, bs, read, threads in (
    ("128K writes", "write", "128k", 0, 1),
    ("4K writes", "randwrite", "4k", 0, 4),
    ("128K reads", "randread", "128k", 100, 4)))
TRIMS = (replace(LOUD[0], name="128K trims", rw="randtrim", threads=4),)
AGAIN = "alone, before trims"


def _reads(name):
    return Stimulus(name, "randread", "4k", threads=THREADS, depth=DEPTH,
                    seconds=SECONDS, part=READER)


def beside(noise):
    """The cell of the reader beside that noise."""
    return f"beside {noise.name}"


def _paced(name, most):
    return pace.scheduled(_reads(name), most * SHARE / 100, THREADS)


def _round(most, alone=ALONE, loud=None):
    """The stimuli of one, of a reader that does so many I/Os a second."""
    return (_paced(alone, most).stimulus, *(
        one for noise in loud or LOUD
        for one in (_paced(beside(noise), most).stimulus, noise)))


def _most(phases):
    """What the reader does alone; None: the phase was not run."""
    return mean(phases[1], FASTEST, "iops") if len(phases) > 1 else None


def _stimuli(phases, *which):
    most = _most(phases)
    return _round(most, *which) if most else ()


def compare(results, alone=ALONE, loud=None):
    """Add to each reader of a round how many times as late as alone it is; None
    where one of both has too few I/Os for a p99."""
    found = {one["stimulus"]: one["values"] for one in results}
    for noise in loud or LOUD:
        late, usual = (found[name]["due_p99_us"]
                       for name in (beside(noise), alone))
        found[beside(noise)][TIMES] = late and usual and late / usual


FILL = pts.sequential("128K", 0, capacity=1)
PHASES = (
    Phase("fill", "Both parts are written once", tuple(
        replace(FILL, name=f"part {part}", part=part)
        for part in (READER, NOISE)), keep=False),
    Phase("fastest", "4K random reads of one part, as fast as they go",
          (_reads(FASTEST),)),
    Phase("neighbours", f"4K random reads at {SHARE}% of that, alone and "
          "beside each neighbour", _stimuli, ROUNDS, histogram=True,
          adds=compare, planned=_round(PLANNED)))
TRIMMED = Phase(
    "trims", "the same alone, and beside trims", lambda phases: _stimuli(
        phases, AGAIN, TRIMS), ROUNDS, histogram=True,
    adds=partial(compare, alone=AGAIN, loud=TRIMS),
    planned=_round(PLANNED, AGAIN, TRIMS),
    why_not=lambda bench: why_no_trims(bench.neighbour or bench.target))


# The table

def _row(phase, name, noise):
    return [name, *(middle(phase, name, metric) for metric in (*SHOWN, TIMES)),
            *(noise and middle(phase, noise.name, metric)
              for metric in ("iops", "mbps"))]


def _rows(phases):
    """Of the phases that were run."""
    for phase, (alone, loud) in zip(phases[len(PHASES) - 1:], (
            (ALONE, LOUD), (AGAIN, TRIMS))):
        if phase["rounds"]:
            yield _row(phase, alone, None)
            yield from (_row(phase, beside(noise), noise) for noise in loud)


def derive(phases):
    """The table of all neighbours."""
    rows = list(_rows(phases))
    if not rows:
        return {}
    asked = _paced(ALONE, _most(phases)).asked
    return {"tables": [{
        "title": TITLE, "columns": [
            "reads", *map(column, SHOWN), "times p99 alone",
            "neighbour IOPS", "neighbour MB/s"],
        "rows": rows,
        "note": f"{asked:,} reads of 4K a second, {SHARE}% of what they do "
        "alone as fast as they go, due at random moments, from which they "
        f"count; medians of {ROUNDS} rounds, in each of which all are run"}]}
