"""The Frechet distance without each block: its expansion against exact values."""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import pytest

import samplebench as sb
from samplebench.features.digits import DigitsExtractor
from samplebench.images import to_uint8
from samplebench.metrics import frechet as metric
from samplebench.metrics.expansion import Expansion
from samplebench.metrics.gaussians import frechet_terms, symmetric_root
from samplebench.metrics.moments import BlockedMoments, BlockSums, Moments
from samplebench.metrics.uncertainty import delete_one, spread


def reference(rows):
    moments = Moments.of(rows)
    return SimpleNamespace(mean=moments.mean, cov=moments.cov, root=symmetric_root(moments.cov))


def draw(n, dim, seed=0, scale=1.0):
    """Correlated rows away from the origin, their variances over three decades."""
    mixing = np.random.default_rng(dim).standard_normal((dim, dim)) * np.geomspace(1, 0.03, dim)
    return scale * np.random.default_rng(seed).standard_normal((n, dim)) @ mixing + 2


def exact(blocked, ref):
    return delete_one(blocked, lambda left: metric.frechet(left, ref)["value"])


def with_constant(rows):
    return np.insert(rows, 3, 5.0, axis=1)


SETS = {
    "as many directions as features": lambda: (draw(700, 12), draw(900, 12, 1, 1.1)),
    "a constant feature": lambda: (with_constant(draw(700, 12)), draw(900, 13, 1)),
    "a constant feature of the reference": lambda: (draw(700, 13), with_constant(draw(900, 12))),
    "a reference of few images": lambda: (draw(2000, 40), draw(11, 40, 1)),
    "a feature twice": lambda: [r[:, [0, 0, 1, 2, 3]] for r in (draw(500, 4), draw(500, 4, 1))],
}


@pytest.mark.parametrize("of", SETS.values(), ids=[*SETS])
def test_value_and_terms_are_the_distances(of):
    rows, other = of()
    ref, moments = reference(other), Moments.of(rows)
    found = Expansion.of(moments, ref).terms
    expected = frechet_terms(moments.mean, moments.cov, ref.mean, ref.cov, root2=ref.root)
    singular = np.linalg.matrix_rank(ref.cov) < len(ref.cov)
    # Of an eigenvalue that should be 0 the root of its rounding is left.
    scale = np.trace(moments.cov) + np.trace(ref.cov)
    assert found == pytest.approx(expected, rel=0, abs=scale * (1e-7 if singular else 1e-13))


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("of", SETS.values(), ids=[*SETS])
def test_the_values_without_a_block(of, order):
    """What the expansion leaves out is of the next order in the blocks' share."""
    rows, other = of()
    ref, blocked = reference(other), BlockedMoments.of(rows)
    found = Expansion.of(blocked.total, ref).deleted(blocked.parts, order)
    expected = exact(blocked, ref)
    assert spread(found) == pytest.approx(spread(expected), rel={1: 0.1, 2: 0.02}[order])
    moved = np.ptp(expected)
    assert found == pytest.approx(expected, abs=moved * {1: 0.7, 2: 0.05}[order])


def features(kind, n, seed):
    """Of exact draws of the digits, or correlated numbers."""
    if kind == "numbers":
        return draw(n, 64, seed)
    drawn, _ = sb.load("digits-exact", device="cpu").draw(n, 100 + seed)
    return DigitsExtractor()(to_uint8(drawn, "edm")).numpy()


@pytest.mark.parametrize("kind", ["numbers", "digits"])
def test_the_error_bar_of_first_order_from_20_samples_a_feature_on(kind):
    """Within 10 % in the median, at the floor of the distance, where it is hardest."""
    ref, found = reference(features(kind, 6000, 0)), []
    for seed in range(1, 6):
        blocked = BlockedMoments.of(features(kind, 20 * 64, seed))
        first = Expansion.of(blocked.total, ref).deleted(blocked.parts, 1)
        found.append(spread(first) / spread(exact(blocked, ref)))
    assert np.median(found) == pytest.approx(1, abs=0.1)


@pytest.mark.slow
def test_2048_random_features():
    """Within 10 %, in at most twice the CPU time of a distance, which is printed."""
    dim, n = 2048, 42_000
    mixing = np.random.default_rng(0).standard_normal((dim, dim), dtype=np.float32) / dim**0.5
    ref = reference(np.random.default_rng(1).standard_normal((3 * dim, dim), np.float32) @ mixing)
    blocked = BlockedMoments.of(
        np.random.default_rng(2).standard_normal((n, dim), np.float32) @ mixing
    )
    given = blocked.total.mean, blocked.total.cov, ref.mean, ref.cov

    def timed(function):
        began = time.process_time()
        return function(), time.process_time() - began

    _, one = timed(lambda: frechet_terms(*given, root2=ref.root))
    (_, found), both = timed(lambda: metric.blocked_frechet(blocked, ref))
    expected = exact(blocked, ref)
    ratio = spread(found) / spread(expected)
    print(f"\nvalue and error bar: {both / one:.2f} distances; standard error {ratio:.3f} of exact")
    assert both - one < 2 * one
    assert ratio == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("order", [1, 2])
def test_it_is_the_derivative(order):
    """Blocks of a half, a quarter, ... of a change: the error falls by 4, or by 8, each time."""
    rows, ref, errors = draw(400, 6), reference(draw(500, 6, 1, 1.2)), []
    for power in range(4):
        # A block of ever less weight, by ever more samples of the same moments beside it.
        rest = Moments.of(rows[20:])
        scale = 20 * 2**power
        part, total = (
            Moments.of(rows[:20]),
            Moments(rest.count * scale, *(scale * x for x in (rest.total, rest.outer))),
        )
        total = total + part
        (found, _) = Expansion.of(total, ref).deleted(BlockSums.of([part, part]), order)
        errors.append(abs(found - metric.frechet(total - part, ref)["value"]))
    ratios = np.array(errors[:-1]) / errors[1:]
    assert ratios == pytest.approx([2 ** (order + 1)] * 3, rel=0.1)


@pytest.mark.parametrize("order", [1, 2])
def test_rows_and_their_triangles_tell_the_same(order, monkeypatch):
    rows, ref = draw(600, 10).astype(np.float32), reference(draw(500, 10, 1))
    held = BlockedMoments.of(rows)
    loaded = BlockedMoments.load(held.state())
    monkeypatch.setattr("samplebench.metrics.moments.MOST_PARTS", 0)
    monkeypatch.setattr("samplebench.metrics.moments.MOST_HELD", 0)
    made = BlockedMoments.of(rows)
    found = [Expansion.of(b.total, ref).deleted(b.parts, order) for b in (held, loaded, made)]
    assert found[1] == pytest.approx(found[0], rel=1e-9)
    assert found[2] == pytest.approx(found[0], rel=1e-9)
    later = made.parted(rows)
    assert Expansion.of(made.total, ref).deleted(later.parts, order) == found[2]


@pytest.mark.parametrize(
    ("n", "order"), [(5, None), (10, None), (14, None), (15, 2), (199, 2), (200, 1), (1000, 1)]
)
def test_which_is_used(n, order, monkeypatch):
    """Exact below 1.5 samples for each feature and wherever it costs little."""
    rows, ref = draw(n, 10), reference(draw(500, 10, 1))
    blocked = BlockedMoments.of(rows)
    assert metric.blocked_frechet(blocked, ref)[1] == exact(blocked, ref)
    monkeypatch.setattr(metric, "_EXACT", 9)
    terms, found = metric.blocked_frechet(blocked, ref)
    assert terms == pytest.approx(metric.frechet(blocked.total, ref), rel=1e-11)
    if order is None:
        assert found == exact(blocked, ref)
    else:
        assert found == Expansion.of(blocked.total, ref).deleted(blocked.parts, order)


def test_without_blocks_there_is_no_error_bar(monkeypatch):
    monkeypatch.setattr(metric, "_EXACT", 0)
    ref, whole = reference(draw(500, 4, 1)), BlockedMoments(Moments.of(draw(400, 4)))
    assert metric.blocked_frechet(whole, ref) == (metric.frechet(whole.total, ref), [])


def test_samples_that_are_all_the_same(monkeypatch):
    """No direction varies: only the mean is left, and no block moves it."""
    ref = reference(draw(500, 4, 1))
    blocked = BlockedMoments.of(np.full((400, 4), 0.5))
    for least in (512, 0):
        monkeypatch.setattr(metric, "_EXACT", least)
        terms, found = metric.blocked_frechet(blocked, ref)
        assert found == pytest.approx([terms["value"]] * 20, rel=1e-12)
