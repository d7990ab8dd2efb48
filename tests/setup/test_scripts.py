# SPDX-License-Identifier: GPL-2.0-only
# The set-up scripts: packages and fio-headers in .setup.  Errors are provoked
# with small stand-ins for fio, a fio tree and apt-get; the way that users go is
# in test_fetch.py.

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

import pytest

from setuprun import (BASE_ENV, SETUP, fake_fio, fake_tree,
                      interrupt, one_sentence, private_path, run,
                      snapshot, write_program)

only_root = pytest.mark.skipif(os.geteuid() != 0,
                               reason="only root may install packages")


# --- .setup/packages

@pytest.mark.fio
def test_packages_silent_when_nothing_is_missing():
    result = run("packages", "build", "ab", "test", env={"NO_INSTALL": "1"})
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_packages_unknown_group():
    result = run("packages", "build", "everything")
    assert result.returncode == 2
    assert "'everything' is not a group" in result.stderr


def path_with_apt_get(tmp_path, body):
    """A PATH without strace and with a stand-in that records its calls."""
    path = private_path(tmp_path / "bin", "strace", "apt-get")
    log = tmp_path / "apt-get.log"
    write_program(path / "apt-get", f'echo "$*" >> {log}\n' + body)
    return {"PATH": str(path)}, log, path


def test_packages_no_install_names_them_and_installs_nothing(tmp_path):
    env, log, _ = path_with_apt_get(tmp_path, "exit 0\n")
    result = run("packages", "ab", env={**env, "NO_INSTALL": "1"})
    line = one_sentence(result, "packages")
    assert "NO_INSTALL" in line and "strace (for ab)" in line
    assert line.endswith("apt-get install --no-install-recommends strace")
    assert not log.exists()


def test_packages_without_apt_get(tmp_path):
    path = private_path(tmp_path / "bin", "strace", "apt-get")
    line = one_sentence(run("packages", "ab", env={"PATH": str(path)}),
                        "packages")
    assert "no apt-get" in line and line.endswith("recommends strace")


def test_packages_as_an_ordinary_user():
    with tempfile.TemporaryDirectory() as name:
        top = pathlib.Path(name)
        top.chmod(0o755)
        shutil.copytree(SETUP, top / "setup")
        env, log, _ = path_with_apt_get(top, "exit 0\n")
        user = (["/usr/bin/setpriv", "--reuid=65534", "--regid=65534",
                 "--clear-groups"] if os.geteuid() == 0 else [])
        line = one_sentence(run("packages", "ab", env=env, prefix=user,
                                setup=top / "setup"), "packages")
        assert "only root" in line and line.endswith("recommends strace")
        assert not log.exists()


def test_qualify_wants_one_browser_of_several(tmp_path):
    browsers = ("chromium", "chromium-browser", "google-chrome")
    path = private_path(tmp_path / "bin", "apt-get", *browsers)
    env = {"PATH": f"{path}", "NO_INSTALL": "1"}
    line = one_sentence(run("packages", "qualify", env=env), "packages")
    assert "chromium (for qualify)" in line
    write_program(path / "google-chrome", "exit 0\n")
    assert run("packages", "qualify", env=env).returncode == 0


@pytest.mark.parametrize("drive, wanted", [
    (None, ""), ("nvme/nvme0", "nvme-cli smartmontools"),
    ("ata_device/dev1.0", "hdparm"), ("scsi_disk/0:0:0:0", "smartmontools")])
def test_tools_of_drives_are_wanted_only_where_there_are_drives(
        drive, wanted, tmp_path):
    tools = ("nvme", "hdparm", "smartctl")
    path = private_path(tmp_path / "bin", "apt-get", *tools)
    copy = tmp_path / "setup"
    shutil.copytree(SETUP, copy)
    script = copy / "packages"
    script.write_text(script.read_text().replace(
        "/sys/class", f"{tmp_path}/class").replace(":/usr/sbin:/sbin", ""))
    if drive:
        (tmp_path / "class" / drive).mkdir(parents=True)
    result = run("packages", "devices", setup=copy,
                 env={"PATH": f"{path}", "NO_INSTALL": "1"})
    if not wanted:
        assert (result.returncode, result.stderr) == (0, "")
        return
    assert one_sentence(result, "packages").endswith(
        f"apt-get install --no-install-recommends {wanted}")
    for name in tools:
        write_program(path / name, "exit 0\n")
    assert run("packages", "devices", setup=copy, env={
        "PATH": f"{path}", "NO_INSTALL": "1"}).returncode == 0


@only_root
def test_packages_announces_and_fetches_lists_only_when_needed(tmp_path):
    env, log, path = path_with_apt_get(tmp_path, f"""
case "$*" in
*update) touch {tmp_path}/lists ;;
*) [ -e {tmp_path}/lists ] || exit 100
   ln -s /bin/true {tmp_path}/bin/strace ;;
esac
""")
    result = run("packages", "ab", env=env)
    assert result.returncode == 0
    assert result.stderr == "packages: installing strace (for ab)\n"
    calls = log.read_text().splitlines()
    assert [("update" in call) for call in calls] == [False, True, False]
    assert calls[0].endswith("install --no-install-recommends strace")
    (path / "strace").unlink()
    assert run("packages", "ab", env=env).returncode == 0
    assert len(log.read_text().splitlines()) == 4


@only_root
@pytest.mark.parametrize("body, expected", [
    ("echo E: broken; exit 100\n", "could not install strace"),
    ("exit 0\n", "still not found: strace"),
])
def test_packages_install_that_does_not_help(tmp_path, body, expected):
    env, _, _ = path_with_apt_get(tmp_path, body)
    result = run("packages", "ab", env={**env, "TMPDIR": str(tmp_path)})
    assert result.returncode == 1
    assert expected in result.stderr
    assert ("E: broken" in result.stderr) == ("broken" in body)


@only_root
def test_what_a_build_can_do_without_is_wanted_where_it_can_be_had(tmp_path):
    """Here everything but one header; the build itself never asks for it."""
    path = private_path(tmp_path / "bin", "cc", "apt-get")
    env, log = {"PATH": str(path)}, tmp_path / "apt-get.log"
    write_program(path / "cc", "! grep -q sys/sdt.h\n")
    for group, more in (("probes", {}), ("build", {"NO_INSTALL": "1"})):
        result = run("packages", group, env={**env, **more})
        assert (result.returncode, result.stderr) == (0, "")
    write_program(path / "apt-get", f'echo "$*" >> {log}; exit 100\n')
    assert run("packages", "probes",
               env={**env, "NO_INSTALL": "1"}).returncode == 0
    assert not log.exists()
    result = run("packages", "probes", env={**env, "TMPDIR": str(tmp_path)})
    assert result.returncode == 1
    assert "installing systemtap-sdt-dev (for probes)" in result.stderr
    assert "could not install systemtap-sdt-dev" in result.stderr


# --- .setup/fio-headers: what is refused

@pytest.mark.parametrize("fio, expected", [
    ("/nonexistent/fio", "not a program"),
    ("/etc", "not a program"),
    ("/bin/cat", "is not fio"),
    ("/bin/true", "is not fio"),
])
def test_headers_wrong_fio(tmp_path, fio, expected):
    line = one_sentence(run("fio-headers", tmp_path / "out",
                            env={"FIO": fio}), "fio-headers")
    assert expected in line and f"FIO={fio}" in line
    assert not (tmp_path / "out").exists()


def test_headers_mismatching_source(tmp_path):
    tree = fake_tree(tmp_path / "tree", "fio-9.98")
    before = snapshot(tree)
    env = {"FIO": str(fake_fio(tmp_path, "fio-9.99")), "FIO_SRC": str(tree)}
    line = one_sentence(run("fio-headers", tmp_path / "out", env=env),
                        "fio-headers")
    assert "fio-9.98" in line and "fio-9.99" in line
    assert not (tmp_path / "out").exists() and snapshot(tree) == before


def test_headers_source_that_is_none(tmp_path):
    line = one_sentence(run("fio-headers", tmp_path / "out", env={
        "FIO": str(fake_fio(tmp_path, "fio-9.99")),
        "FIO_SRC": str(tmp_path)}), "fio-headers")
    assert "not a fio source tree" in line


def test_headers_fio_of_unknown_origin(tmp_path):
    line = one_sentence(run("fio-headers", tmp_path / "out", env={
        "FIO": str(fake_fio(tmp_path, "fio-9.99"))}), "fio-headers")
    assert "version 9.99" in line and "tag fio-9.99" in line
    assert "FIO_SRC" in line


def test_headers_never_replace_what_is_not_theirs(tmp_path):
    tree = fake_tree(tmp_path / "tree", "fio-9.99")
    env = {"FIO": str(fake_fio(tmp_path, "fio-9.99")), "FIO_SRC": str(tree)}
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis").write_text("years of work")
    before = snapshot(tmp_path)
    for out in ("out", "tree", "tree/new/out", "."):
        one_sentence(run("fio-headers", tmp_path / out, env=env),
                     "fio-headers")
    assert snapshot(tmp_path) == before


# --- .setup/fio-headers: FIO_SRC

def test_headers_source_is_only_read_and_out_follows_it(tmp_path):
    tree = fake_tree(tmp_path / "tree", "fio-9.99")
    env = {"FIO": str(fake_fio(tmp_path, "fio-9.99")), "FIO_SRC": str(tree)}
    out = tmp_path / "out"
    before = snapshot(tree)
    assert run("fio-headers", out, env=env).returncode == 0
    assert snapshot(tree) == before
    assert (out / ".version").read_text() == "fio-9.99\n"
    assert (out / "config-host.h").exists()

    first = snapshot(out)
    again = run("fio-headers", out, env=env)
    assert (again.returncode, again.stderr) == (0, "")
    assert snapshot(out) == first

    (tree / "config-host.h").write_text("#define CONFIG_OF_THE_BUILD\n")
    (tree / "FIO-VERSION-FILE").write_text("FIO_VERSION = fio-9.99-1-gabcd\n")
    env["FIO"] = str(fake_fio(tmp_path, "fio-9.99-1-gabcd"))
    assert run("fio-headers", out, env=env).returncode == 0
    assert "OF_THE_BUILD" in (out / "config-host.h").read_text()
    assert (out / ".version").read_text() == "fio-9.99-1-gabcd\n"
    assert sorted(p.name for p in tmp_path.glob(".fio-headers*")) == []


def test_headers_are_configured_again_for_another_machine(tmp_path):
    """make CC=aarch64-linux-gnu-gcc, in the folder of an earlier build."""
    tree = fake_tree(tmp_path / "tree", "fio-9.99",
                     "echo > config-host.h; $CC -dumpmachine > target")
    env = {"FIO": str(fake_fio(tmp_path, "fio-9.99")), "FIO_SRC": str(tree)}
    out = tmp_path / "out"
    for machine, again in (("x86_64-any", True), ("x86_64-other", False),
                           ("aarch64-any", True)):
        compiler = write_program(
            tmp_path / machine, f'[ "$1" = -dumpmachine ] && echo {machine} '
            '|| exec cc "$@"\n')
        result = run("fio-headers", out, env={**env, "CC": str(compiler)})
        assert result.returncode == 0, result.stderr
        assert ("configuring" in result.stderr) == again
        assert ((out / "target").read_text() == machine + "\n") == again


def git(directory, *args):
    subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@t",
                    "-C", directory, *args], check=True, timeout=300,
                   capture_output=True)


@pytest.mark.skipif(not shutil.which("git"), reason="there is no git")
def test_headers_version_of_a_checkout(tmp_path):
    git(tmp_path, "init", "-q", ".")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "around the tree")
    git(tmp_path, "tag", "-a", "-m", "x", "fio-1.1")
    tree = fake_tree(tmp_path / "tree", "fio-9.98")
    env = {"FIO": str(fake_fio(tmp_path, "fio-9.98")), "FIO_SRC": str(tree)}
    assert run("fio-headers", tmp_path / "a", env=env).returncode == 0

    git(tree, "init", "-q", ".")
    git(tree, "add", ".")
    git(tree, "commit", "-q", "-m", "fio")
    git(tree, "tag", "-a", "-m", "x", "fio-9.99")
    line = one_sentence(run("fio-headers", tmp_path / "b", env=env),
                        "fio-headers")
    assert "fio-9.99," in line
    (tree / "fio.h").write_text("struct thread_data { int x; void *eo; };\n")
    env["FIO"] = str(fake_fio(tmp_path, "fio-9.99-dirty"))
    before = snapshot(tree)
    assert run("fio-headers", tmp_path / "c", env=env).returncode == 0
    assert snapshot(tree) == before
    assert not (tmp_path / "c" / ".git").exists()


def test_headers_failed_configure_keeps_out_and_shows_why(tmp_path):
    tree = fake_tree(tmp_path / "tree", "fio-9.99")
    env = {"FIO": str(fake_fio(tmp_path, "fio-9.99")), "FIO_SRC": str(tree)}
    out = tmp_path / "out"
    assert run("fio-headers", out, env=env).returncode == 0
    before = snapshot(out)
    fake_tree(tree, "fio-9.99", "echo no zlib found; exit 1")
    result = run("fio-headers", out, env=env)
    assert result.returncode == 1 and "no zlib found" in result.stderr
    assert "no zlib" in (tmp_path / "out-configure.log").read_text()
    assert snapshot(out) == before


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT,
                                 signal.SIGKILL])
def test_headers_interrupted_configure(tmp_path, how):
    started = tmp_path / "started"
    tree = fake_tree(tmp_path / "tree", "fio-9.99",
                     f"echo > config-host.h; touch {started}; exec sleep 20")
    env = {"FIO": str(fake_fio(tmp_path, "fio-9.99")), "FIO_SRC": str(tree)}
    interrupt(env, tmp_path / "out", started, how)
    assert not (tmp_path / "out").exists()
    if how != signal.SIGKILL:
        assert not list(tmp_path.glob(".fio-headers*"))
    fake_tree(tree, "fio-9.99")
    assert run("fio-headers", tmp_path / "out", env=env).returncode == 0


# --- make runs the set-up before anything else

@pytest.mark.parametrize("goal", ["all", "lib", "test", "ab", "qualify",
                                  "install"])
def test_make_begins_with_the_packages(tmp_path, goal):
    """On a machine that lacks something, its name comes before any compiler
    error for want of it."""
    path = private_path(tmp_path / "bin", "fio")
    result = subprocess.run(
        ["make", "-j2", f"O={tmp_path}/out", goal], text=True, timeout=300,
        env={**BASE_ENV, "PATH": str(path), "NO_INSTALL": "1"},
        cwd=SETUP.parent, capture_output=True)
    assert result.returncode == 2
    assert "these Debian packages" in result.stderr
    assert "apt-get install --no-install-recommends fio" in result.stderr
    assert " CC " not in result.stdout


@pytest.mark.parametrize("setting", ["O=", "O=a b", "libdir=lib64",
                                     "prefix=usr"])
def test_make_refuses_paths_it_would_misread(setting):
    result = subprocess.run(["make", "-n", setting, "all"], text=True,
                            timeout=300, cwd=SETUP.parent, capture_output=True)
    assert result.returncode == 2
    assert setting.split("=")[0] + "='" in result.stderr


def test_make_clean_removes_only_a_build(tmp_path):
    (tmp_path / "mine").write_text("precious", encoding="utf-8")
    result = subprocess.run(["make", f"O={tmp_path}", "clean"], text=True,
                            timeout=300, cwd=SETUP.parent, capture_output=True)
    assert result.returncode == 2
    assert "was not made by this Makefile" in result.stderr
    assert (tmp_path / "mine").exists()
