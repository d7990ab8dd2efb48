# SPDX-License-Identifier: GPL-2.0-only
"""What guest/serve says over its virtio port: that it is ready, and which
command has ended."""
import threading

from .problem import Died


class Channel:
    """A thread reads it until QEMU ends.  Any thread may call."""

    def __init__(self, connected):
        self._socket, self._changed = connected, threading.Condition(
            threading.RLock())
        self._boots, self._ended, self._open = 0, {}, True
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        with self._socket.makefile("r", encoding="utf-8") as lines:
            try:
                for line in lines:
                    # The folder is last, as there may be blanks in it.
                    self._take(line.rstrip("\n").split(" ", 2))
            except OSError:
                pass
        with self._changed:
            self._open = False
            self._changed.notify_all()

    def _take(self, words):
        with self._changed:
            if words == ["ready"]:
                self._boots += 1
            elif words[:1] == ["done"]:
                self._ended[words[2]] = int(words[1])
            self._changed.notify_all()

    @property
    def boots(self):
        """How often the guest has become ready."""
        with self._changed:
            return self._boots

    @property
    def open(self):
        with self._changed:
            return self._open

    def status(self, name):
        """The exit status of a command, None before its end."""
        with self._changed:
            return self._ended.get(name)

    def wait(self, true, seconds):
        """Whether true() within that time; sooner if the guest ends."""
        with self._changed:
            return self._changed.wait_for(
                lambda: true() or not self._open, seconds) and true()

    def send(self, *words):
        """An order; Died if there is nobody any more to take it."""
        try:
            self._socket.sendall((" ".join(words) + "\n").encode())
        except OSError:
            raise Died("the guest has ended, and takes no more orders"
                       ) from None

    def close(self):
        self._socket.close()
