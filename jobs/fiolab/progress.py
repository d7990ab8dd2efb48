# SPDX-License-Identifier: GPL-2.0-only
# Progress with the time left, on stderr: one line that is rewritten on a
# terminal, else a plain line at the start and about every ten seconds.
import sys
import time

PLAIN_EVERY = 10


class Progress:
    def __init__(self, steps, guess, stream=sys.stderr):
        """guess: seconds that the steps will take, until some are timed."""
        self.steps, self.guess, self.stream = steps, guess, stream
        self.done, self.start, self.last = -1, time.monotonic(), None
        self.tty = stream.isatty()

    def left(self):
        """Seconds left, from the plan at first and from the pace later on."""
        share = self.done / self.steps
        passed = time.monotonic() - self.start
        if share == 0:
            return self.guess
        pace = passed / share
        return max(0, (share * pace + (1 - share) * self.guess) - passed)

    def tick(self, text):
        """A step begins."""
        self.done = min(self.done + 1, self.steps)
        line = f"[{self.done}/{self.steps}] {self.left():.0f} s left: {text}"
        now = time.monotonic()
        if self.tty:
            self.stream.write("\r\033[K" + line[:79])
        elif self.last is None or now - self.last >= PLAIN_EVERY:
            self.last = now
            self.stream.write(line + "\n")
        self.stream.flush()

    def clear(self):
        if self.tty:
            self.stream.write("\r\033[K")
            self.stream.flush()
