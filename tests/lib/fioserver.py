# SPDX-License-Identifier: GPL-2.0-only
# A `fio --server` of a test, on the loopback interface.
import socket
import subprocess
import time

import fiorun


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Server:
    """`fio --server` on a port; may die and come back."""

    def __init__(self, fio, folder):
        self.command = [fio, None]
        self.folder, self.port = folder, free_port()
        self.name = f"127.0.0.1:{self.port}"
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            [self.command[0], f"--server=ip:127.0.0.1,{self.port}"],
            cwd=self.folder, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while not self.listens():
            assert self.process.poll() is None and time.monotonic() < end
            time.sleep(0.02)

    def listens(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def die(self):
        fiorun.kill_tree(self.process)
