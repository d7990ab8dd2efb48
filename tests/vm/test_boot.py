# SPDX-License-Identifier: GPL-2.0-only
"""A guest runs commands as this machine would, and changes nothing of it."""
import json
import os
from pathlib import Path
import stat
import time

import pytest

import vmlab

pytestmark = pytest.mark.quick


def test_output_and_status(vm):
    done = vm.run("sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.status, done.out, done.err) == (7, "out\n", "err\n")
    assert vm.run("sh", "-c", "kill -9 $$").status == 128 + 9


def test_arguments_environment_and_folder(vm, root):
    words = ["a b", "$HOME", "'", '"', "*", ""]
    script = "import os, sys; print(sys.argv[1:], os.environ['X'], os.getcwd())"
    done = vm.run("/usr/bin/python3", "-c", script, *words, env={"X": "1 2"},
                  cwd=root)
    assert done.out == "%s 1 2 %s\n" % (words, root)


def test_is_another_kernel_and_root(vm):
    assert vm.check("uname", "-r").strip() == vm.kernel.version
    assert vm.check("id", "-u") == "0\n"


def test_commands_run_beside_each_other(vm):
    """The first waits for the second, which then waits for its end."""
    flag = vm.shared / "flag"
    first = vm.start("sh", "-c", f"until [ -e {flag} ]; do sleep 0.1; done")
    assert first.status is None
    vm.check("touch", flag)
    assert first.wait().status == 0


def test_what_takes_too_long_is_killed(vm):
    slow = vm.start("sh", "-c", "sleep 1000 & sleep 1001")
    with pytest.raises(vmlab.Late, match="sleep 1001.* after 2 s"):
        slow.wait(2)
    vm.check("sh", "-c",
             "while grep -qsx sleep /proc/[0-9]*/comm; do :; done")


def test_the_kernels_log(vm):
    vm.check("sh", "-c", "echo 'a line of ours' >/dev/kmsg")
    ends = time.monotonic() + 60
    while "a line of ours" not in vm.log() and time.monotonic() < ends:
        time.sleep(0.1)
    assert "a line of ours" in vm.log()
    assert "Linux version " + vm.kernel.version in vm.log()


def test_nothing_is_written_outside_of_shares(vm, root):
    """What the guest writes to / it sees itself; the tree it cannot write."""
    vm.check("sh", "-c", "echo x >/kaio-was-here && grep x /kaio-was-here && "
             "mkdir /usr/kaio-was-here && rm /etc/hostname")
    assert not os.path.exists("/kaio-was-here")
    assert not os.path.exists("/usr/kaio-was-here")
    assert os.path.exists("/etc/hostname")
    done = vm.run("touch", root / "kaio-was-here")
    assert done.status and "Read-only file system" in done.err
    assert not (root / "kaio-was-here").exists()


def test_what_is_started_often_is_in_its_ram(vm, root):
    """As it is here; and what is ours is compiled, whether or not it is here."""
    assert "lowerdir=/copies:" in vm.check("grep", " / overlay", "/proc/mounts")
    note = json.loads(vm.copies.with_name("files.json").read_text())
    here = {path: os.lstat(path) for path in note["files"]
            if not path.startswith(("/tmp/", "/dev/", "/run/"))
            and vm.copies.parents[1] not in Path(path).parents}
    there = vm.shared / "files"
    there.write_text("\n".join(here), encoding="utf-8")
    found = dict(line.rsplit("|", 1) for line in vm.check(
        "xargs", "-d", "\n", "-a", there, "stat", "-c",
        "%n|%Y %s %f").splitlines())
    assert len(found) > 1000
    for path, one in here.items():
        if not stat.S_ISDIR(one.st_mode):
            assert found[path] == (
                f"{int(one.st_mtime)} {one.st_size} {one.st_mode:x}"), path
    compiled = "from fiolab.base import problem; import os; " \
        "print(os.path.exists(problem.__cached__))"
    assert vm.check("/usr/bin/python3", "-c", compiled,
                    env={"PYTHONPATH": root / "jobs"}) == "True\n"


def test_a_share_is_the_same_folder(vm):
    (vm.shared / "here").write_text("host", encoding="utf-8")
    assert vm.check("cat", vm.shared / "here") == "host"
    vm.check("sh", "-c", f"echo guest >{vm.shared}/there")
    assert (vm.shared / "there").read_text(encoding="utf-8") == "guest\n"
