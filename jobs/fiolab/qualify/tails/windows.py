# SPDX-License-Identifier: GPL-2.0-only
# The engine's latencies of each second (lat_windows=1), of all threads of a
# stimulus together, and of several runs of it one behind the other.
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Window:
    begin: float            # seconds since 1970
    seconds: float
    max_ns: int = 0
    bins: Counter = field(default_factory=Counter)   # {ns: I/Os}
    whole: bool = True      # not the first or last of a run, which is shorter

    @property
    def count(self):
        return sum(self.bins.values())

    def add(self, max_ns, bins):
        self.max_ns = max(self.max_ns, max_ns)
        for ns, count in bins:
            self.bins[ns] += count

    def data(self):
        return [self.begin, self.seconds, self.max_ns,
                sorted([ns, n] for ns, n in self.bins.items()), self.whole]

    @classmethod
    def of(cls, data):
        begin, seconds, max_ns, bins, whole = data
        return cls(begin, seconds, max_ns,
                   Counter(dict(map(tuple, bins))), whole)


def of_run(stats):
    """The windows of one run, as data, of the statistics of its threads; []
    where the engine told none.  Threads begin milliseconds apart, so their
    seconds are taken for the same."""
    known = [one["lat_windows"] for one in stats if "lat_windows" in one]
    if not known:
        return []
    begin = min(one["begin_ns"] for one in known)
    width = max(one["width_ns"] for one in known)
    found = {}
    for one in known:
        for number, longest, bins in one["windows"]:
            at = one["begin_ns"] - begin + number * one["width_ns"]
            place = round(at / width) if one["width_ns"] == width \
                else at // width
            found.setdefault(place, Window(
                (begin + place * width) / 1e9, width / 1e9)).add(
                    longest, bins)
    return [one.data() for one in _filled(found, begin, width)]


def _filled(found, begin, width):
    """With those in which nothing ended; the outermost are not whole."""
    last = max(found, default=-1)
    made = [found.get(i) or Window((begin + i * width) / 1e9, width / 1e9)
            for i in range(last + 1)]
    for one in made[:1] + made[-1:]:
        one.whole = False
    return made


def _by(windows, step):
    """Each of so many neighbours, and what is left."""
    made = []
    for i in range(0, len(windows), step):
        part = windows[i:i + step]
        one = Window(part[0].begin, sum(each.seconds for each in part),
                     whole=len(part) == step and all(
                         each.whole for each in part))
        for each in part:
            one.add(each.max_ns, each.bins.items())
        made.append(one)
    return made


def joined(windows, most):
    """At most so many, each of neighbours."""
    return _by(windows, -(-len(windows) // most) if windows else 1)


def alike(runs):
    """The windows of several runs, one behind the other, as wide as those of
    the longest run: the engine doubles them where a run has too many."""
    width = max((run[0].seconds for run in runs if run), default=1)
    return [one for run in runs if run
            for one in _by(run, round(width / run[0].seconds))]
