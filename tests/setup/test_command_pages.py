# SPDX-License-Identifier: GPL-2.0-only
"""The manual pages of the commands, made of their --help."""
import re
import shutil
import subprocess
import sys

import pytest

pytestmark = pytest.mark.long

NAMES = ("ab", "bench", "bench-lib", "qualify")


def text_of(page):
    """A page as plain text, its words apart by one space."""
    done = subprocess.run(["man", "-P", "cat", "-l", page], text=True,
                          stdout=subprocess.PIPE, check=True, timeout=60)
    return " ".join(done.stdout.split())


@pytest.mark.parametrize("name", NAMES)
def test_page_has_every_option(name, root, tmp_path, monkeypatch):
    for tool in ("help2man", "man", "mandoc"):
        if not shutil.which(tool):
            pytest.skip(f"needs {tool}: run make deps")
    monkeypatch.setenv("MANWIDTH", "2000")
    monkeypatch.setenv("MAN_KEEP_FORMATTING", "")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    page, command = tmp_path / f"{name}.1", root / "jobs" / name
    subprocess.run([root / ".setup/manual-page", command, page], check=True,
                   timeout=120)
    checked = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page],
                             text=True, stdout=subprocess.PIPE, timeout=60,
                             check=False)
    assert [line for line in checked.stdout.splitlines()
            if "cannot parse date" not in line] == []
    helped = subprocess.run([sys.executable, command, "--help"], text=True,
                            stdout=subprocess.PIPE, check=True, timeout=60)
    options = set(re.findall(r"^  (--[\w-]+)", helped.stdout, re.MULTILINE))
    shown = text_of(page)
    assert len(options) > 5
    assert [one for one in options if one not in shown] == []
    version = (root / ".setup/version").read_text(encoding="ascii").strip()
    assert f"kaio {version}" in shown
