# SPDX-License-Identifier: GPL-2.0-only
# Files that a job file or a side names from the folder of the command: fio runs
# in a folder of ours, where their names have to mean the same.
import os
import re

from .. import jobfile


def value(option: str, text: str) -> str:
    """What an option is set to, the path of a file made absolute.  Which
    options of an engine name files (SPDK's spdk_json_conf does) nobody here
    knows, so what is the path of one that is there is taken for that; a plain
    word or number is not, as a file may be called so by chance."""
    path = text and option == jobfile.STATS or (
        re.search("[/.]", text) and os.path.isfile(text))
    return os.path.abspath(text) if path else text


def line(text: str) -> str:
    """The same of a line of a job file; patterns have a file's name in
    quotes."""
    option = jobfile.option_of(text)
    if option in jobfile.PATTERNS:
        return re.sub("'([^']+)'", lambda m: f"'{os.path.abspath(m[1])}'",
                      text)
    old = jobfile.value_of(text)
    new = old if jobfile.reserved(option) else value(option, old)
    return text if new == old else f"{option}={new}"
