# SPDX-License-Identifier: GPL-2.0-only
"""The rows of jobs/bench, with the goals of each; and the campaign that those
make which are asked for."""
from collections.abc import Sequence
import itertools

from ..ab.campaign import Campaign, Request
from ..fio import sidespec
from . import loops, rowset
from .goalset import at_least, at_most, half_of, same

DEPTHS = (1, 8, 64, 1024)


def _cells():
    """Rows of the part cells."""
    return [rowset.Spec("cells", "libaio", "kaio", "tmpfs",
                        rowset.job(depth, rw, bs, direct), (same(),))
            for rw, bs, depth, direct in itertools.product(
                ("read", "write", "randread", "randwrite"), ("4k", "128k"),
                DEPTHS, (1, 0))]


def specs() -> list[rowset.Spec]:
    """All rows, in the order of the report."""
    spec, job = rowset.Spec, rowset.job
    fast, adaptive = job(64), "kaio,submit=adaptive"
    one = job(1)
    rows = []
    for on in ("zram", "tmpfs"):
        rows += [
            spec("defaults", "libaio", "kaio", on, fast, (at_least(1.25),)),
            spec("defaults", "io_uring", "kaio", on, fast, (at_least(1.05),)),
            spec("defaults", loops.BARE_LOOP.text, "kaio", on, fast,
                 (at_least(0.85),)),
            spec("defaults", loops.CEILING.text, "kaio", on, fast,
                 (at_least(0.95),))]
    rows += [spec("adaptive", "libaio", adaptive, "zram", fast,
                  (at_least(1.9),)),
             spec("adaptive", "libaio", adaptive, "tmpfs", fast,
                  (at_least(1.6),))]
    rows += [spec("adaptive", "kaio", adaptive, on, job(32),
                  (at_least(0.97),)) for on in ("loop", "disk")]
    for on in ("loop", "disk"):
        rows += [
            spec("spin", "kaio", "kaio,spin=50us", on, one,
                 (at_least(1.35), at_most(0.7, "p50_us"))),
            spec("spin", loops.POLLING.text, "kaio,spin=50us", on, one,
                 (at_least(0.85),)),
            spec("spin", "kaio", "kaio,spin=auto", on, one,
                 (half_of("kaio,spin=50us"), same()))]
    return rows + [
        spec("spin", "kaio", "kaio,spin=auto", "zram", fast, (same(),)),
        spec("batch", "libaio", "kaio", "tmpfs",
             job(64, more=("iodepth_batch=16",)), (at_least(1.0),)),
        spec("jobs", "libaio", "kaio", "tmpfs", fast, (same("wall_s"),)),
        *_cells()]


def campaign(asked: Request, wanted: Sequence[rowset.Spec]) -> Campaign:
    """The Campaign of these rows, as yet without cells."""
    known = {side.text: side for side in loops.KINDS}
    texts = dict.fromkeys(text for spec in wanted for text in (spec.a, spec.b))
    return Campaign(asked, tuple(
        known.get(text) or sidespec.parse(text, asked.build)
        for text in dict.fromkeys(("libaio", "kaio", *texts))), [])
