# SPDX-License-Identifier: GPL-2.0-only
# Where jobs/ab puts its files, if the build folder cannot be written.
import os
from pathlib import Path
import shutil
import subprocess
import tempfile

import pytest

from abrun import FAST, sentence

ROOT = Path(__file__).resolve().parents[2]
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
QUICK = ["--b", "libaio", "--pairs", "1", *FAST]


@pytest.fixture
def installed():
    """A folder that all may enter: jobs and build are not to be written,
    here is."""
    folder = Path(tempfile.mkdtemp(prefix="kaio-e2e-"))
    shutil.copytree(ROOT / "jobs", folder / "jobs",
                    ignore=shutil.ignore_patterns("__pycache__"))
    for name, mode in (("build", 0o555), ("here", 0o777), (".", 0o755)):
        (folder / name).mkdir(exist_ok=True)
        (folder / name).chmod(mode)
    yield folder
    shutil.rmtree(folder)


def as_a_user(folder, *words):
    command = [] if os.geteuid() else NOBODY
    return subprocess.run(
        [*command, folder / "jobs" / "ab", "--build", folder / "build",
         *QUICK, *words], cwd=folder / "here", timeout=150, text=True,
        capture_output=True, check=False,
        env={**os.environ, "TMPDIR": str(folder / "here")})


def test_a_build_folder_of_another_user_is_left_alone(installed):
    done = as_a_user(installed)
    assert done.returncode == 0, done.stderr
    campaign, = os.listdir(installed / "here")
    assert campaign.startswith("ab-")
    assert "report.html" in os.listdir(installed / "here" / campaign)
    assert os.listdir(installed / "build") == []


def test_a_target_that_cannot_be_made(installed):
    done = as_a_user(installed, "--target", str(installed / "build" / "s"))
    sentence(done, "Permission denied: give another --target.")
    assert os.listdir(installed / "here") == []
