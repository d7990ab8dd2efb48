# SPDX-License-Identifier: GPL-2.0-only
"""jobs/qualify where a drive is pulled out, and where the machine dies, in the
middle: what is told, and what goes on."""
import json
import time

import pytest

import vmlab

# Of a fixed number of rounds, whatever the figures are.
WORDS = ("--profile", "quick", "--tests", "xsr", "--size", "16M",
         "--destroy-data", "--no-pdf")


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
