# SPDX-License-Identifier: GPL-2.0-only
# Reads what engine_stats and stats_file give: one JSON object per job.
import json
import re

LINE = re.compile(r"kaio: (\{.*\})$", re.MULTILINE)
# All but these are whole numbers.
WORDS = ("job", "fio", "reap", "spin_ns", "ios_per_submit", "stamp",
         "lat_windows", "from_due_bins")
SHARES = ("events_per_reap", "submit_share")
# Only with due_stats=1: latencies.
TIMES = ("from_due_ns", "from_queue_ns")
FOUND = ("ring_events", "spin_events", "io_getevents_events",
         "arrival_events")
# Ways to submit and to wait, for jobs that should work in all of them.
MODES = [
    {"reap": "ring", "submit": "immediate", "spin": "0"},
    {"reap": "ring", "submit": "adaptive", "spin": "auto",
     "iodepth_batch": 16, "iodepth_batch_complete_min": 4},
    {"reap": "syscall", "submit": "adaptive", "spin": "50us"},
    {"reap": "eventfd", "submit": "immediate", "spin": "auto"},
]


def objects(stderr):
    """Those that engine_stats=1 printed, in order."""
    return [check(json.loads(line)) for line in LINE.findall(stderr)]


def in_file(path):
    """Those of a stats_file: each line is one."""
    with open(path, encoding="utf-8") as file:
        return [check(json.loads(line)) for line in file]


def bounds(bucket):
    """Of a bucket of ios_per_submit: "3-4" is (3, 4), "2" is (2, 2)."""
    if bucket.endswith("+"):
        return int(bucket[:-1]), 1 << 32
    low, _, high = bucket.partition("-")
    return int(low), int(high or low)


def check_numbers(values):
    for key, value in values.items():
        assert isinstance(value, int) and value >= 0, (key, value)


def check(stats):
    """What holds of any object; gives it back.  (A job that is ended leaves
    completions unread.)"""
    for key, value in stats.items():
        if key in TIMES:
            check_numbers(value)
        elif key not in WORDS + SHARES:
            check_numbers({key: value})
    buckets = stats["ios_per_submit"].items()
    calls = sum(count for _, count in buckets)
    least = sum(bounds(name)[0] * count for name, count in buckets)
    most = sum(bounds(name)[1] * count for name, count in buckets)
    assert least <= stats["ios_submitted"] <= most, stats
    assert calls + stats["submits_refused"] <= stats["io_submit_calls"], stats
    assert stats["io_submit_calls"] <= calls + stats["submits_refused"] + \
        stats["ios_failed_at_submit"], stats
    assert stats["submit_max_ns"] <= stats["submit_ns"] <= stats["run_ns"]
    assert 0 <= stats["submit_share"] <= 1
    assert stats["ring_events"] >= stats["ring_reaps"]
    assert sum(stats["submits_" + why] for why in (
        "eagain", "enomem", "eintr")) <= stats["submits_refused"]
    assert stats["ios_done_in_submit"] <= stats["ios_submitted"]
    assert sum(stats[key] for key in FOUND) <= stats["ios_submitted"]
    return stats


def ours(result):
    """The engine's own lines."""
    return re.findall(r"^kaio: .*$", result.text, re.MULTILINE)


def sentence(result):
    """The only one of them."""
    line, = ours(result)
    return line
