# SPDX-License-Identifier: GPL-2.0-only
"""What happens to a guest from outside: the plug is pulled, the reset button
pressed, a device comes and goes; the disks are what they were.  Nothing large is
started in these guests."""
import pytest

import vmlab

WRITE = "echo %s | dd of=/dev/lab/d bs=4096 conv=sync oflag=direct,dsync"


def first_word(guest):
    return guest.check("head", "-n1", "/dev/lab/d").strip()


def test_kill_reset_and_boot_again(boot):
    guest = boot("nvme,id=d,size=16M", ram=False)
    guest.check("sh", "-c", WRITE % "killed")
    running = guest.start("sleep", "1000")
    guest.process.kill()        # behind its back: as any crash of QEMU
    with pytest.raises(vmlab.Died, match="sleep 1000 has not ended, but the"):
        running.wait()
    (guest.shared / "survives").write_text("x", encoding="utf-8")

    guest.boot()
    assert first_word(guest) == "killed"
    assert guest.check("cat", guest.shared / "survives") == "x"
    guest.check("sh", "-c", WRITE % "reset")
    running = guest.start("sleep", "1000")
    guest.reset()
    with pytest.raises(vmlab.Died):
        running.wait()
    assert first_word(guest) == "reset"


def test_devices_come_and_go(boot):
    guest = boot("virtio,id=stays,size=4M", "nvme,id=goes,size=4M", ram=False)
    guest.remove("goes")
    assert guest.run("test", "-b", "/dev/nvme0n1").status == 1
    guest.add("nvme,id=comes,size=8M,lba=4096")
    assert guest.check("blockdev", "--getsize64", "--getss",
                       "/dev/lab/comes").split() == [str(8 << 20), "4096"]
    guest.add("scsi,id=several,size=8M,luns=2")
    guest.remove("several")
    guest.remove("comes")
    assert guest.run("test", "-b", "/dev/nvme0n1").status == 1
    guest.add("nvme,id=again,size=4M")
    assert guest.check("blockdev", "--getsize64",
                       "/dev/lab/again").strip() == str(4 << 20)


def test_bad_sectors(boot):
    """bad=: an I/O error there, none beside it, and the kernel says so."""
    guest = boot("virtio,id=d,size=4M,bad=64+4096", ram=False)
    read = "dd if=/dev/lab/d of=/dev/null bs=512 iflag=direct count=1 skip=%d"
    for sector, status in ((63, 0), (64, 1), (65, 0), (4096, 1)):
        done = guest.run("sh", "-c", read % sector)
        assert done.status == status, (sector, done)
    assert "I/O error, dev vda, sector 64 " in guest.check("dmesg")


def test_a_panic_ends_it(boot):
    guest = boot(ram=False)
    with pytest.raises(vmlab.Died, match="Kernel panic"):
        guest.run("sh", "-c", "echo c >/proc/sysrq-trigger; sleep 100")
    assert "sysrq triggered crash" in guest.log()
