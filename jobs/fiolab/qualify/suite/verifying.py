# SPDX-License-Identifier: GPL-2.0-only
# What the integrity and queue tests share: sections of a job file, what fio
# said of data that it read back, and the checks of qualify.json.  These are
# made here alone: judged() is the one rule for what passes, what fails, and
# what is neither, as too little of it was measured.
import re

from ...base.problem import Problem
from ...fio.fiorun import words
from ...report.wording import several

PASS, FAIL, UNKNOWN = "pass", "fail", "not measured"
# "verify: bad magic header 0, wanted acca at file F offset 4096, length 4096",
# "crc32c: verify failed at file F offset 4096, length 0".
MISMATCH = re.compile(
    r"verify[: ][^\n]* at file [^\n]*? offset (\d+), length ")
SLOWEST = 10e6              # bytes/s, of any device: only then is fio ended
SEEKS = 50                  # random I/Os a second of the slowest disk
# How either engine says that the machine has no AIO contexts left.
NO_AIO = "aio-max-nr"


class Unfinished(Exception):
    """A procedure cannot go on; error: why, a Problem or OSError; found: what
    of its entry is certain all the same."""

    def __init__(self, error, found):
        super().__init__(str(error))
        self.error, self.found = error, found


def check(name, title, result, text, source=None):
    return {"name": name, "title": title, "result": result, "text": text,
            "source": source}


def unknown(names, why, source=None):
    """A check of what was not measured; names: its name and its title."""
    return check(*names, UNKNOWN, why, source)


def judged(names, source, text, wrong=None, few=None):
    """A check.  What is wrong fails, however little was looked at; else,
    where that was too little to judge by, it is not measured; else it passes.

    wrong: in words; True: the text has them.  few: why it was too little.
    """
    if wrong:
        return check(*names, FAIL, text if wrong is True else wrong, source)
    if few:
        return unknown(names, f"{text}: {few}", source)
    return check(*names, PASS, text, source)


def too_few(count, least, what):
    """Why so many are too few to judge by; None if they are not."""
    if count >= least:
        return None
    return (f"no {what} to judge by" if not count else
            f"{count:,} are too few to judge by, it takes {least:,}")


def section(name, **options):
    """A job of a job file; an option that is None is left out."""
    lines = [f"{key}={value}" for key, value in options.items()
             if value is not None]
    return "\n".join([f"[{name}]", *lines, ""])


def verified(name, **options):
    """A job whose data carry a checksum; nothing is read back unless said."""
    return section(name, **{"verify": "crc32c", "verify_fatal": 1,
                            "do_verify": 0, "verify_state_save": 0, **options})


def patience(count, block=None):
    """Seconds after which a run over so many bytes has hung; block: of random
    I/O, bytes of the smallest."""
    return count / SLOWEST + 30 + (count / block / SEEKS if block else 0)


def part(context, most, block):
    """Bytes, in whole blocks, of the target's beginning: at most so many."""
    return min(context.target.size, most) // block * block


def mismatches(messages):
    """Offsets of the blocks that fio read back wrong, in its order."""
    return [int(found) for found in MISMATCH.findall(messages)]


def done(ran, way):
    """Bytes that the jobs of a run read or wrote."""
    return sum(job[way]["io_bytes"] for job in ran.jobs)


def _wrong_blocks(wrong, to_the_end):
    """fio stops at the first, so that only these are known of."""
    least = "" if to_the_end else "at least "
    return (f"{least}{several(len(wrong), 'block')} read back wrong, the first "
            f"at byte {wrong[0]}")


def fault(ran, wanted=None, to_the_end=False):
    """What went wrong in a run, in words, or None; a Problem where it was
    this machine that went wrong.

    wanted is how many bytes had to be read: a target that became shorter must
    not pass because less was looked at.  to_the_end: fio had to go on after
    a block that is wrong.
    """
    if ran.status != 0 and NO_AIO in ran.messages:
        raise Problem(f"fio could not run: {words(ran.messages)}")
    wrong = mismatches(ran.messages)
    if wrong:
        return _wrong_blocks(wrong, to_the_end)
    errors = [job["error"] for job in ran.jobs if job["error"]]
    if ran.status != 0 or errors or not ran.jobs:
        said = words(ran.messages) or f"exit status {ran.status}"
        return f"fio failed: {said}"
    read = done(ran, "read")
    if wanted is not None and read != wanted:
        return f"{read} bytes were read back instead of {wanted}"
    return None


def first_fault(runs):
    """(the run that decides, what is wrong with it or None); each of runs is
    (function that runs fio, bytes that must be read or None).  Stops at the
    first fault."""
    for start, wanted in runs:
        ran = start()
        why = fault(ran, wanted)
        if why:
            return ran, why
    return ran, None


def megabytes(count):
    return f"{count / 1e6:,.1f} MB"
