# SPDX-License-Identifier: GPL-2.0-only
# io_submit_mode=offload: fio's workers have a td of their own, which submits.
import pytest

import fiorun

VERIFY = {"rw": "randwrite", "bs": "4k", "direct": 1, "verify": "crc32c",
          "verify_fatal": 1}
# Few I/Os: each is another chance to hang.
OFFLOADED = 32 * 4096


def offload(fio, target, **options):
    """One that never ends is a failure, unless libaio's does not, too."""
    options = {**VERIFY, "size": OFFLOADED, **options}
    try:
        return fio.offloaded(target, **options).ok().job
    except fiorun.Hung:
        pass
    with pytest.raises(fiorun.Hung):
        for timeout in fiorun.OFFLOADED:
            fio(target, engine="libaio", timeout=timeout,
                io_submit_mode="offload", **{
                    **VERIFY, "size": OFFLOADED,
                    "iodepth": options["iodepth"]}).ok()
    pytest.skip("this fio's own offloading hangs, with libaio as well")


@pytest.mark.slow
@pytest.mark.parametrize("depth", [1, 16])
def test_offload(fio, loop_device, depth, as_thread):
    """Workers have a td of their own, which only post_init prepares, and
    requests that the parent's prep has seen."""
    job = offload(fio, loop_device, iodepth=depth, thread=as_thread)
    assert job["write"]["io_bytes"] == job["read"]["io_bytes"] == OFFLOADED


@pytest.mark.parametrize("options", [{"libaio_vectored": 1},
                                     {"userspace_reap": 0},
                                     {"iodepth_batch_complete_min": 0}],
                         ids=str)
def test_offload_with_options(fio, loop_device, options):
    offload(fio, loop_device, iodepth=1, **options)
