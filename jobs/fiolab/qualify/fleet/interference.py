# SPDX-License-Identifier: GPL-2.0-only
# Do the devices of one host disturb each other?  After the tests, with what
# they have left on the devices: random reads of each device alone and of all
# at once, several times, each time in another order and in one fio process,
# whose threads all begin together.  A device that reads more than MARGIN less
# beside the others was not measured by itself, and the report warns of it: by
# the signed-rank test of the pairs against that margin, Holm's p over all
# devices and loads, so that a fleet without interference gets a warning in 5%,
# at most.  Who is resumed takes finished rounds as they are.
from dataclasses import dataclass
import math
import random
from statistics import median

import numpy as np

from ...base.problem import Problem
from ...fio import metrics
from ...report import wording
from ...stats import paired
from ...stats.verdict import ALPHA
from .. import jobtext, prewritten

MARGIN = 0.05
LOW = math.log1p(-MARGIN)
NAME = ("fleet", "interference")
COMPLETE = "t00-fleet-interference-complete"    # a round's name
SECONDS, SPARE = 2, 2       # of PTS, of a run; pairs more than p needs
LOADS = {"4k": "4K random reads", "128k": "128K random reads"}
COMMON = (*jobtext.COMMON, "time_based=1", "rw=randread")
FEWEST = 6                  # pairs, so that there is a 95% interval
NAMED = 3                   # figures, in a warning
NOTE = ("{pairs} pairs of runs of {seconds:g} s: each device alone, and all at "
        "once. Warned of is what reads more than "
        f"{100 * MARGIN:.0f}% less beside the others, by the signed-rank test "
        "with Holm's correction over {figures}: without any "
        "interference one is in 5% of runs, at most.")


@dataclass(frozen=True)
class Plan:
    """How often, and with what."""
    pairs: int
    loads: tuple
    seconds: float


def plan(profile, targets):
    """None where there are not several devices of this machine."""
    count = sum(not one.clients for one in targets)
    if count < 2:
        return None
    loads = tuple(LOADS)[:1] if profile.thin else tuple(LOADS)
    # The smallest one-sided p of n pairs is 2^-n.
    pairs = math.ceil(math.log2(len(loads) * count / ALPHA))
    return Plan(max(FEWEST, pairs) + (0 if profile.thin else SPARE), loads,
                profile.duration(SECONDS))


def seconds(planned, count):
    """That it takes, of so many devices."""
    one = (count + 1) * (planned.seconds + 0.1)
    return planned.pairs * len(planned.loads) * (one + 0.5)


# The job file of a pair

def _section(name, bench, first, own):
    """A job: the first of its group waits for the group before."""
    target = bench.target
    cpus = [f"cpus_allowed={target.seat['cpus']}"] if target.seat else []
    return [f"[{name}]", "stonewall" if first else "new_group=1",
            f"filename={target.named}", f"direct={int(target.direct)}",
            f"size={target.size}", *cpus, *own, ""]


def _text(benches, load, planned, place):
    """place: what tells one pair from another, for the seeds."""
    profile, executor = benches[0].profile, benches[0].executor
    groups = [[bench] for bench in benches] + [list(benches)]
    random.Random(jobtext.seed(*place)).shuffle(groups)
    lines = ["[global]", *(line for line in executor.base()
                           if not line.startswith(("filename=", "direct="))),
             *COMMON, f"bs={load}", f"numjobs={profile.threads}",
             f"iodepth={profile.depth}",
             f"runtime={round(1000 * planned.seconds)}ms", ""]
    for group in groups:
        kind = "alone" if len(group) == 1 else "together"
        for bench in group:
            seed = jobtext.seed(*place, kind, bench.number)
            lines += _section(f"{kind}-{bench.number}", bench,
                              bench is group[0], [f"randseed={seed}"])
    return "\n".join(lines)


def _iops(ran, kind, bench):
    jobs, _ = ran.named(f"{kind}-{bench.number}")
    found = metrics.rate(jobs, directions=("read",),
                         threads=bench.profile.threads)
    if not found > 0:
        raise Problem(f"{bench.target.name} completed no read {kind}, so that "
                      "interference cannot be measured: look at it.")
    return found


def _pair(benches, load, planned, number):
    """{"alone": [IOPS of each], "together": [...], "source"}"""
    stem = benches[0].label(*NAME, load, f"r{number:04d}")
    text = _text(benches, load, planned,
                 (benches[0].seed, *NAME, load, number))
    longest = (len(benches) + 1) * (planned.seconds + 1)

    def make():
        ran = benches[0].executor.run(text, stem, longest, base=False)
        return {"source": ran.source, **{
            kind: [_iops(ran, kind, bench) for bench in benches]
            for kind in ("alone", "together")}}
    return benches[0].folder.once(stem, make)


def of_plan(known):
    """The Plan of plan.json."""
    return Plan(known["pairs"], tuple(known["loads"]), known["seconds"])


def run(benches, planned, tell):
    """{load: [pair]}; tell: of (text, seconds left)."""
    found = {load: [] for load in planned.loads}
    if all(bench.target.writable for bench in benches):
        for bench in benches:
            prewritten.before_reads(bench, lambda text: tell(text, 0))
    for number in range(planned.pairs):
        left = seconds(planned, len(benches)) * (
            planned.pairs - number) / planned.pairs
        tell(f"interference, pair {number + 1} of {planned.pairs}", left)
        for load in planned.loads:
            found[load].append(_pair(benches, load, planned, number))
    return found


# What it says

def _row(name, load, alone, together):
    d = np.log(np.divide(together, alone))
    low, high = paired.interval(d, 0.95)
    less, not_less = map(float, paired.tails(d - LOW))
    return {"target": name, "load": LOADS[load], "alone": median(alone),
            "together": median(together),
            "ratio": math.exp(paired.hodges_lehmann(d)),
            "ci95": [math.exp(low), math.exp(high)], "p": less,
            "p_holm": None, "n": len(d), "verdict": not_less}


def _judge(rows):
    """p is that of no more than MARGIN less; of "verdict", meanwhile, that of
    more."""
    p, other = (paired.holm([row[key] for row in rows])
                for key in ("p", "verdict"))
    for row, less, not_less in zip(rows, p, other):
        row["p_holm"] = less
        row["verdict"] = ("interference" if less <= ALPHA else
                          "none" if not_less <= ALPHA else "inconclusive")


def summary(names, found, planned):
    """The "interference" of qualify.json; names: of the devices, in order."""
    rows = [_row(name, load, *([pair[kind][i] for pair in pairs]
                               for kind in ("alone", "together")))
            for load, pairs in found.items() for i, name in enumerate(names)]
    _judge(rows)
    sources = [pair["source"] for pairs in found.values() for pair in pairs]
    return {"rows": rows, "sources": sources, "why": None,
            "note": NOTE.format(pairs=planned.pairs, seconds=planned.seconds,
                                figures=wording.several(len(rows), "figure"))}


def missing(why):
    """The same where it was not measured."""
    return {"rows": [], "sources": [], "why": why, "note": None}


def _disturbed(rows):
    """A warning of those that are, the worst first; none: []."""
    rows = sorted((row for row in rows if row["verdict"] == "interference"),
                  key=lambda row: row["ratio"])
    each = ", ".join(
        f"{row['target']} makes {wording.percent(row['ratio'])} {row['load']} "
        f"(95% CI {wording.span(row['ci95'])})" for row in rows[:NAMED])
    more = len(rows) - NAMED
    return [f"beside the other targets {each}"
            + (f" and {wording.several(more, 'more figure')} are less"
               if more > 0 else "") +
            ": such figures are those of so many devices on this host, and "
            "not of one."] if rows else []


def warnings(data):
    """Of "interference"; None: there is but one device."""
    if not data:
        return []
    return _disturbed(data["rows"]) + ([
        f"interference between the targets was not measured: {data['why']}"]
        if data["why"] else [])
