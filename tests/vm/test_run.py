# SPDX-License-Identifier: GPL-2.0-only
"""tests/vm/run: a command's output and status come back, and what is wrong is
one sentence."""
import os
from pathlib import Path
import re
import socket
import subprocess

import pytest

import vmlab
from vmlab.channel import Channel
from vmlab.qmp import Monitor

RUN = Path(__file__).with_name("run")


def run(*argv, **keywords):
    return subprocess.run([RUN, *argv], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=False, **keywords)


def sentence(done, status=125):
    """The one line of what went wrong."""
    assert done.returncode == status, done
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("tests/vm/run: ")
    return lines[0]


@pytest.mark.quick
def test_a_command(need_vm, tmp_path):
    done = run("--device", "nvme,lba=4096,id=drive", "--share", tmp_path,
               "--log", "--", "sh", "-c",
               "cat /sys/class/block/$(basename $(readlink /dev/lab/drive))/"
               f"queue/logical_block_size; echo kept >{tmp_path}/file; "
               "echo err >&2; exit 7")
    assert (done.returncode, done.stdout) == (7, "4096\n"), done
    assert "err\n" in done.stderr and "Linux version" in done.stderr
    assert (tmp_path / "file").read_text(encoding="utf-8") == "kept\n"


def qemus(folder):
    """The processes that have this folder among their arguments."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if b"qemu-system" in words and os.fsencode(folder) in words:
            found.append(process.name)
    return found


def test_time_is_up(need_vm, tmp_path):
    """Before it has booted, and after; no QEMU is left."""
    done = run("--folder", tmp_path, "--timeout", "2", "--", "true")
    assert "has not booted after 2 s" in sentence(done, 124)
    assert qemus(tmp_path) == []


def test_disks_are_kept(need_vm, tmp_path):
    """A second run finds what the first has written."""
    device = "virtio,id=d,size=4M"
    write = run("--folder", tmp_path, "--device", device, "--", "sh", "-c",
                "echo persistent | dd of=/dev/lab/d conv=fsync")
    assert write.returncode == 0, write
    assert (tmp_path / "disks/d.img").read_bytes()[:11] == b"persistent\n"
    read = run("--folder", tmp_path, "--device", device, "--", "head", "-n1",
               "/dev/lab/d")
    assert (read.returncode, read.stdout) == (0, "persistent\n"), read


def test_who_orders_of_a_guest_that_has_ended_is_told():
    """As who boots it again waits for that, and for nothing else."""
    ours, guests = socket.socketpair()
    channel = Channel(ours)
    guests.close()
    with pytest.raises(vmlab.Died, match="takes no more orders"):
        channel.send("run", "/x")
    channel.close()


def test_who_asks_the_monitor_of_one_is_told_as_well():
    ours, qemus = socket.socketpair()
    with ours, qemus:
        qemus.sendall(b'{"QMP": {}}\n{"return": {}}\n')
        monitor = Monitor(ours)
        qemus.close()
        with pytest.raises(vmlab.Died, match="QEMU has ended"):
            monitor.do("system_reset")


def test_without_qemu(tmp_path):
    done = run("--", "true", env={**os.environ, "PATH": str(tmp_path)})
    assert "needs qemu-system-x86_64, busybox" in sentence(done)
    assert ".setup/packages test-vm" in sentence(done)


@pytest.mark.parametrize("argv, said", [
    (["--kernel", "/nowhere"], "/nowhere is no folder of a kernel"),
    (["--device", "floppy"], "'floppy' is no kind of device; these are: nvme"),
    (["--device", "nvme,size=big"], "size of nvme,size=big is no number"),
    (["--device", "nvme,id=a/b"], "'a/b' is no name of a device"),
    (["--device", "nvme,colour=red"], "QEMU does not start: .*colour"),
    (["--device", "dm,target=linear"], "dm takes over=ID"),
])
def test_mistakes(need_vm, argv, said):
    done = run(*argv, "--", "true")
    assert re.search(said, sentence(done)), done.stderr
