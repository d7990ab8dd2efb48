# SPDX-License-Identifier: GPL-2.0-only
"""Jobs whose system calls strace fails, in the engine's ways to submit and to
wait (reap=, submit=, spin=), in cells where every two values meet; and what the
engine says of that.  KAIO_FAULTS=full: all cells of a selection where else half
of it is tried."""
import os
import re

import enginestats
import pairwise
import straceout

BLOCK = 4096
IOS = 64
MODES = {"reap": ["ring", "syscall", "eventfd"],
         "submit": ["immediate", "adaptive"], "spin": ["0", "50us", "auto"]}
BATCHES = {
    "d1": {"iodepth": 1},
    "d4": {"iodepth": 4},
    "d32": {"iodepth": 32},
    "b16": {"iodepth": 32, "iodepth_batch": 16,
            "iodepth_batch_complete_min": 4},
    "b16min8": {"iodepth": 64, "iodepth_batch": 16,
                "iodepth_batch_complete_min": 8},
    "poll": {"iodepth": 16, "iodepth_batch": 8,
             "iodepth_batch_complete_min": 0},
    "low": {"iodepth": 64, "iodepth_batch": 64, "iodepth_low": 1},
}
SENTENCE = "kaio: io_submit kept failing"


def inject(call, how, when):
    return ("-e", "trace=" + call, "-e",
            "inject=%s:%s:when=%s" % (call, how, when))


def job_options(ios, **options):
    return {"rw": "randwrite", "bs": BLOCK, "size": ios * BLOCK, "direct": 1,
            "thread": 1, "verify": "crc32c", "verify_fatal": 1, **options}


def gave_up(text):
    """After its 30 s; what ends a job earlier has the sentence, too."""
    seconds = re.search(SENTENCE + r" for (\d+)", text)
    return seconds is not None and int(seconds[1]) >= 25


def cells(axes, excluded=()):
    """Every second one of the selection, or all."""
    found = pairwise.all_pairs(axes, excluded)
    return found if os.environ.get("KAIO_FAULTS") == "full" else found[::2]


def ids(cell):
    return "-".join(map(str, cell.values()))


def mode(cell):
    """The engine's options of a cell."""
    return {key: cell[key] for key in MODES} | {"engine_stats": 1}


class Traced:
    """A run under strace: its result, its calls, the engine's numbers."""

    def __init__(self, fio, target, strace, **options):
        self.trace = os.path.join(fio.cwd, "trace")
        self.result = fio(target, strace=("-o", self.trace, *strace), **options)
        self.calls = straceout.calls(self.trace)
        stats = enginestats.objects(self.result.stderr)
        assert len(stats) <= 1
        self.stats = stats[0] if stats else None

    def count(self, name):
        return sum(call.name == name for call in self.calls)

    def injected(self):
        return sum(call.injected for call in self.calls)


def whole(run):
    """Each write and each verifying read, exactly once."""
    job = run.result.ok().job
    assert job["write"]["total_ios"] == job["read"]["total_ios"] == IOS
    assert job["write"]["io_bytes"] == job["read"]["io_bytes"]
    assert run.stats["ios_submitted"] == 2 * IOS
    assert run.stats["ios_failed_at_submit"] == 0
    assert SENTENCE not in run.result.text
