# SPDX-License-Identifier: GPL-2.0-only
# An I/O of a log.
from typing import NamedTuple

KINDS = ("read", "write", "trim", "sync", "datasync")
DATA = KINDS[:3]


class IO(NamedTuple):
    us: float           # since any moment
    kind: str           # of KINDS
    file: str           # in whose bytes it is; any name
    offset: int
    length: int
