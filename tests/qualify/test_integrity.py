# SPDX-License-Identifier: GPL-2.0-only
# The integrity tests of jobs/qualify on real loop devices: a sound one passes;
# one that is damaged in the middle of any of them, is too short, is gone, or
# does not flush, does not.
import contextlib
import dataclasses
import os
from pathlib import Path
import subprocess
import threading
import time

import pytest

import qualifycontext
import qualifydata
import targets
from fiolab.qualify.suite import flushes, integrity
from fiolab.target import trimpromise

ROOT = Path(__file__).resolve().parents[2]

MIB = 1 << 20
SIZE = 32 * MIB
TESTS = {test.name: test for test in integrity.TESTS}
DATA = ("write-verify", "overlap", "backlog", "planted", "trim", "fsync",
        "soak")


class Lab:
    """A loop device, the file behind it, and runs of one test."""

    def __init__(self, folder, backing, device, fio_binary, build):
        self.folder, self.backing, self.device = folder, backing, device
        self.fio, self.build = fio_binary, build
        self.made = 0

    def __call__(self, name, path=None, engine="kaio", change=None, size=None,
                 **hooks):
        self.made += 1
        where = str(self.folder / f"run{self.made}")
        os.mkdir(where)
        with contextlib.ExitStack() as stack:
            bench = qualifycontext.bench(path or self.device, self.fio,
                                         self.build, where, stack, engine,
                                         size=size)
            if change:
                change(bench)
            found, _ = qualifycontext.run(bench, TESTS[name], **hooks)
            for one in found["checks"]:
                assert one["source"] is None or os.path.exists(
                    bench.folder.file(one["source"])), one
        qualifydata.hold(found)
        return found

    def flip(self, offset):
        """One bit, behind the device's back."""
        with open(self.backing, "r+b", buffering=0) as file:
            file.seek(offset)
            byte = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([byte ^ 1]))

    def shrink(self, size):
        os.truncate(self.backing, size)
        targets.run("losetup", "--set-capacity", self.device)


@pytest.fixture
def lab(need_root, shm, tmp_path, fio_binary, build_dir, engine):
    path = os.path.join(shm, "backing")
    with targets.sized_file(path, SIZE), targets.loop(path) as device:
        yield Lab(tmp_path, path, device, fio_binary, build_dir)


def results(found):
    return {one["name"]: one["result"] for one in found["checks"]}


def texts(found):
    return " ".join(one["text"] for one in found["checks"])


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("engine_name", [
    "kaio", pytest.param("libaio", marks=pytest.mark.slow)])
def test_a_sound_device_passes(lab, name, engine_name):
    found = lab(name, engine=engine_name)
    assert found["state"] == "done" and found["checks"]
    assert set(results(found).values()) == {"pass"}, texts(found)


def test_bytes_are_stated(lab):
    assert texts(lab("write-verify")).count(f"all {SIZE:,} bytes") == 2
    assert f"{SIZE:,} bytes written at random" in texts(lab("backlog"))


def test_a_size_that_no_block_divides(lab):
    """The rest is covered, too."""
    odd = SIZE - 512
    found = lab("write-verify", size=odd)
    assert set(results(found).values()) == {"pass"}, texts(found)
    assert texts(found).count(f"all {odd:,} bytes") == 2


@pytest.mark.parametrize("order", ["sequential", "random"])
@pytest.mark.parametrize("place", [
    4096 + 100, pytest.param(SIZE // 2 + 777, marks=pytest.mark.slow),
    SIZE - 1])
def test_write_verify_finds_a_bit(lab, order, place):
    def damage(name):
        if name == f"{order} writing":
            lab.flip(place)
    found = lab("write-verify", after=damage)
    bad = f"write-verify {order}"
    assert results(found)[bad] == "fail"
    size = {"sequential": 128 << 10, "random": 64 << 10}[order]
    assert f"the first at byte {place // size * size}" in texts(found)
    others = {name: r for name, r in results(found).items() if name != bad}
    assert set(others.values()) == {"pass"}


@contextlib.contextmanager
def flipping(lab, size, step):
    """Flips bits all over the device, again and again."""
    ended = threading.Event()

    def work():
        while not ended.is_set():
            for place in range(2000, size, step):
                lab.flip(place)
            time.sleep(0.001)
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@pytest.mark.parametrize("name,size", [
    ("overlap", SIZE // 2), ("backlog", SIZE), ("soak", SIZE // 8)])
def test_damage_while_it_writes(lab, name, size):
    """Where one fio writes and reads back, the damage is done meanwhile."""
    with flipping(lab, size, 40 << 10):
        found = lab(name)
    assert results(found) == {name: "fail"}
    assert "read back wrong, the first at byte" in texts(found)


# The detector

def test_planted_places_are_named(lab):
    found = lab("planted")
    assert "a flipped bit" in texts(found) and "found just there" in texts(
        found)


def test_a_plant_that_is_not_found(lab):
    """Mended behind our back, it is as if the detector had missed it."""
    kept = {}

    def keep(name):
        if name == "write":
            kept["good"] = open(lab.backing, "rb").read()

    def mend(name):
        if name == "sequential":
            with open(lab.backing, "r+b") as file:
                file.write(kept["good"])
    found = lab("planted", after=keep, before=mend)
    assert results(found) == {"planted": "fail"}
    assert "fio found it at none" in texts(found)


def test_a_plant_and_other_damage(lab):
    def damage(name):
        if name == "random":
            # The region is 4 MiB of the 32: one bit in each MiB.
            for at in range(8192 + 100, SIZE, MIB):
                lab.flip(at)
    found = lab("planted", before=damage)
    assert results(found) == {"planted": "fail"}
    assert "random reading: damage was planted at bytes" in texts(found)


def test_what_was_not_planted_stays(lab):
    """Nothing outside of the region is written, nor the region's length."""
    with open(lab.backing, "wb") as file:
        file.write(b"\xa5" * SIZE)
    lab("planted")
    data = open(lab.backing, "rb").read()
    assert len(data) == SIZE
    touched = [at for at in range(0, SIZE, 4096)
               if data[at:at + 4096] != b"\xa5" * 4096]
    assert len(touched) <= 1024
    assert touched[-1] - touched[0] < 4 * MIB


# Trim

def test_trim_on_a_file_is_not_measured(lab, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(SIZE))
    found = lab("trim", path=str(path))
    assert set(results(found).values()) == {"not measured"}
    assert "a file, which has no trim" in texts(found)


def test_trim_that_harms_a_neighbour(lab):
    def damage(name):
        if name == "trim":
            lab.flip((64 << 10) + 300)
    found = lab("trim", after=damage)
    assert results(found)["trim neighbours"] == "fail"
    assert f"the first at byte {64 << 10}" in texts(found)
    assert results(found)["trim content"] == "pass"


def test_trim_that_leaves_something_else(lab):
    def damage(name):
        if name == "trim":
            lab.flip(2 * (64 << 10) + 300)
    found = lab("trim", after=damage)
    assert results(found)["trim own"] == "fail"
    assert "31 read as zeroes, 1 read as something else" in texts(found)
    assert results(found)["trim neighbours"] == "pass"


def lying(lab):
    """A hook that makes a trim do nothing: what it took comes back."""
    kept = {}

    def run(name):
        with open(lab.backing, "r+b") as file:
            if name == "write":
                kept["data"] = file.read()
            if name == "trim":
                file.write(kept["data"])
    return run


def nvme(lab, fake, monkeypatch, bits):
    """The loop device, as an NVMe namespace with this DLFEAT."""
    fake.script("nvme", f"echo '{{\"dlfeat\": {bits}}}'")
    monkeypatch.setattr(trimpromise.sysfs, "kind", lambda _: "nvme")
    monkeypatch.setenv("PATH", f"{fake.folder}:/usr/bin:/bin:/sbin")


def test_old_data_where_the_file_system_promises_zeroes(lab):
    found = lab("trim", after=lying(lab))
    assert results(found)["trim content"] == "fail"
    assert "32 as before; a loop device's file system promises" in texts(found)
    assert found["tables"][0]["rows"] == [["as before", 32]]


def test_old_data_where_the_device_promises_zeroes(lab, fake, monkeypatch):
    nvme(lab, fake, monkeypatch, 1)
    found = lab("trim", after=lying(lab))
    assert results(found) == {**dict.fromkeys(results(found), "pass"),
                              "trim content": "fail"}
    assert "32 as before; the device promises zeroes (DLFEAT 1)" in texts(
        found)
    assert set(results(lab("trim")).values()) == {"pass"}


@pytest.mark.parametrize("bits, result", [(0, None), (1, "fail")])
def test_a_device_that_trims_a_part_of_each_piece(lab, fake, monkeypatch, bits,
                                                  result):
    """As one does whose own units the partition does not begin with: what is
    left is of no other place."""
    nvme(lab, fake, monkeypatch, bits)
    restores = lying(lab)

    def lies(name):
        restores(name)
        if name == "trim":
            with open(lab.backing, "r+b") as file:
                for piece in range(0, 64, 2):
                    file.seek(piece * (64 << 10))
                    file.write(bytes(4096))
    found = lab("trim", after=lies)
    assert results(found)["trim own"] == "pass", texts(found)
    assert results(found).get("trim content") == result
    assert found["tables"][0]["rows"] == [
        ["zeroes, 0xff or as before, block by block", 32]]


def test_old_data_where_nothing_is_promised(lab, fake, monkeypatch):
    """Is recorded, and neither passes nor fails."""
    nvme(lab, fake, monkeypatch, 0)
    found = lab("trim", after=lying(lab))
    assert "trim content" not in results(found)
    assert set(results(found).values()) == {"pass"}
    assert found["tables"][0]["rows"] == [["as before", 32]]
    assert "promises nothing (DLFEAT 0)" in found["tables"][0]["note"]


# Syncs

def test_syncs_of_a_file_are_not_counted(lab, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(SIZE))
    found = results(lab("fsync", path=str(path)))
    assert found["fsync succeeds"] == found["fdatasync succeeds"] == "pass"
    assert found["fsync flushes"] == found["fdatasync flushes"] == \
        "not measured"


def test_syncs_that_do_nothing(lab, tmp_path):
    """All succeed, and no flush comes to the device."""
    library = tmp_path / "lying_sync.so"
    source = ROOT / "tests" / "lib" / "lying_sync.c"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source],
                   check=True)

    def lie(bench):
        bench.executor.side = dataclasses.replace(
            bench.executor.side,
            environment=(("LD_PRELOAD", str(library)),))
    found = lab("fsync", engine="psync", change=lie)
    assert results(found) == {
        "fsync succeeds": "pass", "fsync flushes": "fail",
        "fdatasync succeeds": "pass", "fdatasync flushes": "fail"}
    assert "0 flushes: fewer" in texts(found)


def test_a_device_too_slow_for_a_sync(lab, monkeypatch):
    monkeypatch.setattr(flushes, "EVERY", 10**9)
    monkeypatch.setattr(flushes, "TIMES", (1, 2))
    found = lab("fsync")
    assert set(results(found).values()) == {"not measured"}
    assert "no fdatasync to judge by" in texts(found)


def test_a_machine_too_slow_for_a_sync_in_so_short_a_time(lab, monkeypatch):
    """As where processors are emulated: it has more time."""
    job, lengths = flushes._job, []

    def slow(context, kind, length):
        lengths.append(length)
        monkeypatch.setattr(flushes, "EVERY", 10**9 if length < 1 else 4)
        return job(context, kind, length)
    monkeypatch.setattr(flushes, "_job", slow)
    assert set(results(lab("fsync")).values()) == {"pass"}
    assert lengths == [0.2, 2, 0.2, 2]


def test_syncs_of_a_device_without_a_cache(lab):
    with targets.write_through(lab.device):
        found = lab("fsync")
    assert set(results(found).values()) == {"pass"}
    assert "one without a volatile write cache" in texts(found)


class SaysOn:
    TOOL, HOW = None, "a word of its own"

    def __init__(self, *_):
        pass

    def get(self):
        return True


def test_a_cache_that_the_kernel_does_not_know_of(lab, monkeypatch):
    """The device says that it is on, and is sent no flush."""
    monkeypatch.setitem(flushes.writecache.SWITCHES, "loop", (SaysOn,))
    assert set(results(lab("fsync")).values()) == {"pass"}
    with targets.write_through(lab.device):
        found = lab("fsync")
    assert results(found) == {
        "fsync succeeds": "pass", "fsync flushes": "fail",
        "fdatasync succeeds": "pass", "fdatasync flushes": "fail"}
    assert "what a sync wrote may be lost" in texts(found)


def test_latency_of_syncs(lab):
    table, = lab("fsync")["tables"]
    for row in table["rows"]:
        calls, mean, median = row[1:4]
        assert calls > 0 and mean > 0 and median > 0


# Devices that fail

@pytest.fixture
def far_lab(lab):
    """The same file on a device with a number that nobody else is given when
    it is free again: what is gone must not come back as another's."""
    with targets.far_loops(1) as (lab.device,):
        targets.run("losetup", "--direct-io=on", lab.device, lab.backing)
        try:
            yield lab
        finally:
            subprocess.run(["losetup", "--detach", lab.device], check=False,
                           capture_output=True)


@pytest.mark.parametrize("name", DATA)
def test_a_device_that_is_gone(far_lab, name):
    targets.run("losetup", "--detach", far_lab.device)
    found = far_lab(name, size=SIZE)
    assert "pass" not in results(found).values(), found["checks"]
    assert found["state"] == "failed" or "fail" in results(found).values()


@pytest.mark.parametrize("name", ["write-verify", "planted", "trim", "fsync"])
def test_a_device_that_goes(far_lab, name):
    """After the first run of fio."""
    seen = []

    def detach(one):
        seen.append(one)
        if len(seen) == 2:
            targets.run("losetup", "--detach", far_lab.device)
    found = far_lab(name, before=detach)
    assert found["state"] == "failed" or "fail" in results(found).values()


@pytest.mark.parametrize("when", ["sequential writing", "sequential reading",
                                  "random reading"])
def test_a_device_that_becomes_shorter(lab, when):
    """Nothing is wrong with the bytes that are there; but they are fewer."""
    found = lab("write-verify", before=lambda name:
                lab.shrink(SIZE - MIB) if name == when else None)
    order = when.split()[0]
    assert results(found)[f"write-verify {order}"] == "fail", texts(found)


def test_a_device_that_fails_in_the_middle(lab):
    """The file behind it loses its second half, while its size stays."""
    def cut(name):
        if name == "random writing":
            os.truncate(lab.backing, SIZE // 2)
    found = lab("write-verify", after=cut)
    assert results(found) == {"write-verify sequential": "pass",
                              "write-verify random": "fail"}
