# SPDX-License-Identifier: GPL-2.0-only
"""jobs/qualify on the kernel's real drivers: what it refuses, how it purges and
switches write caches, as the device itself says afterwards; and the same by the
command that users type."""
import json
from pathlib import Path
import re

import pytest

GUEST = Path(__file__).resolve().parents[1] / "lib" / "guestqualify.py"
SIZE = "size=32M"
VM = {"specs": [
    f"nvme,id=n512,lba=512,{SIZE}", f"nvme,id=n4k,lba=4096,{SIZE}",
    f"nvme,id=npi,lba=512,ms=8,pi=1,{SIZE}",
    f"nvme,id=zns,zoned=1,zone_size=1M,{SIZE}",
    f"ahci,id=sata,ncq=0,{SIZE}",
    f"scsi,id=scsi,{SIZE}", f"virtio,id=blk,{SIZE}",
    f"scsi,id=used,luns=6,removable=1,{SIZE}", f"scsi,id=base,luns=4,{SIZE}",
    "md,id=mirror,level=1,over=base-2+base-3",
    "dm,id=linear,target=linear,over=base-4",
    "dm,id=above,target=linear,over=used-6",
    f"scsi_debug,id=path,add_host=2,vpd_use_hostno=0,{SIZE}"]}
USED = r"""set -e
call() {
	disk=/dev/lab/$1 i=1
	shift
	for name in "$@"; do
		ln -sfn "$(readlink $disk)" /dev/lab/$name
		i=$((i + 1))
		disk=${disk%-*}-$i
	done
}
call used mounted swap parts fixed stick
call base pv one two below
mkfs.ext4 -q /dev/lab/mounted
mkdir -p /mnt/lab /mnt/part
mount /dev/lab/mounted /mnt/lab
mkswap -q /dev/lab/swap
swapon /dev/lab/swap
d=$(readlink -f /dev/lab/parts)
addpart $d 1 2048 8192
addpart $d 2 16384 40960
until [ -b ${d}2 ]; do sleep 0.1; done
ln -s ${d}1 /dev/lab/part1
ln -s ${d}2 /dev/lab/part2
mkfs.ext4 -q ${d}1
mount ${d}1 /mnt/part
exec 3>&-
pvcreate -q -y /dev/lab/pv
vgcreate -q labvg /dev/lab/pv
lvcreate -q -y -Zn -n lv -l 100%FREE labvg
blockdev --setro /dev/lab/fixed
modprobe -a dm_multipath dm_service_time
echo "0 $(blockdev --getsz /dev/lab/path) multipath 0 0 2 1 \
service-time 0 1 1 /dev/lab/path 1 service-time 0 1 1 /dev/lab/path-2 1" |
	dmsetup create --noudevsync mpath
dmsetup mknodes
"""
# Words of the sentence, of a device that is used or cannot be.
REFUSED = {
    "mounted": "is mounted on /mnt/lab", "swap": "is swap space",
    "parts": "is mounted on /mnt/part", "part1": "is mounted on /mnt/part",
    "pv": "is held by dm-", "one": "is held by md", "two": "is held by md",
    "below": "is held by dm-", "path": "is held by dm-",
    "path-2": "is held by dm-", "zns": "zones that must be written in order",
    "fixed": "is read-only"}
TAKEN = ("n512", "n4k", "npi", "sata", "scsi", "blk", "mirror", "linear")
# What needs the user's word, with what else that disk needs.
DOUBTED = {"part2": ("shared", "removable"), "stick": ("removable",),
           "above": ("removable",)}

CACHES = {      # what the device itself says: on, off
    "n512": ("nvme get-feature /dev/lab/n512 -f 6 -n 0xffffffff",
             "00000001", "00000000"),
    "sata": ("hdparm -W /dev/lab/sata", "=  1 (on)", "=  0 (off)"),
    "scsi": ("sdparm --quiet --get=WCE /dev/lab/scsi", "WCE           1",
             "WCE           0"),
    "blk": ("cat /sys/block/$(basename $(readlink /dev/lab/blk))/cache_type",
            "write back", "write through")}
OFF = {         # by hand
    "n512": "nvme set-feature /dev/lab/n512 -f 6 -n 0xffffffff --value=0",
    "sata": "hdparm -W0 /dev/lab/sata",
    "scsi": "sdparm --clear=WCE /dev/lab/scsi",
    "blk": "echo write through >"
    "/sys/block/$(basename $(readlink /dev/lab/blk))/cache_type"}
PURGES = {
    "n512": "nvme-format", "n4k": "nvme-format", "npi": "nvme-format",
    "sata": "blkdiscard", "scsi": "blkdiscard", "blk": "blkdiscard",
    "mirror": "blkdiscard", "linear": "blkdiscard", "lv": "blkdiscard",
    "mpath": "overwrite-none"}
MAPPED = {"lv": "/dev/mapper/labvg-lv", "mpath": "/dev/mapper/mpath"}


def path(name):
    return MAPPED.get(name, "/dev/lab/" + name)


@pytest.fixture(scope="module")
def told(vm):
    """{(what, name): what came of it}"""
    vm.check("bash", "-c", USED)
    orders = [["claims", name, []] for name in (*REFUSED, *TAKEN, *MAPPED)] + [
        ["doubted", name, words[1:], list(words)]
        for name, words in DOUBTED.items()] + [
        ["cache", name, False, CACHES[name][0]] for name in CACHES] + [
        ["purge", name] for name in PURGES]
    text = json.dumps([[what, path(name), *words]
                       for what, name, *words in orders])
    answers = json.loads(vm.check("/usr/bin/python3", GUEST, text,
                                  seconds=1500))
    return {(what, name): answer
            for (what, name, *_), answer in zip(orders, answers)}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_used_is_refused(told, name):
    assert REFUSED[name] in (told["claims", name]["refused"] or "taken")


@pytest.mark.parametrize("name", (*TAKEN, *MAPPED))
def test_what_is_free_is_taken(told, name):
    found = told["claims", name]
    assert found["refused"] is None and not [
        one for one in found["warnings"] if "disk" in one or "remov" in one]


@pytest.mark.parametrize("name", DOUBTED)
def test_what_is_doubted_needs_the_users_word(told, name):
    without, leave = told["doubted", name]
    assert without["refused"].endswith(f"give --allow {DOUBTED[name][0]}.")
    assert leave["refused"] is None
    for words, there in (("is removable", True),
                         ("which is in use (it is mounted on /mnt/part)",
                          name == "part2")):
        assert any(words in one for one in leave["warnings"]) == there, leave


@pytest.mark.parametrize("name", CACHES)
def test_the_device_itself_has_switched_its_cache(told, name):
    """And is set back."""
    found, (_, on, off) = told["cache", name], CACHES[name]
    assert found["why"] is None
    for word, said in zip((on, off, on), found["told"]):
        assert word in said, found


@pytest.mark.parametrize("name", PURGES)
def test_a_purge_leaves_nothing(told, name):
    found = told["purge", name]
    assert found["method"] == PURGES[name], found
    assert found["before"] == 0
    if found["method"] != "overwrite-none":
        assert found["after"] == found["of"] > 0, found
        assert "read as zeros" in found["said"][-1]


def test_a_format_keeps_what_was_formatted(told, vm):
    """told: after the purge."""
    space = json.loads(vm.check("nvme", "id-ns", path("npi"), "-o", "json"))
    assert (space["flbas"] & 15, space["dps"] & 7) == (1, 1)
    assert space["lbafs"][1] == {"ms": 8, "ds": 9, "rp": 0}


# By the command

@pytest.fixture(scope="module")
def qualify(vm, root, build_dir, fio_binary, engine):
    """A function: what came of the command on these devices."""
    def run(names, *words):
        return vm.run(root / "jobs/qualify", "--build", build_dir, "--fio",
                      fio_binary, "--tests", "planted", *words, *(
                          word for name in names
                          for word in ("--target", path(name))), seconds=1500)
    return run


def test_a_plan_says_of_each_device_why_it_is_refused(told, vm, qualify):
    """told: by then they are in use."""
    why = {**REFUSED, **{name: f"give --allow {words[-1]}"
                         for name, words in DOUBTED.items()}}
    del why["part1"]            # which is too small besides
    done = qualify(why, "--profile", "quick", "--plan")
    nodes = vm.check("readlink", "-f", *map(path, why)).split()
    assert done.status == 2, done
    for node, text in zip(nodes, why.values()):
        assert re.search(rf"A run would end at once: .*{node}\b.*"
                         + re.escape(text), done.err), (node, text, done.err)


def test_nothing_is_written_where_one_is_refused(told, vm, qualify):
    """Not to those before it either."""
    vm.check("sh", "-c", "echo mark >/dev/lab/n4k && sync")
    done = qualify(("n4k", "mounted"), "--profile", "quick", "--destroy-data",
                   "--out", vm.shared / "refused")
    assert done.status == 2 and REFUSED["mounted"] in done.err, done
    assert vm.check("dd", "if=/dev/lab/n4k", "bs=4096", "count=1",
                    "iflag=direct", "status=none").startswith("mark\n")
    assert not (vm.shared / "refused").exists()


def test_caches_that_are_off_are_on_until_the_run_is_over(vm, qualify):
    """As the profile has it, by each of the ways: the report has what the
    devices said meanwhile."""
    vm.check("sh", "-ec", "\n".join(OFF.values()))
    out = vm.shared / "caches"
    done = qualify(OFF, "--profile", "quick", "--destroy-data", "--no-pdf",
                   "--out", out)
    assert done.status == 0, done
    data = json.loads((out / "qualify.json").read_text())
    for name, target in zip(OFF, data["targets"]):
        assert target["write_cache"]["device"] is True, target["write_cache"]
        ask, _, off = CACHES[name]
        assert off in vm.run("sh", "-c", ask).out, name
