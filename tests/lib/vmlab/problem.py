# SPDX-License-Identifier: GPL-2.0-only
"""What is said when a guest cannot be had, ends too early or takes too long."""
import os
import shutil

PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


class Problem(Exception):
    """A sentence: what failed, why, and what to do."""


class Died(Problem):
    """The guest ended by itself."""


class Unfetched(Problem):
    """A package could not be fetched."""


class Late(Problem):
    """Something took longer than it may."""


def tool(name):
    """The path of a program, wherever administrators keep it; or None."""
    return shutil.which(name, path=PATH)


def lacking(architecture):
    """Why no guest can be had on this machine; None if one can."""
    missing = [name for name in (architecture.qemu, "busybox", "depmod",
                                 "setpriv") if not tool(name)]
    if missing:
        return ("a virtual machine needs %s: run make test-vm as root, which "
                "installs them, or .setup/packages test-vm"
                % ", ".join(missing))
    return None
