# SPDX-License-Identifier: GPL-2.0-only
"""A command that runs in a guest.  Its output is in files of a share, so that
what it has said is there even if the guest is not."""
from dataclasses import dataclass
import os
import shlex

from .problem import Died, Late

# Of the host: what a program finds its programs and its words by.
KEPT = ("LANG", "LC_ALL", "LIBAIO_REFILL", "FIO", "O", "SAN")


@dataclass(frozen=True)
class Done:
    """status: as a shell says it, 128 and the signal's number if it was
    killed."""
    status: int
    out: str
    err: str


def script(argv, env, cwd):
    """The shell text of a command."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    path = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"
    lines = [f"export {name}={shlex.quote(str(value))}"
             for name, value in {"PATH": path, "HOME": "/root", **kept,
                                 **(env or {})}.items()]
    return "\n".join((*lines, f"cd {shlex.quote(str(cwd))} || exit 125",
                      "exec " + shlex.join(map(str, argv)), ""))


class Order:
    def __init__(self, machine, folder, argv, env, cwd):
        self._machine, self._channel = machine, machine.channel
        self.folder, self.argv = folder, argv
        self._boot = self._channel.boots
        folder.mkdir(parents=True)
        (folder / "command").write_text(script(argv, env, cwd),
                                        encoding="utf-8")
        self._channel.send("run", str(folder))

    def _text(self, name):
        path = self.folder / name
        return path.read_text(encoding="utf-8", errors="replace") \
            if path.exists() else ""

    @property
    def out(self):
        """Of standard output so far."""
        return self._text("out")

    @property
    def err(self):
        return self._text("err")

    @property
    def status(self):
        """None before its end."""
        return self._channel.status(str(self.folder))

    def kill(self):
        """It and what it has started; it may take a moment."""
        self._channel.send("kill", str(self.folder))

    def wait(self, seconds=300, kill=True):
        """Done; Late after that time, and it is killed, unless kill is false;
        Died if the guest has ended or was reset meanwhile."""
        self._channel.wait(lambda: self.status is not None or
                           self._channel.boots != self._boot, seconds)
        if self.status is not None:
            return Done(self.status, self.out, self.err)
        what = f"{shlex.join(map(str, self.argv))} has not ended"
        if not self._channel.open or self._channel.boots != self._boot:
            raise Died(f"{what}, but the guest has: {self._machine.end()}")
        if kill:
            self.kill()
        raise Late(f"{what} after {seconds:g} s; it said: "
                   + (self.err or self.out)[-2000:])
