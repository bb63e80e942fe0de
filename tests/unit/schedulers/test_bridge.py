"""diffusers' schedulers by name in a request: words, budgets, what results say, what is refused."""

from __future__ import annotations

import math
import sys
import warnings

import pytest
import torch

import samplebench as sb
from samplebench.bench.codes import Codes
from samplebench.errors import EnvironmentError_, UsageError
from samplebench.registry import samplers
from samplebench.sampling.setting import prepare
from samplebench.trajectory import truncation
from tests.unit.schedulers.normal import Normal

pytest.importorskip("diffusers")

UNIPC = "diffusers:UniPCMultistepScheduler"


class Limited(Normal):
    """A model that knows no level above 80."""

    sigma_max = 80.0


def planned(name, model=None, **words):
    return prepare(model or Normal(), f"diffusers:{name}", **words)


def test_its_configuration_is_its_parameters():
    made = planned("UniPCMultistepScheduler", steps=5, params={"use_karras_sigmas": True})
    assert made.params["use_karras_sigmas"] is True
    assert made.params["solver_order"] == 2
    with pytest.raises(UsageError, match="did you mean 'solver_order'"):
        planned("UniPCMultistepScheduler", steps=5, params={"solver_orders": 3})


def test_words_that_edm_schedulers_have_too_are_theirs():
    made = planned("EDMEulerScheduler", steps=5, rho=3, sigma_max=10.0)
    assert made.params["rho"] == 3
    assert made.timeline.levels[0] == pytest.approx(10)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"rho": 3.0}, "sets its own noise levels"),
        ({"sigma_max": 3.0}, "sets its own noise levels"),
        ({"discretization": "edm"}, "sets its own noise levels"),
        ({"respacing": "5"}, "sets its own noise levels"),
    ],
)
def test_other_words_are_refused_with_the_reason(words, said):
    with pytest.raises(UsageError, match=said):
        planned("DDIMScheduler", **{"steps": 5, **words})


@pytest.mark.parametrize(
    ("name", "nfe", "steps"),
    [
        ("UniPCMultistepScheduler", 7, 7),
        ("HeunDiscreteScheduler", 8, 4),
        ("PNDMScheduler", 20, 11),
        pytest.param("DDIMScheduler", 3000, 1000, marks=pytest.mark.slow),
        ("LCMScheduler", 60, 50),
    ],
)
def test_a_budget_is_the_most_steps_within_it(name, nfe, steps):
    made = planned(name, nfe=nfe)
    assert made.steps == steps
    assert made.evaluations <= nfe


def test_a_run_without_any_image_begins_at_80_or_the_highest_level_that_the_model_knows():
    name = "FlowMatchEulerDiscreteScheduler"
    free, limited = planned(name, steps=5), planned(name, Limited(), steps=5)
    assert free.timeline.condition == limited.timeline.condition
    assert free.timeline.condition["levels"][0] == "inf"
    assert limited.about["steps"]["asked"][0] == 80
    assert math.isinf(limited.timeline.own[0])
    assert "no image at all" in next(iter(limited.remarks(Limited(), "mine")))


def test_a_model_is_asked_at_no_level_above_its_highest():
    asked = []

    class Watched(Limited):
        def __call__(self, x, sigma, labels=None):
            asked.append(float(sigma.max()))
            return super().__call__(x, sigma, labels)

    made = planned("DDIMScheduler", Watched(), steps=50)
    sb.sample(Watched(), "diffusers:DDIMScheduler", steps=50, seeds=[0])
    assert max(asked) == 80 < made.timeline.own[0]
    assert sorted(set(asked), reverse=True) == made.timeline.levels[:-1].tolist()
    assert "above the highest noise level of mine" in next(iter(made.remarks(Watched(), "mine")))


def test_consistency_models_have_a_remark():
    assert "too smooth" in " ".join(planned("LCMScheduler", steps=4).remarks(Normal(), "mine"))


def test_steps_are_told_on_the_grid():
    seen = []
    made = planned("HeunDiscreteScheduler", steps=5)
    x = sb.sample(
        Normal(), "diffusers:HeunDiscreteScheduler", steps=5, seeds=[0], callback=seen.append
    )
    grid = made.timeline.levels.tolist()
    assert [step.sigma for step in seen] == pytest.approx([grid[step.index + 1] for step in seen])
    assert seen[-1].index == len(grid) - 2
    torch.testing.assert_close(seen[-1].x, x)


def code(entry):
    return Codes().of("sampler", "sampler", entry)


def test_its_code_is_the_installed_version(monkeypatch):
    from samplebench.identity import origin

    samplers.renew(UNIPC)
    first = code(samplers.entry(UNIPC))
    samplers.renew(UNIPC)
    assert code(samplers.entry(UNIPC)) == first
    assert code(samplers.entry("diffusers:DDIMScheduler")) != first
    real = origin.metadata.distribution

    class Newer:
        def __init__(self, found):
            self.metadata, self.version = found.metadata, "99.0"
            self.read_text = found.read_text

    monkeypatch.setattr(origin.metadata, "distribution", lambda name: Newer(real(name)))
    origin._installed.cache_clear()
    origin.origin.cache_clear()
    try:
        assert code(samplers.entry(UNIPC)) != first
    finally:
        monkeypatch.undo()
        origin._installed.cache_clear()
        origin.origin.cache_clear()


def test_without_diffusers_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    samplers.renew(UNIPC)
    with pytest.raises(EnvironmentError_, match=r'pip install "samplebench\[diffusers\]"') as error:
        samplers.entry(UNIPC)
    assert error.value.exit_code == 3


def test_an_unknown_class_is_told_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'UniPCMultistepScheduler'"):
        samplers.entry("diffusers:UniPCMultiStep")


@pytest.mark.parametrize(
    ("params", "steps"),
    [
        ({"beta_schedule": "foo"}, 5),
        ({"solver_order": 2.5}, 5),
        ({"use_dynamic_shifting": True}, 5),
    ],
)
def test_failures_within_diffusers_are_one_line(params, steps):
    with pytest.raises(UsageError, match=UNIPC):
        planned("UniPCMultistepScheduler", steps=steps, params=params)


def test_what_it_cannot_compute_is_refused():
    with pytest.raises(UsageError, match="not end in finite values; use other steps"):
        params = {"predict_x0": False, "use_karras_sigmas": True}
        planned("UniPCMultistepScheduler", steps=5, params=params)
    with pytest.raises(UsageError, match="cannot be larger"):
        planned("DDIMScheduler", steps=1001)


def test_nothing_is_printed(capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, params in (
            (
                "DPMSolverMultistepScheduler",
                {"algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min"},
            ),
            ("DPMSolverSinglestepScheduler", {"lower_order_final": False}),
            ("DEISMultistepScheduler", {"solver_order": 3}),
        ):
            sb.sample(Normal(), f"diffusers:{name}", steps=6, seeds=[0], **params)
    assert capfd.readouterr() == ("", "")


def test_a_sweep_writes_what_ran(tmp_path):
    frame = sb.run(
        model="digits-exact", sampler=[UNIPC, "diffusers:DDPMScheduler"], nfe=3, num_samples=32,
        param={UNIPC: {"solver_order": [2, 3]}}, out=str(tmp_path), batch_size=32,
    )  # fmt: skip
    assert list(frame["nfe"]) == [3, 3, 3]
    assert set(frame["params"].fillna("")) == {"", "solver_order=3"}
    assert set(frame["discretization"]) == {"scheduler's levels"}


def test_truncation_errors_are_those_of_the_same_algorithm():
    edm = "diffusers:EDMEulerScheduler"
    found = truncation(Normal(), [edm, "euler"], steps=10, seeds=[0], quiet=True)
    theirs, ours = (curve.points[0].end.rmse for curve in found.curves)
    assert theirs == pytest.approx(ours, rel=1e-3)


def test_the_start_is_no_error():
    """DDIM's latents have variance 1 in its own state, and not at the first level."""
    name = "diffusers:DDIMScheduler"
    given = {name: {"clip_sample": False, "beta_schedule": "squaredcos_cap_v2"}}
    found = truncation(Normal(), name, steps=[20, 200], param=given, seeds=[0], quiet=True)
    coarse, fine = (point.end.rmse for point in found.curves[0].points)
    assert fine < 0.2 * coarse


def test_a_discrete_model_answers_at_its_nearest_step():
    """Which is the scheduler's own where both have the linear table of 1,000 betas."""
    asked = []

    def eps(x, sigma):
        asked.append(float(sigma.max()))
        return x

    config = {"noise_schedule": "linear", "diffusion_steps": 1000}
    model = sb.wrap(eps, family="alpha_bar", config=config, shape=(1, 2, 2))
    sb.sample(model, "diffusers:DDIMScheduler", steps=5, seeds=[0])
    table = model.process.sigmas[[800, 600, 400, 200, 0]]
    assert asked == pytest.approx(table.tolist(), rel=1e-5)
    asked.clear()
    sb.sample(model, "diffusers:FlowMatchEulerDiscreteScheduler", steps=5, seeds=[0])
    # Not the end of its table, 157, where an error of eps is twice as large in the image.
    near = model.process.sigmas
    assert asked[0] == pytest.approx(near[abs(near - 80).argmin()])


def test_a_state_in_float32_stays_in_it():
    x = torch.randn(2, 1, 1, 1, generator=torch.Generator().manual_seed(0))
    for name in ("UniPCMultistepScheduler", "EDMEulerScheduler", "DDPMScheduler"):
        made = sb.sample(Normal(), f"diffusers:{name}", steps=6, latents=x)
        assert made.dtype == torch.float32


@pytest.mark.parametrize("times", [0, 2.5, 10**9])
def test_a_table_of_times_that_cannot_be_is_refused(times):
    with pytest.raises(UsageError, match="num_train_timesteps"):
        planned("DDIMScheduler", steps=5, params={"num_train_timesteps": times})
