# SPDX-License-Identifier: GPL-2.0-only
# Purges: of files for real here, of devices for real in
# tests/qualify/test_purging.py; of drives that are not here only which
# command their tools would be given (see faketools.py).
import os
from pathlib import Path

import pytest

import faketools
from fiolab.base.problem import Problem
from fiolab.target import claim, erase, purge, sysfs
from fiolab.target.target import Target

MIB = 1 << 20


@pytest.fixture
def file(tmp_path, stack):
    path = tmp_path / "target"
    path.write_bytes(b"x" * 3 * MIB)
    return claim.prepare(str(path), MIB, True, stack)


# --- files

def test_a_file_is_emptied_and_keeps_its_size(file):
    method, why = purge.plan(file)
    assert method == "punch-hole" and "file system" in why
    assert Path(file.path).read_bytes() == b"x" * 3 * MIB   # planning is free
    said = []
    assert purge.run(file, method, said.append) >= 0
    assert Path(file.path).read_bytes() == bytes(3 * MIB)
    assert os.stat(file.path).st_blocks == 0
    assert "all 64 blocks that were looked at read as zeros" in said[-1]


def test_only_the_claimed_range(file):
    file.given = MIB
    assert purge.plan(file)[0] == "punch-hole"
    assert Path(file.path).read_bytes() == b"x" * 3 * MIB
    purge.run(file, "punch-hole", lambda _: None)
    data = Path(file.path).read_bytes()
    assert data == bytes(MIB) + b"x" * 2 * MIB


def test_what_was_claimed_and_not_what_has_its_name_now(file, tmp_path):
    kept = tmp_path / "kept"
    os.link(file.path, kept)
    other = tmp_path / "other"
    other.write_bytes(b"y" * 3 * MIB)
    os.replace(other, file.path)
    purge.run(file, "punch-hole", lambda _: None)
    assert Path(file.path).read_bytes() == b"y" * 3 * MIB
    assert kept.read_bytes() == bytes(3 * MIB)


def test_in_steps_with_progress(file, monkeypatch):
    monkeypatch.setattr(purge, "SMALLEST_STEP", MIB)
    said = []
    purge.run(file, "punch-hole", said.append)
    assert [text.split(": ")[1] for text in said[:-1]] == ["33%", "66%",
                                                           "100%"]
    assert Path(file.path).read_bytes() == bytes(3 * MIB)


def test_without_a_claim_nothing_is_purged(file, stack):
    stack.close()
    with pytest.raises(Problem, match="is not claimed"):
        purge.run(file, "punch-hole", print)
    assert Path(file.path).read_bytes() == b"x" * 3 * MIB


def test_a_file_system_without_holes(file, monkeypatch):
    def lacks(*_):
        raise OSError(95, "Operation not supported")
    monkeypatch.setattr(purge.blockio, "punch", lacks)
    method, why = purge.plan(file)
    assert method == "overwrite-none" and "cannot punch holes" in why
    purge.run(file, method, print)
    assert Path(file.path).read_bytes() == b"x" * 3 * MIB
    with pytest.raises(Problem, match="does not support that"):
        purge.run(file, "punch-hole", print)


def test_a_block_device_s_purge_does_nothing_to_a_file(file):
    with pytest.raises(Problem, match="by blkdiscard .it does not support"):
        purge.run(file, "blkdiscard", print)
    assert Path(file.path).read_bytes() == b"x" * 3 * MIB


@pytest.mark.parametrize("place", [0, MIB, 3 * MIB - 1])
def test_what_is_left_is_told(place, file):
    purge.run(file, "punch-hole", lambda _: None)
    assert "all 64" in purge.verify(file)
    step = (3 * MIB - 4096) // 63
    places = purge._places(file.size)
    assert len(places) == 64 and {0, 3 * MIB - 4096} <= set(places)
    assert max(b - a for a, b in zip(places, places[1:])) <= step + 4096
    near = max(at for at in places if at <= place)
    with open(file.path, "r+b") as opened:
        opened.seek(near + 4095)
        opened.write(b"x")
    assert purge.verify(file).startswith("1 of 64 blocks")


@pytest.mark.parametrize("size", [1, 512, 4096, 4097, 8192, MIB + 512])
def test_places_are_inside(size):
    places = purge._places(size)
    assert all(0 <= at < size and at % 4096 == 0 for at in places)


# --- targets on other hosts

def remote(path):
    return Target(path, 3 * MIB, clients=({"name": "host1"},))


def test_a_device_elsewhere_is_trimmed_by_fio():
    calls, target = [], remote("/dev/nvme0n1")
    method, why = purge.plan(target)
    assert method == "fio-trim" and "another machine" in why
    purge.run(target, method, print, lambda *words: calls.append(words))
    (job, name, seconds), = calls
    assert "rw=trim" in job and name == "purge" and seconds > 60
    with pytest.raises(Problem, match="only a fio there"):
        purge.run(target, method, print)


@pytest.mark.parametrize("path", ["/data/file", "/dev/shm/file"])
def test_a_file_elsewhere_is_left_as_it_is(path):
    method, why = purge.plan(remote(path))
    assert method == "overwrite-none" and "as it is" in why


# --- which purge a device is given

def as_device(file, kind, disk, monkeypatch):
    """The claimed file, taken for a device with that folder in sysfs."""
    monkeypatch.setattr(sysfs, "place", lambda _: disk)
    file.kind = kind
    return file


ID_CTRL = '{{"vid":5197,"nn":{nn},"oacs":{oacs},"fna":{fna}}}'
# With protection information of type 1, in the first bytes (dps).
ID_NS = '{"nsze":1953525168,"nlbaf":1,"flbas":1,"dps":9}'


def nvme(fake, control, formatted="", status=0):
    fake.add("nvme", {"id-ctrl": control, "id-ns": ID_NS,
                      "format": formatted}, status)


def test_nvme_format_keeps_the_lba_format(file, fake, tmp_path, monkeypatch):
    nvme(fake, ID_CTRL.format(nn=1, oacs=0x17, fna=5))
    target = as_device(file, "nvme", faketools.nvme(tmp_path), monkeypatch)
    method, why = purge.plan(target)
    assert method == "nvme-format" and "user data erase" in why
    assert not any(call.startswith("nvme format") for call in fake.calls())
    purge.run(target, method, print)
    assert fake.calls()[-1] == (
        f"nvme format {file.path} --ses=1 --force --timeout=3600000 --lbaf=1 "
        "--ms=0 --pi=1 --pil=1")
    assert sum(call.startswith("nvme format") for call in fake.calls()) == 1


def test_a_format_keeps_metadata_and_protection():
    assert erase.format_options({"flbas": 0x12, "dps": 0xb}) == [
        "--lbaf=2", "--ms=1", "--pi=3", "--pil=1"]
    assert erase.format_options({"flbas": 0, "dps": 0}) == [
        "--lbaf=0", "--ms=0", "--pi=0", "--pil=0"]


@pytest.mark.parametrize("control, words", [
    (ID_CTRL.format(nn=1, oacs=0x15, fna=0), "has no nvme format"),
    (ID_CTRL.format(nn=32, oacs=0x17, fna=1), "all namespaces"),
    (ID_CTRL.format(nn=2, oacs=0x17, fna=2), "all namespaces"),
    ('{"nn":1,"oacs":7}', "nvme-format"), ('{"oacs":7}', "all namespaces"),
    ("", "did not say"), ("[]", "did not say"), ("{", "did not say")])
def test_nvme_that_is_not_formatted(control, words, file, fake, tmp_path,
                                    monkeypatch):
    nvme(fake, control)
    target = as_device(file, "nvme", faketools.nvme(tmp_path), monkeypatch)
    method, why = purge.plan(target)
    if words == "nvme-format":
        assert method == words
        return
    assert method == "blkdiscard" and words in why
    assert why.endswith("; used blkdiscard instead")


def test_nvme_without_its_tool(file, fake, tmp_path, monkeypatch):
    target = as_device(file, "nvme", faketools.nvme(tmp_path), monkeypatch)
    assert purge.plan(target) == ("blkdiscard", (
        "nvme format needs nvme-cli: apt-get install nvme-cli; used "
        "blkdiscard instead"))


def test_a_partition_is_never_formatted(file, fake, tmp_path, monkeypatch):
    nvme(fake, ID_CTRL.format(nn=1, oacs=0x17, fna=0))
    part = faketools.partition_of(faketools.nvme(tmp_path), "nvme0n1p1")
    target = as_device(file, "nvme", part, monkeypatch)
    method, why = purge.plan(target)
    assert method == "blkdiscard" and "this is a partition" in why
    with pytest.raises(Problem, match="this is a partition"):
        purge.run(target, "nvme-format", print)
    assert fake.calls() == []


def test_a_path_that_is_another_device_now(file, fake, tmp_path, monkeypatch):
    nvme(fake, ID_CTRL.format(nn=1, oacs=0x17, fna=0))
    target = as_device(file, "nvme", faketools.nvme(tmp_path), monkeypatch)
    target.path = "/dev/null"
    with pytest.raises(Problem, match="no longer the target"):
        purge.run(target, "nvme-format", print)
    assert not any(call.startswith("nvme format") for call in fake.calls())


def test_a_format_that_fails(file, fake, tmp_path, monkeypatch):
    fake.script("nvme", f"""case "$1" in
id-ctrl) echo '{ID_CTRL.format(nn=1, oacs=0x17, fna=0)}';;
id-ns) echo '{ID_NS}';;
format) echo "NVMe status: INVALID_FORMAT(0x10a)" >&2; exit 1;;
esac""")
    target = as_device(file, "nvme", faketools.nvme(tmp_path), monkeypatch)
    with pytest.raises(Problem, match=r"failed \(NVMe status: INVALID"):
        purge.run(target, "nvme-format", print)


def ata(file, fake, tmp_path, monkeypatch, text=faketools.THAWED, **more):
    fake.add("hdparm", {"-I": text, "--security": ""})
    return as_device(file, "sata", faketools.sata(tmp_path, **more),
                     monkeypatch)


def test_ata_secure_erase(file, fake, tmp_path, monkeypatch):
    target = ata(file, fake, tmp_path, monkeypatch)
    method, _ = purge.plan(target)
    assert method == "ata-secure-erase"
    purge.run(target, method, print)
    assert [call for call in fake.calls() if "--security" in call] == [
        f"hdparm --user-master u --security-{what} kaio {file.path}"
        for what in ("set-pass", "erase")]


@pytest.mark.parametrize("change, words", [
    (("not\tfrozen", "\tfrozen"), "not frozen (suspend"),
    (("not\tenabled", "\tenabled"), "--security-disable kaio"),
    (("not\tlocked", "\tlocked"), "no password"),
    (("\t\tsupported\n\tnot\ten", "\tnot\tsupported\n\tnot\ten"),
     "has no ata secure erase"),
    (("Security: \n", ""), "has no ata secure erase")])
def test_ata_that_is_not_erased(change, words, file, fake, tmp_path,
                                monkeypatch):
    text = faketools.THAWED.replace(*change)
    assert text != faketools.THAWED
    target = ata(file, fake, tmp_path, monkeypatch, text)
    method, why = purge.plan(target)
    assert method == "blkdiscard" and words in why
    with pytest.raises(Problem, match="by ata-secure-erase"):
        purge.run(target, "ata-secure-erase", print)
    assert not any("--security" in call for call in fake.calls())


def test_ata_without_its_tool(file, fake, tmp_path, monkeypatch):
    target = as_device(file, "sata", faketools.sata(tmp_path), monkeypatch)
    assert purge.plan(target) == ("blkdiscard", (
        "ata secure erase needs hdparm: apt-get install hdparm; used "
        "blkdiscard instead"))


def test_a_drive_without_discard_too(file, fake, tmp_path, monkeypatch):
    target = ata(file, fake, tmp_path, monkeypatch, faketools.FROZEN,
                 **{"queue/discard_max_bytes": 0})
    method, why = purge.plan(target)
    assert method == "overwrite-none"
    assert "not frozen" in why and "has no discard" in why


def test_a_password_does_not_stay_after_a_failed_erase(file, fake, tmp_path,
                                                       monkeypatch):
    target = ata(file, fake, tmp_path, monkeypatch)
    told = tmp_path / "told"
    told.write_text(faketools.THAWED)
    fake.script("hdparm", f"""case "$*" in
*-I*) cat {told};;
*security-erase*) echo "SECURITY_ERASE: Input/output error" >&2; exit 5;;
esac""")
    with pytest.raises(Problem, match="--security-disable kaio"):
        purge.run(target, "ata-secure-erase", print)
    assert fake.calls()[-1] == (
        f"hdparm --user-master u --security-disable kaio {file.path}")


def test_a_part_of_a_device_is_never_erased_as_a_whole(file, fake, tmp_path,
                                                        monkeypatch):
    target = ata(file, fake, tmp_path, monkeypatch)
    target.given = MIB
    method, why = purge.plan(target)
    assert method == "blkdiscard" and why == (
        f"ata secure erase erases all of a device, and only {MIB:,} bytes are "
        "to be used; used blkdiscard instead")
    assert fake.calls() == []


def test_without_o_direct_the_rest_is_the_same(file, monkeypatch):
    real_open = os.open

    def old(path, flags, *rest):
        if flags & os.O_DIRECT:
            raise OSError(22, "Invalid argument")
        return real_open(path, flags, *rest)
    monkeypatch.setattr(purge.os, "open", old)
    assert purge.verify(file).startswith("64 of 64")
    purge.run(file, "punch-hole", lambda _: None)
    assert purge.verify(file).startswith("all 64")


def test_no_erase_through_usb(file, fake, tmp_path, monkeypatch):
    (tmp_path / "usb2").mkdir()
    target = ata(file, fake, tmp_path / "usb2", monkeypatch)
    assert "through USB" in purge.plan(target)[1] and fake.calls() == []


def test_the_minutes_of_an_erase():
    assert erase.security(faketools.THAWED) == {
        "supported": True, "enabled": False, "locked": False, "frozen": False,
        "minutes": 424}
    assert erase.security(faketools.FROZEN)["frozen"] is True
    assert erase.security("no such section") == {}
