"""The multistep family where nobody shows it: odd grids, ends, refusals, aliases."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

import samplebench as sb
from samplebench.errors import UsageError
from samplebench.processes.vp import VP
from samplebench.samplers import exponential
from samplebench.samplers.adams_bashforth import in_sigma
from samplebench.samplers.deis import LAW, in_time
from samplebench.samplers.dpmpp_3m import third_order
from samplebench.samplers.ipndm import equal_steps
from samplebench.samplers.ipndm_v import as_published
from samplebench.samplers.unipc import unified
from samplebench.sampling.solver import Solver
from samplebench.timelines.levels import UnitPixel

FAMILY = {
    "deis": {},
    "ipndm": {},
    "ipndm-v": {},
    "ipndm-v-exact": {},
    "dpmpp-3m": {},
    "dpmpp-3m-eps": {"predicts": "eps", "lower_order_final": False},
    "dpmpp-3m-order3": {},
    "dpmpp-3m-order3-eps": {"predicts": "eps"},
    "unipc": {},
    "unipc-bh1": {"variant": "bh1"},
    "unipc-eps": {"predicts": "eps", "lower_order_final": False},
    "dpmpp-2m-sde": {},
    "dpmpp-3m-sde": {},
}
SETTINGS = [
    pytest.param(name.removesuffix("-eps").removesuffix("-bh1"), params, id=name)
    for name, params in FAMILY.items()
]
# Neither equal steps nor equal ratios; equal ratios; down to 0.
ODD = (40.0, 12.0, 7.5, 1.1, 0.8, 0.02)
RATIO = tuple(np.geomspace(40, 0.02, 6).tolist())
TO_ZERO = (*ODD[:-1], 0.0)
EQUAL = (5.0, 4.0, 3.0, 2.0, 1.0, 0.0)


@pytest.fixture
def latents():
    draw = torch.Generator().manual_seed(3)
    return torch.randn((4, 3, 4, 4), generator=draw, dtype=torch.float64)


def sample(mixture, name, latents, **words):
    model, taken = mixture("smooth5"), []
    x = sb.sample(model, name, latents=latents, callback=taken.append, **words)
    return model, taken, x


# exact where they should be: on polynomials


def moments(levels, i, weights, variable):
    """Of a step: what it makes of polynomials of the variable, degree 0, 1, ..."""
    at = [variable(sigma) for sigma in levels[i::-1]]
    return [
        sum(w * t**degree for w, t in zip(weights.past, at, strict=False))
        for degree in range(len(weights.past))
    ]


def integrals(levels, i, points, variable):
    """The same exactly: integrals over sigma, by a rule that nothing else here uses."""
    from scipy.integrate import quad

    ends = sorted({levels[i], levels[i + 1], *(e for e in (1e-3, 1e-2, 0.1, 1.0))})
    ends = [e for e in ends if levels[i + 1] <= e <= levels[i]]
    return [
        -sum(
            quad(lambda s, n=n: variable(s) ** n, *span, epsabs=1e-13)[0] for span in pairwise(ends)
        )
        for n in range(points)
    ]


@pytest.mark.parametrize("levels", [ODD, RATIO, TO_ZERO, (80.0, 1e-5, 1e-6, 0.0)])
@pytest.mark.parametrize(("rule", "variable"), [(in_sigma, float), (in_time, LAW.time)])
def test_adams_bashforth_is_exact_on_polynomials(rule, variable, levels):
    for i in range(len(levels) - 1):
        points = min(i + 1, 4)
        found = moments(levels, i, rule(levels, i, points), variable)
        expected = integrals(levels, i, points, variable)
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-10)


def test_deis_is_gddims_method_on_that_law():
    for i in range(len(ODD) - 1):
        a, b = LAW.time(ODD[i]), LAW.time(ODD[i + 1])
        points = min(i + 1, 3)
        nodes = np.array([LAW.time(sigma) for sigma in ODD[i - points + 1 : i + 1][::-1]])
        scaled = exponential.by_parts(LAW, a, b, nodes).ravel() * math.sqrt(1 + ODD[i + 1] ** 2)
        assert in_time(ODD, i, points).past == pytest.approx(scaled.tolist(), rel=1e-9)
    assert isinstance(LAW, VP)


def test_fixed_weights_are_adams_bashforths_at_equal_steps():
    for i in range(len(EQUAL) - 1):
        for points in range(1, min(i + 1, 4) + 1):
            exact = pytest.approx(in_sigma(EQUAL, i, points).past, rel=1e-12)
            assert equal_steps(EQUAL, i, points).past == exact
            published = as_published(EQUAL, i, points).past
            # Of four points the published ones are not, here either.
            assert (published == exact) is (points < 4)
            assert sum(published) == pytest.approx(-1)


def exponential_integral(levels, i, degree, predicts):
    """x_b - keep x_a where the prediction is lambda^degree, lambda = 0 at sigma_i."""
    from scipy.integrate import quad

    a, b = levels[i], levels[i + 1]
    h, data = math.log(a / b), predicts == "x0"
    rate = 1.0 if data else -1.0
    whole = quad(lambda t: math.exp(rate * t) * t**degree, 0, h, epsabs=0, epsrel=1e-13)[0]
    return b / a * whole if data else -a * whole


@pytest.mark.parametrize("levels", [ODD, RATIO])
@pytest.mark.parametrize("predicts", ["x0", "eps"])
def test_steps_in_log_snr_are_exact_on_polynomials(predicts, levels):
    i = 3

    def error(rule, points, degree, fresh=False):
        nodes = [math.log(levels[i] / levels[i - j]) for j in range(points)]
        nodes = [math.log(levels[i] / levels[i + 1]), *nodes] if fresh else nodes
        past = rule(levels, i, points).past
        assert len(past) == len(nodes)
        found = sum(w * node**degree for w, node in zip(past, nodes, strict=True))
        expected = exponential_integral(levels, i, degree, predicts)
        return abs(found - expected) / abs(expected)

    published = third_order(predicts, "midpoint")
    corrected = third_order(predicts, "midpoint", curvature=2.0)
    predictor, corrector = (unified(predicts, "bh2", corrects) for corrects in (False, True))
    for degree in range(3):
        assert error(corrected, 3, degree) < 1e-11
        assert error(predictor, 3, degree) < 1e-11
        assert (error(published, 3, degree) < 1e-11) is (degree < 2)
    for points in (2, 3):
        for degree in range(points + 1):
            assert error(corrector, points, degree, fresh=True) < 1e-10
        assert error(corrector, points, points + 1, fresh=True) > 1e-3


@pytest.mark.parametrize("predicts", ["x0", "eps"])
def test_the_variants_of_unipc_differ_in_what_is_not_solved(predicts):
    for corrects, points, same in [
        (False, 1, True),
        (False, 2, False),
        (False, 3, True),
        (True, 1, False),
        (True, 2, True),
        (True, 3, True),
    ]:
        one, other = (unified(predicts, v, corrects)(ODD, 3, points).past for v in ("bh1", "bh2"))
        assert (one == pytest.approx(other, rel=1e-10)) is same


# both ends


@pytest.mark.parametrize("end", [0.0, 0.002])
@pytest.mark.parametrize(("name", "params"), SETTINGS)
def test_a_single_step_is_eulers(mixture, latents, name, params, end):
    words = {"discretization": [80.0, end], "final": "sigma_min" if end else "zero"}
    model, _, x = sample(mixture, name, latents, **words, **params)
    assert 0.0 not in model.calls
    # One into 0 is noise's too; UniPC's corrector asks once more above it.
    if end == 0 or not (name.endswith("sde") or name == "unipc"):
        _, _, euler = sample(mixture, "euler", latents, **words)
        assert (x - euler).abs().max() < 1e-10


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("dpmpp-3m", {}),
        ("dpmpp-3m", {"predicts": "eps"}),
        ("dpmpp-3m-order3", {"lower_order_final": False}),
        ("unipc", {"lower_order_final": False}),
        ("unipc", {"variant": "bh1"}),
        ("dpmpp-2m-sde", {}),
        ("dpmpp-3m-sde", {}),
    ],
)
def test_a_step_into_zero_gives_what_the_model_answered(mixture, latents, name, params):
    _, taken, x = sample(mixture, name, latents, discretization=list(TO_ZERO), **params)
    assert (x - taken[-1].denoised).abs().max() < 1e-10


def test_unipc_counts_an_evaluation_more_where_steps_are_fewer_than_its_order():
    for order, steps, final, expected in [
        (3, 2, "sigma_min", 3),
        (3, 3, "sigma_min", 3),
        (3, 2, "zero", 2),
        (2, 2, "sigma_min", 2),
        (1, 1, "sigma_min", 1),
    ]:
        entry = sb.registry.samplers.entry("unipc")
        assert entry.evaluations(steps, order=order, final=final) == expected


# one algorithm, several names


@pytest.mark.parametrize(
    ("name", "params", "alias"),
    [
        ("deis", {"mode": "rhoab", "order": 2}, "lms"),
        ("dpmpp-3m", {"order": 2, "solver_type": "heun", "predicts": "eps"}, "dpmpp-2m"),
        ("dpmpp-3m", {"order": 2, "lower_order_final": False}, "dpmpp-2m"),
        ("dpmpp-2m-sde", {"eta": 0.0}, "dpmpp-2m"),
        ("dpmpp-2m-sde", {"eta": 0.0, "solver_type": "heun", "S_noise": 2.0}, "dpmpp-2m"),
        ("dpmpp-3m-sde", {"eta": 0.0}, "dpmpp-3m"),
    ],
)
@pytest.mark.parametrize("final", ["zero", "sigma_min"])
def test_aliases_of_several_words(mixture, latents, name, params, alias, final):
    found, kept = Solver.of(name).canonical(params)
    assert found == alias
    _, _, own = sample(mixture, name, latents, steps=7, final=final, **params)
    _, _, other = sample(mixture, found, latents, steps=7, final=final, **kept)
    assert (own - other).abs().max() < 1e-10


def test_aliases_by_order():
    for name, params, alias in [
        ("deis", {"order": 1}, "euler"),
        ("ipndm", {"order": 1}, "euler"),
        ("ipndm-v", {"order": 1}, "euler"),
        ("ipndm-v", {"order": 2}, "lms"),
        ("ipndm-v-exact", {"order": 3}, "lms"),
        ("dpmpp-3m", {"order": 1, "predicts": "eps"}, "euler"),
        ("dpmpp-3m", {"order": 2}, "dpmpp-2m"),
    ]:
        assert Solver.of(name).canonical(params)[0] == alias, (name, params)


# noise


@pytest.mark.parametrize("name", ["dpmpp-2m-sde", "dpmpp-3m-sde"])
def test_noise_of_the_reverse_sde(name):
    """Unit normal data stay unit normal, whatever the share of fresh noise."""
    for eta in (0.0, 0.5, 1.0, 3.0):
        rng = torch.Generator().manual_seed(0)
        latents = torch.randn((8_000, 1, 1, 1), generator=rng, dtype=torch.float64)
        draws = []

        def noise(x, rng=rng, draws=draws):
            draws.append(1)
            return torch.randn(x.shape, generator=rng, dtype=x.dtype)

        x = sb.sample(UnitPixel(), name, steps=60, latents=latents, noise=noise, eta=eta)
        assert len(draws) == (60 if eta else 0)
        assert x.std().item() == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("name", ["dpmpp-2m-sde", "dpmpp-3m-sde"])
def test_noise_of_no_size_is_drawn_all_the_same(mixture, latents, name):
    draws = []
    words = {"discretization": list(ODD), "S_noise": 0.0}
    noise = {"noise": lambda x: draws.append(1) or torch.randn_like(x)}
    _, _, once = sample(mixture, name, latents, **words, **noise)
    _, _, again = sample(mixture, name, latents, **words, **noise)
    assert torch.equal(once, again)
    assert len(draws) == 2 * len(ODD)


# refusals


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        *(
            (name, {"order": order}, f"{name}.order={order}")
            for name, orders in {
                "deis": (0, 5, 2.5),
                "ipndm": (0, 5, 2.5),
                "ipndm-v": (0, 5),
                "ipndm-v-exact": (0, 5),
                "dpmpp-3m": (0, 4),
                "unipc": (0, 4, -1),
            }.items()
            for order in orders
        ),
        ("deis", {"mode": "rho"}, "mode"),
        ("unipc", {"variant": "bh3"}, "variant 'bh3'"),
        ("unipc", {"predicts": "v"}, "predicts"),
        ("dpmpp-3m", {"predicts": "D"}, "predicts"),
        ("dpmpp-3m", {"solver_type": "euler"}, "solver_type"),
        ("dpmpp-3m-order3", {"predicts": "D"}, "predicts"),
        ("dpmpp-2m-sde", {"solver_type": "euler"}, "solver_type"),
        ("dpmpp-2m-sde", {"eta": -0.1}, "eta=-0.1"),
        ("dpmpp-2m-sde", {"S_noise": -1}, "S_noise=-1"),
        ("dpmpp-3m-sde", {"eta": math.inf}, "eta=inf"),
    ],
)
def test_what_is_impossible_is_refused_in_one_line(mixture, latents, name, params, message):
    with pytest.raises(UsageError, match=message) as refused:
        sample(mixture, name, latents, steps=3, **params)
    assert "\n" not in str(refused.value)
