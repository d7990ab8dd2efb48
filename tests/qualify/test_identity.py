# SPDX-License-Identifier: GPL-2.0-only
# Device identity from sysfs (of drives that are not here a made-up one, and
# this machine's own), health logs, and the write cache.  faketools.py says
# what its tools can show and what not.
from contextlib import ExitStack
import json
import os
from pathlib import Path
import time

import pytest

import faketools
from fiolab.base.problem import Problem
from fiolab.qualify import targetset
from fiolab.target import (health, identity, medium, sysfs, tools,
                           writecache)
from fiolab.target.target import Target


# --- identity

def test_nvme(tmp_path):
    found = identity.block(faketools.nvme(tmp_path))
    assert found == {
        "name": "nvme0n1", "kind": "nvme", "transport": "pcie",
        "model": "Samsung SSD 970 EVO Plus 250GB",
        "serial": "S4EUNX0N123456A", "firmware": "2B2QEXM7", "vendor": None,
        "wwid": "eui.0025385b9150a2b6", "size_bytes": 1953525168 * 512,
        "read_only": False, "logical_block": 512, "physical_block": 4096,
        "rotational": False, "write_cache": "write back", "scheduler": "none",
        "nr_requests": 1023, "queue_depth": None,
        "discard_max_bytes": 2199023255040, "discard_granularity": 512,
        "zoned": "none", "queues": None, "bus": None, "integrity": None,
        "namespaces": [{"name": "nvme0n1", "size_bytes": 1953525168 * 512}],
        "array": None, "members": None, "partition_of": None,
        "partition_start_bytes": None}
    json.dumps(found)


def test_nvme_with_native_multipath(tmp_path):
    """The device is then the subsystem, with controllers in it."""
    disk = faketools.nvme(tmp_path)
    os.unlink(disk + "/device/transport")
    faketools.tree(tmp_path / "nvme0n1" / "device", {"nvme3/transport": "tcp"})
    assert identity.block(disk)["transport"] == "tcp"


def test_null_blk_is_memory_whatever_its_name(monkeypatch):
    monkeypatch.setattr(sysfs, "of",
                        lambda _: "/sys/devices/virtual/block/fast")
    assert medium.identify(_node()) == (False, "device fast")
    monkeypatch.setattr(sysfs, "kind", lambda _: "null")
    assert medium.identify(_node()) == (True, "RAM fast")


def _node():
    """Any block device."""
    return next((str(path) for path in Path("/dev").iterdir()
                 if path.is_block_device()), None) or pytest.skip(
                     "there is no block device")


def test_sata_has_its_whole_model_and_firmware(tmp_path):
    (tmp_path / "ata1").mkdir()
    found = identity.block(faketools.sata(tmp_path / "ata1"))
    assert (found["kind"], found["transport"]) == ("sata", "sata")
    assert found["model"] == "SAMSUNG MZ7WD240HAFV-00003"
    assert found["firmware"] == "DXM9103Q"
    assert found["serial"] == "S16LNYAF123456"
    assert found["queue_depth"] == 32


def test_sas(tmp_path):
    disk = faketools.sata(tmp_path, **{"device/vendor": "SEAGATE ",
                                       "device/vpd_pg89": b""})
    found = identity.block(disk)
    assert (found["kind"], found["model"]) == ("scsi", "SAMSUNG MZ7WD240")


def test_a_partition_is_of_its_disk(tmp_path):
    disk = faketools.nvme(tmp_path)
    found = identity.block(faketools.partition_of(disk, "nvme0n1p1"))
    assert found["model"] == "Samsung SSD 970 EVO Plus 250GB"
    assert found["partition_of"] == "nvme0n1"
    assert found["partition_start_bytes"] == 2048 * 512
    assert found["size_bytes"] == 4096 * 512


@pytest.mark.parametrize("name, kind", [
    ("nvme10n2", "nvme"), ("vda", "virtio"), ("loop7", "loop"),
    ("zram0", "zram"), ("dm-3", "dm"), ("md127", "md"), ("mmcblk0", "mmc"),
    ("ram0", "ram"), ("sda", None), ("zd0", None)])
def test_kinds(name, kind, tmp_path):
    (tmp_path / name).mkdir()
    assert identity.kind(str(tmp_path / name)) == kind


def test_what_sysfs_does_not_tell_is_null(tmp_path):
    (tmp_path / "sdq").mkdir()
    found = identity.block(str(tmp_path / "sdq"))
    assert {v for k, v in found.items() if k not in ("name", "read_only")
            } == {None}
    json.dumps(found)


def test_hostile_names_are_text(tmp_path):
    disk = faketools.nvme(tmp_path, **{
        "device/model": b"<script>\xff\x00\x1b[31m", "queue/nr_requests": "x"})
    found = identity.block(disk)
    json.dumps(found)
    assert found["nr_requests"] is None and "<script>" in found["model"]


def test_the_devices_of_this_machine():
    """All of them; each has a size and a kind."""
    for name in os.listdir("/sys/block"):
        found = identity.block(os.path.realpath(f"/sys/block/{name}"))
        json.dumps(found)
        assert found["size_bytes"] is not None and found["logical_block"]


def test_a_file_and_the_device_below_it(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x" * 8192)
    found = identity.describe(str(path))
    assert (found["kind"], found["size_bytes"]) == ("file", 8192)
    assert found["inode"] == path.stat().st_ino and found["model"] is None
    # In a chroot whose root is no mount, none is to be seen.
    assert found["file_system"] or not medium.mount_of(str(path))
    assert set(identity.EMPTY) <= set(found)
    assert identity.smart(str(path))[0] is None


# --- the same device?

def test_the_same_device(tmp_path):
    one = identity.block(faketools.nvme(tmp_path))
    two = dict(one, name="nvme1n1", write_cache="write through")
    assert identity.same(one, two) is None      # renumbered by a reboot
    assert identity.same(None, None) is None
    assert identity.same(one, None)


@pytest.mark.parametrize("key, value, words", [
    ("serial", "S2", "its serial number was 'S4EUNX0N123456A' and is 'S2'"),
    ("firmware", "3B", "its firmware was '2B2QEXM7' and is '3B'"),
    ("size_bytes", 1, "its size was 1000204886016 and is 1"),
    ("scheduler", "bfq", "its I/O scheduler was 'none' and is 'bfq'")])
def test_another_device(key, value, words, tmp_path):
    one = identity.block(faketools.nvme(tmp_path))
    assert identity.same(one, {**one, key: value}) == words + "."


def test_a_file_on_another_device(tmp_path):
    below = identity.block(faketools.nvme(tmp_path))
    one = {**identity.EMPTY, "kind": "file", "inode": 5, "below": below}
    text = identity.same(one, {**one, "below": {**below, "serial": "X"}})
    assert text == ("below the file its serial number was 'S4EUNX0N123456A' "
                    "and is 'X'.")
    assert identity.same(one, json.loads(json.dumps(one))) is None


# --- SMART

def test_smartctl_of_nvme(fake):
    fake.add("smartctl", {"-j -a /dev/nvme0n1": faketools.SMARTCTL_NVME})
    found, why = health.of("/dev/nvme0n1", "nvme")
    assert why is None
    assert found == {
        "available_spare": 100, "critical_warning": 0,
        "data_units_written": 1969459, "media_errors": 0,
        "percentage_used": 0, "unsafe_shutdowns": 12,
        "tool": "smartctl 7.3", "passed": True, "temperature_c": 35,
        "power_on_hours": 3149, "power_cycles": 16}


def test_smartctl_of_sata_in_trouble(fake):
    """Its status has bits for a drive that is failing: still an answer."""
    fake.add("smartctl", {"/dev/sda": faketools.SMARTCTL_ATA}, status=8)
    found, why = health.of("/dev/sda", "sata")
    assert why is None and found["Wear_Leveling_Count"] == 1661
    assert found["Reallocated_Sector_Ct"] == 0 and found["passed"] is True


def test_smartctl_that_cannot_open_the_device(fake):
    fake.add("smartctl", {"/dev/sda": faketools.SMARTCTL_NONE}, status=1)
    assert health.of("/dev/sda", "sata") == (None, (
        "smartctl -a /dev/sda: /dev/nonexistent: Unable to detect device "
        "type."))


def test_nvme_where_there_is_no_smartctl(fake):
    fake.add("nvme", {"smart-log /dev/nvme0n1 -o json": faketools.SMART_LOG})
    found, why = health.of("/dev/nvme0n1", "nvme")
    assert why is None and found["tool"] == "nvme smart-log"
    assert found["temperature_c"] == 37 and found["percentage_used"] == 0
    assert found["available_spare"] == 100
    assert found["available_spare_threshold"] == 10
    assert found["temperature_sensor_1_c"] == 45
    assert "temperature" not in found


def test_without_the_tools(fake):
    for kind in ("sata", "nvme"):
        found, why = health.of("/dev/x", kind)
        assert found is None and "apt-get install smartmontools" in why
        assert why.endswith(".")
    assert fake.calls() == []


@pytest.mark.parametrize("kind", ["loop", "zram", "virtio", "dm", None])
def test_kinds_without_smart_are_not_asked(kind, fake):
    fake.add("smartctl", {"": "{}"})
    assert health.of("/dev/x", kind)[0] is None and fake.calls() == []


@pytest.mark.parametrize("text", [
    "", "no JSON", "[]", "3", "{}", '{"temperature": null}',
    '{"ata_smart_attributes": {"table": [{"raw": {"value": 3}}]}}'])
def test_answers_that_are_none(text, fake):
    fake.add("smartctl", {"/dev/sda": text})
    found, why = health.of("/dev/sda", "sata")
    assert found is None and why.startswith("smartctl -a /dev/sda: ")


def test_a_drive_that_does_not_answer(fake, monkeypatch):
    fake.script("smartctl", "sleep 1000")
    monkeypatch.setattr(health, "SECONDS", 0.3)
    start = time.monotonic()
    found, why = health.of("/dev/sda", "sata")
    assert (found, why) == (None,
                            "smartctl -a /dev/sda: no answer in time.")
    assert time.monotonic() - start < 500


def test_more_output_than_a_pipe_holds(fake):
    fake.script("smartctl", "head -c 300000 /dev/zero | tr '\\0' x")
    assert len(tools.run("smartctl", seconds=20).text) == 300000


# --- the write cache

def device(path, monkeypatch):
    """A path that stands for a block device with that folder in sysfs."""
    monkeypatch.setattr(sysfs, "place", lambda _: path)
    monkeypatch.setattr(writecache.stat, "S_ISBLK", lambda _: True)
    return "/dev/null"


STATE = """state={state}; [ -e $state ] || echo 1 > $state
case "$1" in
get-feature) printf "get-feature:0x06 (Volatile Write Cache), Current value:"
    echo "0x0000000$(cat $state)";;
set-feature) echo "${{6#--value=}}" > $state;;
esac"""


def test_nvme_cache_is_set_and_restored(fake, tmp_path, monkeypatch, stack):
    fake.script("nvme", STATE.format(state=tmp_path / "state"))
    path = device(faketools.nvme(tmp_path), monkeypatch)
    assert writecache.set(path, False, stack) is None
    assert (tmp_path / "state").read_text() == "0\n"
    stack.close()
    assert (tmp_path / "state").read_text() == "1\n"
    assert [call for call in fake.calls() if "set-" in call] == [
        f"nvme set-feature {path} -f 6 --namespace-id=0xffffffff --value={n}"
        for n in (0, 1)]


def test_a_cache_as_asked_is_left_alone(fake, tmp_path, monkeypatch, stack):
    fake.script("nvme", STATE.format(state=tmp_path / "state"))
    path = device(faketools.nvme(tmp_path), monkeypatch)
    assert writecache.set(path, True, stack) is None
    stack.close()
    assert not any("set-" in call for call in fake.calls())


@pytest.mark.parametrize("control, off", [
    ('{"vwc": 6}', None), ('{"vwc": 7}', "does not tell"),
    ("{}", "does not tell")])
def test_a_drive_without_a_cache_has_it_off(control, off, fake, tmp_path,
                                            monkeypatch, stack):
    """It refuses the feature, as most with power-loss protection do."""
    fake.script("nvme", f"""case "$1" in
id-ctrl) echo '{control}';;
*) echo "NVMe status: Invalid Field in Command(0x4002)" >&2; exit 1;;
esac""")
    path = device(faketools.nvme(tmp_path, **{
        "queue/write_cache": "write through"}), monkeypatch)
    said = writecache.set(path, False, stack)
    assert off in said if off else said is None
    assert writecache.look(path)["device"] is (None if off else False)
    assert not any("set-" in call for call in fake.calls())


def test_after_a_kill_a_resumed_run_brings_the_first_state_back(
        fake, tmp_path, monkeypatch, stack):
    """The run that was killed has left it off: no plain set() brings it back.
    """
    fake.script("nvme", STATE.format(state=tmp_path / "state"))
    path = device(faketools.nvme(tmp_path), monkeypatch)
    before, killed = writecache.now(path), ExitStack()
    assert before is True
    writecache.set(path, False, killed, before)
    assert (tmp_path / "state").read_text() == "0\n"
    assert writecache.set(path, False, stack, before) is None
    stack.close()
    assert (tmp_path / "state").read_text() == "1\n"
    killed.pop_all()


def test_other_namespaces_keep_their_cache(fake, tmp_path, monkeypatch, stack):
    fake.script("nvme", STATE.format(state=tmp_path / "state"))
    path = device(faketools.nvme(tmp_path, **{"device/nvme0n2/size": 8}),
                  monkeypatch)
    assert "other namespaces" in writecache.set(path, False, stack)
    assert fake.calls() == []


def test_a_partition_keeps_the_cache(fake, tmp_path, monkeypatch, stack):
    fake.script("nvme", STATE.format(state=tmp_path / "state"))
    disk = faketools.nvme(tmp_path)
    path = device(faketools.partition_of(disk, "nvme0n1p1"), monkeypatch)
    assert "other partitions" in writecache.set(path, False, stack)
    assert fake.calls() == []


def test_after_a_power_cut_it_is_set_again(fake, tmp_path, monkeypatch,
                                           stack):
    """What stands at the end is still what stood at the beginning."""
    fake.script("nvme", STATE.format(state=tmp_path / "state"))
    path = device(faketools.nvme(tmp_path), monkeypatch)
    assert writecache.set(path, False, stack) is None
    (tmp_path / "state").write_text("1\n")      # its default, when it came back
    assert writecache.again(path, False) is None
    assert (tmp_path / "state").read_text() == "0\n"
    stack.close()
    assert (tmp_path / "state").read_text() == "1\n"


def test_another_device_keeps_its_write_cache(fake, tmp_path, monkeypatch):
    """One that came back under the name after a power cut."""
    fake.script("nvme", STATE.format(state=tmp_path / "state"))
    disk = faketools.nvme(tmp_path)
    path = device(disk, monkeypatch)
    with pytest.raises(Problem, match="back to on: do so by hand"):
        with ExitStack() as stack:
            assert writecache.set(path, False, stack) is None
            (Path(disk) / "device/serial").write_text("another\n")
    assert (tmp_path / "state").read_text() == "0\n"


def test_smart_of_a_device_that_was_given_up():
    """What has its name now may be another."""
    found, why = targetset.smart(Target("/dev/null", claimed=True))
    assert found is None and "since its power was cut" in why


def test_smart_of_a_device_that_is_gone():
    assert identity.smart("/dev/none-such") == (
        None, "/dev/none-such is gone (No such file or directory).")


def test_the_device_is_asked_beside_the_kernel(fake, tmp_path, monkeypatch,
                                               stack):
    """Also where another namespace forbids that it is changed."""
    fake.script("nvme", STATE.format(state=tmp_path / "state"))
    path = device(faketools.nvme(tmp_path, **{"device/nvme0n2/size": 8}),
                  monkeypatch)
    found = writecache.look(path)
    assert found == {"name": "nvme0n1", "device": True, "kernel": "write back",
                     "how": "NVMe feature 6", "why": None, "members": []}
    assert writecache.contradictions("/dev/x", found) == []
    (tmp_path / "state").write_text("0\n")
    assert writecache.contradictions("/dev/x", writecache.look(path)) == [
        "the write cache of /dev/x is off, as the device says, and the kernel "
        "believes 'write back'."]


def test_a_kernel_that_would_send_no_flush(fake, tmp_path, monkeypatch):
    fake.script("hdparm", HDPARM.format(state=tmp_path / "state"))
    path = device(faketools.sata(tmp_path, **{
        "queue/write_cache": "write through"}), monkeypatch)
    said, = writecache.contradictions("/dev/x", writecache.look(path))
    assert "is on, as the device says" in said and "no flush" in said


def test_a_device_that_says_nothing_of_its_cache(fake, tmp_path, monkeypatch):
    """Without a tool: what the driver knows is not what the device says."""
    for make, more, package in (
            (faketools.nvme, {}, "nvme-cli"), (faketools.sata, {}, "hdparm"),
            (faketools.sata, {"device/vendor": "SEAGATE"}, "sdparm")):
        found = writecache.look(device(make(tmp_path, **more), monkeypatch))
        assert (found["device"], found["kernel"]) == (None, "write back")
        assert f"apt-get install {package}" in found["why"]
        assert writecache.contradictions("/dev/x", found) == []


def test_a_scsi_drive_is_asked_and_not_its_driver(fake, tmp_path, monkeypatch,
                                                  stack):
    fake.add("sdparm", {"--quiet --get=WCE /dev/sda": faketools.SDPARM_OFF})
    path = device(faketools.sata(tmp_path, **{"device/vendor": "SEAGATE"}),
                  monkeypatch)
    found = writecache.look(path)
    assert (found["device"], found["how"]) == (False, "SCSI mode page 8")
    said, = writecache.contradictions("/dev/x", found)
    assert said.startswith("the write cache of /dev/x is off, as the device")
    assert writecache.contradictions("/dev/x", found, lost=True) == []
    # Once it may have something to attend to instead: scsi_debug after a
    # change.
    fake.script("sdparm", f"""[ -e {tmp_path}/asked ] || {{
        touch {tmp_path}/asked; echo attention >&2; exit 6; }}
    echo "{faketools.SDPARM_OFF}" """)
    assert writecache.look(path)["device"] is False
    # Nor does it count as set where the drive says that it is not.
    fake.add("sdparm", {"": faketools.SDPARM_OFF})
    assert "did not take it" in writecache.set(path, True, stack)


def test_members_are_asked_one_by_one(fake, tmp_path, monkeypatch):
    fake.script("nvme", STATE.format(state=tmp_path / "state"))
    inner = faketools.nvme(tmp_path, **{"queue/write_cache": "write through"})
    disk = faketools.tree(tmp_path / "md7", faketools.QUEUE)
    (tmp_path / "md7" / "slaves").mkdir()
    (tmp_path / "md7" / "slaves" / "nvme0n1").symlink_to(inner)
    found = writecache.look(device(disk, monkeypatch))
    assert found["device"] is None and "md has no way to be asked" in found["why"]
    assert writecache.contradictions("/dev/md7", found, lost=True) == \
        writecache.contradictions("/dev/md7", found)
    said, = writecache.contradictions("/dev/md7", found)
    assert said.startswith("the write cache of nvme0n1, a member of /dev/md7, "
                           "is on, as the device says")


def test_of_a_file_the_device_below_is_asked(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    found = writecache.look(str(tmp_path / "file"))
    below = identity.describe(str(tmp_path / "file"))["below"] or {}
    assert found["kernel"] == below.get("write_cache")


HDPARM = """state={state}; [ -e $state ] || echo 1 > $state
case "$1" in -W[01]) echo "${{1#-W}}" > $state;; esac
echo; echo "$2:"
echo " write-caching =  $(cat $state) (on)" """


def test_sata_cache_is_set_and_restored(fake, tmp_path, monkeypatch, stack):
    fake.script("hdparm", HDPARM.format(state=tmp_path / "state"))
    path = device(faketools.sata(tmp_path), monkeypatch)
    assert writecache.set(path, False, stack) is None
    assert (tmp_path / "state").read_text() == "0\n"
    stack.close()
    assert (tmp_path / "state").read_text() == "1\n"


def test_a_drive_that_ignores_it(fake, tmp_path, monkeypatch, stack):
    fake.add("hdparm", {"": "\n/dev/sda:\n write-caching =  1 (on)\n"})
    path = device(faketools.sata(tmp_path), monkeypatch)
    assert "did not take it" in writecache.set(path, False, stack)


def test_a_cache_that_cannot_be_restored_is_told(fake, tmp_path, monkeypatch):
    fake.script("hdparm", HDPARM.format(state=tmp_path / "state"))
    path = device(faketools.sata(tmp_path), monkeypatch)
    with pytest.raises(Problem, match="back to on: do so by hand"):
        with ExitStack() as stack:
            assert writecache.set(path, False, stack) is None
            (fake.folder / "hdparm").unlink()
            fake.add("hdparm", {"": " write-caching =  0 (off)\n"})


@pytest.mark.parametrize("vendor", ["ATA", "SEAGATE"])
def test_without_hdparm_the_driver_is_asked(vendor, fake, tmp_path,
                                            monkeypatch, stack):
    disk = faketools.sata(tmp_path, **{"device/vendor": vendor})
    path = device(disk, monkeypatch)
    file = Path(disk) / "device/scsi_disk/0:0:0:0/cache_type"
    assert writecache.set(path, False, stack) is None
    assert file.read_text() == "write through"
    stack.close()
    assert file.read_text() == "write back"
    assert (Path(disk) / "queue/write_cache").read_text() == "write back\n"


def test_a_switch_may_have_moved(fake, tmp_path, monkeypatch):
    """As the address of a SCSI device does, after a power cut."""
    disk = faketools.sata(tmp_path, **{"device/vendor": "SEAGATE"})
    path = device(disk, monkeypatch)
    moved = Path(disk) / "device/scsi_disk/1:0:0:0"
    with ExitStack() as stack:
        assert writecache.set(path, False, stack) is None
        (Path(disk) / "device/scsi_disk/0:0:0:0").rename(moved)
        assert writecache.again(path, False) is None
    assert (moved / "cache_type").read_text() == "write back"


def test_virtio_without_a_switch(fake, tmp_path, monkeypatch, stack):
    disk = faketools.tree(tmp_path / "vdq", {
        **faketools.QUEUE, "cache_type": "write back"})
    os.chmod(disk + "/cache_type", 0o444)
    path = device(disk, monkeypatch)
    text = writecache.set(path, False, stack)
    assert "no switch" in text and "'write back'" in text
    assert Path(disk + "/cache_type").read_text() == "write back\n"


def test_what_the_kernel_believes_is_enough_where_it_is_as_asked(
        tmp_path, monkeypatch, stack):
    disk = faketools.tree(tmp_path / "loop77", faketools.QUEUE)
    path = device(disk, monkeypatch)
    assert writecache.set(path, True, stack) is None
    assert writecache.set(path, False, stack) == (
        f"the write cache of {path} should be off and was not set, as a loop "
        "device has no switch for it; the kernel takes it to be "
        "'write back'.")


def test_a_file_keeps_the_cache_of_the_device_below(tmp_path, stack):
    (tmp_path / "file").write_bytes(b"")
    for on in (True, False):
        text = writecache.set(str(tmp_path / "file"), on, stack)
        assert text is None or "it is a file" in text
