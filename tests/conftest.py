# SPDX-License-Identifier: GPL-2.0-only
"""What several of these tests need."""
from contextlib import ExitStack
from pathlib import Path
import sys

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "jobs"), str(ROOT / "tests" / "lib")]


@pytest.fixture
def stack():
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Tools of devices, as programs in front of PATH."""
    import faketools
    return faketools.Tools(tmp_path, monkeypatch)
