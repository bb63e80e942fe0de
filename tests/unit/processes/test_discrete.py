"""The discrete process: flags, defaults by family, respacing, and between eps and x0."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from samplebench.errors import InputError
from samplebench.processes.discrete import discrete_process


def test_defaults_differ_by_family():
    improved = discrete_process({"family": "improved-diffusion"})
    guided = discrete_process({"family": "guided-diffusion/UNetModel"})
    assert (improved.rescale, guided.rescale) == (True, False)
    assert improved.variance == guided.variance == "fixed_large"
    assert improved.steps == 1000


@pytest.mark.parametrize(
    ("flags", "variance"),
    [
        ({"learn_sigma": True}, "learned"),
        ({"learn_sigma": True, "sigma_small": True}, "learned"),
        ({"sigma_small": True}, "fixed_small"),
        ({}, "fixed_large"),
    ],
)
def test_variance_by_flags(flags, variance):
    assert discrete_process(flags).variance == variance


def test_a_respacing_keeps_alpha_bar_and_counts_from_the_original_steps():
    whole = discrete_process({"noise_schedule": "cosine", "steps": 4000, "rescale_timesteps": True})
    kept = whole.respaced("10")
    assert kept.alpha_bar == pytest.approx(whole.alpha_bar[kept.timestep_map], rel=1e-10)
    assert kept.t_net(9) == 999.75
    assert kept.original_steps == 4000
    assert np.all((kept.betas > 0) & (kept.betas < 1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_noised_images_have_the_noise_of_their_step(dtype):
    """Also where almost nothing of it is left beside 1 in the state's precision."""
    law = discrete_process({"noise_schedule": "cosine", "diffusion_steps": 4000})
    one = torch.ones(1, dtype=dtype)
    for j in (0, 1, 17, 3999):
        a = law.alpha_bar[j]
        assert float(law.noised(j, 0 * one, one)) == pytest.approx((1 - a) ** 0.5, rel=1e-6)
        assert float(law.noised(j, one, 0 * one)) == pytest.approx(a**0.5, rel=1e-6)


def test_eps_and_x0_are_each_other_inverse():
    law = discrete_process({}).respaced("25")
    x = torch.randn(2, 3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for j in (0, 12, 24):
        x0 = law.x0(j, x, x / 2)
        assert law.eps(j, x, x0).numpy() == pytest.approx((x / 2).numpy(), abs=1e-9)
        a = law.alpha_bar[j]
        assert (a**0.5 * x0 + (1 - a) ** 0.5 * x / 2).numpy() == pytest.approx(x.numpy(), abs=1e-9)


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ({"noise_schedule": "cosin"}, "did you mean 'cosine'"),
        ({"diffusion_steps": 1}, "diffusion_steps is 1"),
        ({"diffusion_steps": "1000"}, "diffusion_steps is '1000'"),
        ({"diffusion_steps": 20}, "linear schedule needs 21"),
        ({"learn_sigma": "yes"}, "learn_sigma is 'yes'"),
        ({"family": "guided-difusion"}, "did you mean 'guided-diffusion'"),
    ],
)
def test_flags_that_no_process_has(flags, reason):
    with pytest.raises(InputError, match=reason):
        discrete_process(flags)
