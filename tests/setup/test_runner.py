# SPDX-License-Identifier: GPL-2.0-only
"""How tests/run counts what a cmocka program prints (TAP), and what it
collects."""
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
import re

import pytest

from setuprun import ROOT, write_program


@pytest.fixture(scope="module")
def runner():
    spec = spec_from_loader("runner", SourceFileLoader(
        "runner", str(ROOT / "tests/run")))
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("lines, status, counted", [
    (["ok 1 - test_a", "ok 2 - test_b"], 0, (2, 0, 0)),
    (["ok 1 - test_a", "not ok 2 # SKIP test_b"], 0, (1, 0, 1)),
    (["ok 1 - test_a", "ok 2 # SKIP test_b"], 0, (1, 0, 1)),
    (["ok 1 - test_a", "not ok 2 - test_b", "# not ok - all"], 1, (1, 1, 0)),
    (["ok 1 - test_a"], 139, (1, 1, 0)), ([], 0, (0, 1, 0))])
def test_passed_failed_and_skipped(runner, lines, status, counted, tmp_path):
    program = write_program(tmp_path / "test_x", "".join(
        f"echo '{line}'\n" for line in lines) + f"exit {status}\n")
    assert runner.run_cmocka(str(program)) == counted


@pytest.mark.parametrize("level", ["vm", "vm-quick"])
def test_the_device_lab_is_all_in_one_folder(runner, level):
    """So that no other tests are collected for it."""
    programs, words = runner.select(level, "", ["test_x"])
    assert programs == [] and words[-1] == str(ROOT / "tests/vm")
    marked = {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")
              if re.search(r"pytest\.mark\.(vm|quick)\b", path.read_text())}
    assert marked == {"vm"}
