# SPDX-License-Identifier: GPL-2.0-only
# The sides of jobs/ab: engines, their options, libraries and environments.
import time

import pytest

from fiolab.base import process
from fiolab.base.problem import Problem
from fiolab.fio import asking, fiorun, jobfile, returnstack, sidespec, streams as checks
from fiolab.target.target import Target


def test_kaio_is_the_engine_of_the_build_folder(tmp_path):
    (tmp_path / "fio-kaio.so").touch()
    found = sidespec.parse("kaio,nowait=1,userspace_reap", str(tmp_path))
    assert found.ioengine == f"external:{tmp_path}/fio-kaio.so"
    assert found.options == ("nowait=1", "userspace_reap")
    assert sidespec.parse("io_uring", "/none").ioengine == "io_uring"


def test_a_relative_engine_path_becomes_absolute(tmp_path, monkeypatch):
    (tmp_path / "aio-x.so").touch()
    monkeypatch.chdir(tmp_path)
    assert sidespec.parse("external:aio-x.so", "").ioengine == (
        f"external:{tmp_path}/aio-x.so")


@pytest.mark.parametrize("text, word", [
    ("kaio", "`make`"), ("external:/none.so", "no engine"),
    ("libaio,filename=/dev/sda", "filename"), ("libaio,x=1\nrw=write", "x=1"),
    ("libaio,exec_prerun=reboot", "exec_prerun"), ("libaio,", "not an engine"),
    ("li baio", "not an engine name"), ("libaio,a=${HOME}", "not an engine"),
    ("libaio,a= b", "nor a blank"), ("libaio,a=b ", "nor a blank"),
    ("libaio,a=b\tc", "not an engine"), ("libaio,a=b,c d", "a comma in a"),
    ("libaio,a=b;c", "none of ;"),
    ("filedelete", "removes files"), ("ftruncate", "cuts"),
    ("exec", "no I/O")])
def test_bad_sides(text, word, tmp_path):
    with pytest.raises(Problem) as problem:
        sidespec.parse(text, str(tmp_path))
    assert word in str(problem.value)


def test_options_of_several_words_and_lists():
    found = sidespec.parse(r"null,context=--no-huge -m 64,flags=a\,b\,c,x=", "")
    assert found.options == ("context=--no-huge -m 64", "flags=a,b,c", "x=")


def test_files_that_a_side_names_are_found_from_here(tmp_path, monkeypatch):
    """Words and numbers that happen to be names of files are none."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    for name in ("b.json", "1", "sub/c"):
        (tmp_path / name).touch()
    found = sidespec.parse("null,a=b.json,b=1,c=./1,d=sub/c,e=no.json,f=./sub,"
                           "hipri", "")
    assert found.options == (f"a={tmp_path}/b.json", "b=1", f"c={tmp_path}/1",
                             f"d={tmp_path}/sub/c", "e=no.json", "f=./sub",
                             "hipri")


@pytest.fixture
def library(tmp_path):
    """A build folder with a library of ours, as far as can be seen."""
    path = tmp_path / "libaio.so.1"
    path.write_bytes(b"elf LIBAIO_RING elf")
    return path


def test_a_side_with_our_library(library, monkeypatch):
    build = str(library.parent)
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    found = sidespec.parse("libaio,userspace_reap@our-library", build)
    assert (found.ioengine, found.options) == ("libaio", ("userspace_reap",))
    assert found.library == str(library)
    assert dict(found.environment) == {"LD_LIBRARY_PATH": build,
                                       "LIBAIO_RING": "1"}
    monkeypatch.setenv("LD_LIBRARY_PATH", "/other")
    monkeypatch.setenv("LIBAIO_RING", "0")
    found = sidespec.parse("libaio@our-library", build)
    env = fiorun.environment(found, Target("/f", 1, True, ""))
    assert env["LD_LIBRARY_PATH"] == f"{build}:/other"
    assert env["LIBAIO_RING"] == "1" and env["ENGINE"] == "libaio"


def test_an_at_sign_in_an_engine_path_is_no_environment(tmp_path):
    (tmp_path / "a@b").mkdir()
    (tmp_path / "a@b" / "e.so").touch()
    found = sidespec.parse(f"external:{tmp_path}/a@b/e.so", "")
    assert found.ioengine.endswith("/a@b/e.so") and not found.environment


def test_a_side_with_variables(library):
    found = sidespec.parse("libaio,nowait=1@A=1@B_2=x:y-0.5", "")
    assert found.ioengine == "libaio" and found.options == ("nowait=1",)
    assert found.environment == (("A", "1"), ("B_2", "x:y-0.5"))
    env = fiorun.environment(found, Target("/t", 1, True, ""))
    assert env["A"] == "1" and env["B_2"] == "x:y-0.5"
    found = sidespec.parse("libaio@our-library@A=", str(library.parent))
    assert found.library and dict(found.environment)["A"] == ""


@pytest.mark.parametrize("text, word", [
    ("libaio@ENGINE=x", "'ENGINE' in .* is set by the comparison"),
    ("libaio@A=1@TARGET=/x", "'TARGET=/x' in .* is not an environment"),
    ("libaio@our-library@our-library", "has @our-library twice"),
    ("libaio@TARGET=x@A=1", "'TARGET' in"),
    ("libaio@LD_LIBRARY_PATH=x", "@our-library runs a side"),
    ("libaio@our-library@LIBAIO_RING=0", "'LIBAIO_RING' in"),
    ("libaio@A=1@A=2", "sets A twice"), ("libaio@A=$HOME", "only letters"),
    ("libaio@A=a b", "only letters"), ("libaio@1=2", "not an environment"),
    ("libaio@=2", "is not an environment"),
    ("libaio@nowhere", "'nowhere' in 'libaio@nowhere' is not an environment"),
    ("libaio@", "is not an environment"),
    ("libaio@our-library,nowait", "is not an environment"),
    ("@our-library", "is not an engine name"),
    ("libaio@our-library", "there is no library at")])
def test_bad_environments(text, word, tmp_path, request):
    build = tmp_path
    if "no library" not in word:
        build = request.getfixturevalue("library").parent
    with pytest.raises(Problem, match=word):
        sidespec.parse(text, str(build))


def test_a_build_folder_that_no_search_path_can_hold(tmp_path):
    (tmp_path / "a:b").mkdir()
    (tmp_path / "a:b" / "libaio.so.1").touch()
    with pytest.raises(Problem, match="cannot hold"):
        sidespec.parse("libaio@our-library", str(tmp_path / "a:b"))


def test_the_library_in_use_is_checked(library, tmp_path):
    plain = sidespec.parse("libaio", "")
    ours = sidespec.parse("libaio@our-library", str(library.parent))
    theirs = tmp_path / "theirs"
    theirs.write_bytes(b"elf")
    copy = tmp_path / "copy"
    copy.write_bytes(library.read_bytes())
    for good in ((plain, ""), (plain, str(theirs)), (ours, str(library))):
        asking.check_library(*good, "fio")
    for one, mapped, word in [
            (ours, "", "fio uses no libaio.so.1"),
            (ours, str(theirs), "it ignores LD_LIBRARY_PATH"),
            (ours, str(copy), "it ignores LD_LIBRARY_PATH"),
            (ours, f"{library} (deleted)", "it ignores LD_LIBRARY_PATH"),
            (plain, str(library), "is to run without our library"),
            (plain, str(copy), "is to run without our library")]:
        with pytest.raises(Problem, match=word):
            asking.check_library(one, mapped, "fio")
    library.write_bytes(b"elf")
    with pytest.raises(Problem, match="is not our library"):
        asking.check_library(ours, str(library), "fio")


def test_the_maps_of_a_process_that_has_ended():
    with process.Child(["sleep", "60"]) as child:
        end = time.monotonic() + 60     # ld.so maps libc a little later
        while "libc" not in asking._maps(child.pid):
            assert time.monotonic() < end
    assert asking._maps(child.pid) == ""


def test_the_library_in_maps():
    line = "7f0-7f1 r-xp 00001000 fe:00 42                 {}\n"
    for path, found in [("/lib/libaio.so.1.0.2", True),
                        ("/lib/libaio.so.1t64", True), ("/libaio.so.1", True),
                        ("/a b/libaio.so.1 (deleted)", True),
                        ("/lib/libaio.so.1/x", False),
                        ("/lib/mylibaio.so.1", False)]:
        text = line.format("/lib/libc.so.6") + line.format(path)
        assert asking.MAPPED.findall(text) == ([path] if found else [])


class FakeFio:
    path = "fio"
    version = "fio-3.33"

    def __init__(self, folder):
        self.folder = str(folder)

    def of(self, _side):
        return self


def asked(monkeypatch, tmp_path, text, says):
    monkeypatch.setattr(asking, "_ask", lambda *a, **k: (1, says))
    asking._check_side(FakeFio(tmp_path), sidespec.parse(text, ""))


HELP = "userspace_reap          : Use: x\nnowait   : Set RWF_NOWAIT\n"


@pytest.mark.parametrize("option", ["direct=0", "invalidate=0", "numjobs=2",
                                    "iodepth=1", "set=1"])
def test_only_the_engines_own_options_are_a_sides(option, monkeypatch,
                                                  tmp_path):
    asked(monkeypatch, tmp_path, "libaio,nowait=1,userspace_reap", HELP)
    with pytest.raises(Problem, match="belongs in the job file"):
        asked(monkeypatch, tmp_path, f"libaio,nowait=1,{option}", HELP)


def test_an_engine_without_options_and_one_that_is_refused(monkeypatch,
                                                           tmp_path):
    none = "IO engine psync has no options\n"
    asked(monkeypatch, tmp_path, "psync", none)
    with pytest.raises(Problem, match="'hipri' in .* belongs in"):
        asked(monkeypatch, tmp_path, "psync,hipri", none)
    with pytest.raises(Problem, match=r"refuses the engine x .*: fio: not load"):
        asked(monkeypatch, tmp_path, "x", "fio: not loadable\n")


def test_sides_that_do_other_io_are_refused(monkeypatch):
    result = {"jobs": [{"jobname": "a"}], "cut": False}
    streams = iter([(result, [[("read", "0", "4096")]]),
                    (result, [[("read", "0", "8192")]])])
    monkeypatch.setattr(checks, "_streams", lambda *_: next(streams))
    sides = sidespec.parse("libaio", ""), sidespec.parse("psync", "")
    with pytest.raises(Problem, match="unfair"):
        what = jobfile.Job("x", "[a]\n"), Target("/dev/null", 1 << 20, True, "")
        checks.same_stream(None, (sides[0], *what), (sides[1], *what))


# --- the return stack ---

@pytest.fixture
def decides(tmp_path, monkeypatch):
    """A build folder whose program tells what it is asked to."""
    monkeypatch.delenv(returnstack.VARIABLE, raising=False)
    (tmp_path / "fio-kaio.so").write_bytes(b"elf LIBAIO_REFILL elf")
    (tmp_path / "libaio.so.1").write_bytes(b"elf LIBAIO_RING elf")
    (tmp_path / "loops").mkdir()

    def say(line):
        program = tmp_path / "loops" / returnstack.PROGRAM
        program.write_text(f"#!/bin/sh\n{line}\n")
        program.chmod(0o755)
        return str(tmp_path)
    return say


def said_of(texts, build):
    sides = [sidespec.parse(text, build) for text in texts]
    return [dict(side.environment).get(returnstack.VARIABLE)
            for side in returnstack.decided(sides, build)]


@pytest.mark.parametrize("word", "01")
def test_sides_with_our_library_say_whether_calls_are_refilled(word, decides):
    build = decides(f'[ "$1" = decision ] && echo {word}')
    assert said_of(["kaio", "libaio", "libaio@our-library", "kaio@X=1",
                    "kaio@LIBAIO_REFILL=0"],
                   build) == [word, None, None, word, "0"]


def test_sides_decide_alike(decides):
    """Though another measurement would have told the opposite."""
    build = decides('rm "$0.again" && echo 1 && exit; >"$0.again"; echo 0')
    assert said_of(["kaio", "kaio,submit=adaptive", "kaio@X=1"], build) == [
        "0", "0", "0"]


@pytest.mark.parametrize("value", ["", "7", "on"])
def test_a_value_that_decides_nothing_is_refused(value, decides):
    with pytest.raises(Problem, match=f"of kaio@LIBAIO_REFILL={value} is 0 or 1"):
        said_of([f"kaio@LIBAIO_REFILL={value}"], decides("echo 1"))


def test_a_variable_of_the_user_decides(decides, monkeypatch):
    monkeypatch.setenv(returnstack.VARIABLE, "0")
    assert said_of(["kaio"], decides('echo "$LIBAIO_REFILL"')) == ["0"]


@pytest.mark.parametrize("line, word", [
    ("exit 1", "set LIBAIO_REFILL to 0 or 1"), ("echo 2", "says '2"),
    ("echo", "says"), ("kill -9 $$", "does not say whether")])
def test_a_program_that_does_not_tell(line, word, decides):
    with pytest.raises(Problem, match=word):
        said_of(["kaio"], decides(line))


def test_without_the_program_each_run_decides(decides, tmp_path, monkeypatch):
    side = sidespec.parse("kaio", str(tmp_path))
    assert returnstack.decided([side], str(tmp_path)) == (side,)
    text, = returnstack.doubts([side, sidespec.parse("libaio", "")])
    assert "each run of kaio decides for itself" in text
    monkeypatch.setenv(returnstack.VARIABLE, "yes")
    assert len(returnstack.doubts([side])) == 1
    monkeypatch.setenv(returnstack.VARIABLE, "1")
    assert returnstack.doubts([side]) == []
    monkeypatch.delenv(returnstack.VARIABLE)
    decided = returnstack.decided([side], decides("echo 1"))
    assert returnstack.doubts(decided) == []


def test_the_engine_and_the_library_look_at_the_variable(build_dir):
    """By which they are known."""
    for name in ("fio-kaio.so", "libaio.so.1"):
        assert returnstack.VARIABLE.encode() in (
            build_dir / name).read_bytes()
