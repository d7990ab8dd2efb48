# SPDX-License-Identifier: GPL-2.0-only
"""tests/vm/run: boot a guest, run one command in it, bring its output and exit
status back."""
import argparse
import os
import shlex
import signal
import sys
import time

from . import architecture, devices, made
from .machine import Machine
from .problem import Late, Problem

LATE, FAILED = 124, 125     # as timeout(1)
HELP = """Boots the distribution's kernel in a virtual machine, on this machine's
own root, which it only reads, and runs COMMAND in it as root.  Nothing that it
writes stays, but in folders of --share.  Every path is the same in the guest; the
devices are /dev/lab/ID.  The exit status is COMMAND's; 124 after --timeout, 125
without a guest, as where one of these options is wrong."""
EPILOG = """DEVICE is KIND[,KEY=VALUE]...; of QEMU %s, made by the guest %s.
Keys of all are id=NAME and size=256M; of QEMU's also lba=512|4096, pba=, cache=0|1,
bad=SECTOR+SECTOR (I/O errors), nvme also ms=, pi=, zoned=1, zone_size=, namespaces=N,
scsi also luns=N; every other key is a property of QEMU's device, or a parameter of
the module.  More of it: tests/vm/README.md""" % (
    ", ".join(devices.DISKS), ", ".join(made.KINDS))


class Parser(argparse.ArgumentParser):
    def error(self, message):
        """One sentence, and a status that is not COMMAND's."""
        self.exit(FAILED, f"{self.prog}: {message} (--help tells more)\n")


def above_0(text):
    """For argparse."""
    if not text.isascii() or not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"'{text}' is no number from 1 on")
    return int(text)


def parser():
    made_here = Parser(
        prog="tests/vm/run", usage="%(prog)s [OPTION]... [--] COMMAND...",
        description=HELP, epilog=EPILOG)
    add = made_here.add_argument
    add("--device", action="append", default=[], metavar="DEVICE",
        help="add one; may be given several times")
    add("--kernel", default="stable", metavar="stable|newer|FOLDER",
        help="of this machine's release of Debian, of the backports of the "
        "newest, or in a folder with lib/modules and boot (%(default)s)")
    add("--arch", default="x86_64", choices=architecture.ARCHITECTURES,
        help="the processor (%(default)s)")
    add("--share", action="append", default=[], metavar="FOLDER",
        help="a folder that the guest may write")
    add("--cpus", type=above_0, default=2, metavar="N",
        help="how many processors (%(default)d)")
    add("--memory", type=above_0, default=2048, metavar="MIB",
        help="its RAM (%(default)d)")
    add("--timeout", type=above_0, default=600, metavar="SECONDS",
        help="for all of it (%(default)d)")
    add("--folder", metavar="FOLDER",
        help="keep the disks, and console.log, in it, and take them from it")
    add("--log", action="store_true", help="print the kernel's log at the end")
    add("--icount", action="store_true", help="the guest's clock counts "
        "instructions, so that figures of one CPU repeat (with --cpus 1)")
    add("--no-ram", action="store_true", help="start even fio and Python from "
        "this machine's files, not from copies in the guest's RAM")
    add("--append", default="", metavar="TEXT", help="for the kernel")
    add("--qemu", action="append", default=[], metavar="ARGUMENT",
        help="for QEMU, as it stands")
    add("command", nargs="+", metavar="COMMAND", help=argparse.SUPPRESS)
    return made_here


class Copy:
    """What is new in a file goes to one of our own outputs."""

    def __init__(self, path, out):
        self._path, self._out, self._at = path, out, 0

    def more(self):
        if not self._path.exists():
            return
        with open(self._path, "rb") as file:
            file.seek(self._at)
            text = file.read()
        self._at += len(text)
        self._out.write(text)
        self._out.flush()


def follow(order, ends, seconds):
    """Copy its output until it ends: its status; ends: when its time is up,
    which was so many seconds."""
    copies = [Copy(order.folder / "out", sys.stdout.buffer),
              Copy(order.folder / "err", sys.stderr.buffer)]
    try:
        while True:
            try:
                left = max(ends - time.monotonic(), 0.01)
                return order.wait(min(left, 0.5), kill=left <= 0.5).status
            except Late:
                if time.monotonic() >= ends:
                    raise Late(f"time is up: {shlex.join(order.argv)} had not "
                               f"ended {seconds} s after the guest was "
                               "started, and was killed (--timeout)") from None
            for copy in copies:
                copy.more()
    finally:
        for copy in copies:
            copy.more()


def main():
    args = parser().parse_args()
    ends = time.monotonic() + args.timeout
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        machine = Machine(
            args.device, kernel=args.kernel, arch=args.arch, cpus=args.cpus,
            memory=args.memory, shares=args.share, folder=args.folder,
            icount=args.icount, ram=not args.no_ram, append=args.append,
            extra=args.qemu)
        try:
            machine.boot(args.timeout)
            return follow(machine.start(*args.command, cwd=os.getcwd()), ends,
                          args.timeout)
        finally:
            if args.log:
                print(machine.log(), file=sys.stderr)
            machine.close()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Problem as problem:
        print("tests/vm/run: %s" % problem, file=sys.stderr)
        return LATE if isinstance(problem, Late) else FAILED
    except OSError as error:
        print(f"tests/vm/run: {error.filename or 'output'}: {error.strerror}: "
              "look for room, and whether it may be written", file=sys.stderr)
        return FAILED
