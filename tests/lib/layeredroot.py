# SPDX-License-Identifier: GPL-2.0-only
"""This machine's root under a layer that takes all changes (overlayfs), each
command in a mount namespace of its own: packages are installed, used and
purged there as anywhere, and what they changed is to be seen in the layer."""
import os
from pathlib import Path
import stat
import subprocess

import pytest

# $1: the folder on tmpfs; then the command.  /tmp is the machine's own, so
# that packages which tests have built are there.
ENTER = """
set -e
folder=$1
shift
mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/up,workdir=$folder/work" \
    "$folder/root"
for each in proc sys dev dev/shm tmp; do
    mount --bind "/$each" "$folder/root/$each"
done
exec chroot "$folder/root" "$@"
"""
PATHS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Root:
    """folder: on a tmpfs, as overlayfs has no layer inside of its root."""

    def __init__(self, folder):
        self.folder, self.layer = folder, Path(folder) / "up"
        for name in ("up", "work", "root"):
            (Path(folder) / name).mkdir()
        tried = self.run("true")
        if tried.returncode:
            pytest.skip(f"overlayfs does not work here: {tried.stderr}")

    def run(self, *command, timeout=300, cwd="/"):
        """Run a command there to its end."""
        return subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c",
             ENTER, "enter", self.folder, "env", f"--chdir={cwd}", *command],
            env={"PATH": PATHS, "HOME": "/root", "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=timeout, check=False)

    def output(self, *command, **options):
        """What a command prints that has to succeed."""
        done = self.run(*command, **options)
        assert done.returncode == 0, (command, done.stdout + done.stderr)
        return done.stdout

    def changed(self):
        """Paths of files that are other ones than the machine's, or new, or
        gone; and of folders that the machine has not."""
        found = set()
        for path in self.layer.rglob("*"):
            name = "/" + str(path.relative_to(self.layer))
            if not stat.S_ISDIR(path.lstat().st_mode) or \
                    not os.path.isdir(name):
                found.add(name)
        return found
