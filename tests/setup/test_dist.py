# SPDX-License-Identifier: GPL-2.0-only
"""make dist: what is in the archive, that it is the same byte for byte wherever
and by whom it is made, and that what is built of it is, too."""
import os
import shutil

import pytest

from abi_tools import ROOT, SAN
import packagebuild
import setuprun

pytestmark = [pytest.mark.long, pytest.mark.skipif(
    bool(SAN), reason="an archive has none")]
BUILT = ("libaio.so.1", "libaio.a", "fio-kaio.so", "loops/bareloop",
         "loops/callloop", "loops/returns")


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return packagebuild.archive(tmp_path_factory.mktemp("dist") / "out")


@pytest.fixture(scope="module")
def tree(archive, tmp_path_factory):
    """The archive unpacked."""
    return packagebuild.unpacked(archive, tmp_path_factory.mktemp("tree") / "t")


def of_git():
    """The files of the checkout that these tests lie in."""
    done = packagebuild.run("git", "-c", "safe.directory=*", "-C", ROOT,
                            "ls-files")
    if done.returncode or not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout")
    return {name for name in done.stdout.splitlines()
            if (ROOT / name).exists()}


def test_it_has_what_git_has(tree):
    files = {str(path.relative_to(tree)) for path in tree.rglob("*")
             if not path.is_dir()}
    assert files == of_git() | {".setup/manifest"}
    for name in files - {".setup/manifest"}:
        assert (tree / name).read_bytes() == (ROOT / name).read_bytes(), name
        assert os.access(tree / name, os.X_OK) == os.access(
            ROOT / name, os.X_OK), name


def test_nothing_of_who_made_it_is_in_it(archive):
    listed = packagebuild.run("tar", "--numeric-owner", "--full-time", "-tvf",
                              archive).stdout.splitlines()
    words = [line.split() for line in listed]
    assert {one[1] for one in words} == {"0/0"}
    assert {one[0] for one in words} <= {"-rw-r--r--", "-rwxr-xr-x"}
    assert len({(one[3], one[4]) for one in words}) == 1


@pytest.mark.parametrize("umask", [0o077, 0o000])
def test_another_clone_makes_the_same(umask, archive, tmp_path):
    """At another path, with dates and modes of another moment and umask; the
    changes that are not committed go along."""
    clone = tmp_path / "another clone"
    of_git()
    done = packagebuild.run("git", "clone", "-q", ROOT, clone, umask=umask)
    assert done.returncode == 0, done.stderr
    top = packagebuild.unpacked(archive, tmp_path / "t")
    (top / ".setup/manifest").unlink()
    for old in clone.rglob("*"):
        if old.is_file() and ".git" not in old.relative_to(clone).parts:
            old.unlink()
    shutil.copytree(top, clone, dirs_exist_ok=True,
                    copy_function=shutil.copy)
    packagebuild.run("git", "-C", clone, "add", "-A")
    again = packagebuild.archive(tmp_path / "out", clone, umask=umask)
    assert again.read_bytes() == archive.read_bytes()


def test_the_archive_makes_itself(archive, tree, tmp_path):
    """What was built in it meanwhile, and what else lies in it, stays out."""
    (tree / "mine").write_text("mine", encoding="ascii")
    again = packagebuild.archive(tmp_path / "out", tree)
    (tree / "mine").unlink()
    assert again.read_bytes() == archive.read_bytes()


def test_a_conflict_is_no_reason_to_leave_a_file_out(archive, tmp_path):
    """git then has it three times."""
    clone = tmp_path / "clone"
    of_git()
    done = packagebuild.run("git", "clone", "-q", ROOT, clone)
    assert done.returncode == 0, done.stderr
    shutil.copy(ROOT / ".setup/dist", clone / ".setup")
    blob = packagebuild.run("git", "-C", clone, "rev-parse", "HEAD:Makefile")
    stages = "".join(f"100644 {blob.stdout.strip()} {stage}\tMakefile\n"
                     for stage in (1, 2, 3))
    packagebuild.run("sh", "-c", 'cd "$0" && git rm -q --cached Makefile && '
                     'printf %s "$1" | git update-index --index-info', clone,
                     stages)
    listed = packagebuild.run("git", "-C", clone, "ls-files", "Makefile")
    assert listed.stdout == "Makefile\n" * 3
    tree = packagebuild.unpacked(packagebuild.archive(tmp_path / "out", clone),
                                 tmp_path / "t")
    assert (tree / "Makefile").exists()


@pytest.mark.parametrize("place", ["a b/kaio.tar.xz", "c/kaio.tar.xz"])
def test_rpmbuild_takes_no_blanks(place, tmp_path):
    (tmp_path / place).parent.mkdir()
    done = packagebuild.run(ROOT / ".setup/build-rpm", tmp_path / place,
                            tmp_path / "an other")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("rpm: rpmbuild takes no path with blanks")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("kind, tool, made", [
    ("deb", "dpkg-buildpackage", "../x.deb"),
    ("rpm", "rpmbuild", "$TOP/out/RPMS/x/x.rpm")])
def test_packages_find_the_source_of_fio(kind, tool, made, archive, tmp_path):
    """Though it was named from the folder of who asked for them."""
    (tmp_path / "fio source").mkdir()
    setuprun.write_program(tmp_path / "fio", "echo fio-9.99\n")
    setuprun.write_program(
        tmp_path / tool, f'echo "$FIO_SRC" >$TOP/seen\n'
        f'mkdir -p "$(dirname {made})" && touch "{made}"\n')
    done = packagebuild.run(
        "env", "FIO_SRC=fio source", f"TOP={tmp_path}",
        f"PATH={tmp_path}:{os.environ['PATH']}", ROOT / f".setup/build-{kind}",
        archive, "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "seen").read_text() == f"{tmp_path}/fio source\n"


def test_a_bare_copy_says_what_is_missing(tree, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(tree, copy)
    (copy / ".setup/manifest").unlink()
    done = packagebuild.run(copy / ".setup/dist", tmp_path / "archive")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("dist: this is neither a git checkout nor")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "archive").exists()


@pytest.mark.fio
@pytest.mark.slow
def test_builds_are_the_same(tree, archive, tmp_path):
    """In another place, whose name make and the shell would take apart, under
    another umask."""
    there = packagebuild.unpacked(archive, tmp_path / "another place")
    packagebuild.make("build", "all", tree=tree)
    packagebuild.make("build", "all", tree=there, umask=0o077)
    for name in BUILT:
        one, other = (top / "build" / name for top in (tree, there))
        assert one.read_bytes() == other.read_bytes(), name
