# SPDX-License-Identifier: GPL-2.0-only
"""Other distributions than Debian 12, faked: a copy of .setup reads another
os-release, and PATH has no apt-get.  What their packages are called, and where
the source of their fio comes from, is said; nothing is installed."""
import os
import shutil
import subprocess

import pytest

from setuprun import (SETUP, fake_fio, one_sentence, private_path, run,
                      write_program)

# What identifies each in its own /etc/os-release, and its family.
RELEASES = {
    "fedora": ('NAME="Fedora Linux"\nID=fedora\nVERSION_ID=42\n', "fedora"),
    "rocky": ('NAME="Rocky Linux"\nID="rocky"\n'
              'ID_LIKE="rhel centos fedora"\n', "fedora"),
    "tumbleweed": ('NAME="openSUSE Tumbleweed"\nID="opensuse-tumbleweed"\n'
                   'ID_LIKE="opensuse suse"\n', "suse"),
    "sles": ('NAME="SLES"\nID="sles"\nID_LIKE="suse"\n', "suse"),
    "arch": ('NAME="Arch Linux"\nID=arch\n', "arch"),
    "alpine": ('NAME="Alpine Linux"\nID=alpine\n', "alpine"),
    "ubuntu": ("NAME='Ubuntu'\nID=ubuntu\nID_LIKE=debian\n", "debian"),
    "void": ('NAME="Void"\nID="void"\n', ""),
    "nothing": (None, ""),
}
INSTALL = {
    "fedora": "dnf install strace python3-jinja2",
    "suse": "zypper install strace python3-Jinja2",
    "arch": "pacman -S --needed strace python-jinja",
    "alpine": "apk add strace py3-jinja2",
    "debian": "apt-get install --no-install-recommends strace python3-jinja2",
}
SOURCE = {"fedora": "dnf download --source fio",
          "suse": "zypper source-install", "arch": "pkgctl repo clone",
          "alpine": "aports"}


@pytest.fixture
def become(tmp_path):
    """become(NAME): the scripts as they are on a machine with the os-release
    NAME of the table above."""
    def become(name):
        copy, release = tmp_path / "setup", tmp_path / "os-release"
        shutil.copytree(SETUP, copy)
        script = copy / "distribution"
        script.write_text(script.read_text().replace("/etc/os-release",
                                                     str(release)))
        if RELEASES[name][0] is not None:
            release.write_text(RELEASES[name][0])
        return copy
    return become


def rewrite(script, before, after):
    text = script.read_text()
    assert before in text
    script.write_text(text.replace(before, after))


def lacking(copy, *rows):
    """Leave the table of packages with these rows alone, of which none is
    found here."""
    script = copy / "packages"
    head, _, rest = script.read_text().partition("table='\n")
    _, _, rest = rest.partition("'\n")
    table = "".join(f"{row}\tcommand\tno-such-program\n" for row in rows)
    script.write_text(f"{head}table='\n{table}'\n{rest}")


@pytest.fixture
def path(tmp_path):
    return private_path(tmp_path / "bin", "apt-get", "apt-cache")


@pytest.mark.parametrize("name", RELEASES)
def test_packages_by_the_names_of_the_distribution(become, path, name):
    copy, family = become(name), RELEASES[name][1]
    lacking(copy, "ab\tstrace", "ab\tpython3-jinja2")
    line = one_sentence(run("packages", "ab", setup=copy,
                            env={"PATH": str(path)}), "packages")
    assert "this machine has no apt-get" in line
    if family:
        words = INSTALL[family].split()[-2:]
        assert f": {' '.join(words)} (for ab); as root: " in line
        assert line.endswith(INSTALL[family])
    else:
        assert "these Debian packages" in line and "as root" not in line
        assert line.endswith(": strace python3-jinja2 (for ab)")
    if family in ("fedora", "suse", "arch", "alpine"):
        called = RELEASES[name][0].split('"')[1]
        assert f"these packages of {called} have" in line


@pytest.mark.parametrize("name, words", [
    ("fedora", "gcc glibc-devel.i686 libgcc.i686"),
    ("alpine", "gcc musl-dev linux-headers"), ("arch", "gcc lib32-glibc")])
def test_several_packages_for_one_and_one_for_several(become, path, name,
                                                      words):
    copy = become(name)
    rows = {"fedora": ("test\tgcc", "test\tgcc-i686-linux-gnu"),
            "alpine": ("test\tgcc", "test\tlibc6-dev"),
            "arch": ("test\tgcc", "test\tg++", "test\tgcc-i686-linux-gnu")}
    lacking(copy, *rows[name])
    line = one_sentence(run("packages", "test", setup=copy,
                            env={"PATH": str(path)}), "packages")
    assert f": {words}" in line


@pytest.mark.parametrize("name", RELEASES)
def test_where_the_source_of_fio_comes_from(become, path, tmp_path, name):
    """It is said with the package, and again where it is missing."""
    copy, family = become(name), RELEASES[name][1]
    headers = one_sentence(run("fio-headers", tmp_path / "out", setup=copy, env={
        "FIO": str(fake_fio(tmp_path, "fio-9.99")), "PATH": str(path)}),
        "fio-headers")
    lacking(copy, "build\tfio", "ab\tstrace")
    packages, other = (
        one_sentence(run("packages", group, setup=copy,
                         env={"PATH": str(path)}), "packages")
        for group in ("build", "ab"))
    assert "fio" not in other and "FIO_SRC" in headers
    for line in (headers, packages):
        found = {key for key, word in SOURCE.items() if word in line}
        assert found == ({family} & set(SOURCE))
        assert ("FIO_SRC" in line) == (bool(found) or line is headers)


def test_what_is_not_packaged_is_said_and_stops_nothing(become, path):
    copy = become("arch")
    lacking(copy, "test\tpython3-allpairspy")
    done = run("packages", "test", setup=copy, env={"PATH": str(path)})
    assert (done.returncode, done.stdout) == (0, "")
    assert "Arch Linux has no package" in done.stderr
    assert done.stderr.count("\n") == 1 and "python3-allpairspy" in done.stderr


def table(script):
    """The rows of the table of a script."""
    text = (SETUP / script).read_text().split("='\n", 1)[1]
    return [row.split("\t") for row in text.split("\n'\n", 1)[0].splitlines()]


def test_each_package_has_a_name_in_each_family():
    names = table("distribution")
    wanted = {row[1] for row in table("packages")}
    assert {len(row) for row in names} == {5} and all(map(all, names))
    called = [row[0] for row in names]
    assert len(set(called)) == len(called)
    assert wanted == set(called) - {"debian"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may install packages")
@pytest.mark.parametrize("known", ["libaio1", "libaio1t64"])
def test_name_that_changed_is_the_one_of_the_release(become, path, known,
                                                     tmp_path):
    """apt's lists are there only after the update, as on a fresh machine."""
    copy, log = become("ubuntu"), tmp_path / "log"
    lacking(copy, "bench\tlibaio1|libaio1t64")
    rewrite(copy / "packages", "no-such-program", "program")
    write_program(path / "apt-cache", f'[ -e {log}.lists ] || exit 100\n'
                  f'[ "$2" = {known} ]\n')
    write_program(path / "apt-get", f"""
case "$*" in
*update) touch {log}.lists ;;
*) echo "$*" >>{log}
   [ "${{*##* }}" = {known} ] && [ -e {log}.lists ] &&
	ln -s /bin/true {path}/program ;;
esac
""")
    done = run("packages", "bench", setup=copy, env={"PATH": str(path)})
    assert done.returncode == 0, done.stderr
    assert log.read_text().split()[-1] == known


def test_library_of_the_releases_since_its_time_t_is_wide(tmp_path):
    path = private_path(tmp_path / "bin", "apt-get", "ldconfig")
    copy = tmp_path / "setup"
    shutil.copytree(SETUP, copy)
    rewrite(copy / "packages", ":/usr/sbin:/sbin ldconfig", " ldconfig")
    for name, there in (("libaio.so.1", True), ("libaio.so.1t64", True),
                        ("libaio.so.12", False)):
        write_program(path / "ldconfig",
                      f"echo '\t{name} (libc6,x86-64) => /lib/{name}'\n")
        done = run("packages", "bench", setup=copy, env={
            "PATH": str(path), "NO_INSTALL": "1"})
        assert (done.returncode == 0) == there


def test_shell_reads_it_without_a_word():
    """dash, which is sh on Debian, and what else is at hand."""
    for shell in ("dash", "bash", "busybox"):
        if shutil.which(shell):
            words = [shell, *(["sh"] if shell == "busybox" else [])]
            done = subprocess.run(
                [*words, "-euc", f". {SETUP}/distribution; names_of make"],
                capture_output=True, text=True, timeout=60)
            assert (done.returncode, done.stdout, done.stderr) == (
                0, "make\n", "")
