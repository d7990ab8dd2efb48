# SPDX-License-Identifier: GPL-2.0-only
# Where jobs/ab puts its files: a build folder that cannot be written, a folder
# for temporary files without room.
import os
from pathlib import Path
import shutil
import subprocess
import tempfile

import pytest

import targets
from abrun import FAST, Ab, sentence

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
         *QUICK, *words], cwd=folder / "here", timeout=300, text=True,
        capture_output=True, check=False,
        env={**os.environ, "TMPDIR": str(folder / "here")})


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.root
@pytest.mark.parametrize("kib", [4, 8, 16, 32, 48])
def test_temporary_files_without_room(kib, tmp_path, shm):
    """From no room for a job file on to room for all but fio's result."""
    ab = Ab(tmp_path)
    with targets.small_tmpfs(str(tmp_path), kib << 10) as small:
        ab.environment["TMPDIR"] = small
        done = ab(*QUICK, "--target", f"{shm}/s")
    sentence(done, "make room there, or set TMPDIR")
    assert small in done.stderr and os.listdir(shm) == []
