"""`sb.sample`: one batch from a model, by any sampler on any time discretization."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from samplebench import registry
from samplebench.ambient import own_settings
from samplebench.errors import UsageError
from samplebench.models.bound import Bound
from samplebench.models.guidance import ReferenceGuidance
from samplebench.models.model import is_foreign, threads_of
from samplebench.noise.labels import labels_for
from samplebench.noise.latents import start
from samplebench.samplers.step import Step
from samplebench.sampling.doubts import doubts
from samplebench.sampling.guided import guidance_of
from samplebench.sampling.setting import prepare

if TYPE_CHECKING:
    from torch import Tensor


def sample(
    model: Any,
    sampler: str | Callable[..., Any],
    *,
    steps: int | None = None,
    nfe: int | None = None,
    respacing: str | None = None,
    seeds: Sequence[int] | None = None,
    latents: Tensor | None = None,
    labels: Tensor | Sequence[int] | int | None = None,
    discretization: str | Callable[..., Any] | Sequence[float] | None = None,
    rho: float | None = None,
    sigma_min: float | None = None,
    sigma_max: float | None = None,
    guidance: str | Callable[..., Tensor] | None = None,
    guidance_scale: float | None = None,
    guidance_interval: Sequence[float] | str | None = None,
    guiding_model: Any = None,
    classifier: Callable[..., Tensor] | None = None,
    noise: Callable[[Tensor], Tensor] | str | None = None,
    callback: Callable[[Step], None] | None = None,
    **params: Any,
) -> Tensor:
    """Draws one batch of images.

    Args:
        model: from `sb.load`, or any callable (x, sigma, labels) -> x0 with sigma_min, sigma_max
            and round_sigma.
        sampler: a registered name, "card:FILE.json", "package.module:function" or a function. A
            card needs neither steps nor nfe.
        steps: number of steps (a sampler that chooses them takes neither it nor nfe but its
            tolerance); or
        nfe: a budget of network evaluations per sample: the most steps that stay within it; or
        respacing: of a discrete model's own steps, for the samplers on them (respaced, ddim,
            ddim-reverse): "25", "ddim25" or "10,15,20"; "" for all of them.
        seeds: one integer per sample; sample i depends on seeds[i] alone. Or
        latents: unit normal [N, C, H, W], not yet scaled to the first noise level; for samplers
            on a discrete model's own steps x_T itself, for ddim-reverse the images. For samplers on
            a linear process in the shape of its state: cld [N, 2, C, H, W], bdm frequencies.
        labels: int64 [N] or one for all; None draws them from the seeds if the model has classes,
            or else the guidance.
        discretization: a registered name, a function, explicit decreasing levels, or
            "card:FILE.json" with a list of them; None: "edm".
        rho: exponent of the discretization, None for its own default (edm: 7).
        sigma_min: the least noise level, clamped to the model's range.
        sigma_max: the greatest noise level, clamped to the model's range.
        guidance: "cfg" (classifier-free: away from the model's own answer without labels, or from
            that of an unconditional guiding model), "auto" (autoguidance: away from that of a
            weaker guiding model with the same labels), "classifier", or "none". Or a callable
            (x_t, t_net, labels) -> gradient, already scaled, for respaced and ddim on a discrete
            model's own steps.
        guidance_scale: g of D = D_ref + g (D_main - D_ref); 1 is the model alone, without a further
            pass. Of a classifier D = D_main + g sigma^2 d/dx log p(y | x; sigma), 1 if not said.
        guidance_interval: (low, high) or "low/high": guidance acts where low < sigma <= high, with
            images in [-1, 1]; elsewhere it costs no pass. Everywhere if not said.
        guiding_model: which answers D_ref.
        classifier: (x_t, t) -> logits, as `sb.load_classifier` gives it; its attributes process (a
            discrete one; else the model's) and num_classes say how it was trained.
        noise: None for per-sample streams (with latents: of seeds 0 .. N-1), "portable" or
            "nvlabs" for their kind, or a callable like torch.randn_like.
        callback: called with a `Step` after every step.
        params: the papers' own names: S_churn, eta, alpha, schedule, scaling, epsilon_s, M, ...;
            on a discrete model's own steps clip_x0, eta, variance. For samplers on a linear process
            also ts_order (2), the exponent of its time steps, and for a model of D(x; sigma)
            process, "vp", "ve" or "flow" (the model's own, or else "vp"). On noise levels also
            final: "sigma_min" ends at the last positive level in place of "zero".

    Returns:
        Images [N, C, H, W], nominally in [-1, 1], in the dtype of the latents; those drawn from
        seeds are in the model's state dtype. A warning says where an answer of the network or a
        sample is not finite, or the network is random or in training mode.

    Raises:
        UsageError: unknown names, impossible values, words that do not apply to this sampler or
            grid, not exactly one of the alternatives, or a network or sampler that returns
            something else than a tensor like the state. What they raise themselves comes through.
    """
    import torch

    if isinstance(sampler, str):
        registry.samplers.renew(sampler)
    if isinstance(discretization, str):
        registry.discretizations.renew(discretization)
    # Autocast and the like around a network of others are meant for it.
    with nullcontext() if is_foreign(model) else own_settings():
        setting = prepare(
            model, sampler, steps=steps, nfe=nfe, respacing=respacing,
            discretization=discretization, rho=rho, sigma_min=sigma_min, sigma_max=sigma_max,
            params=params,
        )  # fmt: skip
        guided = guidance_of(
            setting, model, guidance, guidance_scale, guidance_interval, guiding_model, classifier
        )
        if not (noise is None or isinstance(noise, str) or callable(noise)):
            raise UsageError(
                f"noise={noise!r} is neither a kind of noise nor a function like randn_like"
            )
        num_classes = int(getattr(model, "num_classes", 0) or getattr(guided, "num_classes", 0))
        mode = noise if isinstance(noise, str) else "portable"
        x, drawn, streams = start(
            model,
            seeds,
            latents,
            num_classes,
            size=setting.timeline.latent_shape,
            mode=mode,
            who=setting.timeline.who,
        )
        n = len(x)
        # A classifier's classes may be more than it says.
        open_ended = guided is not None and not isinstance(guided, ReferenceGuidance)
        given = labels_for(labels, drawn, n, num_classes, x.device, open_ended)
        bound = Bound(model, given, n, guided)

        def report(step: Step) -> None:
            if callback is not None:
                callback(replace(step, nfe=bound.nfe, guide_nfe=bound.guide_nfe))

        source = noise if callable(noise) else streams
        with torch.no_grad(), threads_of(model):
            x = setting.run(bound, x, source, report if callback else None)
    for doubt in doubts(bound, x):
        warnings.warn(doubt, stacklevel=2)
    return x
