"""What a sampler tells its callback after every step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Step:
    """One finished step.

    Attributes:
        index: of the step, from 0.
        x: the state after the step, [N, C, H, W]; under scaling "vp" it is s(t) (x0 + sigma n), of
            a solver card the state as the card scales it, on
            the steps of a discrete process x_t = (x0 + sigma n) / sqrt(1 + sigma^2), on a linear
            process the images in u, in score-SDE's samplers x_t of their process.
        sigma: the noise level x has now; 0 after the last step. On a linear process NaN where its
            noise is not white; where every sample has steps of its own the highest of all.
        denoised: the latest output of the denoiser within the step, [N, C, H, W]; on the steps of
            a discrete process after clipping and guidance.
        nfe: network evaluations per sample so far; filled in by `sb.sample`.
        guide_nfe: further passes of the guidance per sample so far; filled in like nfe.
        t, u: of a linear process: the time, and the state [N, D, C, H, W].
    """

    index: int
    x: Tensor
    sigma: float
    denoised: Tensor
    nfe: float | None = None
    guide_nfe: float | None = None
    t: float | None = None
    u: Tensor | None = None
