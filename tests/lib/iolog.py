# SPDX-License-Identifier: GPL-2.0-only
"""The streams of I/O that fio records (write_iolog)."""
import re
import shutil


def without_noise(line, stamped):
    """Without the time stamp and, for a sync, the offset: it is what the
    request was used for before."""
    words = line.split()[stamped:]
    return words[:2] if "sync" in words[1] else words


def log_version(path):
    """Of an iolog: 3 has time stamps; 2, of older fios, has none."""
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    return int(re.fullmatch(r"fio version (\d) iolog", first).group(1))


def check_whole(path, lines, stamped):
    """A file and what is done with it, an I/O with its place and size, too.
    (fio says nothing, and succeeds, where it cannot write its log.)"""
    for number, line in enumerate(lines[1:], 2):
        assert line.endswith("\n") and len(line.split()) - stamped in (2, 4), (
            f"{path}, line {number} of {len(lines)}: {line!r} is torn; "
            f"{shutil.disk_usage(path.parent).free} bytes are free there")


def stream(path):
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    stamped = log_version(path) == 3
    check_whole(path, lines, stamped)
    return [without_noise(line, stamped) for line in lines[1:]]


def ios(job):
    return {way: job[way]["total_ios"]
            for way in ("read", "write", "trim", "sync")}
