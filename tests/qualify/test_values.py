# SPDX-License-Identifier: GPL-2.0-only
# fio's JSON -> the figures of a stimulus: rates of mixes added and not
# weighted, percentiles of all directions together, the engine's own share.

import pytest

from fiolab.ab import results
from fiolab.base.problem import Problem
from fiolab.fio.metrics import PERCENTILES
from fiolab.qualify import values


def direction(iops=0.0, bins=(), bytes_=0):
    count = sum(n for _, n in bins)
    mean = sum(ns * n for ns, n in bins) / count if count else 0
    return {"runtime": 1000 * bool(iops), "total_ios": iops,
            "io_bytes": bytes_, "lat_ns": {
                "N": count, "mean": mean, "max": max(
                    (ns for ns, _ in bins), default=0),
                "bins": {str(ns): n for ns, n in bins}}}


def entry(read=None, write=None):
    return {"jobname": "a", "ctx": 1, "usr_cpu": 1, "sys_cpu": 1,
            "job_runtime": 1000, "read": read or direction(),
            "write": write or direction(), "trim": direction()}


def test_a_mix_is_reads_plus_writes():
    found, _ = values.of([entry(direction(650.0, [(1000, 650)]),
                                direction(350.0, [(3000, 350)],
                                          1000 * 4096))], [])
    assert found["iops"] == 1000.0
    assert (found["read_iops"], found["write_iops"]) == (650.0, 350.0)
    assert found["mbps"] == pytest.approx(1000 * 4096 / 1e6)
    assert found["lat_mean_us"] == pytest.approx(0.65 * 1 + 0.35 * 3)
    assert (found["lat_p50_us"], found["lat_p99_us"]) == (1.0, 3.0)
    assert found["lat_p99_9_us"] == 3.0 and found["lat_p99_99_us"] is None
    assert found["lat_max_us"] == 3.0 and found["submit_share"] is None


def test_five_nines_are_of_the_bins():
    bins = [(1000, 999_980), (50_000, 15), (900_000, 5)]
    found, latency = values.of([entry(direction(1.0, bins))], [])
    assert found["lat_p99_99_us"] == 1.0
    assert found["lat_p99_999_us"] == 50.0
    assert latency["n"] == 1_000_000 and latency["max_ns"] == 900_000
    assert latency["bins"] == [list(one) for one in bins]
    assert latency["percentiles"]["99.999"] == 50_000


def test_no_percentile_is_beyond_the_longest():
    """fio names a bin by a time within it."""
    one = direction(1.0, [(1000, 98), (5024, 2)])
    one["lat_ns"]["max"] = 5011
    found, latency = values.of([entry(one)], [])
    assert found["lat_p99_us"] == found["lat_max_us"] == 5.011
    assert latency["bins"][-1] == [5024, 2]


@pytest.mark.parametrize("count, metric", [
    (100, "lat_p99_us"), (1000, "lat_p99_9_us"), (10_000, "lat_p99_99_us"),
    (100_000, "lat_p99_999_us")])
def test_no_percentile_of_fewer_than_it_takes(count, metric):
    """It would be the longest of them, and a limit on it would pass."""
    enough, few = (values.of([entry(direction(1.0, [(1000, n)]))], [])[0]
                   for n in (count, count - 1))
    assert enough[metric] == 1.0 and few[metric] is None


@pytest.mark.parametrize("count, names", [
    (1, []), (2, ["50"]), (320, ["50", "90", "99"]),
    (99_999, ["50", "90", "99", "99.9", "99.99"])])
def test_no_histogram_has_such_a_percentile(count, names):
    """Every table, picture and file takes them from there."""
    found = values.of([entry(direction(1.0, [(1000, count)]))], [])[1]
    assert list(found["percentiles"]) == names
    ab = results.Pool()
    ab.add(found)
    assert [name for name in ab.data()["percentiles"]
            if name in PERCENTILES] == names


def test_pooling_is_counting_together():
    one = values.of([entry(direction(1.0, [(1000, 3)]))], [])[1]
    two = values.of([entry(direction(1.0, [(1000, 1), (9000, 1)]))], [])[1]
    both = values.pool([one, None, two])
    assert both["n"] == 5 and both["bins"] == [[1000, 4], [9000, 1]]
    assert both["mean_ns"] == pytest.approx((4 * 1000 + 9000) / 5)
    assert both["max_ns"] == 9000 and both["percentiles"] == {"50": 1000}
    assert values.pool([None]) is None and values.pool([]) is None


def test_the_share_inside_io_submit_is_of_all_threads():
    stats = [{"submit_ns": 10, "run_ns": 100}, {"submit_ns": 0, "run_ns": 100}]
    assert values.submit_share(stats) == pytest.approx(0.05)
    assert values.submit_share([]) is None


def test_no_latencies_are_no_figures():
    found, latency = values.of([entry()], [])
    assert latency is None and found["lat_mean_us"] is None
    assert found["iops"] == 0


def test_json_without_its_figures_is_a_sentence():
    one = entry()
    del one["read"]["lat_ns"]
    with pytest.raises(Problem, match="lacks what a result must have"):
        values.of([one], [])
