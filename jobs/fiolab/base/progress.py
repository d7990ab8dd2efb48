# SPDX-License-Identifier: GPL-2.0-only
# Progress with the time left, on stderr: one line that is rewritten on a
# terminal, else a plain line at the start and about every ten seconds.
import sys
import time
from typing import TextIO

PLAIN_EVERY = 10
FEW = 6         # steps, after which their pace counts as much as the plan


class Progress:
    def __init__(self, steps: int, guess: float, stream: TextIO = sys.stderr):
        """guess: seconds that the steps will take, until some are timed."""
        self.steps, self.guess, self.stream = steps, guess, stream
        self.done, self.start = -1, time.monotonic()
        self.last: float | None = None
        self.tty = stream.isatty()

    def left(self) -> float:
        """Seconds left, from the plan at first and from the pace later on."""
        share = self.done / self.steps
        if share == 0:
            return self.guess
        pace = (time.monotonic() - self.start) / share
        trust = self.done / (self.done + FEW)
        return (1 - share) * (trust * pace + (1 - trust) * self.guess)

    def remaining(self) -> str:
        return f"{self.left():.0f} s"

    def tick(self, text: str) -> None:
        """A step begins."""
        self.done = min(self.done + 1, self.steps)
        line = f"[{self.done}/{self.steps}] {self.remaining()} left: {text}"
        now = time.monotonic()
        if self.tty:
            self.stream.write("\r\033[K" + line[:79])
        elif self.last is None or now - self.last >= PLAIN_EVERY:
            self.last = now
            self.stream.write(line + "\n")
        self.stream.flush()

    def clear(self) -> None:
        if self.tty:
            self.stream.write("\r\033[K")
            self.stream.flush()
