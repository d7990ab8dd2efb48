# SPDX-License-Identifier: GPL-2.0-only
"""How many I/Os the kernel has room for."""
MAX = "/proc/sys/fs/aio-max-nr"
NR = "/proc/sys/fs/aio-nr"
# A depth above this takes fio too much memory.
DEEPEST = 200_000


def read(path):
    with open(path, encoding="ascii") as file:
        return int(file.read())
