# SPDX-License-Identifier: GPL-2.0-only
# What is in each iocb: priorities by direction and block size, as fio's own
# engine sets them with the same seed; and nothing of the request that had the
# iocb before, nor of another direction that fio had prepared it for.
import re

import pytest

import straceout

MIB = 1 << 20
# As <linux/aio_abi.h>.
PREAD, PWRITE, FDSYNC, PREADV, PWRITEV = 0, 1, 3, 7, 8
DSYNC = 2


def prio(level, data):
    return level << 13 | data


def number(text, field):
    """Of a field that strace leaves out when it is 0."""
    found = re.search(r"\b%s=(\w+)" % field, text)
    return int(found.group(1), 0) if found else 0


def iocbs(fio, trace, target, engine=None, **options):
    """[(opcode, bytes, flags, priority)] of a run at depth 1: all its I/Os
    share one iocb.  (-X raw: as numbers; a buffer of strings is not for us.)"""
    job = fio(target, engine=engine, size=MIB, thread=1, iodepth=1, strace=(
        "-v", "-X", "raw", "-s", "0", "-o", trace, "-e", "trace=io_submit"),
        **options).ok().job
    found = [(number(call.args, "aio_lio_opcode"),
              number(call.args, "aio_nbytes"),
              number(call.args, "aio_rw_flags"),
              number(call.args, "aio_reqprio")
              if number(call.args, "aio_flags") & 2 else None)
             for call in straceout.calls(trace)]
    trials = [(opcode, 0, DSYNC, None) for opcode in (PREAD, PWRITE)]
    return job, [one for one in found if one not in trials]


# --- priorities ---

RW = {"rw": "randrw", "bs": "4k"}
SPLIT = {"rw": "randread", "bssplit": "4k/50:16k/50"}
CASES = {
    "all": ({**RW, "cmdprio_percentage": 100, "cmdprio_class": 2,
             "cmdprio": 5},
            {(PREAD, 4096): {prio(2, 5)}, (PWRITE, 4096): {prio(2, 5)}}),
    "reads": ({**RW, "cmdprio_percentage": "100,0", "cmdprio_class": "3,2",
               "cmdprio": "0,5"},
              {(PREAD, 4096): {prio(3, 0)}, (PWRITE, 4096): {None}}),
    "writes": ({**RW, "cmdprio_percentage": "0,100", "cmdprio_class": "3,2",
                "cmdprio": "1,5"},
               {(PREAD, 4096): {None}, (PWRITE, 4096): {prio(2, 5)}}),
    "both": ({**RW, "cmdprio_percentage": 100, "cmdprio_class": "3,2",
              "cmdprio": "1,5"},
             {(PREAD, 4096): {prio(3, 1)}, (PWRITE, 4096): {prio(2, 5)}}),
    "some": ({**RW, "cmdprio_percentage": "50,20", "cmdprio_class": 2,
              "cmdprio": "1,5"},
             {(PREAD, 4096): {None, prio(2, 1)},
              (PWRITE, 4096): {None, prio(2, 5)}}),
    "beside-the-job-s": ({**RW, "cmdprio_percentage": 50, "cmdprio_class": 2,
                          "cmdprio": 1, "prioclass": 2, "prio": 4},
                         {(PREAD, 4096): {None, prio(2, 1)},
                          (PWRITE, 4096): {None, prio(2, 1)}}),
    "sizes": ({**SPLIT, "cmdprio_bssplit": "4k/0:16k/100",
               "cmdprio_class": 2, "cmdprio": 6},
              {(PREAD, 4096): {None}, (PREAD, 16384): {prio(2, 6)}}),
    "size-classes": ({**SPLIT,
                      "cmdprio_bssplit": "4k/100/3/1:16k/100/2/4"},
                     {(PREAD, 4096): {prio(3, 1)},
                      (PREAD, 16384): {prio(2, 4)}}),
    "hint": ({**RW, "cmdprio_percentage": 100, "cmdprio_class": 2,
              "cmdprio": 5, "cmdprio_hint": 3},
             {(PREAD, 4096): {prio(2, 3 << 3 | 5)},
              (PWRITE, 4096): {prio(2, 3 << 3 | 5)}}),
}


def priorities(report):
    """{way: I/Os of each priority, as the report counts them}."""
    found = []
    if isinstance(report, dict):
        for key, value in sorted(report.items()):
            if "prio" in key:
                found.append((key, counts(value)))
            else:
                found += priorities(value)
    return found


def counts(report):
    """Only what is the same in each run."""
    if isinstance(report, list):
        return [counts(one) for one in report]
    if isinstance(report, dict):
        return {key: counts(value) for key, value in report.items()
                if key in ("prioclass", "prio", "N") or
                isinstance(value, (dict, list))
                and key not in ("percentile", "bins")}
    return report


@pytest.mark.parametrize("case", CASES)
def test_priorities(fio, fio_has, shm_file, need_strace, tmp_path, case):
    """Each has its direction's or size's; as many, at the same places, as
    with libaio; and fio's report counts them alike."""
    options, wanted = CASES[case]
    if case == "hint" and not fio_has("engines/cmdprio.h", "cmdprio_hint"):
        pytest.skip("this fio has no cmdprio_hint (3.36 and later do)")
    if case == "size-classes" and not fio_has("engines/cmdprio.h",
                                              "bssplit_str"):
        pytest.skip("cmdprio_bssplit has no classes before fio 3.30")
    job, ours = iocbs(fio, tmp_path / "ours", shm_file, **options)
    reference, theirs = iocbs(fio, tmp_path / "theirs", shm_file,
                              engine="libaio", **options)
    seen = {}
    for opcode, size, _, value in ours:
        if size in (4096, 16384):  # rests where no 16k fit may be others
            seen.setdefault((opcode, size), set()).add(value)
    assert seen == wanted
    assert ours == theirs
    for way in ("read", "write"):
        assert priorities(job[way]) == priorities(reference[way])


# --- one iocb, used again ---

@pytest.mark.parametrize("vectored", [0, 1])
def test_nothing_stays_of_the_last_request(fio, shm_file, need_strace,
                                           tmp_path, vectored):
    """Reads have a priority, writes a flag, and syncs neither."""
    _, found = iocbs(fio, tmp_path / "trace", shm_file, rw="randrw", bs="4k",
                     dsync=1, fdatasync=4, cmdprio_percentage="100,0",
                     cmdprio_class=2, cmdprio=5, libaio_vectored=vectored)
    read, write = (PREADV, PWRITEV) if vectored else (PREAD, PWRITE)
    traits = {(opcode, flags, value) for opcode, _, flags, value in found}
    assert traits - {(FDSYNC, 0, None)} == {
        (read, 0, prio(2, 5)), (write, DSYNC, None)}
    assert sum(one[0] in (read, write) for one in found) == 256


@pytest.mark.parametrize("vectored", [0, 1])
def test_prepared_for_another_direction(fio, shm_file, need_strace, tmp_path,
                                        vectored):
    """With experimental_verify=1, fio prepares the writes once more and then
    makes reads of them, which verify what the first ones wrote.  (libaio in
    3.33 writes it once more, and verifies its own buffer.)"""
    job, found = iocbs(fio, tmp_path / "trace", shm_file, rw="randwrite",
                       bs="4k", verify="crc32c", experimental_verify=1,
                       verify_fatal=1, dsync=1, libaio_vectored=vectored)
    if len(found) == 256:
        pytest.skip("this fio ends before it verifies so (3.28 does)")
    read, write = (PREADV, PWRITEV) if vectored else (PREAD, PWRITE)
    assert [(opcode, flags) for opcode, _, flags, _ in found] == \
        [(write, DSYNC)] * 256 + [(read, 0)] * 256
    assert job["read"]["io_bytes"] == job["write"]["io_bytes"] == MIB
