# SPDX-License-Identifier: GPL-2.0-only
"""jobs/qualify where a drive is pulled out, where the machine dies, and where
power is cut, in the middle: what is told, and what goes on."""
import json
import re
import time

import pytest

import vmlab

# Of a fixed number of rounds, whatever the figures are.
WORDS = ("--profile", "quick", "--tests", "xsr", "--size", "16M",
         "--destroy-data", "--no-pdf")


LIE = "echo write through >/sys/block/nullb1/queue/write_cache"


def example(root, out, words):
    """The command of the manual that tells a lying cache from an honest one,
    with few cuts."""
    text = (root / "jobs/README.md").read_text(encoding="utf-8")
    start = text.index("modprobe null_blk nr_devices=0; D=")
    command = text[start:text.index("```", start)]
    for old, new in (("jobs/qualify", f"{root}/jobs/qualify --out {out} "
                      "--no-pdf " + " ".join(map(str, words))),
                     ("--cycles 20", "--cycles 4")):
        assert command.count(old) == 1
        command = command.replace(old, new)
    return command


def lying(command):
    """As the manual has it: before the cuts, and again after each."""
    found = re.sub(r"^.*/jobs/qualify", lambda one: f"{LIE}\n{one[0]}",
                   command.replace("nullb0", "nullb1"), flags=re.M)
    return found.replace('>$D/power"', f'>$D/power; {LIE}"')


def await_rounds(out, running):
    """Until each of two targets has one that is finished."""
    end = time.monotonic() + 1500
    while not all(any(out.glob(f"rounds/t0{n}-xsr-*.json")) for n in (0, 1)):
        assert time.monotonic() < end and running.status is None, running.err
        time.sleep(0.1)


def test_a_device_that_is_pulled_out(boot, root, build_dir, fio_binary,
                                     engine):
    """It fails, with what the kernel said; the other is measured."""
    guest = boot("nvme,id=goes,lba=4096,size=32M",
                 "virtio,id=stays,size=32M")
    out = guest.shared / "out"
    running = guest.start(
        root / "jobs/qualify", *WORDS, "--target", "/dev/lab/goes", "--target",
        "/dev/lab/stays", "--build", build_dir, "--fio", fio_binary, "--out",
        out)
    await_rounds(out, running)
    guest.remove("goes")
    done = running.wait(1500)
    assert done.status == 1, done
    gone, stays = json.loads((out / "qualify.json").read_text())["targets"]
    present, = [one for one in gone["tests"][0]["checks"]
                if one["name"] == "present"]
    assert present["result"] == "fail"
    assert "is gone" in present["text"] and "kernel" in present["text"]
    assert stays["tests"][0]["state"] == "done"
    assert not [one for one in stays["tests"][0]["checks"]
                if one["result"] == "fail"]


def test_a_machine_that_dies(boot, root, build_dir, fio_binary, engine):
    """--resume on the next boot keeps each round that was finished."""
    guest = boot("nvme,id=one,lba=4096,size=32M", "ahci,id=two,size=32M")
    out = guest.shared / "out"
    running = guest.start(
        root / "jobs/qualify", *WORDS, "--target", "/dev/lab/one", "--target",
        "/dev/lab/two", "--build", build_dir, "--fio", fio_binary, "--out",
        out)
    await_rounds(out, running)
    guest.kill()
    with pytest.raises(vmlab.Died):
        running.wait()
    kept = {path: path.read_bytes() for path in out.glob("rounds/*.json")}
    guest.boot()
    done = guest.run(root / "jobs/qualify", "--resume", out, "--destroy-data",
                     "--no-pdf", seconds=1500)
    assert done.status == 2, done       # nothing was to be judged
    for path, content in kept.items():
        assert "xsr" not in path.name or path.read_bytes() == content, path
    report = json.loads((out / "qualify.json").read_text())
    assert report["finished"]
    for target in report["targets"]:
        assert target["tests"][0]["state"] == "done"


def test_a_cache_that_lies_fails_and_one_that_does_not_passes(
        boot, root, build_dir, fio_binary, engine):
    """By the manual's own commands."""
    guest, found = boot(), {}
    guest.check("sh", "-c", "modprobe configfs && mount -t configfs config "
                "/sys/kernel/config")
    for name, make in (("honest", str), ("liar", lying)):
        out = guest.shared / name
        done = guest.run("bash", "-c", make(example(
            root, out, ("--build", build_dir, "--fio", fio_binary))),
            seconds=1500)
        target, = json.loads((out / "qualify.json").read_text())["targets"]
        found[name] = done.status, {
            one["name"]: one["result"] for one in target["tests"][0]["checks"]}
    assert found["honest"][0] == 0, found
    assert set(found["honest"][1].values()) == {"pass"}
    assert found["liar"][0] == 1
    assert found["liar"][1]["power-cut synced"] == "fail"


def test_a_cache_that_the_kernel_does_not_know_of(boot, root, build_dir,
                                                  fio_binary, engine):
    """The drive says that it is on, and is sent no flush."""
    guest = boot("nvme,id=drive,size=16M")
    guest.check("sh", "-c", "echo write through >/sys/block/nvme0n1/queue/"
                "write_cache")
    out = guest.shared / "out"
    done = guest.run(
        root / "jobs/qualify", "--profile", "quick", "--tests", "fsync",
        "--destroy-data", "--no-pdf", "--target", "/dev/lab/drive", "--build",
        build_dir, "--fio", fio_binary, "--out", out, seconds=1500)
    target, = json.loads((out / "qualify.json").read_text())["targets"]
    found = {one["name"]: one for one in target["tests"][0]["checks"]}
    assert done.status == 1 and found["fsync succeeds"]["result"] == "pass"
    for kind in ("fsync", "fdatasync"):
        assert found[f"{kind} flushes"]["result"] == "fail"
        assert "it sends no flush" in found[f"{kind} flushes"]["text"]
