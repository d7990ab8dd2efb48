# SPDX-License-Identifier: GPL-2.0-only
# What a soak came to, of its checkpoints: how long, how much was written and
# read back, in qualify.json; a table over time, with the device's health; and
# the checks of the data.
from statistics import fmean

from ..suite.derive import column
from ..suite.verifying import judged, unknown
from . import soakhealth
from .checkpoint import wrong

DATA, ACKED = (
    ("endurance data", "What was written reads back"),
    ("endurance acknowledged", "Each acknowledged write is there"))
ROWS = 24                   # of the table, at most
SHOWN = ("iops", "lat_p99_us")
COLUMNS = ("until hours", "GB written", "drive writes",
           *map(column, SHOWN), "highest °C", "write amplification",
           "GB read back")


def _seen(rounds, left):
    """All that was looked at; left: by what the run did not go on, or None."""
    found = [one["checkpoint"] for one in rounds]
    return [one for each in found for one in (each["taken_up"], each)
            if one] + ([left] if left else [])


def _written(one):
    """Bytes of a round, with what the guard wrote."""
    return sum(result["bytes_written"] for result in one["results"]) + one[
        "checkpoint"]["guard_written_bytes"]


def _whole(run):
    """Bytes of the device, or what is known of it."""
    return run.bench.target.whole or run.bench.target.size


def _data_check(rounds, of, seen):
    read = sum(one["read_back_bytes"] for one in seen)
    bad = next((one["wrong"] for one in seen if one["wrong"]), None)
    count = len(rounds)
    text = (f"{read:,} bytes were read back in {count} of {of} checkpoints"
            + ("" if count < of else ", all of the range after the last")
            + ": each sector has its place and its checksum")
    return judged(DATA, seen[-1]["source"], text, bad,
                  None if count == of else
                  "the last checkpoint, after which all is read, is missing")


def _acked_check(seen, run, count, of):
    if run.unguarded:
        return unknown(ACKED, run.unguarded)
    bad = next((one["guard_wrong"] for one in seen if one["guard_wrong"]),
               None)
    last = seen[-1]["guard"]
    text = (f"after each of {count} of {of} checkpoints the {last['blocks']:,} "
            f"blocks written in the first {run.guard.size:,} bytes of the "
            f"range held the last of {last['writes']:,} acknowledged writes")
    return judged(ACKED, seen[-1]["source"], text, bad,
                  None if last["writes"] else "none was acknowledged")


def _mean(rounds, metric):
    """Of the first stimulus, which is the load."""
    found = [one["results"][0]["values"][metric] for one in rounds]
    return None if not found or None in found else fmean(found)


def _row(run, part, seconds, written):
    """Of neighbouring rounds; seconds, written: with those before them."""
    own = sum(map(_written, part))
    heat, ratio = soakhealth.of_rounds(
        run.bench, run.test.name, run.number, {one["round"] for one in part})
    return [seconds / 3600, own / 1e9, written / _whole(run),
            *(_mean(part, metric) for metric in SHOWN), heat, ratio,
            sum(one["checkpoint"]["read_back_bytes"] for one in part) / 1e9]


def _table(run, rounds, load):
    step, rows, seconds, written = -(-len(rounds) // ROWS), [], 0, 0
    for i in range(0, len(rounds), step):
        part = rounds[i:i + step]
        seconds += sum(one["checkpoint"]["load_seconds"] for one in part)
        written += sum(map(_written, part))
        rows.append(_row(run, part, seconds, written))
    return {"title": "Endurance over time", "columns": list(COLUMNS),
            "rows": rows, "note": " ".join((
                "Of the load alone, without the filling before it; drive "
                "writes are of the whole device, from the beginning on.",
                *load.said))}


def _facts(run, rounds, load, seen):
    seconds = sum(one["checkpoint"]["load_seconds"] for one in rounds)
    written = sum(map(_written, rounds))
    drives = written / _whole(run)
    return {"load": load.what, "said": list(load.said),
            "asked_seconds": run.phase.rounds * run.planned_seconds(),
            "seconds": seconds, "checkpoints": len(rounds),
            "checkpoints_asked": run.phase.rounds, "written_bytes": written,
            "read_bytes": sum(one["checkpoint"]["read_bytes"]
                              for one in rounds),
            "read_back_bytes": sum(one["read_back_bytes"] for one in seen),
            "drive_writes": drives, "drive_writes_per_day":
            drives / seconds * 86400 if seconds else None,
            "broken_off": sum(bool(one["checkpoint"]["taken_up"])
                              for one in rounds),
            "refilled": sum(one["checkpoint"]["refilled"] for one in rounds)}


def add(found, run, load):
    """Into the entry of a test, of its CheckpointRun."""
    rounds = run.rounds
    left = run.taken_up if run.taken_up and wrong(run.taken_up) else None
    seen = _seen(rounds, left)
    found["endurance"] = _facts(run, rounds, load, seen)
    if seen:
        found["checks"] += [
            _data_check(rounds, run.phase.rounds, seen),
            _acked_check(seen, run, len(rounds), run.phase.rounds)]
    if rounds:
        found["tables"].append(_table(run, rounds, load))
