# SPDX-License-Identifier: GPL-2.0-only
"""What nvme-cli and smartctl print of the health of several drives, in the
formats of their sources (of the fields those that are read, and a few more),
and a drive on PATH whose logs change under a test."""
from functools import partial
import json

from fiolab.target import health
from fiolab.target.drive import extendedlog, sample

NODE = "/dev/nvme0n1"
# What is known of that drive before it is sampled.
KNOWN = {"nvme": {"thermal_management": True, "warning_temperature_c": 70,
                  "critical_temperature_c": 82}}


def smart_log(celsius=40, **changes):
    """`nvme smart-log -o json` 2.3: json_smart_log() in nvme-print-json.c.
    Temperatures are kelvin, counters of 128 bits text."""
    return json.dumps({
        "critical_warning": 0, "temperature": celsius + 273,
        "avail_spare": 100, "spare_thresh": 10, "percent_used": 1,
        "endurance_grp_critical_warning_summary": 0,
        "data_units_read": "9486678", "data_units_written": "8437019",
        "host_read_commands": "103027886", "host_write_commands": "64802657",
        "controller_busy_time": "388", "power_cycles": "22",
        "power_on_hours": "393", "unsafe_shutdowns": "14",
        "media_errors": "0", "num_err_log_entries": "0",
        "warning_temp_time": 0, "critical_comp_time": 0,
        "temperature_sensor_1": celsius + 275,
        "thm_temp1_trans_count": 0, "thm_temp2_trans_count": 0,
        "thm_temp1_total_time": 0, "thm_temp2_total_time": 0, **changes})


def ocp_log(written=10 ** 12, **changes):
    """`nvme ocp smart-add-log -o json` 2.3: ocp-nvme.c."""
    return json.dumps({
        "Physical media units written": {
            "hi": written >> 64, "lo": written & (1 << 64) - 1},
        "Physical media units read": {"hi": 0, "lo": 0},
        "Bad user nand blocks - Raw": 3,
        "Bad user nand blocks - Normalized": 100,
        "XOR recovery count": 0, "Uncorrectable read error count": 0,
        "Soft ecc error count": 0, "End to end detected errors": 0,
        "End to end corrected errors": 0, "System data percent used": 1,
        "Refresh counts": 7, "Number of Thermal throttling events": 0,
        "Current throttling status": 0, "PCIe correctable error count": 0,
        "Incomplete shutdowns": 0, "Percent free blocks": 8,
        "Capacitor health": 100, "Unaligned I/O": 0,
        "Log page version": 2,
        "Log page GUID": "0xafd514c97c6f4f9ca4f2bfea2810afc5", **changes})


# The same in the second version of nvme-cli's output.
OCP_2 = json.dumps({
    "physical_media_units_written": {"hi": 1, "lo": 5},
    "physical_media_units_read": {"hi": 0, "lo": 0},
    "bad_user_nand_blocks_raw": 0, "uncorrectable_read_errors": 2,
    "end_to_end_detected_errors": 1, "thermal_throttling_events": 4,
    "current_throttling_status": 1, "pcie_correctable_errors": 9,
    "incomplete_shutdowns": 0, "percent_free_blocks": 5,
    "capacitor_health": 99, "log_page_version": 3})
# `nvme intel smart-log-add -o json`: intel-nvme.c.
INTEL = json.dumps({
    "Intel Smart log": "nvme0n1", "Device stats": {
        "program_fail_count": {"normalized": 100, "raw": 0},
        "wear_leveling": {"normalized": 100, "raw": {
            "min": 4, "max": 8, "avg": 6}},
        "thermal_throttle_status": {"normalized": 100, "raw": {
            "pct": 3, "cnt": 2}},
        "nand_bytes_written": {"normalized": 100, "raw": 5000},
        "host_bytes_written": {"normalized": 100, "raw": 2000}}})
# `nvme solidigm smart-log-add -o json` 2.3 to 2.16: solidigm-smart.c.
SOLIDIGM = json.dumps({
    "Solidigm SMART log": "nvme0n1", "Device stats": {
        "program_fail_count": {"normalized": 100, "raw": 0},
        "wear_leveling_count": {"normalized": 100, "min": 4, "max": 8,
                                "avg": 6},
        "thermal_throttle_status": {"normalized": 100, "percentage": 3,
                                    "count": 2},
        "nand_bytes_written": {"normalized": 100, "raw": 5000},
        "host_bytes_written": {"normalized": 100, "raw": 2000}}})
OCP_REFUSED = """ERROR : OCP : Unable to read C0 data from buffer
ERROR : OCP : Failure reading the C0 Log Page, ret = 16649
"""
ID_CTRL = json.dumps({
    "vid": 0x144d, "ssvid": 0x144d, "sn": "S4EUNX0N123456A",
    "mn": "Samsung SSD 970 EVO Plus 250GB", "fr": "2B2QEXM7", "ver": 66304,
    "nn": 1, "npss": 4, "wctemp": 343, "cctemp": 355, "hctma": 1,
    "mntmt": 321, "mxtmt": 356, "vwc": 1})


def smartctl_nvme(**changes):
    """`smartctl -j -H -A` 7.3 of the same: nvmeprint.cpp, which leaves thermal
    management out up to 7.5."""
    return json.dumps({
        "smartctl": {"version": [7, 3], "exit_status": 0},
        "smart_status": {"passed": True, "nvme": {"value": 0}},
        "nvme_smart_health_information_log": {
            "critical_warning": 0, "temperature": 40, "available_spare": 100,
            "available_spare_threshold": 10, "percentage_used": 1,
            "data_units_written": 8437019, "unsafe_shutdowns": 14,
            "media_errors": 0, "warning_temp_time": 0,
            "critical_comp_time": 0, "temperature_sensors": [42], **changes},
        "temperature": {"current": 40}, "power_cycle_count": 22,
        "power_on_time": {"hours": 393}})


def smartctl_ata(celsius=33, heat=0, pending=0, nand=800, host=20000,
                 strings=None):
    """`smartctl -j -H -A -l devstat` of an Intel SATA SSD: ataprint.cpp, and
    names of its database; strings: {number: (raw value, how smartctl reads it)}
    of attributes whose raw field holds more than their value."""
    strings = strings or {}
    rows = {5: ("Reallocated_Sector_Ct", 0), 9: ("Power_On_Hours", 4000),
            194: ("Temperature_Celsius", celsius),
            197: ("Current_Pending_Sector", pending),
            199: ("CRC_Error_Count", 0), 241: ("Host_Writes_32MiB", host),
            249: ("NAND_Writes_1GiB", nand)}
    return json.dumps({
        "smartctl": {"version": [7, 3], "exit_status": 0},
        "smart_status": {"passed": True},
        "ata_smart_attributes": {"revision": 1, "table": [
            {"id": id_, "name": name, "value": 100, "worst": 100, "thresh": 0,
             "raw": dict(zip(("value", "string"), strings.get(
                 id_, (raw, str(raw)))))}
            for id_, (name, raw) in rows.items()]},
        "ata_device_statistics": {"pages": [
            {"number": 5, "name": "Temperature Statistics", "revision": 1,
             "table": [{"offset": 8, "name": "Current Temperature", "size": 1,
                        "value": celsius},
                       {"offset": 80, "name": "Time in Over-Temperature",
                        "size": 4, "value": heat}]},
            {"number": 7, "name": "Solid State Device Statistics",
             "revision": 1, "table": [
                 {"offset": 8, "name": "Percentage Used Endurance Indicator",
                  "size": 1, "value": 2}]}]},
        "temperature": {"current": celsius}})


# `smartctl -j -H -A -l error` 7.4 of a SAS SSD: scsiprint.cpp.
SMARTCTL_SCSI = json.dumps({
    "smartctl": {"version": [7, 4], "exit_status": 0},
    "smart_status": {"passed": True},
    "scsi_percentage_used_endurance_indicator": 3,
    "temperature": {"current": 36, "drive_trip": 70},
    "scsi_grown_defect_list": 1,
    "scsi_error_counter_log": {
        kind: {"errors_corrected_by_eccfast": 0, "total_errors_corrected": 0,
               "gigabytes_processed": "1.234", "total_uncorrected_errors": n}
        for kind, n in (("read", 2), ("write", 0), ("verify", 0))}})
AER = {"aer_dev_correctable": "RxErr 0\nBadTLP 3\nBadDLLP 1\nRollover 0\n"
       "Timeout 0\nNonFatalErr 0\nCorrIntErr 0\nHeaderOF 0\n"
       "TOTAL_ERR_COR 4",
       "aer_dev_nonfatal": "Undefined 0\nTLP 0\nTOTAL_ERR_NONFATAL 0",
       "aer_dev_fatal": "Undefined 0\nTLP 1\nTOTAL_ERR_FATAL 1"}


class Drive:
    """An NVMe drive as nvme-cli shows it: what it tells next is what was set
    last."""

    def __init__(self, tools, folder):
        self.tools, self.folder = tools, folder / "drive"
        self.folder.mkdir()
        tools.script("nvme", f"""cd {self.folder}
case "$*" in
"smart-log "*) cat smart;;
"ocp smart-add-log "*) [ -e ocp ] && cat ocp || {{ cat refused >&2; exit 1; }};;
"id-ctrl "*) cat control;;
"get-feature "*" -f 16") echo "get-feature:0x10 (Host Controlled Thermal" \
    "Management), Current value:0x01530158";;
esac""")
        self._put("control", ID_CTRL)
        self._put("refused", OCP_REFUSED)
        self.set()

    def _put(self, name, text):
        part = self.folder / f"{name}.part"     # never half of it
        part.write_text(text)
        part.rename(self.folder / name)

    def set(self, celsius=40, **changes):
        self._put("smart", smart_log(celsius, **changes))

    def set_ocp(self, written=10 ** 12, **changes):
        self._put("ocp", ocp_log(written, **changes))


def record(at, phase, number, seconds, values, whole=False, part=0):
    """A sample as qualify.json has it."""
    return {"at": f"2026-11-24T18:{at // 60 % 60:02d}:{at % 60:02d}Z",
            "phase": phase, "round": number, "part": part,
            "seconds": float(seconds), "took": 0.02, "whole": whole,
            "values": values}


FULL = {"temperature_c": 40, "available_spare": 100, "percentage_used": 1,
        "media_errors": 0, "unsafe_shutdowns": 14, "warning_temp_time": 0,
        "critical_comp_time": 0, "thm_temp1_trans_count": 0,
        "thm_temp2_trans_count": 0, "thm_temp1_total_time": 0,
        "thm_temp2_total_time": 0, "data_units_written": 1000000,
        "media_written_bytes": 10 ** 12, "throttle_level": 0,
        "throttle_events": 0, "link_gt_s": 16.0, "link_lanes": 4,
        "aer_correctable": 0}


def of_rounds(test, hot=(), faults=False):
    """The samples of a test of qualify.json that was invented: four in each
    round, each 3 degrees warmer; hot: [(phase, round)] in which the device was
    20 degrees warmer and throttled, and with faults its link had errors, too.
    """
    found, now, at = [], dict(FULL), 0
    for number, phase in enumerate(test["phases"]):
        for one in phase["rounds"]:
            slow = (number, one["round"]) in hot
            for i in range(4):
                at += 13
                now["data_units_written"] += 40000
                now["media_written_bytes"] += 40000 * 512000 * 2.2
                now["temperature_c"] = 40 + 3 * i + 20 * slow
                now["thm_temp1_total_time"] += 5 if slow and i else 0
                now["aer_correctable"] += 2 if slow and faults and i else 0
                found.append(record(at, number, one["round"],
                                    i * one["seconds"] / 3, dict(now), True))
    return {"samples": found, "why": []}


def sampled(fake, folder, monkeypatch):
    """A Drive whose logs, OCP's among them, are what is sampled of any
    device."""
    monkeypatch.setattr(sample, "sources", lambda *_: [
        sample.Source("", partial(health.brief, NODE, "nvme")),
        sample.Source("", partial(extendedlog.read, "ocp", NODE))])
    made = Drive(fake, folder)
    made.set_ocp()
    return made
