# SPDX-License-Identifier: GPL-2.0-only
# The folder of a qualification between commands: what is whole is read, what
# is torn or not ours is named and not read, and two commands do not meet.
from contextlib import ExitStack
import json
import os
from pathlib import Path

import pytest

import qualifybench
from fiolab.base.problem import Problem
from fiolab.qualify import folder as folders

PLAN = {**qualifybench.PLAN, "id": "me"}
ROUND = "t00-iops-p01-r0001"


@pytest.fixture
def made(tmp_path):
    """A folder with a plan, a run and a round."""
    with ExitStack() as stack:
        folder = folders.Folder(str(tmp_path / "q"))
        folder.create(stack)
        folder.save_plan(PLAN)
        assert folder.save_run(ROUND + "-000", {"a": 1}) == (
            f"runs/{ROUND}-000.json")
        folder.save_round(ROUND, {"round": 1})
    return folder


def reopened(folder, stack):
    again = folders.Folder(folder.path)
    assert again.open(stack)["id"] == "me"
    return again


def test_what_was_written_is_read_again(made):
    with ExitStack() as stack:
        again = reopened(made, stack)
        assert again.load_round(ROUND) == {"round": 1}
        assert again.load_round("t00-iops-p01-r0002") is None
        assert again.strange == []


def test_a_second_command_is_refused(made):
    with ExitStack() as stack:
        reopened(made, stack)
        with pytest.raises(Problem, match="another command works in"):
            reopened(made, stack)
        with pytest.raises(Problem, match="holds another qualification"):
            folders.Folder(made.path).create(stack)


@pytest.mark.parametrize("text, why", [
    ("", "not a round of jobs/qualify, whole"),
    ('{"schema": "kaio-qual', "not a round of jobs/qualify, whole"),
    ("[]", "not a round of jobs/qualify, whole"),
    ('{"schema": "other/1", "content": {}}', "not a round"),
    (json.dumps({"schema": folders.ROUND_SCHEMA, "campaign": "other",
                 "content": {"round": 1}}), "of another qualification")])
def test_a_torn_or_foreign_round_is_named_and_ignored(made, text, why):
    Path(made.file("rounds", f"{ROUND}.json")).write_text(text)
    with ExitStack() as stack:
        again = reopened(made, stack)
        assert again.load_round(ROUND) is again.load_round(ROUND) is None
        said, = again.strange
        assert f"rounds/{ROUND}.json is ignored" in said and why in said


def test_files_of_other_names_are_named_and_parts_removed(made):
    for name in ("notes.txt", f"{ROUND}.json.0123abcd.part"):
        Path(made.file("runs", name)).write_text("x")
        Path(made.file("rounds", name)).write_text("x")
    with ExitStack() as stack:
        again = reopened(made, stack)
        assert len(again.strange) == 2
        assert all("notes.txt is ignored" in said for said in again.strange)
    for place in ("runs", "rounds"):
        assert not [name for name in os.listdir(made.file(place))
                    if name.endswith(".part")]


# Named, as the plan has this machine's load, which the workers of a parallel
# run see at different times: they would not agree on the tests.
@pytest.mark.parametrize("text, why", [
    ("{", "is not a qualification folder"),
    ('{"schema": "kaio-campaign/1"}', "its schema is 'kaio-campaign/1'"),
    (json.dumps({"schema": folders.Folder.SCHEMA.version, "id": "x"}),
     "created is missing"),
    (json.dumps({**PLAN, "targets": [{}]}), r"targets\[0\].name is missing"),
    (json.dumps({**PLAN, "seed": "1"}), "seed is not a whole number"),
    (json.dumps({**PLAN, "profile": {"name": "x"}}), "is none of pts-e")],
    ids=["torn", "a-campaign", "no-date", "no-target", "a-seed-of-text",
         "no-such-profile"])
def test_a_folder_of_something_else_is_one_sentence(made, text, why):
    Path(made.file("plan.json")).write_text(text)
    with ExitStack() as stack, pytest.raises(Problem, match=why):
        folders.Folder(made.path).open(stack)


def test_a_run_that_never_began_leaves_nothing(tmp_path):
    with ExitStack() as stack:
        folders.Folder(str(tmp_path / "q")).create(stack)
    assert os.listdir(tmp_path) == []
