"""A sampler's run as a solver card, found by running it: no sampler is known here."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from samplebench.answers.blame import line_of
from samplebench.answers.parameters import altered, label
from samplebench.cards.card import Card
from samplebench.cards.name import safe
from samplebench.cards.schema import most_states
from samplebench.errors import UsageError
from samplebench.models.bound import Bound
from samplebench.samplers.card import CardSampler
from samplebench.sampling.coefficients import Coefficients
from samplebench.sampling.tape import StandIn, recorded, run_on
from samplebench.version import VERSION

if TYPE_CHECKING:
    from samplebench.models.exact import ExactModel
    from samplebench.sampling.setting import Setting

# How far from its sampler a card may be, of the largest value, where the model is not linear.
_EXACT = 1e-10
_OTHERS = "e.g. euler, heun, dpmpp-2m, deis and unipc can"


def as_card(
    setting: Setting,
    model: Any,
    *,
    name: str = "",
    made_for: str | None = None,
    process: str | None = None,
) -> Card:
    """A sampler with its parameters on its steps, end rules and all, as a card.

    Args:
        setting: deterministic, in noise levels.
        model: with sigma_min, sigma_max and round_sigma; it is not evaluated.
        name: the card's; "" for <sampler>-<NFE>.
        made_for: the model's name.
        process: the name of the model's process.

    Returns:
        A card that gives what the sampler gives, but for rounding.

    Raises:
        UsageError: the run is no card: it draws noise, chooses its steps, steps in something else
            than noise levels, or is not linear in the model's answers.
    """
    try:
        first, last = setting.timeline.end_levels()
        _refuse_noise(setting)
        _check_length(setting.evaluations)
        runs = [recorded(setting, model, predicts) for predicts in ("eps", "x0")]
        form = min((Coefficients.of(*run, first, last) for run in runs), key=lambda form: form.size)
        _check_length(len(form.a))
        card = _card(form, setting, name, made_for, process)
        _prove(card, setting, model)
    except UsageError as error:
        who = f"sampler {setting.solver.name} cannot be written as a solver card"
        raise UsageError(f"{who}: {error}; {_OTHERS}") from error
    return card


def _card(
    form: Coefficients, setting: Setting, name: str, made_for: str | None, process: str | None
) -> Card:
    solver, timeline = setting.solver, setting.timeline
    changed = label(altered(setting.params, solver.defaults))
    steps = timeline.shown(timeline.condition)
    low, high = (float(timeline.supplies[end]) for end in ("sigma_min", "sigma_max"))
    card = Card(
        name=name,
        predicts=form.predicts,
        time="sigma",
        times=form.times,
        shifts=(0.0,) * len(form.a),
        a=form.a,
        c=form.c,
        model=made_for,
        process=process,
        range=(low, high),
        source=f"samplebench {VERSION}",
        description=line_of(f"{solver.name}{changed and f' with {changed}'} on {steps}"),
    )
    return replace(card, name=name or safe(f"{solver.name}-{card.nfe}"))


def _refuse_noise(setting: Setting) -> None:
    """Raises `UsageError` where noise is drawn as declared, with what turns it off."""
    solver, params = setting.solver, setting.params
    if solver.stochastic(params):
        off = solver.quiet(params)
        hint = f" unless {solver.name}.{label(off)}" if off else ""
        raise UsageError(f"it draws noise{hint}")


def _check_length(states: int) -> None:
    """Raises `UsageError` for more states than the schema of cards has."""
    if states > (most := most_states()):
        raise UsageError(f"it has more than {most} states")


def _prove(card: Card, setting: Setting, model: Any) -> None:
    """Raises `UsageError` where a card is not what the sampler does on a nonlinear denoiser."""
    denoiser = _denoiser()
    latents = np.random.Generator(np.random.Philox(0)).standard_normal((8, 4))
    expected = run_on(setting, model, denoiser, latents)
    found = _run(card, model, denoiser, latents)
    if not np.abs(found - expected).max() <= _EXACT * np.abs(expected).max():
        raise UsageError("its steps are not linear in the model's outputs")


def _run(card: Card, model: Any, answers: ExactModel, latents: np.ndarray) -> np.ndarray:
    import torch

    bound = Bound(StandIn(model, answers), None, len(latents))
    x = torch.tensor(latents)[:, None, None] * card.times[0]
    end: np.ndarray = CardSampler(card)(bound, x, torch.tensor(card.times)).flatten(1).numpy()
    return end


@cache
def _denoiser() -> ExactModel:
    """Of a mixture of Gaussians in 4 pixels, some of them beyond [-1, 1]."""
    import torch

    from samplebench.models.exact import ExactModel

    means = np.random.Generator(np.random.Philox(1)).uniform(-2, 2, (5, 1, 1, 4))
    return ExactModel(torch.tensor(means), None, 0.5)
