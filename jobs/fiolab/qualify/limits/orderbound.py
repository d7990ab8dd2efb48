# SPDX-License-Identifier: GPL-2.0-only
# What a histogram of one run tells of a percentile of the device: the order
# statistic that bounds it, how many I/Os that takes, and how seldom so many
# would be beyond a limit that is kept.
import math

from ...fio.metrics import SHARES

FINE = 7                    # bits; above, fio's bins are 2^-6 wide


def bin_end(ns):
    """The end of the bin that fio shows by its middle, ns."""
    return ns + 2**(ns.bit_length() - FINE) / 2 if ns >> FINE else ns


def _at(latency, rank):
    """The latency of that rank, 1 for the shortest; its bin's end."""
    for ns, count in latency["bins"]:
        rank -= count
        if rank <= 0:
            break
    return min(bin_end(ns), latency["max_ns"] or math.inf)


def order_bound(latency, share, confidence):
    """An upper bound, in ns, of the latency that a share of all I/Os does not
    exceed; None if there are too few I/Os for one."""
    from scipy.stats import binom       # which takes its time
    count = sum(n for _, n in latency["bins"])
    # With that confidence, no more than these are below the quantile, so that
    # the next one is not.
    below = int(binom.ppf(confidence, count, share))
    return _at(latency, below + 1) if below < count else None


def bounds(latency, confidence):
    """{percentile: order_bound} of those that a latency has and that have
    one; its key is that of "percentiles"."""
    found = {name: order_bound(latency, SHARES[name], confidence)
             for name in latency["percentiles"]}
    return {name: ns for name, ns in found.items() if ns is not None}


def longer(count, confidence):
    """The share of all I/Os that at most take longer than the longest of so
    many, with that confidence."""
    return 1 - (1 - confidence) ** (1 / count)


def fewest(share, confidence):
    """How many I/Os order_bound takes."""
    return math.ceil(math.log(1 - confidence) / math.log(share) - 1e-9)


def chance(latency, share, ns):
    """How often as many I/Os or more would take longer than so many ns, of a
    device of which a share of all I/Os takes no longer."""
    from scipy.stats import binom       # which takes its time
    count = sum(n for _, n in latency["bins"])
    longer = sum(n for middle, n in latency["bins"] if middle > ns)
    return float(binom.sf(longer - 1, count, 1 - share))
