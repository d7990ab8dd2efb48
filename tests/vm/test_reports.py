# SPDX-License-Identifier: GPL-2.0-only
"""What reports say of devices, of the kernel's real drivers: the identity with
format, protection and members, the write cache as the device says it though
the kernel believes another, the health log and what it means, and the kernel's
lines about errors of just that device."""
import json
from pathlib import Path

import pytest

GUEST = Path(__file__).resolve().parents[1] / "lib" / "guestreport.py"
QUALIFY = Path(__file__).resolve().parents[2] / "jobs" / "qualify"
BAD = 65536                     # the sector that cannot be read
VM = {"specs": [
    "nvme,id=pi,lba=4096,ms=8,pi=1,size=64M", "nvme,id=bare,ms=8,size=64M",
    f"nvme,id=spaces,lba=512,namespaces=2,size=64M,bad={BAD}",
    f"ahci,id=sata,size=64M,bad={BAD}",
    f"scsi,id=disk,size=64M,bad={BAD}",
    f"virtio,id=blk,size=64M,num-queues=2,bad={BAD}",
    "scsi_debug,id=debug,size=64M",
    "nvme,id=one,size=64M", "nvme,id=two,size=64M",
    "md,id=mirror,level=1,over=one+two",
    "dm,id=linear,target=linear,over=blk"]}
READ = ("spaces", "sata", "disk", "blk", "linear")  # with a bad sector


def need(vm, name):
    if vm.run("sh", "-c", f"command -v {name}").status:
        pytest.skip(f"needs {name} in the guest")


def told(vm, what, *words):
    return json.loads(vm.check("/usr/bin/python3", str(GUEST), what,
                               *map(str, words)))


def lab(*names):
    return [f"/dev/lab/{name}" for name in names]


# The identity

@pytest.fixture(scope="module")
def known(vm):
    names = ("pi", "bare", "spaces", "sata", "disk", "blk", "debug", "mirror",
             "linear")
    return dict(zip(names, told(vm, "identity", *lab(*names))))


@pytest.mark.quick
def test_nvme_with_metadata_and_protection(vm, known):
    need(vm, "nvme")
    found = known["pi"]
    assert found["nvme"]["why"] is None
    assert (found["nvme"]["data_bytes"], found["nvme"]["metadata_bytes"],
            found["nvme"]["protection"]) == (4096, 8, 1)
    assert found["nvme"]["metadata"] and found["nvme"]["version"]
    assert found["nvme"]["power_state"] == 0


@pytest.mark.quick
def test_what_sysfs_tells_of_nvme(known):
    found = known["pi"]
    assert found["integrity"]["format"] == "T10-DIF-TYPE1-CRC"
    assert found["bus"]["address"].startswith("0000:")
    assert found["bus"]["power_state"] == "D0"
    assert all(found["bus"][name] for name in (
        "link_speed", "link_width", "max_link_speed", "max_link_width"))
    assert found["queues"] >= 1
    found = known["spaces"]
    assert [one["size_bytes"] for one in found["namespaces"]] == [64 << 20] * 2
    assert found["integrity"] is None


@pytest.mark.quick
def test_nvme_without_metadata(vm, known):
    need(vm, "nvme")
    found = known["spaces"]["nvme"]
    assert (found["data_bytes"], found["metadata_bytes"], found["metadata"],
            found["protection"]) == (512, 0, None, 0)


def test_nvme_with_metadata_that_protect_nothing(vm, known):
    need(vm, "nvme")
    found = known["bare"]
    assert (found["nvme"]["metadata_bytes"], found["nvme"]["protection"],
            found["integrity"]) == (8, 0, None)


@pytest.mark.quick
def test_members_are_known_by_their_serial_numbers(known):
    found = known["mirror"]
    assert found["array"]["level"] == "raid1"
    serials = [one["serial"] for one in found["members"]]
    assert len(set(serials)) == 2 and all(serials)
    one, = known["linear"]["members"]
    assert (one["kind"], known["linear"]["kind"]) == ("virtio", "dm")
    assert one["queues"] == 2


# The write cache

SWITCHED = {
    "pi": ("nvme", "NVMe feature 6", "set-feature", "-f", "6",
           "--namespace-id=0xffffffff", "--value=0"),
    "sata": ("hdparm", "hdparm -W", "-W0"),
    "disk": ("sdparm", "SCSI mode page 8", "--clear=WCE"),
    "debug": ("sdparm", "SCSI mode page 8", "--clear=WCE")}
CACHES = (*SWITCHED, "blk", "mirror")


@pytest.fixture(scope="module")
def caches(vm):
    """{name: (before, after)} caches were switched off behind the kernel's
    back."""
    before = told(vm, "cache", *lab(*CACHES))
    for name, (tool, _, *words) in SWITCHED.items():
        need(vm, tool)
        vm.check(tool, *words[:1], f"/dev/lab/{name}", *words[1:])
    after = told(vm, "cache", *lab(*CACHES))
    return dict(zip(CACHES, zip(before, after)))


@pytest.mark.parametrize("name", SWITCHED)
def test_the_device_says_what_the_kernel_does_not_know(caches, name):
    before, after = caches[name]
    assert (before["device"], before["kernel"], before["how"]) == (
        True, "write back", SWITCHED[name][1])
    assert before["said"] == []
    assert after["device"] is False
    if name == "sata":      # libata sees the command, and looks again
        assert (after["kernel"], after["said"]) == ("write through", [])
        return
    assert after["kernel"] == "write back"
    assert "is off, as the device says, and the kernel believes" in \
        after["said"][0]


def test_virtio_says_it_in_its_configuration(caches):
    found, _ = caches["blk"]
    assert (found["device"], found["how"]) == (True,
                                               "its virtio configuration")


def test_members_are_asked(caches):
    found, _ = caches["mirror"]
    assert [one["device"] for one in found["members"]] == [True, True]
    assert found["device"] is None


# The health log

def test_a_critical_warning_is_bad(vm):
    """Of a member of an array, which it names."""
    need(vm, "smartctl")
    found, = told(vm, "smart", "/dev/lab/one")
    rows = {row["name"]: row for row in found["rows"]}
    assert rows["critical_warning"]["judgement"] == "good"
    assert rows["media_errors"]["judgement"] == "good"
    assert rows["temperature_c"]["unit"] == "°C"
    warn(vm, 4)
    try:
        found, = told(vm, "smart", "/dev/lab/mirror")
        bad = [row for row in found["rows"] if row["judgement"] == "bad"]
        assert any("the reliability is degraded" in row["note"] for row in bad)
        assert all(row["name"].startswith("nvme") for row in bad)
    finally:
        warn(vm, 0)


def warn(vm, bits):
    vm.monitor.do("qom-set", {"path": "/machine/peripheral/dev-one", "property":
                              "smart_critical_warning", "value": bits})


# The kernel's lines

@pytest.fixture(scope="module")
def reads(vm):
    """{name: (a read that succeeds, one that fails)}, and of pi while another
    fails."""
    words = [word for name in READ for offset in (0, BAD * 512) for word in (
        f"/dev/lab/{name}", f"/dev/lab/{name}", offset)]
    found = told(vm, "beside", *words, "/dev/lab/pi", "/dev/lab/spaces",
                 BAD * 512)
    return {**dict(zip(READ, zip(found[::2], found[1::2]))),
            "pi": (found[-1], None)}


@pytest.mark.parametrize("name", READ)
def test_errors_name_the_device_that_has_them(reads, name):
    good, bad = reads[name]
    assert good["error"] is None and good["why"] is None
    assert good["counts"]["device"] == {}, good["lines"]
    # As the driver has it: of ENODATA, too.
    assert bad["error"] in ("Input/output error", "No data available"), bad
    assert bad["counts"]["device"].get("err", 0) >= 1, bad["lines"]
    assert bad["counts"]["other"] == {}, bad["lines"]
    for line in bad["lines"]:
        assert any(one in line["text"] for one in bad["names"])
        assert line["seconds"] < 600


@pytest.mark.quick
def test_errors_of_one_device_are_not_anothers(reads):
    """Two of the same kind."""
    found, _ = reads["pi"]
    assert found["error"] and found["counts"]["device"] == {}, found["lines"]
    assert found["counts"]["other"].get("err", 0) >= 1


# A whole run

def test_a_qualification_of_a_device_with_errors_fails(vm):
    """And its report has the lines."""
    need(vm, "fio")
    out = Path(vm.shared) / "out"
    done = vm.run(str(QUALIFY), "--target", "/dev/lab/spaces", "--engine",
                  "psync", "--profile", "quick", "--tests", "write-verify",
                  "--destroy-data", "--no-pdf", "--out", str(out), "--build",
                  str(vm.shared), seconds=1800)
    assert done.status == 1, done
    data = json.loads((out / "qualify.json").read_text())
    target, = data["targets"]
    kernel = target["tests"][0]["kernel"]
    assert kernel["counts"]["device"].get("err", 0) >= 1
    checks = {one["name"]: one for one in target["checks"]}
    assert checks["kernel"]["result"] == "fail"
    assert kernel["lines"][0]["text"][:30] in (out / "report.html").read_text()


# Without the tools

HIDE = """for name; do
	[ "$name" != -- ] || break
	shift
	! command -v $name || mount --bind /dev/null $(command -v $name)
done
shift
exec "$@"
"""
HIDDEN = ("nvme", "hdparm", "sdparm", "smartctl", "sg_vpd")
INSTALL = "{0}: apt-get install {0}"
# {device: (tool for its cache and its purge, the purge)}
LACKING = {"pi": ("nvme-cli", "nvme format"), "sata": ("hdparm", "ata secure"),
           "disk": ("sdparm", None)}


def test_what_needs_a_tool_says_so_in_one_sentence(vm):
    """Each with what to install, and the rest of the report is there."""
    need(vm, "fio")
    out = Path(vm.shared) / "bare"
    done = vm.run(
        "unshare", "--mount", "sh", "-c", HIDE, "sh", *HIDDEN, "--",
        str(QUALIFY), *(word for path in lab(*LACKING)
                        for word in ("--target", path)), "--engine", "psync",
        "--profile", "quick", "--tests", "planted", "--destroy-data",
        "--no-pdf", "--out", str(out), "--build", str(vm.shared), seconds=1800)
    assert done.status == 0, done
    data = json.loads((out / "qualify.json").read_text())
    page = (out / "report.html").read_text()
    for target, (package, purge) in zip(data["targets"], LACKING.values()):
        tool = INSTALL.format(package)
        said = [target["write_cache"]["why"], target["smart"]["why"]]
        assert said[0] == f"asking it needs {tool}"
        assert INSTALL.format("smartmontools") in said[1]
        if purge:
            assert target["purge"]["why"].startswith(purge)
            said.append(target["purge"]["why"])
        if target["identity"]["kind"] == "nvme":
            said.append(target["identity"]["nvme"]["why"])
        assert all(tool in one for one in said if one is not said[1])
        for one in said:
            assert ". " not in one and one in page, one
