# SPDX-License-Identifier: GPL-2.0-only
# Figures that a limit itself has a time in: how many I/Os an hour take longer,
# and the highest rate at which p99 does not.
from scipy.special import gammaincinv

from . import orderbound


def _outliers(cell, at_us, confidence):
    """I/Os of the histogram in bins that end beyond it, which takes those of a
    bin (1.6%) too many.  Its bound is that of a Poisson process."""
    latency, over = cell["latency"], cell.get("over_time")
    if not latency or not over:
        return "the test keeps no histogram of this cell"
    at = 1000 * at_us
    count = 0 if latency["max_ns"] <= at else sum(
        n for ns, n in latency["bins"] if orderbound.bin_end(ns) > at)
    hours = over["seconds"] / 3600
    return {"value": count / hours,
            "bound": float(gammaincinv(count + 1, confidence)) / hours,
            "n": latency["n"], "sources": [], "what": "count",
            "more": "time", "method": f"{count:,} of {latency['n']:,} I/Os in "
            f"{over['seconds']:,.3g} s, by the Poisson distribution, which "
            "takes them as independent"}


def _at_none(found):
    """Why it is kept up to no rate."""
    kept = [rate for rate, _, keeps in found["tried"] if keeps]
    return ("p99 does not keep it at the lowest rate that was tried, "
            f"{found['missed_iops']:,.0f} IOPS" + (
                f", though at {max(kept):,.0f} it does" if kept else ""))


def _at_p99(cell, at_us, _confidence):
    """What the search found, which was one for this bound."""
    found = next((one for one in cell.get("paces", ())
                  if one["p99_us"] == at_us), None)
    if not found:
        return "no rate was searched for at which p99 keeps this"
    kept = (f"p99 was kept with {100 * found['confidence']:g}% in "
            f"{found['n']} runs")
    if found["iops"] is None:
        return {"value": None, "bound": None, "n": found["n"], "what": "rate",
                "sources": found["sources"], "method": _at_none(found)}
    beyond = ("it is the highest tried" if found["missed_iops"] is None else
              f"not at {found['missed_iops']:,.0f}")
    return {"value": found["iops"], "bound": found["iops"], "n": found["n"],
            "sources": found["sources"], "what": "rate",
            "method": f"{kept}; {beyond}"}


KINDS = {"outliers": _outliers, "iops_at_p99": _at_p99}


def of(metric, cell, at_us, confidence):
    """The parts of a judging._Figure; or why there is none, a sentence's end.
    """
    return KINDS[metric](cell, at_us, confidence)
