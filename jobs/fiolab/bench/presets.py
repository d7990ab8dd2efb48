# SPDX-License-Identifier: GPL-2.0-only
"""The rows of jobs/bench, with the goals of each; and the campaign that those
make which are asked for."""
from collections.abc import Sequence
import itertools

from ..ab.campaign import Campaign, Request
from ..fio import sidespec
from . import loops, rowset
from .bounds import BOUNDS, GOALS
from .goalset import at_least, at_most, half_of, same

DEPTHS = (1, 8, 64, 1024)
ADAPTIVE, STATS = "kaio,submit=adaptive", "kaio,engine_stats=1"
GATE = "gate"               # the part of the rows of `make bench-gate`


def _duet(part, a, b, on, job, goals, beside=()):
    """Its runs are at once on one CPU, so that CPU per I/O is judged."""
    return rowset.Spec(part, a, b, on, job, goals, beside, "duet")


def _bound(part, a, b, on, limits=GOALS):
    """A row whose limit is recorded."""
    return _duet(part, a, b, on, rowset.job(64), (at_most(limits[a, b]),))


def _defaults():
    rows = []
    for on in ("zram", "tmpfs"):
        rows += [
            _bound("defaults", "libaio", "kaio", on),
            _duet("defaults", "io_uring", "kaio", on, rowset.job(64),
                  (at_least(1.05),), ("cpu_us",)),
            _duet("defaults", loops.BARE_LOOP.text, "kaio", on, rowset.job(64),
                  (), ("cpu_us",)),
            _bound("defaults", loops.SUM.text, "kaio", on)]
    return [*rows, _bound("defaults", "kaio", STATS, "tmpfs")]


def _adaptive():
    return [*[_bound("adaptive", "libaio", ADAPTIVE, on)
              for on in ("zram", "tmpfs")],
            *[rowset.Spec("adaptive", "kaio", ADAPTIVE, on, rowset.job(32),
                          (at_least(0.97),)) for on in ("loop", "disk")]]


def _spin():
    one, rows = rowset.job(1), []
    for on in ("loop", "disk"):
        rows += [
            rowset.Spec("spin", "kaio", "kaio,spin=50us", on, one,
                        (at_least(1.35), at_most(0.7, "p50_us"))),
            rowset.Spec("spin", loops.POLLING.text, "kaio,spin=50us", on, one,
                        (at_least(0.85),)),
            rowset.Spec("spin", "kaio", "kaio,spin=auto", on, one,
                        (half_of("kaio,spin=50us"), same()))]
    return [*rows, rowset.Spec("spin", "kaio", "kaio,spin=auto", "zram",
                               rowset.job(64), (same(),))]


def _cells():
    """Rows of the part cells."""
    return [_duet("cells", "libaio", "kaio", "tmpfs",
                  rowset.job(depth, rw, bs, direct), (same("cpu_us"),))
            for rw, bs, depth, direct in itertools.product(
                ("read", "write", "randread", "randwrite"), ("4k", "128k"),
                DEPTHS, (1, 0))]


def _polling():
    never_waits = ("iodepth_batch_complete_min=0",)
    return [rowset.Spec("polling", "libaio", "kaio", on,
                        rowset.job(depth, more=never_waits),
                        tuple(map(same, ("iops", "p50_us", "p99_us"))))
            for on, depth in (("tmpfs", 64), ("disk", 1), ("disk", 32))]


def _scaling(cpus):
    """Of these CPUs each job may use each."""
    return [rowset.Spec("scaling", "libaio", "kaio", "tmpfs", rowset.job(
        64, more=(f"numjobs={number}", f"cpus_allowed={cpus}")),
        (same(), same("cpu_us"))) for number in (1, 2, 4)]


def _depth_one():
    """What spinning costs and gains."""
    beside = ("p50_us", "p99_us", "cpu_us")
    return [rowset.Spec("depth1", a, b, on, rowset.job(1), goals, beside)
            for on in ("loop", "disk")
            for a, b, goals in (("libaio", "kaio", (same(),)),
                                ("kaio", "kaio,spin=20us", ()),
                                ("kaio", "kaio,spin=auto", (same(),)))]


def _fio_loop():
    alone, many = (side.text for side in loops.FIO_LOOPS)
    return [_duet("fio-loop", a, b, "tmpfs", rowset.job(64), goals,
                  ("cpu_us",)) for a, b, goals in (
        (alone, "libaio", ()), (alone, "kaio", (at_most(1 / 1.10),)),
        (many, ADAPTIVE, (at_most(1 / 0.92),)))]


def _null():
    as_fast = at_least(0.97), at_most(1 / 0.97, "p99_us")
    return [rowset.Spec("null", a, b, "null", rowset.job(depth), goals,
                        ("p50_us", "p99_us", "cpu_us"))
            for a, b, depth, goals in (
                ("libaio", "kaio", 1, (same(),)),
                ("libaio", "kaio", 64, (same(),)),
                ("kaio", ADAPTIVE, 32, as_fast),
                ("kaio", "kaio,spin=auto", 1, (same(),)))]


def specs(cpus: str = "0,1") -> list[rowset.Spec]:
    """All rows, in the order of the report; cpus: two, or "" for too few."""
    return [
        *_defaults(), *_adaptive(), *_spin(),
        _duet("batch", "libaio", "kaio", "tmpfs", rowset.job(
            64, more=("iodepth_batch=16",)), (at_most(1.0),)),
        rowset.Spec("jobs", "libaio", "kaio", "tmpfs", rowset.job(64),
                    (same("wall_s"),)),
        *_polling(), *(_scaling(cpus) if cpus else ()), *_depth_one(),
        *_fio_loop(), *_null(), *_cells(),
        *[_bound(GATE, a, b, "tmpfs", BOUNDS) for a, b in BOUNDS]]


def campaign(asked: Request, wanted: Sequence[rowset.Spec]) -> Campaign:
    """The Campaign of these rows, as yet without cells."""
    known = {side.text: side for side in loops.OWN}
    texts = dict.fromkeys(text for spec in wanted for text in (spec.a, spec.b))
    return Campaign(asked, tuple(
        known.get(text) or sidespec.parse(text, asked.build)
        for text in dict.fromkeys(("libaio", "kaio", *texts))), [])
