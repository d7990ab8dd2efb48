# SPDX-License-Identifier: GPL-2.0-only
"""Guests for tests: vm, one that boots for all tests of a file, as the file
says in VM (arguments of vmlab.Machine), and boot, which makes others.  All
tests of this folder are marked vm, and are skipped where no guest can be had."""
from contextlib import ExitStack
import os
from pathlib import Path

import pytest

import vmlab
from vmlab import architecture

HERE = Path(__file__).parent
GUESTS = {"vm", "vm_machine", "need_vm", "boot"}
KERNEL = os.environ.get("KERNEL", "stable")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("vm")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Skip at one place, so that the summary has one line for all."""
    why = vmlab.lacking(architecture.find("x86_64"))
    if why and GUESTS & set(item.fixturenames):
        pytest.skip(why)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """What the kernel said, beside what failed."""
    report = (yield).get_result()
    guests = getattr(item, "funcargs", {})
    if report.failed and "vm" in guests:
        report.sections.append(("kernel log of the guest",
                                guests["vm"].log()[-5000:]))


def machine(specs=(), **keywords):
    """A Machine, which has not booted."""
    why = vmlab.lacking(architecture.find(keywords.get("arch", "x86_64")))
    if why:
        pytest.skip(why)
    try:
        return vmlab.Machine(specs, **{"kernel": KERNEL, **keywords})
    except vmlab.Unfetched as problem:
        pytest.skip(str(problem))


@pytest.fixture(scope="session")
def vm_machine():
    """machine(), for fixtures of a file."""
    return machine


@pytest.fixture(scope="session")
def need_vm():
    """What tests/vm/run needs."""
    machine().close()


@pytest.fixture(scope="module")
def vm(request):
    """The guest of this file, VM = {"specs": [...], ...}."""
    with machine(**getattr(request.module, "VM", {})) as guest:
        yield guest


@pytest.fixture
def boot():
    """A function that boots a guest for one test: boot("nvme,lba=4096",
    cpus=4)."""
    with ExitStack() as stack:
        yield lambda *specs, **keywords: stack.enter_context(
            machine(specs, **keywords))
