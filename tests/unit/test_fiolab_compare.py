# SPDX-License-Identifier: GPL-2.0-only
# `ab compare` on reports that are damaged, and as a check in CI: what cannot be
# judged is a failure, and never passes in silence.
import copy
import json
from pathlib import Path
import sys

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "jobs"), str(ROOT / "tests" / "lib")]

import abreport  # noqa: E402
from fiolab import compare  # noqa: E402

GOOD = abreport.typical()


def command(tmp_path, new, *more, old=GOOD):
    """What `ab compare` ends with: its exit status, or its sentence."""
    paths = []
    for name, one in (("old", old), ("new", new)):
        paths.append(str(tmp_path / f"{name}.json"))
        Path(paths[-1]).write_text(json.dumps(one))
    with pytest.raises(SystemExit) as end:
        compare.main([*paths, *more])
        sys.exit(0)
    return end.value.code


def changed(change):
    """GOOD, with the values of every run of its first cell changed."""
    data = copy.deepcopy(GOOD)
    for pair in data["cells"][0]["pairs"]:
        for values in pair["values"].values():
            change(values)
    return data


@pytest.mark.parametrize("value", [-5, 0, 1e-200, 1e200])
def test_damaged_figures_are_one_sentence(value, tmp_path):
    bad = changed(lambda values: values.update(iops=value))
    assert "values.A.iops is not from 1e-30 to 1e+30" in command(tmp_path, bad)


def test_a_pair_without_a_role_is_one_sentence(tmp_path):
    bad = copy.deepcopy(GOOD)
    del bad["cells"][0]["pairs"][0]["values"]["A'"]
    assert "values.A' is missing" in command(tmp_path, bad)


def test_the_widest_figures_have_a_ratio(tmp_path):
    wild = copy.deepcopy(GOOD)
    for pair in wild["cells"][0]["pairs"]:
        pair["values"]["A"]["iops"] = 1e30
        pair["values"]["B"]["iops"] = 1e-30
    made = tmp_path / "made.json"
    assert command(tmp_path, wild, "--json", str(made)) == 0
    assert 0 < json.loads(made.read_text())[0]["changes"][0]["ratio"] < 1e-50
