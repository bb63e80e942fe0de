"""What holds for every plain function on rows: of numbers that are none nothing is made."""

from __future__ import annotations

import numpy as np
import pytest

from samplebench.metrics.inception_score import inception_score
from samplebench.metrics.kernel import cmmd, gaussian_mmd, kid, kid_subsets
from samplebench.metrics.manifold import authpct, density_coverage, precision_recall
from samplebench.metrics.mind import mind
from samplebench.metrics.vendi import vendi


def of_one(function):
    return lambda real, generated: np.ravel([function(real), function(generated)]).tolist()


CALLS = {
    "kid": kid,
    "kid_subsets": lambda real, gen: kid_subsets(gen, real, subsets=3, subset_size=30),
    "cmmd": cmmd,
    "gaussian_mmd": lambda real, gen: gaussian_mmd(real, gen, width=2.0),
    "precision_recall": precision_recall,
    "density_coverage": density_coverage,
    "authpct": authpct,
    "mind": mind,
    "inception_score": of_one(inception_score),
    "vendi": of_one(vendi),
}


@pytest.fixture(params=CALLS.values(), ids=list(CALLS))
def call(request):
    return request.param


def rows(seed, dim=3):
    return np.random.default_rng(seed).standard_normal((30, dim))


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_features_that_are_not_finite(call, wrong, side):
    given = [rows(0), rows(1)]
    given[side][4, 1] = wrong
    with pytest.raises(ValueError, match="not finite"):
        call(*given)


def test_rows_without_a_feature(call):
    with pytest.raises(ValueError, match=r"numbers \[N, D\] are needed, not .* \(30, 0\)"):
        call(rows(0, 0), rows(1, 0))


def test_what_kind_of_numbers_they_are_does_not_matter(call):
    """Whole numbers, which every kind has exactly."""
    given = [np.round(3 * rows(seed)) + 0.0 for seed in (0, 1)]
    given = [np.where(each.any(axis=1, keepdims=True), each, 1) for each in given]
    expected = call(*given)
    for kind in (np.float16, np.float32, np.int8, np.int64):
        assert call(*(each.astype(kind) for each in given)) == pytest.approx(expected, rel=2e-7)
    strided = [np.repeat(each, 2, axis=1)[:, ::2] for each in given]
    for each in strided:
        each.flags.writeable = False
    assert call(*strided) == call(*(each.tolist() for each in given)) == expected


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (precision_recall, {"k": 0}),
        (density_coverage, {"k": -1}),
        (kid_subsets, {"subsets": 0}),
        (kid_subsets, {"subset_size": 1}),
        (mind, {"directions": 0}),
        (gaussian_mmd, {"width": 0.0}),
        (lambda real, generated, **words: inception_score(real, **words), {"splits": 0}),
    ],
)
def test_numbers_of_nothing(function, words):
    ((name, number),) = words.items()
    with pytest.raises(ValueError, match=f"^{name} is {number}, and "):
        function(rows(0), rows(1), **words)


def test_too_large_for_the_kernel():
    with np.errstate(all="raise"), pytest.raises(ValueError, match="too large"):
        kid(rows(0), 1e60 * rows(1))


@pytest.mark.parametrize("offset", [1e6, 1e8])
def test_far_from_0_the_monge_distance_is_the_same(offset):
    real, generated = rows(0), 1.3 * rows(1)
    far = [each + offset for each in (real, generated)]
    assert mind(*far) == pytest.approx(mind(real, generated), rel=1e-15 * offset)
    assert mind(*far) == mind(*far[::-1])
