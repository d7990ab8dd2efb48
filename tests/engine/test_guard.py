# SPDX-License-Identifier: GPL-2.0-only
# An engine built for another fio says so in one sentence, and ends the job
# before it does any I/O: another version, a shifted option table, a shifted
# structure, a symbol that is not there, a fio that exports none.
import os
import re
import subprocess

import pytest

import enginebuild
import fiorun

VERSION = "fio-3.33"
# Which struct to shift: (header, before what, the member).
OPTION, LAYOUT = "with the option ", "with another layout of "
SHIFTS = {
    "options": ("thread_options.h", r"^\tchar \*description;",
                "\tchar *kaio_shift;\n"),
    "options-end": ("thread_options.h", r"^\tunsigned int allow_mounted_write",
                    "\tunsigned int kaio_shift[2];\n"),
    "td-eo": ("fio.h", r"^\tvoid \*eo;", "\tvoid *kaio_shift[3];\n"),
    "td-end": ("fio.h", r"^\tvoid \*pinned_mem;", "\tvoid *kaio_shift;\n"),
    "file-fd": ("file.h", r"^\tint fd;", "\tint kaio_shift;\n"),
    "file-name": ("file.h", r"^\tchar \*file_name;", "\tvoid *kaio_shift;\n"),
    # What upstream did in fio 3.40, without a new number.
    "io_u-numberio": ("io_u.h", r"^\tunsigned short ioprio;",
                      "\tunsigned short kaio_shift[4];\n"),
    "io_u-error": ("io_u.h", r"^\tunsigned int error;",
                   "\tunsigned int kaio_shift;\n"),
}
# Moves leave the struct its size, and what lies behind both places where it is.
TD, IO_U = "fio.h", "io_u.h"
LATE = r"^\tvoid \*pinned_mem;"
IPO = r"^\tstruct io_piece \*ipo;"
MOVES = {
    "td-flags": (TD, r"^\tunsigned long long flags;", r"^\tvoid \*eo;"),
    "td-thread_number": (TD, r"^\tunsigned int subjob_number;",
                         r"^\tunsigned int thread_number;"),
    "td-parent": (TD, r"^\tstruct fio_sem \*rusage_sem;",
                  r"^\tstruct thread_data \*parent;"),
    "td-error": (TD, r"^\tint sig;", r"^\tint error;"),
    "td-pid": (TD, r"^\tpid_t pid;", r"^\tint stop_io;"),
    "td-orig_buffer": (TD, r"^\tsize_t orig_buffer_size;",
                       r"^\tchar \*orig_buffer;"),
    "td-terminate": (TD, r"^\tvoid \*iolog_buf;", r"^\tvolatile int runstate;"),
    "td-io_ops": (TD, LATE, r"^\tstruct ioengine_ops \*io_ops;"),
    "td-io_ops_data": (TD, LATE, r"^\tvoid \*io_ops_data;"),
    "td-io_u_freelist": (TD, LATE, r"^\tstruct io_u_queue io_u_freelist;"),
    "td-io_u_all": (TD, LATE, r"^\tstruct io_u_queue io_u_all;"),
    "td-epoch": (TD, LATE, r"^\tstruct timespec epoch;"),
    "td-last_issue": (TD, LATE, r"^\tstruct timespec last_issue;"),
    "td-verror": (TD, r"^\tchar verror\[", LATE),
    "io_u-issue_time": (IO_U, IPO, r"^\tstruct timespec issue_time;"),
    "io_u-file": (IO_U, IPO, r"^\tstruct fio_file \*file;"),
    "io_u-flags": (IO_U, IPO, r"^\tunsigned int flags;"),
    "io_u-ddir": (IO_U, r"^\tenum fio_ddir acct_ddir;",
                  r"^\tenum fio_ddir ddir;"),
    "io_u-ioprio": (IO_U, IPO, r"^\tunsigned short ioprio;"),
    "io_u-offset": (IO_U, IPO, r"^\tunsigned long long offset;"),
    "io_u-buf": (IO_U, IPO, r"^\tvoid \*buf;"),
    "io_u-xfer_buf": (IO_U, r"^\tvoid \*xfer_buf;", r"^\tuint64_t rand_seed;"),
    "io_u-xfer_buflen": (IO_U, r"^\tunsigned long long buf_filled_len;",
                         r"^\tunsigned long long xfer_buflen;"),
    "io_u-resid": (IO_U, r"^\tunsigned long long resid;",
                   r"^\tunsigned long long xfer_buflen;"),
    # Behind this one nothing moves.
    "io_u-index": (IO_U, r"^\tunsigned int error;",
                   r"^\tunion \{\n\t\tstruct flist_head verify_list;"),
}
# Of the two structs, one early, one late, and one behind which nothing moves.
QUICK = {"td-flags", "td-io_ops_data", "td-verror", "io_u-file", "io_u-xfer_buf",
         "io_u-index"}


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
def build(root, build_dir, headers, version, san, tmp_path_factory):
    """Builds a variant of the engine once; gives its path."""
    def make(name, headers=headers, version=version, flags=()):
        out = str(tmp_path_factory.mktemp(name))
        return enginebuild.build(str(root), headers, str(build_dir), out,
                                 version, flags, san)
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


@pytest.fixture(scope="module", params=[
    name if name in QUICK else pytest.param(name, marks=pytest.mark.slow)
    for name in MOVES])
def moved(request, build, headers, tmp_path_factory):
    """An engine whose headers have members elsewhere, in a struct as large."""
    tree = tmp_path_factory.mktemp("headers")
    header, member, before = MOVES[request.param]
    copy = enginebuild.copy_headers(headers, str(tree))
    enginebuild.move(str(tree / header), member, before)
    return build("moved", headers=copy)


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


@pytest.mark.slow
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
    """Help shows no job, so that of a job's structure nothing can be wrong."""
    engine, said = shifted
    result = make_fio(engine).raw("--enghelp=%s" % engine)
    assert result.rc in (0, 1), result.text
    assert said in result.text or "userspace_reap" in result.text


def test_moved_members(make_fio, moved, shm_file):
    assert LAYOUT in refused(make_fio(moved), shm_file, iodepth=4)


@pytest.mark.parametrize("options", [
    {"io_submit_mode": "offload", "iodepth": 1},
    {"rw": "randrw", "iodepth": 32, "verify": "crc32c", "bsrange": "4k-32k"},
    {"rw": "randread", "mem": "mmap", "iomem_align": 4096, "numjobs": 9},
    {"rw": "write", "zero_buffers": 1, "clocksource": "gettimeofday"},
    {"rw": "write", "experimental_verify": 1, "verify": "md5", "loops": 2},
    {"rw": "write", "ramp_time": "10ms", "runtime": "50ms", "time_based": 1},
], ids=lambda o: "-".join(o))
def test_no_job_is_refused_without_need(fio, shm_file, as_thread, options):
    """The structures are as the guard expects them in every kind of job."""
    with open(shm_file, "wb") as file:
        file.write(b"x" * (1 << 20))
    run = fio.offloaded if "io_submit_mode" in options else fio
    run(shm_file, **{"rw": "write", "size": 1 << 20, "thread": as_thread,
                     **options}).ok()


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
def test_table_of_another_size(make_fio, build, headers, shm_file,
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


LINE = r'^\tX\("%s", .*\n'
# What is done to the list of the source tree's options, what is said of the
# running fio then, and of the option that is moved, so that it does not fit.
# log_compression_cpus is there where fio found zlib when it was built.
KNOWS = {
    "more": ([(LINE % "thinktime", "")],
             " and the options? thinktime(, log_compression_cpus)?, of which "
             "the engine's source tree knows nothing"),
    "less": ([(LINE % "thinktime", r'\g<0>\tX("kaio_new", 8) \\\n')],
             " and without the option kaio_new of the engine's source tree"),
    "several": ([(LINE % name, "") for name in (
        "thinktime", "rate", "rate_min", "rate_process", "rate_cycle")] + [
        (LINE % "bs", r'\tX("kaio_new", 8) \\\n\tX("kaio_2", 8) \\\n\g<0>')],
             r" and the options thinktime, rate, rate_min \.\.\., of which the "
             "engine's source tree knows nothing and without the options "
             "kaio_new, kaio_2 of the engine's source tree"),
}


def changed_list(headers, to, changes):
    """fio's headers with changes in the list of options."""
    copy = enginebuild.copy_headers(headers, str(to))
    path = to / "kaio_options.h"
    text = path.read_text(encoding="utf-8")
    for pattern, new in changes:
        text, count = re.subn(pattern, new, text, flags=re.MULTILINE)
        assert count == 1, pattern
    path.write_text(text, encoding="utf-8")
    return copy


@pytest.mark.parametrize("case", KNOWS)
def test_options_that_only_one_has_are_named(make_fio, build, headers,
                                             shm_file, tmp_path, case):
    changes, said = KNOWS[case]
    moved = (r'(^\tX\("thinktime_iotime", )', r"\g<1>4 + ")
    copy = changed_list(headers, tmp_path, [*changes, moved])
    text = refused(make_fio(build("list", headers=copy)), shm_file)
    assert "with the option thinktime_iotime at byte " in text
    assert re.search(said + "; rebuild it", text), text


def test_an_option_that_moves_nothing_is_no_difference(make_fio, build, headers,
                                                       shm_file, tmp_path):
    """One of the two fios may be configured without a library."""
    copy = changed_list(headers, tmp_path, [
        (LINE % "numa_mem_policy", ""),
        (r'(^\tX\("thinktime", ).*(\) \\)', r"\g<1>0\2")])
    make_fio(build("list", headers=copy))(shm_file, rw="write",
                                          size=1 << 20).ok()


def test_the_list_is_the_whole_table(fio_binary, build_dir):
    """What fio itself shows, which is all but what is no longer supported."""
    text = (build_dir / "fio" / "kaio_options.h").read_text(encoding="utf-8")
    listed = re.findall(r'X\("(\w+)", ', text)
    lines = subprocess.run([fio_binary, "--cmdhelp=all"], text=True,
                           stdout=subprocess.PIPE, check=True).stdout
    shown = set(re.findall(r"^ *(\w+) *:", lines, flags=re.MULTILINE))
    assert len(set(listed)) == len(listed)
    # There where fio found zlib when it was built, as Debian's does.
    shown -= {"log_compression_cpus"}
    assert len(shown) > 200 and shown <= set(listed), shown - set(listed)
    assert len(listed) - len(shown) < 20


def test_missing_symbol(make_fio, missing_symbol, shm_file):
    text = refused(make_fio(missing_symbol), shm_file)
    assert "without the symbol utime_since_now" in text


HIDDEN = {"all": enginebuild.glue_symbols, "version": ["fio_version_string"],
          "log": ["log_err"], "log-and-options": ["log_err", "fio_options"],
          "jobs": ["segments"]}


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
