# SPDX-License-Identifier: GPL-2.0-only
# Latency at set rates, whatever the device does: I/Os are due at random
# moments of that rate (poisson), and late ones count from when they were due
# (the engine's due_stats).  First as fast as it goes, then shares of that, then
# the highest rate at which p99 keeps a bound: that of a limit, or else a few
# times its p99 at the lowest rate.
from dataclasses import dataclass, replace
import os
from statistics import fmean

from ...fio.sidespec import ENGINE_FILE
from ...stats import bounds, ratesearch
from .. import cells, estimate, jobtext, phaserun
from ..suite import pts
from ..suite.derive import column, middle_of
from ..suite.verifying import unknown

NAME, TITLE = "pace", "Latency at set rates"
READS = (100, 70, 0)        # percent, of the mixes
SHARES, THIN_SHARES = (5, 10, 25, 50, 65, 75, 85, 90, 95, 100), (10, 50, 90)
ROUNDS, SECONDS = 3, 30
STEPS, THIN_STEPS = 6, 1    # rates of a search
TIMES = 5                   # p99 at the lowest rate, where no limit asks
FASTEST, HIGHEST = "closed loop", "highest"
SHOWN = ("iops", "due_p50_us", "due_p99_us", "due_p99_9_us", "behind_us")
FEW = "no rate that was tried has enough I/Os for a p99"
ONLY = ("only the engine kaio, on this machine, counts latency from the moment "
        "that I/Os were due")


def _mix(read):
    return f"4K {read}/{100 - read}"


CELLS = tuple(f"{_mix(read)} {kind}" for read in READS for kind in (
    FASTEST, *(f"{share}%" for share in SHARES), HIGHEST))


def _shares(profile):
    return THIN_SHARES if profile.thin else SHARES


def seconds(profile, size):
    """With searches of one bound that take a middling number of runs."""
    steps = THIN_STEPS if profile.thin else STEPS
    runs = ROUNDS * (1 + len(_shares(profile))) + steps * ratesearch.LOOKS[1]
    return size / profile.write_speed + len(READS) * runs * (
        profile.duration(SECONDS) + estimate.LOAD + estimate.PROCESS)


@dataclass(frozen=True)
class Pace:
    """One mix at one rate."""
    stimulus: object
    asked: float            # I/Os per second


def scheduled(stimulus, iops, threads):
    """The Pace of a stimulus of so many threads whose I/Os are due at a rate:
    in whole I/Os of each thread and direction."""
    each = iops / threads
    shares = [each * stimulus.read / 100, each * (100 - stimulus.read) / 100]
    rates = [max(1, round(one)) if one else 0 for one in shares]
    text = ",".join(str(one) for one in rates) if all(rates) else \
        str(max(rates))
    return Pace(replace(stimulus, options=(
        *stimulus.options, f"rate_iops={text}", "rate_process=poisson",
        "due_stats=1")), sum(rates) * threads)


def _paced(read, name, iops, profile):
    return scheduled(replace(pts.cell("4K", read, seconds=SECONDS),
                             name=f"{_mix(read)} {name}"), iops,
                     profile.threads)


class Mix:
    """All of one mix of reads and writes."""

    def __init__(self, context, read):
        self.context, self.bench, self.read = context, context.bench, read
        self.profile = context.profile
        self.results = {}       # {rate: of its runs, in order}
        self.asked = {}         # {rate: of fio, in whole I/Os}

    def _measure(self, stimuli, name):
        """Results of one process of fio, of this command or an earlier one."""
        bench = self.bench
        label = bench.label(NAME, f"r{self.read:03d}", name)

        def make():
            self.context.progress(f"{_mix(self.read)}, {name}")
            loads = jobtext.loads(stimuli, self.profile)
            known = [jobtext.seed(bench.seed, label, load.index)
                     for load in loads]
            ran = bench.executor.run(
                jobtext.text(loads, self.profile, bench.target.size, known),
                label, estimate.of_loads(loads, self.profile,
                                         bench.target.size, estimate.SLOWEST))
            return [{"stimulus": load.stimulus.name,
                     "values": phaserun.measured(load, *ran.named(
                         load.name))[0],
                     "source": f"{ran.source}#{load.name}"} for load in loads]
        return bench.folder.once(label, make)

    def _rounds(self, stimuli, name):
        return [{"results": self._measure(stimuli, f"{name}-{number}")}
                for number in range(1, ROUNDS + 1)]

    def fastest(self):
        """(cell, I/Os per second) of as many in flight as the profile has."""
        load = replace(pts.cell("4K", self.read, seconds=SECONDS),
                       name=f"{_mix(self.read)} {FASTEST}")
        cell = cells.plain(load, self._rounds((load,), "fastest"), self.profile)
        return cell, cell["values"]["iops"]["mean"]

    def curve(self, most):
        """Cells of the shares."""
        paces = [_paced(self.read, f"{share}%", most * share / 100,
                        self.profile) for share in _shares(self.profile)]
        rounds = self._rounds([one.stimulus for one in paces], "curve")
        for one in paces:
            self._keep(one.asked, one, [
                r for each in rounds for r in each["results"]
                if r["stimulus"] == one.stimulus.name])
        self.paces = paces
        return [cells.plain(one.stimulus, rounds, self.profile)
                for one in paces]

    def _keep(self, rate, pace, results):
        self.asked[rate] = pace.asked
        self.results.setdefault(rate, []).extend(results)

    @staticmethod
    def late(result):
        """The p99 that counts: no better than how far behind the schedule it
        ended, which is how long an I/O waited; None of too few."""
        p99 = result["values"]["due_p99_us"]
        return p99 and max(p99, result["values"]["behind_us"])

    def _again(self, rate, number):
        """One more run at a rate."""
        pace = _paced(self.read, HIGHEST, rate, self.profile)
        result, = self._measure((pace.stimulus,),
                                f"at-{pace.asked:.0f}-{number}")
        self._keep(rate, pace, [result])
        return self.late(result)

    def search(self, bound, confidence):
        """An entry of "paces".  Rates with too few I/Os for a p99 tell nothing;
        where none has enough, nothing was searched for."""
        tried = {rate: values for rate, results in self.results.items()
                 if None not in (values := list(map(self.late, results)))}
        if not tried:
            return {"p99_us": bound, "iops": None, "missed_iops": None,
                    "confidence": confidence, "n": 0, "sources": [],
                    "tried": []}
        found, tried = ratesearch.search(
            tried, self._again, bound, confidence,
            THIN_STEPS if self.profile.thin else STEPS)
        at = found.rate or found.missed
        return {"p99_us": bound, "iops": self.asked.get(found.rate),
                "missed_iops": self.asked.get(found.missed),
                "confidence": confidence, "n": len(tried[at]), "sources": [
                    one["source"] for one in self.results[at]],
                "tried": [[self.asked[rate], _mean(values), bool(
                    ratesearch.keeps(values, bound, confidence))]
                    for rate, values in sorted(tried.items())]}

    def highest(self, paces):
        """The cell of what was found, with the figures at the first."""
        name = f"{_mix(self.read)} {HIGHEST}"
        stimulus = replace(pts.cell("4K", self.read), name=name)
        shown = paces[0]["iops"] or paces[0]["missed_iops"]
        if not shown:
            return cells.omitted(stimulus, FEW, self)
        at = next(rate for rate, asked in self.asked.items()
                  if asked == shown)
        rounds = [{"results": [{**one, "stimulus": name}]}
                  for one in self.results[at]]
        return {**cells.plain(stimulus, rounds, self.profile), "paces": paces}


def _mean(values):
    return None if None in values else fmean(values)


def _asked(context, name, lowest):
    """([bounds in us], confidence): those of limits, or of the lowest rate."""
    spec = context.bench.spec
    found = [limit.at_us for limit in spec.limits if limit.test == NAME and
             limit.metric == "iops_at_p99" and
             limit.cell in (name, "*")] if spec else []
    confidence = spec.confidence if spec else bounds.CONFIDENCE
    if not found and lowest:
        found = [TIMES * lowest]
    return list(dict.fromkeys(found)), confidence


# Tables

def _curve_table(read, paces, found):
    rows = [[cell["name"].rpartition(" ")[2], pace.asked,
             *(middle_of(cell, metric) for metric in SHOWN)]
            for pace, cell in zip(paces, found)]
    return {"title": f"Latency at set rates, {_mix(read)}", "rows": rows,
            "columns": [f"share of {FASTEST}", "asked IOPS",
                        *map(column, SHOWN)],
            "note": f"medians of {ROUNDS} rounds; I/Os are due at random "
            "moments, and count from when they were due, those that were "
            "never sent until the end"}


def _search_table(made):
    rows = [[cell["name"], one["p99_us"], one["iops"], one["missed_iops"],
             one["n"]] for cell in made for one in cell["paces"]]
    return {"title": "Highest rate that keeps p99", "rows": rows, "columns": [
        "cell", "p99 within us", "IOPS", "not at IOPS", "runs at it"],
        "note": "by bisection: the mean p99 of the runs at it is within the "
        f"bound with {100 * made[0]['paces'][0]['confidence']:g}%; runs that "
        "end further behind their schedule count as that"}


def _of_mix(context, read):
    """(cells, tables, cell of the highest rate or None)"""
    mix = Mix(context, read)
    fastest, most = mix.fastest()
    found = mix.curve(most)
    tables = [_curve_table(read, mix.paces, found)]
    lowest = found[0]["values"].get("due_p99_us") or {"mean": None}
    wanted, confidence = _asked(context, f"{_mix(read)} {HIGHEST}",
                                lowest["mean"])
    paces = [mix.search(bound, confidence) for bound in wanted]
    highest = mix.highest(paces) if paces else None
    return [fastest, *found, *([highest] if highest else [])], tables, highest


def _fill(context):
    """Blocks that nobody wrote are read from no medium."""
    bench = context.bench
    load = jobtext.loads([pts.sequential("128K", 0, capacity=1)],
                         bench.profile)
    label = bench.label(NAME, "fill")
    bench.folder.once(label, lambda: {"source": bench.executor.run(
        jobtext.text(load, bench.profile, bench.target.size, [bench.seed]),
        label, estimate.of_loads(load, bench.profile, bench.target.size,
                                 estimate.SLOWEST)).source})


def no_due_times(context):
    """Why its engine cannot tell them; None where it can."""
    return None if os.path.basename(context.side.ioengine) == ENGINE_FILE \
        and context.local else ONLY


def run(context):
    why = no_due_times(context)
    if why:
        return {"checks": [unknown((NAME, TITLE), why)]}
    _fill(context)
    made = [_of_mix(context, read) for read in READS]
    highest = [one for *_, one in made if one and one.get("paces")]
    return {"cells": [cell for one, *_ in made for cell in one],
            "tables": [table for _, each, _ in made for table in each]
            + ([_search_table(highest)] if highest else [])}
