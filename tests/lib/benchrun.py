# SPDX-License-Identifier: GPL-2.0-only
# A benchmark of jobs/ as a user runs it, in a clean environment of its own.
import os
from pathlib import Path
import subprocess

JOBS = Path(__file__).resolve().parents[2] / "jobs"
UNSET = ("LD_LIBRARY_PATH", "LIBAIO_RING", "CC", "O", "FIO")


class Bench:
    def __init__(self, name, build_dir, folder, fio):
        """folder: an empty one, which each run must leave empty."""
        self.name, self.folder = name, str(folder)
        self.command = [str(JOBS / name), "--build", str(build_dir)]
        self.environment = {key: value for key, value in os.environ.items()
                            if key not in UNSET}
        self.environment.update(TMPDIR=self.folder, FIO=fio)

    def __call__(self, *arguments, **changes):
        done = subprocess.run([*self.command, *arguments], timeout=600,
                              text=True, capture_output=True, check=False,
                              env={**self.environment, **changes})
        assert "Traceback" not in done.stderr
        assert os.listdir(self.folder) == []
        return done

    def sentence(self, word, *arguments, **changes):
        """A mistake, which ends it with one sentence and no report."""
        done = self(*arguments, **changes)
        assert done.returncode == 1 and done.stdout == "", done.stdout
        last = done.stderr.splitlines()[-1]
        assert last.startswith(self.name + ": ") and word in last, done.stderr
