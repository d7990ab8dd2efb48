# SPDX-License-Identifier: GPL-2.0-only
# `ab compare --fail-if`, for CI: which verdicts are failures.  What cannot be
# judged is one too, as a regression may hide a cell or a metric, and a check
# that cannot fail checks nothing.
from ..fio.metrics import METRICS, PRIMARY

LATENCIES = tuple(name for name in METRICS if name.startswith("lat_"))
# WORD: (verdicts, of which metrics)
KINDS = {"slower": ({"slower"}, ("iops",)),
         "more-cpu": ({"more CPU"}, ("cpu_us",)),
         "longer": ({"longer"}, LATENCIES),
         "inconclusive": ({"inconclusive", "no verdict"}, PRIMARY)}
TOO_FEW = "too few pairs"       # how the reason of no verdict begins


def _of_metric(metric, change, verdicts):
    """What is wrong with a metric of a cell; "" for nothing."""
    if change is None:
        return f"{metric} was not measured in both"
    if change.verdict in verdicts:
        return f"{metric} {change.verdict}"
    if change.reason.startswith(TOO_FEW):
        return f"{metric} has {change.reason}"
    return ""


def _of_cell(changes, words):
    by_name = {change.metric: change for change in changes}
    said = [_of_metric(metric, by_name.get(metric), KINDS[word][0])
            for word in words for metric in KINDS[word][1]]
    return dict.fromkeys(filter(None, said))


def failures(found, words, missing, finished):
    """Sentences about what --fail-if WORD... looks for; [] without words.

    found: the judged changes of compare(); missing: the keys of OLD's cells
    that NEW lacks.
    """
    if not words:
        return []
    said = [] if finished else ["a campaign is not finished"]
    said += [f"{b} on {job} ({label}) is not in NEW"
             for _, b, job, _, label, *_ in missing]
    return said + [f"{b} on {job}: {text}"
                   for (_, b, job, *_), changes in found
                   for text in _of_cell(changes, words)]
