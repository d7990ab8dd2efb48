# SPDX-License-Identifier: GPL-2.0-only
# Which line of the kernel's log tells that a device went.  The lines are those
# of real drives that were pulled; a real loop device that loses its bytes is
# in tests/qualify/test_vanished.py.
import os

import pytest

from fiolab.base import kernellog
from fiolab.qualify.watch import presence
from fiolab.target import claim
from fiolab.target.target import Target

NVME = ("/sys/devices/pci0000:00/0000:00:1d.0/0000:03:00.0/nvme/nvme1/nvme1n1")
DISK = ("/sys/devices/pci0000:00/0000:00:17.0/ata3/host2/target2:0:0/2:0:0:0/"
        "block/sdb")
USB = ("/sys/devices/pci0000:00/0000:00:14.0/usb2/2-1/2-1:1.0/host6/target6:0:0"
       "/6:0:0:0/block/sdc/sdc1")


def chosen(folder, *texts, moment=1000):
    found = presence.chosen([(moment - 1, text) for text in texts], folder,
                            moment)
    return found and found[1]


@pytest.mark.parametrize("folder, line", [
    (NVME, "nvme nvme1: Disabling device after reset failure: -19"),
    (NVME, "nvme1n1: detected capacity change from 7814037168 to 0"),
    (NVME, "pcieport 0000:00:1d.0: pciehp: Slot(4): Link Down"),
    (DISK, "sd 2:0:0:0: [sdb] Stopping disk"),
    (DISK, "ata3: SATA link down (SStatus 0 SControl 300)"),
    (USB, "usb 2-1: USB disconnect, device number 5")])
def test_the_line_about_a_device(folder, line):
    name = os.path.basename(folder)
    errors = [f"I/O error, dev {name}, sector 8 op 0x1:(WRITE) flags 0x8800",
              f"Buffer I/O error on dev {name}, logical block 0, async page "
              "read"]
    others = ["nvme nvme10: 8/0/0 default/read/poll queues",
              "nvme11n1: detected capacity change from 8 to 0",
              "usb 2-1.4: USB disconnect, device number 9",
              "sd 12:0:0:0: [sdbc] Stopping disk", "ata31: SATA link down",
              "pci_bus 0001:03:00.0: gone"]
    assert chosen(folder, *others, errors[0], line, *errors, *others) == line
    assert chosen(folder, *others, *errors, *others) == errors[0]
    assert chosen(folder, *others) is None


def test_only_lines_of_that_time():
    lines = [(at, f"nvme nvme1: said at {at}") for at in (700, 900, 2000)]
    assert presence.chosen(lines, NVME, 1000) == lines[1]
    assert presence.chosen(lines, NVME, 1500) is None


@pytest.mark.parametrize("log, words", [
    ("none-such", "the kernel's log cannot be read (No such file or"),
    ("empty", "the kernel's log has no line about it")])
def test_without_a_line(log, words, tmp_path, stack, monkeypatch):
    (tmp_path / "empty").touch()
    monkeypatch.setattr(kernellog, "KMSG", str(tmp_path / log))
    path = tmp_path / "target"
    path.touch()
    target = claim.hold(str(path), stack)
    target.folder = NVME
    assert presence.gone(target) is None
    path.unlink()
    assert words in presence.gone(target)["text"]


def test_a_file_that_goes(tmp_path, stack):
    path = tmp_path / "target"
    path.write_bytes(bytes(4096))
    target = claim.prepare(str(path), 0, True, stack)
    path.unlink()
    first = presence.gone(target)
    assert first["result"] == "fail" and "it is a file" in first["text"]
    path.write_bytes(bytes(4096))
    assert presence.gone(target) == first        # what came back is another


def test_what_is_let_go_of_may_be_gone(tmp_path):
    """While its power is cut."""
    for claimed in (True, False):
        target = Target(str(tmp_path / "none"), 1, claimed=claimed)
        presence.demand(target)
        assert presence.gone(target) is None
