# SPDX-License-Identifier: GPL-2.0-only
"""The engine's manual page: clean, within the width, with its own options."""
import os
import re
import shutil
import subprocess

import pytest

WIDTH = 80
READER = {**os.environ, "MANWIDTH": str(WIDTH), "LC_ALL": "C.UTF-8",
          "MANOPT": ""}


@pytest.fixture
def page(root):
    return root / "engine/man/fio-kaio.7"


def said(*command):
    if not shutil.which(command[0]):
        pytest.skip(f"needs {command[0]}: run make deps")
    return subprocess.run(command, env=READER, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False,
                          timeout=60)


def test_mandoc_finds_nothing(page):
    """The strictest level; pages of other packages may not be installed."""
    lines = said("mandoc", "-T", "lint", "-W", "style", page).stdout
    assert [line for line in lines.splitlines()
            if "referenced manual not found" not in line] == []


def test_man_shows_it_within_the_width(page):
    done = said("man", "--warnings=w", "-l", page)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") > 50
    assert max(map(len, done.stdout.splitlines())) <= WIDTH


def test_options_are_the_engine_s(page, fio, engine, fio_has):
    """All but cmdprio_hint are there with every fio."""
    text = page.read_text(encoding="utf-8")
    told = re.findall(r"^\.It Cm (\w+)",
                      text[text.index(".Sh OPTIONS"):text.index(".Sh FILES")],
                      re.MULTILINE)
    assert len(told) == len(set(told))
    if not fio_has("engines/cmdprio.h", "cmdprio_hint"):
        told.remove("cmdprio_hint")
    shown = fio.raw("--enghelp=%s" % engine).stdout
    assert set(told) == set(re.findall(r"^(\w+)\s*:", shown, re.MULTILINE))
