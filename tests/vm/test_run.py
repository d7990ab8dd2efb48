# SPDX-License-Identifier: GPL-2.0-only
"""tests/vm/run: a command's output and status come back, and what is wrong is
one sentence."""
import os
from pathlib import Path
import re
import socket
import subprocess
import time

import pytest

import vmlab
from vmlab import command
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
    tmp_path = tmp_path / "with a blank"
    tmp_path.mkdir()
    done = run("--device", "nvme,lba=4096,id=drive", "--share", tmp_path,
               "--log", "--", "sh", "-c",
               "cat /sys/class/block/$(basename $(readlink /dev/lab/drive))/"
               f"queue/logical_block_size; echo kept >'{tmp_path}/file'; "
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


def test_a_command_that_never_ends(tmp_path, capfd):
    """It is told what time it had, and what it said stays."""
    class Order:
        folder, argv = tmp_path, ["sleep", "a b"]

        def wait(self, seconds, kill):
            (self.folder / "out").write_text("said\n")
            time.sleep(seconds)
            raise vmlab.Late("not ended")

    with pytest.raises(vmlab.Late, match="time is up: sleep 'a b' had not ended "
                       "600 s after the guest was started, and was killed"):
        command.follow(Order(), time.monotonic() + 0.1, 600)
    assert capfd.readouterr().out == "said\n"


def test_what_the_guest_cannot_make_is_named(need_vm):
    """One that has been made before is not blamed for it."""
    said = sentence(run("--no-ram", "--device", "null_blk,id=good", "--device",
                        "null_blk,id=d,irqmod=2", "--", "true"))
    assert said.endswith("the guest has no null_blk d: this kernel has no "
                         "attribute irqmod of it")


def test_parameters_that_a_module_has_not_are_told(need_vm):
    """The kernel loads it all the same."""
    said = sentence(run("--no-ram", "--device", "brd,id=d,rd_size_=1", "--",
                        "true"))
    assert "no brd d: brd: unknown parameter 'rd_size_' ignored" in said


def test_disks_are_kept(need_vm, tmp_path):
    """A second run finds what the first has written, in a folder with a blank
    in its name."""
    tmp_path = tmp_path / "a b"
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
    (["--device", "nvme,colour=red"], "QEMU does not start: Property .*colour"),
    (["--device", "nvme,lba"], "'lba' in nvme,lba is no KEY=VALUE"),
    (["--device", "nvme,lba=1,lba=2"], "lba= is there twice"),
    (["--device", "nvme,bad=x"], "bad=x is no SECTOR"),
    (["--device", "nvme,lba=0xz"], "QEMU does not start: Parameter"),
    (["--device", "nvme,namespaces=0"], "namespaces=0 is no number"),
    (["--device", "brd,rd_nr=x"], "rd_nr=x is no number"),
    (["--device", "scsi_debug,max_luns=x"], "max_luns=x is no number"),
    (["--device", "null_blk,size=1K"], "not in whole MiB"),
    (["--device", "nvme,id=a", "--device", "scsi,id=a"], "two devices are called a"),
    (["--device", "nvme,id=a,namespaces=2", "--device", "scsi,id=a-2"],
     "'a-2' is no name of a device"),
    (["--device", "dm,target=linear"], "dm takes over=ID"),
    (["--device", "dm,over=drive", "--device", "nvme,id=drive"],
     "over=drive of dm,over=drive is no device that comes before it"),
    (["--device", "md"], r"md takes over=ID\+ID"),
    (["--share", "/nowhere"], "no folder /nowhere to be shared: make it"),
    (["--share", "/etc/passwd"], "no folder /etc/passwd to be shared"),
    (["--folder", "/proc/nowhere"], "/proc/nowhere: No such file"),
    (["--cpus", "0"], "--cpus: '0' is no number from 1 on"),
    (["--timeout", "-5"], "--timeout: '-5' is no number from 1 on"),
    (["--bogus"], "unrecognized arguments: --bogus"),
])
def test_mistakes(need_vm, argv, said):
    done = run(*argv, "--", "true")
    assert re.search(said, sentence(done)), done.stderr
