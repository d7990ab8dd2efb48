# SPDX-License-Identifier: GPL-2.0-only
"""/proc of processes that may end while one reads."""
import os


def of_process(pid, name):
    """A file of /proc/PID; empty for a process that has ended meanwhile."""
    try:
        with open(f"/proc/{pid}/{name}", encoding="latin-1") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def folder_of(pid):
    """The folder in which a process is; empty for one that has ended."""
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except (FileNotFoundError, ProcessLookupError):
        return ""
