# SPDX-License-Identifier: GPL-2.0-only
"""Jobs whose system calls strace fails, and what the engine says of that."""
import re

BLOCK = 4096
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
