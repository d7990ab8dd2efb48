# SPDX-License-Identifier: GPL-2.0-only
# A device whose power a shell command cuts and gives back, as --power-cut has
# it: a scratch disk that then has lost what was not flushed, and comes back
# under the same name.  It can lie about its cache, stay away, or come back as
# something else.
import contextlib
import glob
import os
from pathlib import Path
import signal
import threading
import time

import targets
from fiolab.target.volatiledisk import VolatileDisk


class PowerStrip(threading.Thread):
    """between: what happens to it before it has power again; False from it:
    it stays away.  then: what happens with its path once it is back."""

    def __init__(self, folder, size):
        super().__init__(daemon=True)
        self.disk = VolatileDisk(str(folder), size)
        self.ask, self.answer = (os.path.join(folder, name)
                                 for name in ("ask", "answer"))
        os.mkfifo(self.ask)
        os.mkfifo(self.answer)
        self.lies, self.between, self.then = False, bool, lambda path: None
        self.stack, self.cuts, self.path = contextlib.ExitStack(), 0, None
        self.on()

    @property
    def command(self):
        return f'echo cut >{self.ask}; exit "$(cat {self.answer})"'

    def on(self):
        self.path, self.cut = self.stack.enter_context(self.disk.attached())
        if self.lies:
            targets.say_cache(self.path, "write through")

    def lie(self):
        self.lies = True
        targets.say_cache(self.path, "write through")

    def _end_fio(self):
        """Who loses power with it is told nothing any more: ext4's shutdown
        lets a sync succeed that it overtakes."""
        for link in glob.glob("/proc/[0-9]*/fd/*"):
            with contextlib.suppress(OSError):
                pid = link.split("/")[2]
                if os.readlink(link) == self.path and Path(
                        f"/proc/{pid}/comm").read_text() == "fio\n":
                    os.kill(int(pid), signal.SIGKILL)

    def off(self):
        self._end_fio()
        self.cut()
        self.stack.close()
        end = time.monotonic() + 60
        while targets.is_attached(self.path) and time.monotonic() < end:
            time.sleep(0.01)

    def _cycle(self):
        self.off()
        self.cuts += 1
        if self.between() is not True:
            self.on()
            self.then(self.path)

    def run(self):
        while True:
            with open(self.ask, encoding="ascii") as file:
                if file.read().strip() == "end":
                    return
            status = 1
            try:
                self._cycle()
                status = 0
            finally:
                with open(self.answer, "w", encoding="ascii") as file:
                    file.write(str(status))

    def close(self):
        with open(self.ask, "w", encoding="ascii") as file:
            file.write("end")
        self.join(60)
        self.stack.close()
        self.disk.remove()
