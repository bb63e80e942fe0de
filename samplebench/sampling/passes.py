"""How many further passes guidance takes in a setting, before a model is here."""

from __future__ import annotations

from samplebench.answers.draws import kept_generators
from samplebench.errors import UsageError
from samplebench.models.guidance import EVERYWHERE, ReferenceGuidance
from samplebench.sampling.setting import Setting
from samplebench.sampling.solver import toy_batch
from samplebench.timelines.choice import registered


def passes(setting: Setting, interval: tuple[float, float]) -> float:
    """Further passes per sample that an interval of noise levels has, counted on toy pixels: at the
    levels where the sampler really asks.

    Raises:
        UsageError: a timeline of others shows its samplers no guided answers.
    """
    if interval == EVERYWHERE and registered(type(setting.timeline)).builtin:
        return setting.evaluations
    everywhere = _counted(setting, EVERYWHERE)
    if not everywhere:
        name = registered(type(setting.timeline)).name
        raise UsageError(
            f"sampler {setting.solver.name} does not support guidance: its timeline {name} "
            "evaluates the model itself"
        )
    return everywhere if interval == EVERYWHERE else _counted(setting, interval)


def _counted(setting: Setting, interval: tuple[float, float]) -> float:
    import torch

    toy = setting.timeline.toy_model()
    # A reference that is the model itself moves nothing, whatever the scale.
    bound, latents = toy_batch(setting.timeline, toy, ReferenceGuidance(toy, False, 1.0, interval))
    with setting.solver.guarded(), torch.no_grad(), kept_generators():
        setting.run(bound, latents, torch.randn_like)
    return bound.guide_nfe
