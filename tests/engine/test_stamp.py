# SPDX-License-Identifier: GPL-2.0-only
# stamp=: on which side of fio's border between submission and completion the
# time inside io_submit falls.
import os

import pytest

import enginestats
from fiorun import latency_adds_up

NAP = 4_000_000  # ns, that each io_submit takes longer
IOS = 32
JOB = {"rw": "randread", "bs": "4k", "size": IOS * 4096, "thread": 1}
SIDES = {"after": ("slat", "clat"), "before": ("clat", "slat")}
BATCHES = [{"iodepth": 1}, {"iodepth": 8},
           {"iodepth": 8, "iodepth_batch": 8, "iodepth_batch_complete_min": 4},
           {"iodepth": 4, "submit": "adaptive", "reap": "eventfd"}]


@pytest.fixture
def need_stamp(fio_has):
    if not fio_has("ioengines.h", "FIO_ASYNCIO_SETS_ISSUE_TIME"):
        pytest.skip("this fio (before 3.30) takes the time of issue itself")


def slowed(fio, target, **options):
    """A job with slow submissions."""
    slow = ("-o", os.devnull, "-e", "trace=io_submit", "-e",
            "inject=io_submit:delay_enter=%d" % (NAP // 1000))
    return fio(target, strace=slow, **{**JOB, **options}).ok()


@pytest.mark.parametrize("stamp", SIDES)
@pytest.mark.parametrize("batch", BATCHES, ids=lambda batch: "-".join(
    map(str, batch.values())))
def test_where_the_time_falls(fio, shm_file, need_strace, need_stamp, stamp,
                              batch):
    """The least of all I/Os, as anything may take longer now and then.  What
    waits in a batch has not been submitted either way."""
    read = slowed(fio, shm_file, stamp=stamp, **batch).job["read"]
    has, lacks = SIDES[stamp]
    assert read[has + "_ns"]["min"] >= NAP
    assert read[lacks + "_ns"]["min"] < NAP
    assert read["slat_ns"]["N"] == read["clat_ns"]["N"] == IOS
    latency_adds_up(read, True)


def test_by_default_after(fio, shm_file, need_strace):
    assert slowed(fio, shm_file).job["read"]["slat_ns"]["min"] >= NAP


@pytest.mark.parametrize("stamp", SIDES)
def test_of_priorities_and_of_what_is_sent_late(fio, shm_file, need_strace,
                                                need_stamp, stamp):
    """Each I/O has one time of issue, though some calls were refused."""
    job = fio(shm_file, iodepth=4, stamp=stamp, cmdprio_percentage=50,
              cmdprio_class=2, cmdprio=3, strace=(
                  "-o", os.devnull, "-e", "trace=io_submit", "-e",
                  "inject=io_submit:error=EAGAIN:when=3+5"), **JOB).ok().job
    read = job["read"]
    assert read["clat_ns"]["N"] == read["slat_ns"]["N"] == IOS
    latency_adds_up(read, True)


def test_in_workers_and_in_the_statistics(fio, shm_file, need_stamp):
    """(Of a worker's I/O fio 3.42 keeps no latency.)"""
    result = fio.offloaded(shm_file, iodepth=1, stamp="before",
                           engine_stats=1, **JOB).ok()
    if result.job["read"]["slat_ns"]["N"]:
        latency_adds_up(result.job["read"], False)
    assert enginestats.objects(result.stderr)[0]["stamp"] == "before"


def test_where_fio_takes_the_time_itself(fio, fio_has, shm_file):
    if fio_has("ioengines.h", "FIO_ASYNCIO_SETS_ISSUE_TIME"):
        pytest.skip("this fio leaves it to the engine")
    result = fio(shm_file, stamp="before", **JOB).failed()
    assert "a fio before 3.30" in enginestats.sentence(result)
    fio(shm_file, stamp="after", **JOB).ok()
