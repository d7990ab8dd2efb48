# SPDX-License-Identifier: GPL-2.0-only
"""QEMU's monitor, over a connected socket: commands, and the events that come
meanwhile."""
import json
import socket
import time

from .problem import Died, Late, Problem


class Monitor:
    def __init__(self, connected):
        self._socket, self._rest, self.events = connected, b"", []
        self._receive(60)       # the greeting
        self.do("qmp_capabilities")

    def _receive(self, seconds):
        """The next message within that time."""
        ends = time.monotonic() + seconds
        while b"\n" not in self._rest:
            self._socket.settimeout(max(ends - time.monotonic(), 0.001))
            try:
                got = self._socket.recv(65536)
            except socket.timeout:
                raise Late("QEMU's monitor said nothing for %g s"
                           % seconds) from None
            except OSError:
                got = b""
            if not got:
                raise Died("QEMU has ended")
            self._rest += got
        line, _, self._rest = self._rest.partition(b"\n")
        message = json.loads(line)
        if "event" in message:
            self.events.append(message)
        return message

    def do(self, command, arguments=None, seconds=60):
        """What QEMU returns."""
        order = {"execute": command, "arguments": arguments or {}}
        try:
            self._socket.sendall(json.dumps(order).encode() + b"\n")
        except OSError:
            raise Died("QEMU has ended") from None
        while True:
            message = self._receive(seconds)
            if "error" in message:
                raise Problem("QEMU refused %s: %s" % (
                    command, message["error"]["desc"]))
            if "return" in message:
                return message["return"]

    def wait(self, event, seconds=60, **data):
        """The first event of that name, with these data, that was not yet
        waited for; it is taken from .events."""
        ends = time.monotonic() + seconds
        while True:
            for one in self.events:
                if one["event"] == event and data.items() <= one.get(
                        "data", {}).items():
                    self.events.remove(one)
                    return one
            self._receive(max(ends - time.monotonic(), 0.001))

    def close(self):
        self._socket.close()
