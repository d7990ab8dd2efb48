# SPDX-License-Identifier: GPL-2.0-only
# Programs that need not be there: nvme, hdparm, smartctl, sg_vpd.  A device
# that does not answer must not hold the qualification up, so each has a time
# limit, and output goes to a file, as a pipe that nobody empties would stop
# it.
import os
import shutil
import tempfile

from ..base.process import Child

SBIN = ":/usr/local/sbin:/usr/sbin:/sbin"
PACKAGES = {"nvme": "nvme-cli", "hdparm": "hdparm",
            "smartctl": "smartmontools", "sg_vpd": "sg3-utils"}


def find(name):
    """The path of a program, or None; sbin is not on every user's PATH."""
    return shutil.which(name, path=os.environ.get("PATH", "") + SBIN)


def hint(name):
    return f"{PACKAGES[name]}: apt-get install {PACKAGES[name]}"


class Answer:
    """What a program said; status None: no end within the time."""

    def __init__(self, status, text, errors):
        self.status, self.text, self.errors = status, text, errors

    def why(self):
        """The reason that it gives, in a few words."""
        if self.status is None:
            return "no answer in time"
        lines = (self.errors.strip() or self.text.strip()).splitlines()
        return lines[-1].strip() if lines else f"exit status {self.status}"


def run(name, *words, seconds):
    """The Answer of a program; None where it is not on this machine."""
    path = find(name)
    if path is None:
        return None
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        with Child([path, *words], stdout=out, stderr=err,
                   env={**os.environ, "LC_ALL": "C"}) as child:
            child.wait(seconds)
            return Answer(child.status, *map(_text, (out, err)))


def _text(file):
    file.seek(0)
    return file.read().decode(errors="replace")
