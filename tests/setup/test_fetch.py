# SPDX-License-Identifier: GPL-2.0-only
# The distribution's fio and its source package, as .setup/fio-headers fetches
# it with the machine's own apt.

import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import pytest

from setuprun import (fake_fio, fake_tree, interrupt, one_sentence,
                      private_path, run, snapshot, write_program)

pytestmark = pytest.mark.long


# --- the distribution's fio and its source package

@pytest.fixture(scope="module")
def package_fio():
    fio = shutil.which("fio")
    if not fio or not shutil.which("dpkg-query"):
        pytest.skip("there is no fio from a Debian package")
    owner = subprocess.run(["dpkg-query", "-S", os.path.realpath(fio)],
                           text=True, timeout=300, capture_output=True)
    if not re.match(r"fio(:\w+)?: ", owner.stdout):
        pytest.skip(f"{fio} is not from the Debian package of fio")
    return os.path.realpath(fio)


def machine_apt():
    """/etc/apt and the machine's package lists, to compare two moments."""
    lists = pathlib.Path("/var/lib/apt/lists")
    return snapshot("/etc/apt"), [(p.name, p.stat().st_mtime_ns)
                                  for p in sorted(lists.glob("*"))]


@pytest.fixture(scope="module")
def fetched(package_fio, tmp_path_factory):
    """A first run with an empty cache: its result, OUT and environment."""
    top = tmp_path_factory.mktemp("fetched")
    env = {"FIO": package_fio, "XDG_CACHE_HOME": str(top / "cache"),
           "NO_INSTALL": "1"}
    before = machine_apt()
    result = run("fio-headers", top / "out", env=env, timeout=300)
    if re.search("resolv|connect|Failed to fetch|timed out|is expired|"
                 "Unable to find|Can not find", result.stderr):
        pytest.skip("the package archive is out of reach: " + result.stderr)
    return result, top, env, before == machine_apt()


@pytest.mark.slow
def test_fetch_leaves_the_machine_alone(fetched):
    result, top, _, untouched = fetched
    assert result.returncode == 0, result.stderr
    assert result.stdout == "" and "fetching the source" in result.stderr
    assert untouched
    names = [p.name for p in (top / "cache" / "kaio").iterdir()]
    assert len(names) == 1 and names[0].startswith("fio_")


@pytest.mark.slow
def test_fetched_version_and_second_run(fetched, package_fio):
    _, top, env, _ = fetched
    version = subprocess.run([package_fio, "--version"], text=True,
                             timeout=300, capture_output=True).stdout
    assert (top / "out" / ".version").read_text() == version
    before = snapshot(top / "out")
    again = run("fio-headers", top / "out", env=env)
    assert (again.returncode, again.stderr) == (0, "")
    assert snapshot(top / "out") == before


PLUGIN = r"""
#include <fio.h>
extern struct fio_option fio_options[];
static struct ioengine_ops engine = {
	.name = "layout", .version = FIO_IOOPS_VERSION };
static void compare(const char *name, size_t built)
{
	for (struct fio_option *o = fio_options; o->name; o++)
		if (!strcmp(o->name, name))
			printf("%s %s\n", name,
			       o->off1 == built ? "same" : "differs");
}
#define COMPARE(name, field) \
	compare(name, offsetof(struct thread_options, field))
void get_ioengine(struct ioengine_ops **ops);
void get_ioengine(struct ioengine_ops **ops)
{
	COMPARE("iodepth", iodepth);
	COMPARE("cpumask", cpumask);
	COMPARE("thread", use_thread);
	COMPARE("rate", rate);
	COMPARE("write_iolog", write_iolog_file);
	COMPARE("replay_redirect", replay_redirect);
	*ops = &engine;
}
"""


def test_fetched_layout_is_that_of_the_running_fio(fetched, package_fio,
                                                   tmp_path):
    out = fetched[1] / "out"
    (tmp_path / "plugin.c").write_text(PLUGIN)
    subprocess.run(["gcc", "-shared", "-fPIC", "-D_GNU_SOURCE", "-isystem",
                    out, "-include", out / "config-host.h", "-o",
                    tmp_path / "plugin.so", tmp_path / "plugin.c"],
                   check=True, timeout=300)
    result = subprocess.run([package_fio, f"--enghelp={tmp_path}/plugin.so"],
                            text=True, timeout=300, capture_output=True)
    assert result.stdout.count("same\n") == 6, result.stdout + result.stderr
    assert "differs" not in result.stdout


@pytest.mark.slow
def test_out_follows_fio_and_the_cache_needs_no_network(fetched, tmp_path):
    _, _, env, _ = fetched
    path = private_path(tmp_path / "bin", "apt-get", "dpkg-source")
    tree = fake_tree(tmp_path / "tree", "fio-9.99")
    other = {"FIO": str(fake_fio(tmp_path, "fio-9.99")),
             "FIO_SRC": str(tree)}
    out = tmp_path / "out"
    for use, version in ((other, "fio-9.99"), (env, "fio-"),
                         (other, "fio-9.99")):
        result = run("fio-headers", out, env={**use, "PATH": str(path)})
        assert result.returncode == 0, result.stderr
        assert "fetching" not in result.stderr
        assert (out / ".version").read_text().startswith(version)
        assert (out / "config-host.h").exists()
        assert (out / "io_u.h").exists() == (use is env)


def test_damaged_cache_is_not_used(fetched, tmp_path):
    _, top, env, _ = fetched
    cache = tmp_path / "cache"
    shutil.copytree(top / "cache", cache, symlinks=True)
    next(cache.glob("kaio/fio_*/fio.h")).unlink()
    path = private_path(tmp_path / "bin", "apt-get")
    result = run("fio-headers", tmp_path / "out", env={
        **env, "PATH": str(path), "XDG_CACHE_HOME": str(cache)})
    assert result.returncode == 1 and "without apt-get" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_interrupted_fetch_leaves_no_half_tree(package_fio, tmp_path, how):
    path = private_path(tmp_path / "bin", "apt-get")
    started, cache = tmp_path / "started", tmp_path / "cache" / "kaio"
    write_program(path / "apt-get", f"touch {started}; exec sleep 20\n")
    env = {"FIO": package_fio, "PATH": str(path),
           "XDG_CACHE_HOME": str(cache.parent)}
    interrupt(env, tmp_path / "out", started, how)
    assert not (tmp_path / "out").exists() and not list(cache.glob("fio*"))
    if how != signal.SIGKILL:
        end = time.monotonic() + 60
        while list(cache.iterdir()) and time.monotonic() < end:
            time.sleep(0.02)
        assert list(cache.iterdir()) == []


def test_version_that_left_the_archive(package_fio, tmp_path):
    path = private_path(tmp_path / "bin", "apt-get")
    write_program(path / "apt-get",
                  'echo "E: Can not find version"; exit 100\n')
    result = run("fio-headers", tmp_path / "out", env={
        "FIO": package_fio, "PATH": str(path),
        "XDG_CACHE_HOME": str(tmp_path / "cache")})
    assert result.returncode == 1
    assert "(E: Can not find version)" in result.stderr
    last = result.stderr.splitlines()[-1]
    assert re.search(r"download the fio source of version \d.*FIO_SRC", last)
    assert not (tmp_path / "out").exists()


def test_an_archive_that_apt_does_not_take(package_fio, tmp_path):
    """Apt then says that it has no sources, and not why, at the end."""
    path = private_path(tmp_path / "bin", "apt-get")
    write_program(path / "apt-get",
                  'case $3 in update) echo "E: it is expired" ;;\n'
                  '*) echo "E: no deb-src" ;; esac\nexit 100\n')
    result = run("fio-headers", tmp_path / "out", env={
        "FIO": package_fio, "PATH": str(path),
        "XDG_CACHE_HOME": str(tmp_path / "cache")})
    assert result.returncode == 1
    assert "(E: it is expired; E: no deb-src)" in result.stderr


@pytest.mark.parametrize("place", ["", "/dev/null/no/folder"])
def test_nowhere_to_keep_it(package_fio, tmp_path, place):
    """As for a user without a home; another mirror would not help."""
    result = run("fio-headers", tmp_path / "out", env={
        "FIO": package_fio, "HOME": "", "XDG_CACHE_HOME": place})
    assert result.returncode == 1 and not (tmp_path / "out").exists()
    last = result.stderr.splitlines()[-1]
    assert re.search(r"^source-package: .* set XDG_CACHE_HOME to", last)
    assert place in last and "mirror" not in result.stderr


def test_private_source_list_of_both_formats(package_fio, tmp_path):
    parts = tmp_path / "etc" / "sources.list.d"
    parts.mkdir(parents=True)
    (tmp_path / "etc" / "sources.list").write_text(
        "deb cdrom:[Debian 12]/ bookworm main\n"
        "# deb http://off.example x main\n"
        "deb [signed-by=/k.gpg] http://a.example/debian bookworm main # note\n"
        "deb-src [signed-by=/k.gpg] http://a.example/debian bookworm main\n")
    (parts / "b.list").write_text("deb\thttp://b.example/ ./")
    (parts / "c.list.save").write_text("deb http://off.example x main\n")
    (parts / "d.sources").write_text(
        "# first\nTypes: deb deb-src\nURIs: http://d.example\nSuites: s\n"
        "Components: main\nSigned-By:\n -----BEGIN\n .\n\n"
        "Enabled: no\nTypes: deb\nURIs: http://off.example\nSuites: s\n \n"
        "types: deb\nuris: http://e.example\nSuites: s\nEnabled: yes\n")
    (tmp_path / "apt.conf").write_text(f'Dir::Etc "{tmp_path}/etc/";\n')
    path = private_path(tmp_path / "bin", "apt-get")
    write_program(path / "apt-get",
                  f'cp -r "${{2%/*}}/sources.d" {tmp_path}/seen; exit 100\n')
    run("source-package", "fio", env={
        "PATH": str(path), "APT_CONFIG": str(tmp_path / "apt.conf"),
        "XDG_CACHE_HOME": str(tmp_path / "cache")})
    lines = (tmp_path / "seen" / "private.list").read_text().splitlines()
    assert lines == [
        "deb-src [signed-by=/k.gpg] http://a.example/debian bookworm main",
        "deb-src http://b.example/ ./"]
    text = (tmp_path / "seen" / "private.sources").read_text()
    assert text == (
        "Types: deb-src\nURIs: http://d.example\nSuites: s\n"
        "Components: main\nSigned-By:\n -----BEGIN\n .\n\n"
        "Types: deb-src\nuris: http://e.example\nSuites: s\nEnabled: yes\n\n")


def test_source_package_of_what_is_not_installed():
    line = one_sentence(run("source-package", "no-such-package"),
                        "source-package")
    assert "no-such-package" in line
