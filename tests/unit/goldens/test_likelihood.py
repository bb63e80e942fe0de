"""Likelihoods against the releases' numbers, and against closed forms of mixtures."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest
import torch

from samplebench.likelihood import bits_per_dim, ode_log_density, score_sde_bits
from samplebench.likelihood.gaussian import approximate_cdf, discretized_log_likelihood, normal_kl
from samplebench.likelihood.ode import log_normal
from samplebench.likelihood.score_sde import score_sde_bits_per_dim
from samplebench.models.discrete import DiscreteModel
from samplebench.processes.discrete import discrete_process
from tests.conftest import GOLDENS

PROCESS = GOLDENS / "adm" / "process"
BOUNDS = sorted(path.stem for path in PROCESS.glob("bpd_*.npz"))
MIXTURES = ("smooth5", "image5")


@cache
def arrays(path):
    with np.load(path, allow_pickle=False) as archive:
        return dict(archive)


def tensors(path):
    return {key: torch.from_numpy(value) for key, value in arrays(path).items()}


def near(record_property, found, wanted, rtol, atol):
    """Within rtol |wanted| + atol; the worst share of it is recorded."""
    found, wanted = np.asarray(found, np.float64), np.asarray(wanted, np.float64)
    assert found.shape == wanted.shape
    ratio = float((np.abs(found - wanted) / (rtol * np.abs(wanted) + atol)).max())
    record_property("golden", ("likelihood", ratio))
    assert ratio <= 1


def test_primitives(record_property):
    t = tensors(PROCESS / "likelihood_primitives.npz")
    zero = torch.zeros(())
    first = t["kl_mean1"], t["kl_logvar1"]
    near(record_property, normal_kl(*first, t["kl_mean2"], t["kl_logvar2"]), t["kl"], 1e-5, 0)
    near(record_property, normal_kl(*first, zero, zero), t["kl_vs_standard_normal"], 1e-5, 0)
    near(record_property, approximate_cdf(t["cdf_x"]), t["cdf"], 0, 1e-6)
    found = discretized_log_likelihood(t["x"], t["means"], t["log_scales"])
    # In the stated order of operations also where the difference of two tails is quantised.
    near(record_property, found, t["log_probs"], 0, 1e-4)
    wide = [t[key].double() for key in ("x", "means", "log_scales")]
    likely = t["log_probs"] > -8
    found = discretized_log_likelihood(*wide)[likely]
    near(record_property, found, t["log_probs"][likely], 0, 1e-4)


def analytic(meta):
    """The network of the stored bounds."""
    (a0, a1, a2, a3), (b0, b1) = meta["a"], meta["b"]

    def network(x, t, y):
        s = (t.float() / meta["model_time_divisor"]).reshape(-1, 1, 1, 1)
        c = torch.arange(3, dtype=torch.float32).reshape(1, 3, 1, 1)
        g = torch.sin((s + 0.008) / 1.008 * np.pi / 2)
        out = g * x + a0 * torch.sin(a1 * x + a2 * s + a3 * c)
        learned = meta["diffusion"].get("learn_sigma")
        return torch.cat([out, b0 * torch.cos(x - b1 * s + c)], 1) if learned else out

    return network


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", BOUNDS)
def test_bounds(name, dtype, record_property):
    stored = arrays(PROCESS / f"{name}.npz")
    meta = json.loads(str(stored["meta_json"]))
    law, x0 = discrete_process(meta["diffusion"]), torch.from_numpy(stored["x_start"])
    model = DiscreteModel(analytic(meta), law, shape=tuple(x0.shape[1:]))
    found = bits_per_dim(
        model,
        x0.to(dtype),
        respacing=meta["diffusion"].get("timestep_respacing"),
        clip_x0=meta["clip_denoised"],
        noise=stored["noise"],
    )
    keys = {"vb": "vb", "mse": "mse", "xstart_mse": "xstart_mse", "prior": "prior_bpd",
            "total": "total_bpd"}  # fmt: skip
    for ours, theirs in keys.items():
        near(record_property, getattr(found, ours), stored[theirs], 1e-5, 5e-6)
    assert found.vb.dtype == dtype


@pytest.fixture
def stored():
    return tensors(GOLDENS / "metrics" / "bpd.npz")


@pytest.mark.parametrize("low", ["0.002", pytest.param("0.01", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", MIXTURES)
def test_densities_by_hutchinson(name, low, stored, mixture, agrees):
    found, z = ode_log_density(
        mixture(name),
        stored[f"{name}.x0"],
        sigma_min=float(low),
        divergence="hutchinson",
        noise=stored[f"{name}.rademacher"],
    )
    agrees("likelihood", found, stored[f"{name}.edm.{low}.logp_ode_hutchinson"], 1e-6)
    agrees("likelihood", z, stored[f"{name}.edm.{low}.z"], 1e-5)


def test_densities_by_the_exact_trace(stored, mixture, agrees):
    x = stored["image5.x0"][:1]
    found, _ = ode_log_density(mixture("image5"), x, rtol=1e-5)
    bits = stored["image5.edm.0.002.bpd_exact_trace"][:1]
    agrees("likelihood", score_sde_bits(found, 48), bits, 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("low", ["0.002", "0.01"])
@pytest.mark.parametrize("name", MIXTURES)
def test_all_densities_by_the_exact_trace(name, low, stored, mixture, agrees):
    found, z = ode_log_density(mixture(name), stored[f"{name}.x0"], sigma_min=float(low))
    agrees("likelihood", found, stored[f"{name}.edm.{low}.logp_ode_exact_trace"], 1e-6)
    if low == "0.002":
        bits = stored[f"{name}.edm.{low}.bpd_exact_trace"]
        agrees("likelihood", score_sde_bits(found, 48), bits, 1e-7)
    # With the mixture's own density at the end, in place of the prior, it is that at the start.
    gained = found - log_normal(z, 80.0)
    agrees("likelihood", z, stored[f"{name}.edm.{low}.z"], 1e-5)
    net = mixture(name)
    total = net.stds**2 + 80.0**2
    distance = (z.flatten(1)[:, None] - net.means).square().sum(2)
    logs = net.weights.log() - 24 * (2 * torch.pi * total).log() - distance / (2 * total)
    exact = gained + torch.logsumexp(logs, 1)
    agrees("likelihood", exact, stored[f"{name}.edm.{low}.logp_true"], 1e-6)


@pytest.mark.parametrize("name", MIXTURES)
def test_density_without_an_ode(name, stored):
    expected = stored[f"{name}.bpd_from_logp0"]
    torch.testing.assert_close(score_sde_bits(stored[f"{name}.logp0"], 48), expected)
    # The same images in [0, 1], where a unit has twice as many bins and the density is 2^d larger.
    unit = stored[f"{name}.logp0"] + 48 * np.log(2)
    torch.testing.assert_close(score_sde_bits(unit, 48, data_range=(0, 1)), expected)


@pytest.mark.parametrize("process", ["vp", "ve"])
@pytest.mark.parametrize("name", MIXTURES)
def test_score_sde(name, process, stored, mixture, agrees):
    net = {"sigma_min": 0.01, "sigma_max": 50.0} if process == "ve" else None
    words = {"process": process, "noise": stored[f"{name}.rademacher"]}
    found, z = score_sde_bits_per_dim(mixture(name, net), stored[f"{name}.x0"], rtol=1e-7, **words)
    agrees("likelihood", found, stored[f"{name}.{process}.ref_bpd_float64"], 1e-6)
    agrees("likelihood", z, stored[f"{name}.{process}.z_float64"], 1e-4)
    found, _ = score_sde_bits_per_dim(mixture(name, net), stored[f"{name}.x0"], **words)
    agrees("likelihood", found, stored[f"{name}.{process}.ref_bpd_float32"], 5e-4)
