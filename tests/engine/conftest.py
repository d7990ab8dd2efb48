# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures of the tests of the engine."""

import pytest

from aiolimits import DEEPEST, MAX, read
import throttle


@pytest.fixture
def server(fio):
    """The address of a fio server."""
    with fio.server() as (address, _):
        yield address


@pytest.fixture
def hanging(loop_device):
    """A device on which I/O hangs, and what lets it go."""
    with throttle.hang(loop_device) as let_go:
        yield loop_device, let_go


@pytest.fixture
def too_deep():
    """A depth that does not fit, whatever else comes and goes meanwhile."""
    depth = read(MAX) + 1000
    if depth > DEEPEST:
        pytest.skip("fs.aio-max-nr is huge: a depth above it needs too much "
                    "memory")
    return depth
