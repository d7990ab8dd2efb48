# SPDX-License-Identifier: GPL-2.0-only
# The kernel's own log, from /dev/kmsg: each record with its sequence number,
# level and time; what programs wrote there is left out.  Where it may not be
# read (kernel.dmesg_restrict, a container) that is an OSError, no empty log.
from dataclasses import dataclass
import os
import re

KMSG = "/dev/kmsg"
LEVELS = ("emerg", "alert", "crit", "err", "warning", "notice", "info",
          "debug")
ERRORS = LEVELS[:4]
KERNEL = 0                  # the facility; the level is in the lowest 3 bits
RECORD = re.compile(r"(\d+),(\d+),(\d+),[^;]*;([^\n]*)")
LONGEST = 8192              # bytes of a record


@dataclass(frozen=True)
class Record:
    sequence: int
    seconds: float          # the kernel's clock: near time.monotonic()
    level: str              # one of LEVELS
    text: str               # printable: the kernel escapes the rest


class Log:
    """From its oldest record on, each once; not for several threads."""

    def __init__(self) -> None:
        """OSError where it may not be read."""
        self.descriptor = os.open(KMSG, os.O_RDONLY | os.O_NONBLOCK |
                                  os.O_CLOEXEC)
        self.next: int | None = None    # sequence number
        self.lost = 0           # written over before they were read

    def close(self) -> None:
        os.close(self.descriptor)

    def _read(self):
        return os.read(self.descriptor, LONGEST)

    def _raw(self):
        """The next record as the file has it; "" at the end."""
        while True:
            try:
                return self._read().decode("utf-8", "replace")
            except BrokenPipeError:     # it was written over meanwhile
                continue
            except BlockingIOError:     # the end
                return ""

    def new(self) -> list[Record]:
        """Those of the kernel since the last call; OSError."""
        found = []
        while raw := self._raw():
            one = RECORD.match(raw)
            if not one:
                continue
            head, sequence, micros = (int(one[i]) for i in (1, 2, 3))
            self.lost += max(0, sequence - self.next) if self.next else 0
            self.next = sequence + 1
            if head >> 3 == KERNEL:
                found.append(Record(sequence, micros / 1e6, LEVELS[head & 7],
                                    one[4]))
        return found


def whole() -> list[Record]:
    """All that the log has now; OSError."""
    log = Log()
    try:
        return log.new()
    finally:
        log.close()
