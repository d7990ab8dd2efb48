# SPDX-License-Identifier: GPL-2.0-only
# How a device is connected and set up: PCI link, queues, protection
# information, namespaces, members of md and dm to the last; what nvme-cli tells
# of it; and what a health log means.  faketools.py says what replayed output
# can show; real devices are asked in tests/vm.
import json
import os

import pytest

import faketools
from fiolab.qualify import targetset
from fiolab.qualify.watch import healthcheck
from fiolab.target import health, identity, sysfs
from fiolab.target.drive import bus, nvme, smartlog


# The bus

LINK = {"current_link_speed": "16.0 GT/s PCIe", "current_link_width": 4,
        "max_link_speed": "16.0 GT/s PCIe", "max_link_width": 4,
        "power_state": "D0"}


def on_pci(folder, **more):
    """An NVMe device below a PCI device."""
    place = folder / "0000:03:00.0"
    faketools.tree(place, {**LINK, **more})
    (folder / "bus" / "pci").mkdir(parents=True, exist_ok=True)
    (place / "subsystem").symlink_to(folder / "bus" / "pci")
    disk = faketools.nvme(place, **{
        "mq/0/cpu_list": "0", "mq/1/cpu_list": "1", "integrity/format":
        "T10-DIF-TYPE1-CRC", "integrity/tag_size": 2,
        "integrity/device_is_integrity_capable": 1,
        "device/nvme0c1n2/size": 8})
    return disk


def test_link_queues_protection_and_namespaces(tmp_path):
    found = identity.block(on_pci(tmp_path))
    assert found["bus"] == {
        "address": "0000:03:00.0", "link_speed": "16.0 GT/s PCIe",
        "link_width": "4", "max_link_speed": "16.0 GT/s PCIe",
        "max_link_width": "4", "power_state": "D0", "sata_speed": None}
    assert found["queues"] == 2
    assert found["integrity"] == {"format": "T10-DIF-TYPE1-CRC",
                                  "tag_bytes": 2, "of_device": True}
    assert found["namespaces"] == [
        {"name": "nvme0n1", "size_bytes": 1953525168 * 512},
        {"name": "nvme0n2", "size_bytes": 4096}]


@pytest.mark.parametrize("name", ["none", "nop"])
def test_metadata_that_protect_nothing(name, tmp_path):
    disk = faketools.nvme(tmp_path / "bare", **{"integrity/format": name})
    assert identity.block(disk)["integrity"] is None


@pytest.mark.parametrize("link, said", [
    ({}, None), ({"current_link_speed": "Unknown"}, None),
    ({"current_link_width": 0}, None),
    ({"current_link_speed": "8.0 GT/s PCIe"}, "is 8.0 GT/s PCIe, x4, and the "
     "device could have 16.0 GT/s PCIe, x4"),
    ({"current_link_width": 2}, "x2, and the device could have")])
def test_a_link_below_what_it_could_be_is_told(link, said, tmp_path):
    known = identity.block(on_pci(tmp_path, **link))
    found = targetset._doubts(known, "/dev/x")
    assert (said in found[0]) if said else found == []


def test_a_controller_of_several_paths_has_the_first_ones_link(tmp_path):
    """With native multipath the namespace hangs on its subsystem."""
    disk = on_pci(tmp_path)
    head = faketools.tree(tmp_path / "subsys" / "nvme0n1", faketools.QUEUE)
    os.makedirs(f"{tmp_path}/s")
    (tmp_path / "subsys/nvme0n1/device").symlink_to(tmp_path / "s")
    (tmp_path / "s/nvme0").symlink_to(os.path.dirname(disk))
    assert bus.of(head)["address"] == "0000:03:00.0"


def test_a_sata_link(tmp_path):
    place = tmp_path / "0000:00:17.0"
    faketools.tree(place / "ata3", {
        "link3/ata_link/link3/sata_spd": "6.0 Gbps"})
    (tmp_path / "pci").mkdir()
    (place / "subsystem").symlink_to(tmp_path / "pci")
    found = identity.block(faketools.sata(place / "ata3"))["bus"]
    assert found["sata_speed"] == "6.0 Gbps" and found["link_speed"] is None


# Members

def md(folder, name, *members, **more):
    disk = faketools.tree(folder / name, {
        **faketools.QUEUE, "size": 2048, "md/level": "raid1",
        "md/raid_disks": len(members), "md/sync_action": "idle", **more})
    (folder / name / "slaves").mkdir(exist_ok=True)
    for one in members:
        (folder / name / "slaves" / os.path.basename(one)).symlink_to(one)
    return disk


def test_members_to_the_last(tmp_path):
    """dm on md on a disk and a partition."""
    one = faketools.sata(tmp_path, "sda")
    part = faketools.partition_of(faketools.sata(tmp_path, "sdb"), "sdb1")
    array = md(tmp_path, "md0", one, part)
    found = identity.block(md(tmp_path, "dm-0", array, **{"md/level": ""}))
    inner, = found["members"]
    assert inner["kind"] == "md" and inner["array"]["level"] == "raid1"
    assert [(each["name"], each["serial"], each["partition_of"])
            for each in inner["members"]] == [
        ("sda", "S16LNYAF123456", None), ("sdb1", "S16LNYAF123456", "sdb")]
    json.dumps(found)
    assert identity.same(found, json.loads(json.dumps(found))) is None


def test_an_array_of_other_disks_is_another_device(tmp_path):
    one, two = (faketools.sata(tmp_path, name) for name in ("sda", "sdb"))
    known = identity.block(md(tmp_path, "md0", one, two))
    assert identity.same(known, {**known, "members": known["members"][::-1]}
                         ) is None      # named anew by a reboot
    other = [known["members"][0], {**known["members"][1], "serial": "X"}]
    assert identity.same(known, {**known, "members": other}) == (
        "it is made of other devices.")
    # A plan of an earlier version knows of none.
    del known["members"]
    assert identity.same(known, {**known, "members": other}) is None


def test_an_array_that_is_busy_is_told(tmp_path):
    known = identity.block(md(tmp_path, "md0", **{"md/sync_action": "resync"}))
    said, = targetset._doubts(known, "/dev/md0")
    assert "/dev/md0 was in its resync when the run began" in said
    assert targetset._doubts({**known, "array": {"sync_action": "idle"}},
                             "x") == []


# nvme-cli

def test_the_format_of_a_namespace(fake):
    fake.add("nvme", {"id-ctrl /dev/nvme0n1 -o json": faketools.ID_CTRL,
                      "id-ns /dev/nvme0n1 -o json": faketools.ID_NS,
                      "get-feature /dev/nvme0n1 -f 2": "get-feature:0x02 (Power"
                      " Management), Current value:0x00000001\n"})
    assert nvme.identity("/dev/nvme0n1") == {
        "version": "1.4.0", "namespaces_max": 256, "lba_format": 1,
        "lba_formats": 8, "data_bytes": 512, "metadata_bytes": 8,
        "metadata": "at the end of each block", "protection": 1,
        "protection_place": "first bytes of the metadata", "power_state": 1,
        "power_states": 1, "thermal_management": None,
        "warning_temperature_c": 70, "critical_temperature_c": 100,
        "extended_log": None, "extended_log_why":
        "nvme ocp smart-add-log /dev/nvme0n1: exit status 0.", "why": None}


@pytest.mark.parametrize("number, version", [
    (65536, "1.0.0"), (0x010400, "1.4.0"), (0x020001, "2.0.1"), (0, None),
    (None, None)])
def test_versions(number, version):
    assert nvme._version(number) == version


@pytest.mark.parametrize("flbas, index", [
    (0, 0), (0x14, 4), (0x2F, 31), (0x3F, 31), (0x60, 48)])
def test_the_number_of_a_format_has_six_bits(flbas, index):
    assert nvme.lba_format(flbas) == index


def test_without_nvme_cli_there_is_a_sentence(fake):
    found = nvme.identity("/dev/nvme0n1")
    assert found.pop("why") == (
        "LBA format, metadata, protection information, NVMe version and power "
        "state are not known, as asking for them needs nvme-cli: apt-get "
        "install nvme-cli.")
    assert set(found.values()) == {None}


def test_a_device_that_does_not_answer_has_why(fake):
    fake.add("nvme", {"": "Invalid Field in Command\n"}, status=1)
    found = nvme.identity("/dev/nvme0n1")
    assert found["why"] == ("nvme id-ctrl /dev/nvme0n1: Invalid Field in "
                            "Command.")
    assert found["version"] is None and found["data_bytes"] is None


def test_members_are_asked_for_their_format_too(fake, tmp_path, monkeypatch):
    fake.add("nvme", {"id-ctrl": faketools.ID_CTRL, "id-ns": faketools.ID_NS})
    array = md(tmp_path, "md0", faketools.nvme(tmp_path))
    monkeypatch.setattr(sysfs, "place", lambda _: array)
    monkeypatch.setattr(identity.stat, "S_ISBLK", lambda _: True)
    found = identity.asked("/dev/null")
    assert "nvme" not in found
    assert found["members"][0]["nvme"]["metadata_bytes"] == 8


# What a health log means

GOOD = {"critical_warning": 0, "media_errors": 0, "available_spare": 100,
        "available_spare_threshold": 10, "percentage_used": 3, "passed": True,
        "temperature_c": 35, "unsafe_shutdowns": 12,
        "data_units_written": 1000, "power_on_hours": 7, "tool": "smartctl 7.3"}


def judged(**after):
    rows = smartlog.rows(GOOD, {**GOOD, **after})
    return {row["name"]: (row["judgement"], row["note"]) for row in rows}


@pytest.mark.parametrize("name, value, judgement, words", [
    ("critical_warning", 4, "bad", "the reliability is degraded"),
    ("critical_warning", 9, "bad", "the available spare is below its "
     "threshold, the medium is read-only"),
    ("critical_warning", 128, "bad", "bits 0x80"),
    ("media_errors", 1, "bad", "data was lost"),
    ("available_spare", 9, "bad", "below its threshold of 10%"),
    ("available_spare", 10, "good", None),
    ("percentage_used", 100, "noted", "endurance"),
    ("passed", False, "bad", "says that it fails"),
    ("unsafe_shutdowns", 13, "noted", "power cut"),
    ("temperature_c", 90, None, None), ("data_units_written", 2000, None, None)])
def test_what_an_attribute_means(name, value, judgement, words):
    found = judged(**{name: value})[name]
    assert found[0] == judgement and (words in found[1] if words else
                                      found[1] is None)
    check = healthcheck.check(GOOD, {**GOOD, name: value}, None)
    assert check["result"] == ("fail" if judgement == "bad" else "pass")
    assert words is None or judgement == "good" or words in check["text"]


def test_its_own_verdict_is_a_word():
    check = healthcheck.check(GOOD, {**GOOD, "passed": False}, None)
    assert check["text"].startswith(
        "its own verdict passed, then failed: the device says")


def test_what_it_had_before_is_not_of_these_tests():
    old = {**GOOD, "media_errors": 7, "Reallocated_Sector_Ct": 2}
    rows = {row["name"]: row for row in smartlog.rows(old, old)}
    assert rows["media_errors"]["judgement"] == "noted"
    assert rows["media_errors"]["difference"] == 0
    check = healthcheck.check(old, old, None)
    assert check["result"] == "pass"
    assert "noted: media errors 7, then 7: there were some before" in \
        check["text"]


def test_units_and_differences_known_ones_first():
    found = smartlog.rows({**GOOD, "vendor_thing": 1, "word": "a"},
                          {**GOOD, "vendor_thing": 3, "word": "b",
                           "data_units_written": 1500})
    rows = {row["name"]: row for row in found}
    assert (rows["data_units_written"]["unit"], rows["data_units_written"][
        "difference"]) == ("512000 B", 500)
    assert rows["vendor_thing"]["difference"] == 2
    assert rows["word"]["difference"] is None
    assert rows["passed"]["difference"] is None
    names = [row["name"] for row in found]
    assert names.index("power_on_hours") < names.index("vendor_thing")
    json.dumps(found)


@pytest.mark.parametrize("before, after, why, result", [
    (None, None, None, None), (None, GOOD, None, None),
    (GOOD, None, "smartctl -a /dev/x: no answer.", "not measured"),
    (GOOD, None, None, "not measured"),
    ({"x": 1}, {"x": 1}, None, "not measured")])
def test_a_log_that_was_not_read_is_not_judged(before, after, why, result):
    found = healthcheck.check(before, after, why)
    assert (found and found["result"]) == result
    assert not why or why.rstrip(".") in found["text"]


def test_members_have_a_health_log_each(fake, tmp_path, monkeypatch):
    """What is wrong with one names it; a spare is held against its own
    threshold."""
    fake.add("smartctl", {"/dev/nvme0n1": faketools.SMARTCTL_NVME})
    array = md(tmp_path, "md0", faketools.nvme(tmp_path))
    monkeypatch.setattr(sysfs, "place", lambda _: array)
    monkeypatch.setattr(identity.stat, "S_ISBLK", lambda _: True)
    found, why = identity.smart("/dev/null")
    assert why is None and found["nvme0n1: media_errors"] == 0
    front = "nvme0n1: available_spare"
    check = healthcheck.check(found, {
        **found, front: 4, f"{front}_threshold": 5,
        "sdb: available_spare_threshold": 1}, None)
    assert check["result"] == "fail"
    assert "nvme0n1: Available spare 100, then 4: it is below its threshold " \
        "of 5%" in check["text"]


def test_both_tools_give_the_same_names():
    """What is judged must not depend on the tool that is there."""
    one = health.flat(json.loads(faketools.SMARTCTL_NVME))
    two = health.by_smartctl_names(json.loads(faketools.SMART_LOG))
    known = {name for name in (*one, *two) if name in smartlog.ATTRIBUTES}
    assert {"media_errors", "critical_warning", "available_spare",
            "percentage_used", "unsafe_shutdowns", "temperature_c"} <= (
        set(one) & set(two) & known)


def test_bits_beside_the_value_of_newer_tools():
    found = health.by_smartctl_names({"critical_warning": {
        "value": 2, "available_spare": 0, "temp_threshold": 1}})
    assert found == {"critical_warning": 2}


def test_counters_of_nvme_cli_2_are_numbers():
    """128 bits of them, which it writes as text; else none is judged."""
    found = health.by_smartctl_names(json.loads(faketools.SMART_LOG_2))
    # As 2.1 has all of them: "%Lf".
    assert health.by_smartctl_names({"media_errors": "3.000000", "data_units_"
                                     "read": "1.5", "power_cycles": "0"}) == {
        "media_errors": 3, "data_units_read": "1.5", "power_cycles": 0}
    worse = {**found, "media_errors": 1 << 70}
    assert {row["name"]: row["judgement"] for row in smartlog.rows(
        found, worse)}["media_errors"] == "bad"
    assert found["data_units_read"] == 1 and found["temperature_c"] == 50
