# SPDX-License-Identifier: GPL-2.0-only
# What a device tells of its health while it works: the formats of nvme-cli and
# smartctl, the log beyond the health log, the link's counters, samples before,
# after and during a round, what is kept of them, and a device that hangs on its
# log page.  healthdata.py has the tools' output, which shows what we make of it
# and nothing about any drive; real devices are asked in tests/vm.
from contextlib import ExitStack
import json
import os
import threading
import time

import pytest

import faketools
import healthdata
from qualifybench import PLAN
from fiolab.qualify import folder
from fiolab.qualify.limits import healthlimits
from fiolab.qualify.watch import healthsamples, throttling
from fiolab.target import claim, health, identity, tools
from fiolab.target.drive import bus, extendedlog, nvme, sample, smartlog
from fiolab.target.target import Target

NODE = "/dev/nvme0n1"


# The formats

def test_in_brief_of_nvme_is_one_log_page(fake, tmp_path):
    healthdata.Drive(fake, tmp_path)
    fake.add("smartctl", {"": healthdata.smartctl_nvme()})
    found, why = health.brief(NODE, "nvme", 5)
    assert why is None and fake.calls() == [
        f"nvme smart-log {NODE} -o json"]
    assert (found["temperature_c"], found["media_errors"],
            found["thm_temp1_total_time"], found["data_units_written"]) == (
        40, 0, 0, 8437019)


def test_a_log_in_other_words_is_one_sentence(fake):
    fake.add("nvme", {"smart-log": '{"temperature": "warm"}',
                      "id-ctrl": '{"npss": "many"}', "id-ns": "{}"})
    found, why = health.brief(NODE, "nvme", 5)
    assert (found, why) == (None, f"nvme smart-log {NODE}: its JSON is not as "
                            "it is known here.")
    known = nvme.identity(NODE)
    assert known["version"] is None and known["why"] == (
        f"nvme id-ctrl and id-ns {NODE}: its JSON is not as it is known here.")


def test_a_temperature_of_0_is_none(fake):
    """A sensor that a device has not is 0 kelvin."""
    fake.add("nvme", {"smart-log": healthdata.smart_log(
        40, temperature_sensor_1=0)})
    found, _ = health.brief(NODE, "nvme", 5)
    assert found["temperature_c"] == 40
    assert "temperature_sensor_1_c" not in found


def test_in_brief_without_nvme_cli(fake):
    fake.add("smartctl", {f"-j -H -A {NODE}": healthdata.smartctl_nvme(
        thermal_mgmt_temperature_1_transition_count=3,
        thermal_mgmt_temperature_2_total_time=8)})
    found, why = health.brief(NODE, "nvme", 5)
    assert why is None and found["temperature_c"] == 40
    # Names that smartctl has after 7.5.
    assert (found["thm_temp1_trans_count"], found["thm_temp2_total_time"]) == (
        3, 8)


def test_in_brief_of_sata_and_sas(fake):
    fake.add("smartctl", {
        "-j -H -A -l devstat /dev/sda": healthdata.smartctl_ata(41, heat=7),
        "-j -H -A -l error /dev/sdb": healthdata.SMARTCTL_SCSI})
    found, why = health.brief("/dev/sda", "sata", 5)
    assert why is None and (found["temperature_c"], found[
        "over_temperature_time"], found["percentage_used"], found[
            "Current_Pending_Sector"]) == (41, 7, 2, 0)
    found, why = health.brief("/dev/sdb", "scsi", 5)
    assert why is None and (found["temperature_c"], found["percentage_used"],
                            found["grown_defects"],
                            found["read_errors_uncorrected"]) == (36, 3, 1, 2)
    # 7.5 has that of all kinds under one name.
    assert health.flat({"endurance_used": {"current_percent": 0}, "scsi_"
                        "percentage_used_endurance_indicator": 0})[
                            "percentage_used"] == 0


@pytest.mark.parametrize("number, name, group", [
    (187, "Uncorrectable_Error_Cnt", smartlog.LOSING),
    (5, "Reallocate_NAND_Blk_Cnt", smartlog.LOSING),
    (197, "Current_Pending_ECC_Cnt", smartlog.LOSING),
    (184, "End-to-End_Error_Count", smartlog.LOSING),
    (199, "SATA_CRC_Error_Count", smartlog.LINKING)])
def test_other_vendors_names_of_a_counter(number, name, group):
    """Samsung's, Crucial's and Intel's, of attributes that have another name
    in smartctl's defaults."""
    before, after = (health.flat({"ata_smart_attributes": {"table": [
        {"id": number, "name": name, "raw": {
            "value": count, "string": str(count)}}]}}) for count in (0, 1))
    row = next(row for row in smartlog.rows(before, after)
               if row["name"] == name)
    assert name in group and row["judgement"] == (
        "bad" if group is smartlog.LOSING else "noted")


def test_raw_fields_that_hold_more_than_the_value():
    """Of each reallocation the spares, which are in the upper half, are one
    fewer: the whole field is then less than before."""
    before, after = (health.flat(json.loads(healthdata.smartctl_ata(strings={
        5: (spares << 32 | moved, f"{moved} ({spares} 0)"),
        9: (60000 << 32 | 4000, "4000h+01m+00.000s"),
        194: (45 << 32 | 20 << 16 | 33, "33 (Min/Max 20/45)"),
        197: (0x10002, "0x000000010002"), 199: (1 << 24 | 7, "1/7")})))
        for moved, spares in ((0, 2000), (1, 1999)))
    assert [before[name] for name in (
        "Reallocated_Sector_Ct", "Power_On_Hours", "Temperature_Celsius",
        "Current_Pending_Sector", "CRC_Error_Count")] == [
            0, 4000, 33, 0x10002, 1 << 24 | 7]
    judged = {row["name"]: row["judgement"]
              for row in smartlog.rows(before, after)}
    assert judged["Reallocated_Sector_Ct"] == "bad"
    assert {row["name"]: row["judgement"] for row in smartlog.rows(
        before, before)}["Reallocated_Sector_Ct"] == "good"


def test_a_disk_that_tells_nothing_has_no_log(fake):
    """What smartctl 7.3 says of QEMU's SCSI disks: that 0 is no temperature."""
    said = {"smartctl": {"version": [7, 3], "exit_status": 4},
            "device": {"type": "scsi", "protocol": "SCSI"},
            "smart_support": {"available": False},
            "temperature": {"current": 0},
            "scsi_temperature": {"drive_trip": 0}}
    fake.add("smartctl", {"-j -a /dev/sda": json.dumps(said),
                          "-j -a /dev/sdb": json.dumps({
                              **said, "scsi_grown_defect_list": 0})})
    assert health.of("/dev/sda", "scsi") == (
        None, "smartctl -a /dev/sda: the device tells nothing of its health.")
    assert health.of("/dev/sdb", "scsi") == (
        {"tool": "smartctl 7.3", "grown_defects": 0}, None)


@pytest.mark.parametrize("told, asked", [
    ({"gp_logging_supported": True}, " -l devstat"), ([], " -l devstat"),
    ({"gp_logging_supported": False}, "")])
def test_a_sata_drive_without_such_logs_is_never_asked_for_statistics(
        told, asked, fake):
    """As smartctl 7.3 says of QEMU's drive."""
    fake.add("smartctl", {
        "-j -c ": json.dumps({"ata_smart_data": {"capabilities": told}}),
        "-j -H -A ": healthdata.smartctl_ata(41)})
    lacking = health.lacks("/dev/sda", "sata")
    found, why = health.brief("/dev/sda", "sata", 5, lacking)
    assert why is None and found["temperature_c"] == 41
    assert fake.calls() == ["smartctl -j -c /dev/sda",
                            f"smartctl -j -H -A{asked} /dev/sda"]
    assert health.lacks("/dev/sdb", "scsi") == set()


def test_what_a_drive_refuses_is_not_asked_of_it_at_work(fake):
    """Its statistics, which not every SATA drive has."""
    had, plain = healthdata.smartctl_ata(41, heat=7), json.dumps({
        "smart_status": {"passed": True}, "temperature": {"current": 30}})
    fake.add("smartctl", {
        "-j -H -A -l devstat /dev/sda": had, "-l devstat /dev/sdb": plain,
        "-j -H -A /dev/sdb": plain})
    for path, calls in (("/dev/sda", ["-l devstat "] * 3),
                        ("/dev/sdb", ["-l devstat ", "", ""])):
        lacking = set()
        for _ in calls:
            found, why = health.brief(path, "sata", 5, lacking=lacking)
            assert found and why is None
        assert fake.calls()[-3:] == [
            f"smartctl -j -H -A {more}{path}" for more in calls]


def test_the_log_of_ocp_in_both_versions():
    found = extendedlog.of_ocp(json.loads(healthdata.ocp_log(1 << 70)))
    assert found["media_written_bytes"] == 1 << 70
    assert found["bad_user_blocks"] == 3 and found["throttle_level"] == 0
    newer = extendedlog.of_ocp(json.loads(healthdata.OCP_2))
    assert set(newer) == set(found)
    assert newer["media_written_bytes"] == (1 << 64) + 5
    assert (newer["throttle_events"], newer["pcie_correctable_errors"]) == (
        4, 9)


def test_the_log_of_intel():
    assert extendedlog.of_intel(json.loads(healthdata.INTEL)) == {
        "NAND_Writes_32MiB": 5000, "Host_Writes_32MiB": 2000,
        "throttle_level": 3, "throttle_events": 2}
    assert extendedlog.of_intel({"Device stats": {}}) == {}


def test_solidigm_has_its_throttling_beside_the_value():
    assert extendedlog.of_intel(json.loads(healthdata.SOLIDIGM)) == (
        extendedlog.of_intel(json.loads(healthdata.INTEL)))


def test_all_that_is_read_of_logs_is_known():
    """What smartlog.py does not know is not kept of a sample."""
    known = [ours for *_, ours in extendedlog.OCP_NAMES]
    known += [*health.STATISTICS.values(), *health.NEWER.values(),
              *extendedlog.of_intel(json.loads(healthdata.INTEL))]
    known += [f"{front}aer_{name}" for name in bus.ERRORS
              for front in ("", "port_")]
    assert set(known) <= set(smartlog.ATTRIBUTES)


# Which logs a device has

def test_a_device_is_asked_once_which_log_it_has(fake, tmp_path):
    drive = healthdata.Drive(fake, tmp_path)
    drive.set_ocp()
    found = nvme.identity(NODE)
    assert (found["extended_log"], found["extended_log_why"]) == ("ocp", None)
    assert (found["thermal_management"], found["warning_temperature_c"],
            found["critical_temperature_c"]) == (True, 70, 82)


@pytest.mark.parametrize("able, said, told", [
    (1, "Current value:0x01530158", True), (1, "Current value:0x0000015e",
                                            True),
    (1, "Current value:00000000", False), (1, "Invalid Field", None),
    (0, "", False)])
def test_thermal_management_that_no_host_has_set(able, said, told, fake):
    """The device then throttles by its own means, and the counters of that by
    the host's stay 0."""
    control = {**json.loads(healthdata.ID_CTRL), "hctma": able}
    fake.add("nvme", {"id-ctrl": json.dumps(control), "-f 16":
                      f"get-feature:0x10 (Host Controlled Thermal Management)"
                      f", {said}"})
    found = nvme.identity(NODE)
    assert found["thermal_management"] is told
    counters = throttling.Counters({"nvme": found})
    assert counters.keeps("thm_temp1_trans_count", 0) == bool(told)
    assert counters.hot({"temperature_c": 71}) == (
        [] if told else ["temperature_c"])


def test_a_log_that_the_device_refuses_is_a_sentence(fake, tmp_path):
    healthdata.Drive(fake, tmp_path)
    found = nvme.identity(NODE)
    assert found["extended_log"] is None and found["extended_log_why"] == (
        f"nvme ocp smart-add-log {NODE}: ERROR : OCP : Failure reading the C0 "
        "Log Page, ret = 16649.")


@pytest.mark.parametrize("vendor, name", [
    (0x8086, "intel"), (0x025e, "solidigm"), (0x144d, None)])
def test_logs_of_vendors(vendor, name, fake):
    """A vendor's command is not given to devices of others."""
    fake.add("nvme", {f"{one} smart-log-add": healthdata.INTEL
                      for one in ("intel", "solidigm")})
    found, why = extendedlog.chosen(NODE, vendor)
    assert found == name and (why is None) == bool(name)
    assert [call.split()[1] for call in fake.calls()] == [
        "ocp", *([name] if name else [])]


@pytest.mark.parametrize("text, status, words", [
    ("", 0, "exit status 0"), ("[]", 0, "[]"), ("{}", 0, "nothing that is"),
    ("{", 0, "{"), ('{"a": {"lo": "x"}}', 0, "nothing that is"),
    ('{"Physical media units written": {"hi": "x"}}', 0, "nothing that is"),
    ("NVMe status: Invalid Log Page", 1, "Invalid Log Page")])
def test_whatever_the_tool_says_it_is_one_sentence(text, status, words, fake):
    fake.add("nvme", {"": text}, status=status)
    found, why = extendedlog.read("ocp", NODE)
    assert found is None and words in why and "\n" not in why
    assert why.startswith(f"nvme ocp smart-add-log {NODE}: ")


# The link

def on_pci(top, **more):
    """An NVMe device below a port, both with error counters."""
    port = top / "0000:00:1d.0"
    place = port / "0000:03:00.0"
    faketools.tree(port, {name: text.replace("COR 4", "COR 6")
                          for name, text in healthdata.AER.items()})
    faketools.tree(place, {
        "current_link_speed": "16.0 GT/s PCIe", "current_link_width": 4,
        **healthdata.AER, **more})
    (top / "bus/pci").mkdir(parents=True)
    (place / "subsystem").symlink_to(top / "bus/pci")
    return faketools.nvme(place)


def test_the_link_and_errors_of_both_its_ends(tmp_path):
    assert bus.counters(on_pci(tmp_path)) == {
        "link_gt_s": 16.0, "link_lanes": 4.0, "aer_correctable": 4,
        "aer_nonfatal": 0, "aer_fatal": 1, "port_aer_correctable": 6,
        "port_aer_nonfatal": 0, "port_aer_fatal": 1}


def test_both_ports_of_a_drive_count(tmp_path):
    """With native multipath I/O takes either."""
    head = faketools.tree(tmp_path / "nvme0n1", faketools.QUEUE)
    (tmp_path / "subsys").mkdir()
    (tmp_path / "nvme0n1/device").symlink_to(tmp_path / "subsys")
    for number, speed in enumerate(("16.0", "8.0")):
        top = tmp_path / str(number)
        place = os.path.dirname(on_pci(top, **{
            "current_link_speed": f"{speed} GT/s PCIe"}))
        (tmp_path / f"subsys/nvme{number}").symlink_to(place)
    assert bus.counters(head) == {
        "link_gt_s": 8.0, "link_lanes": 4.0, "aer_correctable": 8,
        "aer_nonfatal": 0, "aer_fatal": 2, "port_aer_correctable": 12,
        "port_aer_nonfatal": 0, "port_aer_fatal": 2}


def test_a_device_on_no_bus_has_no_link(tmp_path):
    assert bus.counters(faketools.nvme(tmp_path)) == {}


# Samples

@pytest.fixture
def place(tmp_path, monkeypatch):
    """An NVMe drive in sysfs, and its identity."""
    disk = on_pci(tmp_path / "sys")
    monkeypatch.setattr(sample.sysfs, "disk", lambda _: disk)
    monkeypatch.setattr(sample.stat, "S_ISBLK", lambda _: True)
    return disk


def known(disk, log="ocp"):
    return {**identity.block(disk), "nvme": {"extended_log": log}}


@pytest.fixture
def drive(fake, tmp_path):
    made = healthdata.Drive(fake, tmp_path)
    made.set_ocp()
    return made


def target(path="/dev/null"):
    return Target(path, 1 << 20, writable=True)


class Kept:
    """A folder of a qualification, and the watch of each command on it."""

    def __init__(self, tmp_path):
        self.path, self.stack = str(tmp_path / "out"), ExitStack()

    def watch(self, disk, **more):
        self.stack.close()
        made = folder.Folder(self.path)
        if os.path.exists(made.file("plan.json")):
            made.open(self.stack)
        else:
            made.create(self.stack)
            made.save_plan(PLAN)
        return healthsamples.Watch(target(), known(disk, **more), made,
                                   "t00-health")


@pytest.fixture
def kept(tmp_path):
    made = Kept(tmp_path)
    yield made
    made.stack.close()


def samples(watch):
    return list(healthsamples.expanded(watch.of("iops")["samples"]))


def test_a_round_has_samples_at_both_ends(place, drive, kept):
    watch = kept.watch(place)
    with watch.during("iops"), watch.sampled(1, 3):
        drive.set(52, thm_temp1_total_time=4)
        drive.set_ocp(2 * 10 ** 12)
    one, two = samples(watch)
    assert (one["phase"], one["round"], one["part"]) == (1, 3, 0)
    assert (one["values"]["temperature_c"], two["values"][
        "temperature_c"]) == (40, 52)
    assert one["values"]["link_gt_s"] == 16 and one["seconds"] < 5
    assert two["values"]["media_written_bytes"] == 2 * 10 ** 12
    # Of the second there is kept what has changed.
    assert watch.of("iops")["samples"][1]["values"] == {
        "temperature_c": 52, "thm_temp1_total_time": 4,
        "media_written_bytes": 2 * 10 ** 12}


def test_in_between_there_are_some(place, drive, kept, monkeypatch):
    monkeypatch.setattr(healthsamples, "EVERY", 0.05)
    watch, end = kept.watch(place), time.monotonic() + 60
    with watch.during("iops"), watch.sampled(0, 1):
        while len(watch.of("iops")["samples"]) < 4:
            assert time.monotonic() < end
            time.sleep(0.01)
    count = len(samples(watch))
    time.sleep(0.2)
    assert len(samples(watch)) == count      # and none after it


def test_while_power_may_be_cut_the_device_is_left_alone(
        place, drive, kept, monkeypatch):
    monkeypatch.setattr(healthsamples, "EVERY", 0.01)
    watch = kept.watch(place)
    with watch.during("iops"), watch.sampled(often=False):
        time.sleep(0.2)
    assert len(samples(watch)) == 2
    watch.target.claimed = True         # and given up
    with watch.during("iops"), watch.sampled():
        pass
    assert len(samples(watch)) == 2


def test_a_device_that_is_only_read_is_sampled_too(place, drive, kept,
                                                   monkeypatch):
    monkeypatch.setattr(healthsamples.presence, "demand", lambda _: None)
    held = Target("/dev/null", 1 << 20, claimed=True, descriptor=0)
    watch = healthsamples.Watch(held, known(place), kept.watch(place).folder,
                                "held")
    with watch.during("iops"), watch.sampled(0, 1):
        pass
    assert len(samples(watch)) == 2


def test_outside_of_a_round_nothing_is_asked(place, drive, fake, kept):
    watch = kept.watch(place)
    with watch.during("iops"):
        pass
    assert fake.calls() == [] and watch.of("iops") is None


def test_a_file_and_a_disk_without_a_log_have_no_samples(
        tmp_path, kept, monkeypatch):
    assert sample.sources(str(tmp_path), {}) == []
    assert sample.sources(str(tmp_path / "none"), {}) == []
    monkeypatch.setattr(sample.stat, "S_ISBLK", lambda _: True)
    monkeypatch.setattr(sample.sysfs, "disk", lambda _: str(tmp_path / "dm-0"))
    assert sample.sources("/dev/null", {}) == []


def test_members_are_sampled_each(tmp_path, drive, kept, monkeypatch):
    """Each by its own name, with the log that its serial number has."""
    disk = on_pci(tmp_path / "sys")
    array = faketools.tree(tmp_path / "md0", faketools.QUEUE)
    (tmp_path / "md0/slaves").mkdir()
    (tmp_path / "md0/slaves/nvme0n1").symlink_to(disk)
    monkeypatch.setattr(sample.sysfs, "disk", lambda _: array)
    monkeypatch.setattr(sample.stat, "S_ISBLK", lambda _: True)
    found = sample.sources("/dev/null", {"members": [known(disk)]})
    values, whys = sample.take(found)
    assert whys == [] and {
        "nvme0n1: temperature_c", "nvme0n1: media_written_bytes",
        "nvme0n1: aer_fatal"} <= set(values)


# What goes wrong

def test_a_log_page_that_cannot_be_read_is_asked_for_once(
        place, fake, kept):
    fake.add("nvme", {"smart-log": "", "ocp": healthdata.ocp_log()}, status=0)
    watch = kept.watch(place)
    with watch.during("iops"):
        for number in (1, 2, 3):
            with watch.sampled(0, number):
                pass
    assert sum("nvme smart-log" in call for call in fake.calls()) == 1
    assert watch.of("iops")["why"] == [
        f"nvme smart-log {NODE}: exit status 0."]
    # The others are there all the same.
    assert len(samples(watch)) == 6
    assert samples(watch)[-1]["values"]["media_written_bytes"] == 10 ** 12


@pytest.mark.parametrize("how", ["sleep 1000", "trap '' TERM; while :; do "
                                 "sleep 0.1; done"])
def test_a_device_that_hangs_on_its_log_page_does_not_hang_the_run(
        how, place, fake, kept, monkeypatch):
    monkeypatch.setattr(sample, "SECONDS", 0.3)
    fake.script("nvme", how)
    watch, began = kept.watch(place, log=None), time.monotonic()
    with watch.during("iops"):
        for number in (1, 2, 3):
            with watch.sampled(0, number):
                pass
    assert time.monotonic() - began < 30
    assert watch.of("iops")["why"] == [
        f"nvme smart-log {NODE}: no answer in time."]
    assert len(fake.calls()) == 1


def test_what_a_silent_device_has_become_is_not_known(kept, place, monkeypatch):
    """Of one on no PCI bus, whose link tells nothing either: its first samples
    alone would keep any limit of its temperature."""
    told = iter([({"temperature_c": 40}, None), (None, "no answer in time.")])
    monkeypatch.setattr(sample, "sources", lambda *_: [
        sample.Source("", lambda _: next(told))])
    watch = kept.watch(place)
    with watch.during("iops"):
        for number in (1, 2, 3):
            with watch.sampled(0, number):
                pass
    health_ = watch.of("iops")
    assert [one["values"] for one in samples(watch)] == [
        {"temperature_c": 40}, {}]
    assert health_["why"] == ["no answer in time."]
    value, doubt = healthlimits._heat({"tests": [{"health": health_}]}, ())
    assert (value, doubt) == (40, "1 of 2 samples lack it")


def test_once_one_hangs_the_others_wait_for_the_next_sample(monkeypatch):
    monkeypatch.setattr(sample, "SECONDS", 0.05)
    asked = []

    def slow(_):
        time.sleep(0.1)
        return None, "slow."

    def quick(_):
        asked.append(1)
        return {"temperature_c": 3}, None

    found = [sample.Source("", slow), sample.Source("", quick)]
    assert sample.take(found) == ({}, ["slow."]) and not asked
    assert sample.take(found) == ({"temperature_c": 3}, [])


def test_a_device_that_has_gone_is_not_asked(place, drive, fake, kept,
                                             monkeypatch):
    watch = kept.watch(place)

    def gone(_):
        raise claim.Gone("gone.")

    monkeypatch.setattr(healthsamples.presence, "demand", gone)
    with watch.during("iops"), watch.sampled(0, 1):
        pass
    assert fake.calls() == [] and watch.of("iops") is None


def test_a_round_that_fails_is_sampled_to_its_end(place, drive, kept):
    watch = kept.watch(place)
    with pytest.raises(ZeroDivisionError), watch.during("iops"), \
            watch.sampled(0, 1):
        raise ZeroDivisionError
    assert len(samples(watch)) == 2
    assert not [one for one in threading.enumerate()
                if "samples" in one.name]


def test_no_tool_is_a_sentence(place, fake, kept):
    watch = kept.watch(place, log=None)
    with watch.during("iops"), watch.sampled(0, 1):
        pass
    assert watch.of("iops")["why"] == [
        "SMART data need smartctl (smartmontools: apt-get install "
        "smartmontools)."]
    assert samples(watch)[0]["values"]["aer_fatal"] == 1
    assert tools.find("nvme") is None


# What is kept

def test_who_resumes_has_the_samples_of_before(place, drive, kept):
    watch = kept.watch(place)
    with watch.during("iops"), watch.sampled(0, 1):
        drive.set(61)
    before = samples(watch)
    path = watch.folder.file("t00-health.jsonl")
    with open(path, "a", encoding="utf-8") as file:
        file.write('{"test":"iops","at":"2026')     # SIGKILL
    again = kept.watch(place)
    assert samples(again) == before
    again.folder.part = 1
    with again.during("iops"), again.sampled(0, 2):
        pass
    once_more = samples(kept.watch(place))
    assert once_more[:2] == before and len(once_more) == 4
    assert [one["part"] for one in once_more] == [0, 0, 1, 1]
    assert once_more[2]["values"]["temperature_c"] == 61


def test_what_could_not_be_read_is_kept_too(place, fake, kept):
    watch = kept.watch(place, log=None)
    with watch.during("iops"), watch.sampled(0, 1):
        pass
    assert kept.watch(place).of("iops")["why"] == watch.of("iops")["why"] != []


def test_samples_of_another_qualification_are_named_and_not_read(
        place, drive, kept):
    watch = kept.watch(place)
    with watch.during("iops"), watch.sampled(0, 1):
        pass
    path = watch.folder.file("t00-health.jsonl")
    text = open(path, encoding="utf-8").read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace("the one", "another"))
    again = kept.watch(place)
    assert again.of("iops") is None
    assert "t00-health.jsonl is ignored: it is not of this" in \
        again.folder.strange[0]


def test_a_full_disk_is_a_sentence_and_the_round_goes_on(
        place, drive, kept, monkeypatch):
    watch = kept.watch(place)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(watch.folder, "append", full)
    with watch.during("iops"), watch.sampled(0, 1):
        pass
    assert watch.of("iops")["why"] == [
        "samples could not be kept (no space left)."]
    assert len(samples(watch)) == 1
    with watch.during("iops"), watch.sampled(0, 2):
        pass
    assert len(samples(watch)) == 1


@pytest.mark.parametrize("before, now, kept_of_it", [
    ({}, {"a": 1}, {"a": 1}), ({"a": 1}, {"a": 1}, {}),
    ({"a": 1, "b": 2}, {"a": 3}, {"a": 3, "b": None})])
def test_changes_are_all_that_is_kept(before, now, kept_of_it):
    assert healthsamples._changes(before, now) == kept_of_it
    records = [healthdata.record(0, 0, 1, 0, before, whole=True),
               healthdata.record(1, 0, 1, 1, kept_of_it)]
    assert [one["values"] for one in healthsamples.expanded(records)] == [
        before, now]
