# SPDX-License-Identifier: GPL-2.0-only
# The knee of worked load curves: a device that serves p I/Os at a time, no
# knee, a plateau from the start, noise, a collapse, gaps.
import random

import pytest

from fiolab.stats import knee

DEPTHS = [1 << i for i in range(11)]


def device(parallel, service_us=100.0, depths=DEPTHS):
    """Exactly p at a time: throughput min(d, p) / s, and Little's law."""
    points = []
    for depth in depths:
        rate = min(depth, parallel) / service_us * 1e6
        points.append((depth, rate, depth / rate * 1e6))
    return points


@pytest.mark.parametrize("parallel", DEPTHS[1:-1])
def test_knee_is_where_the_device_is_full(parallel):
    found = knee.find(device(parallel))
    assert found.depth == parallel
    assert found.enough == parallel
    assert f"depth {parallel} " in found.why


def test_between_two_depths():
    """Of a device for 24, depth 16 has power 16, and 32 has 24 * 24 / 32."""
    assert knee.find(device(24)).depth == 32
    assert knee.find(device(24)).enough == 32
    assert knee.find(device(20)).depth == 16    # 16 > 20 * 20 / 32 = 12.5
    assert knee.find(device(20)).enough == 32


def test_worked_by_hand():
    """Powers 100, 162, 180, 120, 64: the third is the largest."""
    points = [(1, 10_000, 100), (2, 18_000, 111), (4, 27_000, 150),
              (8, 31_000, 258), (16, 32_000, 500)]
    assert [round(r / us, 1) for _, r, us in points] == [
        100, 162.2, 180, 120.2, 64]
    found = knee.find(points)
    assert (found.depth, found.enough) == (4, 8)
    assert knee.text(points) == (
        "The knee is at depth 4 (27,000 IOPS at 150.0 us). 95% of the most "
        "IOPS takes depth 8.")


def test_a_soft_curve():
    """A closed M/M/1-like curve, rate = R d / (d + a): power d / (d + a)^2
    is largest at d = a."""
    points = []
    for depth in DEPTHS:
        rate = 1e5 * depth / (depth + 16)
        points.append((depth, rate, depth / rate * 1e6))
    found = knee.find(points)
    assert found.depth == 16
    # Of 1024 / 1040, which depth 256 has 0.956 of and depth 128 has 0.903 of.
    assert found.enough == 256


def test_no_knee():
    found = knee.find(device(4096))
    assert found.depth is None and "no knee up to depth 1024" in found.why
    assert found.enough == 1024


def test_plateau_from_the_start():
    found = knee.find(device(1))
    assert found.depth == 1 and "only wait longer" in found.why
    assert found.enough == 1


def test_collapse_beyond_the_knee():
    points = device(32)
    points[-1] = (1024, points[-1][1] / 3, points[-1][2] * 3)
    assert knee.find(points).depth == 32
    assert knee.find(points).enough == 32


@pytest.mark.parametrize("seed", range(200))
def test_noise_moves_it_by_one_step_at_most(seed):
    """5% of noise on each figure, as a shared machine has."""
    rng = random.Random(seed)
    points = [(d, r * rng.gauss(1, 0.05), us * rng.gauss(1, 0.05))
              for d, r, us in device(32)]
    assert knee.find(points).depth in (16, 32, 64)


def test_noise_mostly_moves_it_not_at_all():
    hits = 0
    for seed in range(500):
        rng = random.Random(seed)
        hits += knee.find([(d, r * rng.gauss(1, 0.05), us * rng.gauss(1, 0.05))
                           for d, r, us in device(32)]).depth == 32
    assert hits > 490


def test_noise_on_a_plateau():
    for seed in range(100):
        rng = random.Random(seed)
        points = [(d, r * rng.gauss(1, 0.05), us)
                  for d, r, us in device(1)]
        assert knee.find(points).depth == 1


def test_order_and_gaps_do_not_matter():
    points = device(32)
    shuffled = points[::-1] + [(2048, 0, None), (4096, None, 5.0)]
    assert knee.find(shuffled) == knee.find(points)


@pytest.mark.parametrize("points", [[], device(2)[:2], [(1, 0, 0)] * 5])
def test_too_few(points):
    found = knee.find(points)
    assert (found.depth, found.enough) == (None, None)
    assert knee.text(points) == "Fewer than three depths gave figures."
