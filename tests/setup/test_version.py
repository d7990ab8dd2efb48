# SPDX-License-Identifier: GPL-2.0-only
"""The version has one place, and everything that users see names it."""
from pathlib import Path
import re
import subprocess
import sys

import pytest

import abreport
import qualifydata
from fiolab.ab.report import htmlreport as ab_page
from fiolab.ab.report import reportdata
from fiolab.ab import schema as ab_schema
from fiolab.ab.report import textreport as ab_text
from fiolab.base import version
from fiolab.qualify import result
from fiolab.qualify.report import htmlreport as qualify_page
from fiolab.qualify.report import schema as qualify_schema
from fiolab.qualify.report import textreport as qualify_text

ROOT = Path(__file__).resolve().parents[2]
VERSION = (ROOT / ".setup/version").read_text(encoding="ascii").strip()


def said(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, text=True,
                          check=True, timeout=60).stdout


def test_it_is_one():
    assert re.fullmatch(r"\d+\.\d+\.\d+(-rc\d+)?", VERSION)


def test_make():
    assert said("make", "-s", "--no-print-directory", "-C", ROOT,
                "version") == VERSION + "\n"


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


def of_ab(tmp_path):
    """(data, text, page) of a report of jobs/ab."""
    data, page = ab_schema.check(abreport.typical()), tmp_path / "report.html"
    ab_page.write(data, page)
    return data, ab_text.text(data), page.read_text(encoding="utf-8")


def of_qualify(_):
    data = qualify_schema.check(qualifydata.report())
    return (data, "\n".join(qualify_text.lines(data)),
            qualify_page.render(data))


@pytest.mark.parametrize("made", [of_ab, of_qualify])
def test_reports(made, tmp_path):
    data, text, page = made(tmp_path)
    words = f"Made by kaio {data['version']}."
    assert text.strip().endswith(words)
    assert words in page


@pytest.mark.parametrize("check, data", [
    (ab_schema.check, abreport.typical()),
    (qualify_schema.check, qualifydata.report())])
def test_reports_of_before_are_read(check, data):
    del data["version"]
    assert check(data) is data


def test_what_is_written_is_this_version():
    assert {module.VERSION for module in (reportdata, result, version)} == {
        VERSION}
