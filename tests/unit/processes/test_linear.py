"""What the definitions of a linear process say of psi, R, F and G G^T, for every one of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.fft import dctn

import samplebench as sb
from samplebench.errors import UsageError
from samplebench.processes.discrete import DiscreteProcess
from samplebench.processes.linear import apply, root, transposed

LAWS = {
    "vp": sb.process("vp"),
    "ve": sb.process("ve", t_min=0.01, T=10.0),
    "flow": sb.process("flow"),
    "cld": sb.process("cld"),
    "cld rising": sb.process("cld", beta_0=0.5, beta_1=6.0, m_inv=1.0, vv_gamma=0.1),
    "bdm": sb.process("bdm", image_size=4, sigma_blur_max=3.0),
}


@pytest.fixture(params=LAWS, ids=lambda name: name.replace(" ", "-"))
def law(request):
    return LAWS[request.param]


@pytest.fixture
def times(law):
    """Times all over the range, away from its ends."""
    return np.geomspace(3 * law.t_min, 0.9 * law.T, 7).tolist()


def slope(function, t):
    """Derivative by five points."""
    h = 1e-3 * t
    far, near = function(t + 2 * h) - function(t - 2 * h), function(t + h) - function(t - h)
    return (8 * near - far) / (12 * h)


def near(found, expected, tolerance=1e-7):
    scale = np.abs(np.broadcast_to(expected, np.broadcast_shapes(found.shape, expected.shape)))
    return np.abs(found - expected).max() <= tolerance * max(scale.max(), 1e-12)


def test_transitions(law, times):
    s, t, later = times[1], times[3], times[5]
    assert near(law.psi(t, t), np.eye(law.channels), 1e-14)
    assert near(law.psi(later, t) @ law.psi(t, s), law.psi(later, s), 1e-12)
    assert near(law.psi(s, t) @ law.psi(t, s), np.eye(law.channels), 1e-10)
    for t in times:
        found = slope(lambda tau: law.psi(tau, s), t)
        assert near(found, law.F(t) @ law.psi(t, s), 1e-6), t


def test_the_factor_is_one_of_the_covariance_and_turns_as_it_should(law, times):
    for t in times:
        sigma, drift, diffusion = law.cov(t), law.F(t), law.GGT(t)
        assert near(law.R(t) @ transposed(law.R(t)), sigma, 1e-11)
        change = drift @ sigma + sigma @ transposed(drift) + diffusion
        assert near(slope(law.cov, t), change, 1e-6)
        turned = (drift + diffusion @ np.linalg.inv(sigma) / 2) @ law.R(t)
        assert near(slope(law.R, t), turned, 1e-6), t
        assert near(law.score_factor(t), transposed(np.linalg.inv(law.R(t))), 1e-12)


def test_several_times_at_once(law, times):
    many = np.array(times)
    for function in (law.R, law.cov, law.F, law.GGT, law.signal, law.score_factor):
        each = [function(t) for t in times]
        assert near(function(many), np.stack(np.broadcast_arrays(*each)), 1e-13)
    assert near(law.psi(times[0], many), np.stack([law.psi(times[0], s) for s in times]), 1e-13)


@pytest.mark.parametrize("lam", [0.0, 0.3, 1.0, 1.5])
def test_reverse_transitions(law, times, lam):
    t, s = times[2], times[4]
    hat = law.psi_hat(t, s, lam)

    def rate(tau):
        return law.F(tau) + (1 + lam**2) / 2 * law.GGT(tau) @ np.linalg.inv(law.cov(tau))

    assert near(slope(lambda tau: law.psi_hat(tau, s, lam), t), rate(t) @ hat, 1e-6)
    assert near(law.psi_hat(t, times[3], lam) @ law.psi_hat(times[3], s, lam), hat, 1e-9)
    many = np.array(times[3:])
    each = np.stack([law.psi_hat(t, tau, lam) for tau in many])
    assert near(law.psi_hat(t, many, lam), each, 1e-9)
    fresh = law.fresh(t, s, lam)
    assert np.abs(fresh - transposed(fresh)).max() < 1e-12
    assert np.linalg.eigvalsh(fresh).min() > -1e-12
    # With lam = 1 it is the reversed Markov chain: no noise is left where nothing was added.
    assert np.abs(fresh).max() < 1e-12 or lam > 0


def test_the_integrated_transition_is_the_closed_one():
    law, t, s = LAWS["cld"], 0.02, 0.7
    closed = law.cov(t) @ transposed(law.psi(s, t)) @ np.linalg.inv(law.cov(s))
    assert near(law._integrated(t, np.array([0.3, s]), 1.0)[-1], closed, 1e-10)


def test_the_prior_is_the_law_that_the_process_keeps():
    for name in ("vp", "cld", "cld rising"):
        law = LAWS[name]
        prior = np.diag(np.square(law.prior_factor))
        for t in (0.2, 0.8):
            drift = law.F(t) @ prior
            assert near(drift + transposed(drift), -law.GGT(t), 1e-12)
    ve = LAWS["ve"]
    assert ve.prior_factor == (ve.T,)
    # Blurring ends where little but unit noise is left.
    bdm = LAWS["bdm"]
    assert bdm.prior_factor == (1.0,)
    assert bdm.R(bdm.T).item() == pytest.approx(1, abs=1e-4)


def test_grids(law):
    grid = law.grid(10)
    assert (grid[0], grid[-1], len(grid)) == (law.T, law.t_min, 11)
    assert grid.dtype == np.float64 and (np.diff(grid) < 0).all()
    steps = np.diff(law.grid(10, 3.0) ** (1 / 3))
    assert steps == pytest.approx(steps[0], rel=1e-9)


def test_images_come_back(law):
    images = torch.randn(3, 2, 4, 4, generator=torch.Generator().manual_seed(0)).double()
    u = law.encode(images)
    assert u.shape == (3, law.channels, 2, 4, 4)
    assert (law.decode(u) - images).abs().max() < 1e-14
    assert law.encode(images.float()).dtype == torch.float32
    if law.name == "bdm":
        expected = dctn(images.numpy(), axes=(2, 3), norm="ortho")
        assert u[:, 0].numpy() == pytest.approx(expected, abs=1e-13)
    if law.channels == 2:
        assert not u[:, 1].any()


def test_isotropic_noise_levels():
    for law in (LAWS["vp"], LAWS["ve"], LAWS["flow"]):
        for t in law.grid(5).tolist():
            assert law.sigma(t) == pytest.approx((law.R(t) / law.signal(t)).item(), rel=1e-12)
            assert law.time(law.sigma(t)) == pytest.approx(t, rel=1e-12)
        narrow = law.within(0.5, 3.0)
        assert [law.sigma(t) for t in (narrow.t_min, narrow.T)] == pytest.approx([0.5, 3.0])
        assert law.within(0.0, float("inf")) == law
        with pytest.raises(UsageError, match="has noise levels from"):
            law.within(1e5, 1e6)


def test_flow_is_a_straight_path():
    law, t = LAWS["flow"], 0.3
    assert (law.signal(t).item(), law.R(t).item()) == (pytest.approx(1 - t), t)
    assert law.sigma(t) == pytest.approx(t / (1 - t))
    # Its flow moves each pair of an image and its noise at the velocity n - x0.
    u = (1 - t) * 0.7 + t * -1.3
    score = 1.3 / t
    assert law.F(t).item() * u - law.GGT(t).item() / 2 * score == pytest.approx(-1.3 - 0.7)
    for sigma in (1e-9, 0.5, 1e9):
        assert law.time(sigma) == pytest.approx(sigma / (1 + sigma), rel=1e-15)
    assert law.time(float("inf")) == 1


def test_high_frequencies_fade_first():
    law = sb.process("bdm", image_size=8)
    kept = law.blur(0.2)
    assert kept[0, 0] == 1
    assert (np.diff(kept, axis=0) < 0).all() and (np.diff(kept, axis=1) < 0).all()
    assert kept.min() >= law.d_min


def test_matrices_on_states():
    rng = np.random.default_rng(0)
    u = torch.from_numpy(rng.standard_normal((3, 2, 1, 4, 5)))
    for size in ((1, 1), (4, 5)):
        for rows in (1, 2):
            matrix = rng.standard_normal((*size, rows, 2))
            expected = np.einsum("hwed,ndchw->nechw", np.broadcast_to(matrix, (4, 5, rows, 2)), u)
            assert apply(matrix, u).numpy() == pytest.approx(expected, abs=1e-14)
    assert apply(np.ones((1, 1, 2, 2)), u.float()).dtype == torch.float32


def test_roots_of_singular_covariances():
    whole = np.array([[2.0, 0.3], [0.3, 1.0]])
    assert np.array_equal(root(whole), np.linalg.cholesky(whole))
    for singular in (np.diag([0.0, 8.0]), np.ones((2, 2)), np.zeros((2, 2)), np.diag([1, -1e-18])):
        factor = root(singular)
        assert factor @ factor.T == pytest.approx(singular, abs=1e-12)


class TestLookup:
    def test_names(self):
        assert isinstance(sb.process("discrete", noise_schedule="cosine"), DiscreteProcess)
        for name in ("vp", "ve", "flow", "cld", "bdm"):
            assert sb.process(name).name == name
            assert sb.process(name) == sb.process(name)
            assert hash(sb.process(name)) == hash(sb.process(name))
        assert sb.process("cld", m_inv=1.0) != sb.process("cld")

    @pytest.mark.parametrize(
        ("name", "constants", "message"),
        [
            ("vpp", {}, "unknown process 'vpp'; did you mean 'vp'"),
            ("cld", {"m_inf": 4}, "unknown constant 'm_inf' of process cld; did you mean 'm_inv'"),
            ("cld", {"m_inv": -4}, "m_inv=-4 must be a number from 0 up"),
            ("bdm", {"sigma_blur_max": "10"}, "sigma_blur_max='10' must be a number"),
            ("bdm", {"image_size": True}, "image_size=True must be a number"),
            ("bdm", {"image_size": 0}, "image_size=0 must be a whole number"),
            ("bdm", {"image_size": 2.5}, "image_size=2.5 must be a whole number"),
            ("vp", {"T": float("nan")}, "T=nan must be a number"),
            ("vp", {"t_min": 2.0}, "need 0 < t_min < T"),
            ("flow", {"T": 1.0}, "T=1 must be below 1, where sigma is infinite"),
            ("ve", {"t_min": 0}, "need 0 < t_min < T"),
            ("cld", {"numerical_eps": 0, "vv_gamma": 0, "beta_0": 0}, "cld"),
            ("cld", {"m_inv": 0}, "cld"),
        ],
    )
    def test_what_is_refused(self, name, constants, message):
        with pytest.raises(UsageError) as refusal:
            sb.process(name, **constants)
        assert message in str(refusal.value)
        assert "\n" not in str(refusal.value)
