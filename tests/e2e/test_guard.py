# SPDX-License-Identifier: GPL-2.0-only
# An engine built for another fio says so in one sentence, and ends the job
# before it does any I/O: another version, a shifted option table, a shifted
# thread_data, a symbol that is not there, a fio that exports none.
import os
import re

import pytest

import enginebuild
import fiorun

VERSION = "fio-3.33"
# Which struct to shift: (header, before what, the member).
OPTION, LAYOUT = "with the option ", "with another layout of thread_data"
SHIFTS = {
    "options": ("thread_options.h", r"^\tchar \*description;",
                "\tchar *kaio_shift;\n"),
    "options-end": ("thread_options.h", r"^\tunsigned int allow_mounted_write",
                    "\tunsigned int kaio_shift[2];\n"),
    "eo": ("fio.h", r"^\tvoid \*eo;", "\tvoid *kaio_shift[3];\n"),
    "io_ops": ("fio.h", r"^\tstruct ioengine_ops \*io_ops;",
               "\tvoid *kaio_shift;\n"),
}


@pytest.fixture(scope="module")
def headers(build_dir):
    return str(build_dir / "fio")


@pytest.fixture(scope="module")
def version(headers):
    path = os.path.join(headers, ".version")
    if not os.path.exists(path):
        return VERSION
    with open(path, encoding="utf-8") as file:
        return file.read().strip()


@pytest.fixture(scope="module")
def build(root, headers, version, san, tmp_path_factory):
    """Builds a variant of the engine once; gives its path."""
    def make(name, headers=headers, version=version, flags=()):
        out = str(tmp_path_factory.mktemp(name))
        return enginebuild.build(str(root), headers, out, version, flags, san)
    return make


@pytest.fixture(scope="module")
def other_version(build):
    return build("version", version="fio-9.99")


@pytest.fixture(scope="module", params=SHIFTS)
def shifted(request, build, headers, tmp_path_factory):
    tree = tmp_path_factory.mktemp("headers")
    header, before, line = SHIFTS[request.param]
    copy = enginebuild.copy_headers(headers, str(tree))
    enginebuild.insert(str(tree / header), before, line)
    said = OPTION if header == "thread_options.h" else LAYOUT
    return build("shifted", headers=copy), said


@pytest.fixture(scope="module")
def missing_symbol(build):
    return build("symbol", flags=["-Dutime_since_now=kaio_no_such_thing"])


def one_sentence(text):
    """The engine's sentence, which says what to do."""
    lines = [line for line in text.splitlines() if line.startswith("kaio:")]
    assert lines and len(set(lines)) == 1, text
    assert "make FIO=" in lines[0]
    return lines[0]


def refused(fio, target, **options):
    result = fio(target, rw="write", size=1 << 20, **options).failed()
    assert not os.path.exists(target) or os.path.getsize(target) == 0 \
        or not open(target, "rb").read().strip(b"\0"), "it did I/O"
    return one_sentence(result.text)


def test_the_build_itself(fio, make_fio, build, shm_file):
    """What the others change is what makes the difference."""
    make_fio(build("same"))(shm_file, rw="write", size=1 << 20, iodepth=4,
                            verify="crc32c").ok()


def test_other_version(make_fio, other_version, shm_file, as_thread, version,
                       fio_binary):
    text = refused(make_fio(other_version), shm_file, thread=as_thread)
    assert "fio-9.99" in text and version in text
    assert "make FIO=%s" % os.path.realpath(fio_binary) in text


def test_other_version_with_many_jobs(make_fio, other_version, shm_file):
    refused(make_fio(other_version), shm_file, numjobs=4)


def test_other_version_enghelp(make_fio, other_version):
    result = make_fio(other_version).raw("--enghelp=%s" % other_version)
    assert result.rc >= 0, result.text
    assert "fio-9.99" in one_sentence(result.text)


def test_other_version_with_options(make_fio, other_version, shm_file):
    """The engine's options are in a table that fio must not touch now."""
    result = make_fio(other_version)(shm_file, rw="write", size=1 << 20,
                                     libaio_vectored=1, nowait=0)
    assert result.rc == 1, result.text
    one_sentence(result.text)


def test_other_version_in_a_job_file(make_fio, other_version, shm_file,
                                     tmp_path):
    path = tmp_path / "job.fio"
    path.write_text("[job]\nlibaio_vectored=1\nioengine=external:%s\n"
                    "filename=%s\nrw=write\nsize=1m\n"
                    % (other_version, shm_file), encoding="utf-8")
    result = make_fio(other_version).raw("--output-format=json", path)
    assert result.rc == 1, result.text
    one_sentence(result.text)


def test_shifted_layout(make_fio, shifted, shm_file, as_thread):
    engine, said = shifted
    assert said in refused(make_fio(engine), shm_file, thread=as_thread)


def test_shifted_layout_enghelp(make_fio, shifted):
    """Help shows no job, so that only the option table can be wrong."""
    engine, said = shifted
    result = make_fio(engine).raw("--enghelp=%s" % engine)
    assert result.rc in (0, 1), result.text
    assert (said if said == OPTION else "userspace_reap") in result.text


def test_options_elsewhere(make_fio, build, headers, shm_file, as_thread,
                           tmp_path):
    """td->io_ops in its place, but td->eo swapped with its neighbour."""
    copy = enginebuild.copy_headers(headers, str(tmp_path))
    header = tmp_path / "fio.h"
    text = header.read_text(encoding="utf-8")
    lines = "\tvoid *eo;\n", "\tpthread_t thread;\n"
    assert "".join(lines) in text
    header.write_text(text.replace("".join(lines), lines[1] + lines[0]),
                      encoding="utf-8")
    engine = build("swapped", headers=copy)
    assert LAYOUT in refused(make_fio(engine), shm_file, thread=as_thread)


@pytest.mark.parametrize("more", ["-1", "+1"])
def test_option_table_of_another_size(make_fio, build, headers, shm_file,
                                      more, tmp_path):
    copy = enginebuild.copy_headers(headers, str(tmp_path))
    header = tmp_path / "options.h"
    text = header.read_text(encoding="utf-8")
    changed = re.sub(r"(#define FIO_MAX_OPTS\s+)(\d+)", r"\1(\2 %s)" % more,
                     text)
    assert changed != text
    header.write_text(changed, encoding="utf-8")
    said = refused(make_fio(build("table", headers=copy)), shm_file)
    assert "with an option table of another size" in said


def test_missing_symbol(make_fio, missing_symbol, shm_file):
    text = refused(make_fio(missing_symbol), shm_file)
    assert "without the symbol utime_since_now" in text


HIDDEN = {"all": enginebuild.glue_symbols, "version": ["fio_version_string"],
          "log": ["log_err"], "log-and-options": ["log_err", "fio_options"]}


@pytest.mark.parametrize("hidden", HIDDEN)
def test_fio_without_exported_symbols(fio_binary, engine, san, shm_file,
                                      tmp_path, hidden):
    """As linked without -rdynamic: a sentence on stderr, and no crash."""
    names = HIDDEN[hidden]
    if callable(names):
        names = names(str(engine))
    mute = enginebuild.hide_symbols(os.path.realpath(fio_binary), names,
                                    tmp_path / "fio")
    fio = fiorun.Fio(mute, str(engine), tmp_path, fiorun.sanitizer_env(san))
    result = fio(shm_file, rw="write", size=1 << 20).failed()
    lines = [line for line in result.stderr.splitlines()
             if line.startswith("kaio:")]
    assert len(lines) == 1 and str(mute) in lines[0], result.text
    assert "-rdynamic" in lines[0] or "without the symbol" in lines[0] \
        or "option table" in lines[0]
    assert not os.path.exists(shm_file)
