# SPDX-License-Identifier: GPL-2.0-only
"""jobs/qualify where a drive is pulled out in the middle: what is told, and what
goes on."""
import json
import time

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
