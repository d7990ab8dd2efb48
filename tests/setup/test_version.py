# SPDX-License-Identifier: GPL-2.0-only
"""The version has one place, and everything that users see names it."""
from pathlib import Path
import json
import re
import subprocess
import sys

import pytest

ROOT = Path(__file__).resolve().parents[2]
VERSION = (ROOT / ".setup/version").read_text(encoding="ascii").strip()


def said(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, text=True,
                          check=True, timeout=60).stdout


def test_it_is_one():
    assert re.fullmatch(r"\d+\.\d+\.\d+(-rc\d+)?", VERSION)


def test_make():
    assert said("make", "-s", "-C", ROOT, "version") == VERSION + "\n"


@pytest.mark.parametrize("name", ["ab", "bench", "bench-lib", "qualify"])
def test_commands(name):
    assert said(sys.executable, ROOT / "jobs" / name, "--version") == \
        f"{name} (kaio) {VERSION}\n"


def test_engine(fio, engine):
    assert f"(this is kaio {VERSION})" in fio.raw(
        "--enghelp=%s" % engine).stdout


def test_changes_are_told():
    """The newest heading of the changelog is this version."""
    text = (ROOT / ".github/CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## (\S+)", text, re.M)[1] == VERSION
