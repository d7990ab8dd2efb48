# SPDX-License-Identifier: GPL-2.0-only
# nvme, hdparm and smartctl cannot run for real where there are no such drives.
# What they print was recorded elsewhere, or follows their sources, and is
# replayed here by small programs on PATH: that shows what we make of it, and
# which commands they are given, and nothing about any drive.
import os
import shlex
import shutil
from pathlib import Path


class Tools:
    def __init__(self, folder, monkeypatch):
        """No other tool of these is found meanwhile; util-linux is there."""
        self.folder, self.log = folder / "bin", folder / "calls"
        self.folder.mkdir()
        for name in ("wipefs", "findmnt"):
            (self.folder / name).symlink_to(shutil.which(
                name, path="/usr/sbin:/usr/bin:/sbin:/bin"))
        monkeypatch.setenv("PATH", str(self.folder))
        monkeypatch.setattr("fiolab.target.tools.SBIN", "")

    def add(self, name, answers, status=0):
        """answers: {words that the command has: what it prints}."""
        lines = ["#!/bin/sh", f'echo "{name} $*" >> {self.log}',
                 'case " $* " in']
        for words, text in answers.items():
            lines += [f"*{shlex.quote(words)}*)",
                      f"printf %s {shlex.quote(text)};;"]
        lines += ["esac", f"exit {status}"]
        path = self.folder / name
        path.write_text("\n".join(lines))
        path.chmod(0o755)

    def script(self, name, body):
        path = self.folder / name
        path.write_text(f'#!/bin/sh\nPATH=/usr/bin:/bin\n'
                        f'echo "{name} $*" >> {self.log}\n{body}\n')
        path.chmod(0o755)

    def calls(self):
        if not self.log.exists():
            return []
        return self.log.read_text().splitlines()


def tree(folder, files):
    """A folder as in sysfs: {name: text or bytes}."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes)
                         else f"{content}\n".encode())
    return os.fspath(folder)


QUEUE = {"queue/logical_block_size": 512, "queue/physical_block_size": 4096,
         "queue/rotational": 0, "queue/write_cache": "write back",
         "queue/scheduler": "[none] mq-deadline", "queue/nr_requests": 1023,
         "queue/discard_max_bytes": 2199023255040,
         "queue/discard_granularity": 512, "queue/zoned": "none", "ro": 0}


def nvme(folder, name="nvme0n1", **more):
    """A namespace as Linux 6.1 shows it without native multipath."""
    disk = tree(folder / name, {
        **QUEUE, "size": 1953525168, "wwid": "eui.0025385b9150a2b6",
        "device/model": "Samsung SSD 970 EVO Plus 250GB          ",
        "device/serial": "S4EUNX0N123456A     ",
        "device/firmware_rev": "2B2QEXM7", "device/transport": "pcie",
        f"device/{name}/size": 1953525168, **more})
    return disk


def _swapped(text, length):
    data = text.ljust(length).encode()
    return bytes(data[i ^ 1] for i in range(length))


def sata(folder, name="sda", **more):
    """A SATA SSD, with the pages of product data that libata makes."""
    words = bytearray(512)
    words[46:54] = _swapped("DXM9103Q", 8)
    words[54:94] = _swapped("SAMSUNG MZ7WD240HAFV-00003", 40)
    disk = tree(folder / name, {
        **QUEUE, "size": 468862128, "device/vendor": "ATA     ",
        "device/model": "SAMSUNG MZ7WD240", "device/rev": "103Q",
        "device/queue_depth": 32, "device/wwid": "naa.5002538550000000",
        "device/vpd_pg80": b"\x00\x80\x00\x14" + b"S16LNYAF123456".rjust(20),
        "device/vpd_pg89": bytes(60) + bytes(words),
        "device/scsi_device/0:0:0:0/uevent": "",
        "device/scsi_disk/0:0:0:0/cache_type": "write back", **more})
    return disk


def partition_of(disk, name, start=2048):
    return tree(Path(disk) / name, {"partition": 1, "start": start,
                                    "size": 4096, "ro": 0})


# `hdparm -I` of a Western Digital drive: the end of it.
HDPARM_I = """
/dev/sda:

ATA device, with non-removable media
\tModel Number:       WDC WD4003FZEX-00Z4SA0
Commands/features:
\tEnabled\tSupported:
\t   *\tSMART feature set
\t    \tSecurity Mode feature set
Security: 
\tMaster password revision code = 65534
\t\tsupported
\tnot\tenabled
\tnot\tlocked
\t{frozen}
\tnot\texpired: security count
\t\tsupported: enhanced erase
\t424min for SECURITY ERASE UNIT. 424min for ENHANCED SECURITY ERASE UNIT. 
Logical Unit WWN Device Identifier: 50014ee0593d4632
Checksum: correct
"""
THAWED, FROZEN = (HDPARM_I.replace("{frozen}", text)
                  for text in ("not\tfrozen", "\tfrozen"))
# `sdparm --quiet --get=WCE` 1.12, of QEMU's disk.
SDPARM_OFF = "WCE           0  [cha: y, def:  0]\n"
# `nvme smart-log -o json`, as an exporter's source quotes it.
SMART_LOG = """{
  "critical_warning": 0,
  "temperature": 310,
  "avail_spare": 100,
  "spare_thresh": 10,
  "percent_used": 0,
  "data_units_read": 1765656.0,
  "data_units_written": 4445011.0,
  "unsafe_shutdowns": 21.0,
  "media_errors": 0.0,
  "temperature_sensor_1": 318
}"""
# The same of nvme-cli 2.4, of QEMU's device, shortened.
SMART_LOG_2 = """{
  "critical_warning":0, "temperature":323, "avail_spare":0, "spare_thresh":0,
  "percent_used":0, "endurance_grp_critical_warning_summary":0,
  "data_units_read":"1", "data_units_written":"0", "host_read_commands":"4",
  "unsafe_shutdowns":"0", "media_errors":"0", "num_err_log_entries":"0",
  "warning_temp_time":0, "thm_temp1_trans_count":0
}"""
# `smartctl -j -a` 7.3, shortened: of testdata of smartctl_exporter.
SMARTCTL_NVME = """{
  "device": {"name": "/dev/nvme0", "protocol": "NVMe", "type": "nvme"},
  "model_name": "Samsung SSD 970 EVO Plus 250GB",
  "nvme_smart_health_information_log": {
    "available_spare": 100, "critical_warning": 0,
    "data_units_written": 1969459, "media_errors": 0, "percentage_used": 0,
    "temperature": 35, "temperature_sensors": [35, 39],
    "unsafe_shutdowns": 12},
  "power_cycle_count": 16, "power_on_time": {"hours": 3149},
  "smart_status": {"nvme": {"value": 0}, "passed": true},
  "smartctl": {"exit_status": 0, "version": [7, 3]},
  "temperature": {"current": 35}
}"""
SMARTCTL_ATA = """{
  "ata_smart_attributes": {"revision": 1, "table": [
    {"id": 5, "name": "Reallocated_Sector_Ct", "raw": {"string": "0",
     "value": 0}, "thresh": 10, "value": 100, "worst": 100},
    {"id": 177, "name": "Wear_Leveling_Count", "raw": {"string": "1661",
     "value": 1661}, "thresh": 5, "value": 91, "worst": 91}]},
  "power_on_time": {"hours": 84619}, "smart_status": {"passed": true},
  "smartctl": {"exit_status": 0, "version": [7, 3]},
  "temperature": {"current": 27}
}"""
SMARTCTL_NONE = """{
  "json_format_version": [1, 0],
  "smartctl": {"version": [7, 5], "messages": [
      {"string": "/dev/nonexistent: Unable to detect device type",
       "severity": "error"}], "exit_status": 1}
}"""

# `nvme id-ctrl -o json` and `nvme id-ns -o json`, shortened.
ID_CTRL = """{
  "vid": 6966, "sn": "deadbeef", "mn": "QEMU NVMe Ctrl", "fr": "8.2.2",
  "ver": 66560, "nn": 256, "npss": 0, "vwc": 7, "wctemp": 343, "cctemp": 373
}"""
ID_NS = """{
  "nsze": 262144, "ncap": 262144, "nlbaf": 7, "flbas": 17, "mc": 3, "dpc": 31,
  "dps": 9, "lbafs": [
    {"ms": 0, "ds": 9, "rp": 0}, {"ms": 8, "ds": 9, "rp": 0},
    {"ms": 16, "ds": 9, "rp": 0}, {"ms": 64, "ds": 9, "rp": 0},
    {"ms": 0, "ds": 12, "rp": 0}, {"ms": 8, "ds": 12, "rp": 0},
    {"ms": 16, "ds": 12, "rp": 0}, {"ms": 64, "ds": 12, "rp": 0}]
}"""
