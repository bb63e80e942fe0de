"""Score-SDE's predictor-corrector samplers (Song et al. 2021, section 4.2 and appendix G)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from samplebench.registry import samplers
from samplebench.samplers.predictor_corrector import FACTS, Parts, canonical, predict_correct
from samplebench.samplers.score_sde_named import sde_on
from samplebench.samplers.step import Step

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.models.bound import Bound


def _sampler(coupled: bool) -> Callable[..., Tensor]:
    """The one whose Langevin steps are sized per sample, or by the batch."""

    def pc(
        model: Bound,
        x: Tensor,
        grid: Tensor,
        *,
        noise: Callable[[Tensor], Tensor] | None = None,
        callback: Callable[[Step], None] | None = None,
        sigma_min: float | None = None,
        sigma_max: float | None = None,
        snr: float = 0.16,
        corrector_steps: int = 1,
        predictor: str = "reverse-diffusion",
        corrector: str = "langevin",
        denoise: bool = True,
        probability_flow: bool = False,
        process: str | None = None,
    ) -> Tensor:
        """Score-SDE's predictor-corrector, Langevin steps sized per sample, 2N evaluations.

        N (corrector_steps + 1) evaluations for N steps, less those of a part that is "none". Times
        run from 1 to 1e-3, of "ve" to 1e-5, over the paper's range of noise levels ("ve": the
        model's) or that asked for. The result is as published: x_t at the end, after `denoise`.

        Args:
            sigma_min, sigma_max: range of the noise levels, filled in by the engine.
            snr: signal-to-noise ratio of a corrector's step, above 0.
            corrector_steps: of each step, 1 or more.
            predictor: "reverse-diffusion", "euler-maruyama", "ancestral" or "none".
            corrector: "langevin", "ald" (annealed Langevin dynamics) or "none".
            denoise: whether the last predictor adds no noise.
            probability_flow: half the score and no noise in the predictor reverse-diffusion.
            process: "vp", "subvp" (predictor euler-maruyama, no corrector) or "ve"; None for the
                model's own, and "vp" where it has none.

        Raises:
            UsageError: a parameter out of its range, parts that do not go together, or fewer steps
                than the betas of "vp" allow, usually 21.
        """
        parts = Parts(snr, corrector_steps, predictor, corrector, denoise, probability_flow)
        sde = sde_on(process, grid.tolist(), sigma_min, sigma_max)
        return predict_correct(model, x, grid, parts, sde, noise, callback, coupled)

    return pc


samplers.register("pc", canonical=canonical, **FACTS)(_sampler(coupled=False))
samplers.register(
    "pc-batch",
    summary="pc as published: Langevin steps sized by the batch, so samples depend on B; "
    "2N evaluations.",
    canonical=partial(canonical, batch=True),
    coupled=True,
    **FACTS,
)(_sampler(coupled=True))
