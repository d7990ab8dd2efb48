# SPDX-License-Identifier: GPL-2.0-only
"""The one marker of these tests; tests/run acts on it."""


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "alone: needs the machine, or all of fs.aio-max-nr, to itself")
