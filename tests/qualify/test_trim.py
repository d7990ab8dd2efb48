# SPDX-License-Identifier: GPL-2.0-only
# What devices say that they promise of trimmed blocks; faketools.py says what
# its tools and folders can show.
from pathlib import Path

import pytest

import faketools
from fiolab.target import sysfs, trimpromise
from fiolab.target.trimpromise import ONES, ZEROES


@pytest.fixture
def of(monkeypatch):
    def run(folder):
        monkeypatch.setattr(sysfs, "place", lambda _: str(folder))
        return trimpromise.of("/dev/x")
    return run


@pytest.mark.parametrize("bits, holds", [(0, None), (1, ZEROES), (2, ONES),
                                         (9, ZEROES), (16, None), (3, None)])
def test_nvme(bits, holds, of, fake, tmp_path):
    fake.add("nvme", {"id-ns /dev/nvme0n1 -o json":
                      f'{{"nsze": 8, "dlfeat": {bits}}}'})
    found = of(faketools.nvme(tmp_path))
    assert found.asked and found.same and found.holds == holds
    assert f"DLFEAT {bits}" in found.text


def test_a_partition_asks_its_disk(of, fake, tmp_path):
    fake.add("nvme", {"id-ns /dev/nvme0n1 -o json": '{"dlfeat": 1}'})
    part = faketools.partition_of(faketools.nvme(tmp_path), "nvme0n1p1")
    assert of(part).holds == ZEROES
    faketools.tree(Path(part), {"discard_alignment": 4096})
    assert of(part).holds is None


@pytest.mark.parametrize("text", ["", "{}", '{"dlfeat": "x"}', "[1]"])
def test_nvme_that_does_not_say(text, of, fake, tmp_path):
    fake.add("nvme", {"id-ns": text})
    found = of(faketools.nvme(tmp_path))
    assert not found.asked and found.holds is None


def test_without_nvme_cli(of, fake, tmp_path):
    found = of(faketools.nvme(tmp_path))
    assert not found.asked and "apt-get install nvme-cli" in found.text


def words(word):
    page = bytearray(60 + 512)
    page[60 + 138:60 + 140] = word.to_bytes(2, "little")
    return bytes(page)


@pytest.mark.parametrize("word, same, holds", [
    (0, False, None), (1 << 14, True, None), (1 << 5, False, None),
    (1 << 14 | 1 << 5, True, ZEROES)])
def test_ata_by_its_own_words(word, same, holds, of, fake, tmp_path):
    found = of(faketools.sata(tmp_path, **{"device/vpd_pg89": words(word)}))
    assert (found.asked, found.same, found.holds) == (True, same, holds)


TRIM = "\t   *\tData Set Management TRIM supported (limit 8 blocks)\n"


@pytest.mark.parametrize("text, same, holds", [
    (TRIM, False, None),
    (TRIM + "\t   *\tDeterministic read data after TRIM\n", True, None),
    (TRIM + "\t   *\tDeterministic read ZEROs after TRIM\n", True, ZEROES)])
def test_ata_by_hdparm(text, same, holds, of, fake, tmp_path):
    disk = faketools.sata(tmp_path, **{"device/vpd_pg89": b""})
    assert not of(disk).asked
    fake.add("hdparm", {"-I /dev/sda": faketools.THAWED.replace(
        "\t   *\tSMART feature set\n", text)})
    found = of(disk)
    assert (found.asked, found.same, found.holds) == (True, same, holds)


def scsi(folder, **more):
    return faketools.sata(folder, **{
        "device/vendor": "SEAGATE ", "device/vpd_pg89": b"",
        "device/scsi_disk/0:0:0:0/thin_provisioning": 1, **more})


@pytest.mark.parametrize("byte, holds", [
    (0xe0, None), (0xe4, ZEROES), (0xec, ZEROES), (0xe8, None)])
def test_scsi(byte, holds, of, fake, tmp_path):
    disk = scsi(tmp_path, **{"device/vpd_pgb2": bytes(
        [0, 0xb2, 0, 4, 0, byte, 2, 0])})
    assert of(disk).asked and of(disk).holds == holds


def test_scsi_without_provisioning_promises_nothing(of, fake, tmp_path):
    found = of(scsi(tmp_path, **{
        "device/scsi_disk/0:0:0:0/thin_provisioning": 0,
        "device/vpd_pgb2": bytes([0, 0xb2, 0, 4, 0, 0xe4, 2, 0])}))
    assert found.holds is None and "LBPME 0" in found.text


@pytest.mark.parametrize("flag, holds", [(1, ZEROES), (0, None)])
def test_scsi_of_an_older_kernel(flag, holds, of, fake, tmp_path):
    disk = scsi(tmp_path)
    assert not of(disk).asked and "sg3-utils" in of(disk).text
    fake.add("sg_vpd", {"-p lbpv /dev/sda":
                        "Logical block provisioning VPD page (SBC):\n"
                        "  Logical block provisioning read zeros (LBPRZ): "
                        f"{flag}\n"})
    assert of(disk).holds == holds and of(disk).asked


def test_a_loop_device_is_as_good_as_its_file_system(of, tmp_path):
    assert of(faketools.tree(tmp_path / "loop7", faketools.QUEUE)
              ).holds == ZEROES


@pytest.mark.parametrize("name", ["vda", "dm-3", "md127", "zram0"])
def test_others_promise_nothing(name, of, fake, tmp_path):
    found = of(faketools.tree(tmp_path / name, faketools.QUEUE))
    assert found.asked and found.holds is None
