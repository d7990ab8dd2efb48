# SPDX-License-Identifier: GPL-2.0-only
# The campaign folder between two commands, and what is left of a campaign that
# never began: only what this command made is removed.
from contextlib import ExitStack
import os
import tempfile

import pytest

from fiolab.ab import planning
from fiolab.ab.campaignfolder import CampaignFolder
from fiolab.base import commandline, runfolder
from fiolab.base.problem import Problem


def fails(path, word):
    """Another command with this --out."""
    with ExitStack() as stack, pytest.raises(Problem, match=word):
        CampaignFolder(str(path)).create(stack)


def test_a_second_command_leaves_the_first_its_folder(tmp_path):
    path = tmp_path / "c"
    with ExitStack() as stack:
        first = CampaignFolder(str(path))
        first.create(stack)
        fails(path, "another command works in")
        first.save_plan({"a": 1})
        fails(path, "holds another campaign")
    assert sorted(os.listdir(path)) == ["campaign.json", "runs"]


def test_a_campaign_that_never_began_leaves_nothing(tmp_path):
    with ExitStack() as stack:
        CampaignFolder(str(tmp_path / "c")).create(stack)
    assert os.listdir(tmp_path) == []


def test_a_folder_that_was_there_stays(tmp_path):
    (tmp_path / "c").mkdir()
    with ExitStack() as stack:
        CampaignFolder(str(tmp_path / "c")).create(stack)
        assert os.listdir(tmp_path / "c") == ["runs"]
    assert os.listdir(tmp_path / "c") == []


def test_a_folder_that_goes_away_between_is_not_written_to(tmp_path,
                                                           monkeypatch):
    """Its holder ended without a plan just before the lock was free."""
    path, flock = tmp_path / "c", runfolder.fcntl.flock

    def late(descriptor, how):
        flock(descriptor, how)
        (path / "runs").rmdir()
    monkeypatch.setattr(runfolder.fcntl, "flock", late)
    fails(path, "another command works in")


def test_two_commands_in_one_second_have_two_folders(tmp_path):
    made = {planning.folder(str(tmp_path)).path for _ in range(3)}
    assert len(made) == 3 == len(os.listdir(tmp_path))
    out = str(tmp_path / "mine")
    assert planning.folder(str(tmp_path), out).path == os.path.realpath(out)
    assert not os.path.exists(out)


@pytest.mark.skipif(os.geteuid() != 0, reason="for others than root /proc is "
                    "another user's, which the next test tries")
def test_a_build_folder_that_cannot_be_written_is_one_sentence():
    with pytest.raises(Problem, match="^cannot write a campaign in .*--out"):
        planning.folder("/proc")


def _as_another_user(function):
    """Its text, as nobody finds it where the tests run as root."""
    end, begin = os.pipe()
    if not os.fork():
        try:
            if not os.geteuid():
                os.setresuid(65534, 65534, 65534)
            os.write(begin, function().encode())
        finally:
            os._exit(0)
    os.close(begin)
    os.wait()
    with open(end, encoding="utf-8") as file:
        return file.read()


def test_a_build_folder_of_another_user_is_left_alone(monkeypatch):
    with tempfile.TemporaryDirectory(dir="/tmp") as build:
        os.chmod(build, 0o555)
        monkeypatch.chdir("/tmp")
        assert _as_another_user(lambda: commandline.disk(build)) == "/tmp"
        monkeypatch.chdir("/")
        os.chmod(build, 0o777)
        assert _as_another_user(lambda: commandline.disk(build)) == build
