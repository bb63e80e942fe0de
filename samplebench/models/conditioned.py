"""The denoiser of a network whose input, time and answer depend on the noise level alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from samplebench.answers.tensors import checked, column
from samplebench.models.model import Model, known_labels
from samplebench.processes import process


class ConditionedModel(Model):
    """D(x; sigma) = c_skip x + c_out F(c_in x + shift, time), D(x; 0) = x.

    Args:
        network: network(x, t, labels) -> F [N, C, H, W]; t [N] in float32.
        law: one of
            "ve": sigma_min and sigma_max of images in [0, 1], of which F is the score at the level
            t (Song et al. 2021);
            "flow": num_train_timesteps T; F is n - x0 in (1 - s) x0 + s n, t = s T (Lipman et al.
            2023; Liu et al. 2023);
            "edm": sigma_min, sigma_max, sigma_data, prediction_type; F is EDM's, t = ln(sigma) / 4
            (Karras et al. 2022, Table 1), its sign turned for "v_prediction".
        shape: (C, H, W) of one image.
        num_classes: 0 for an unconditional network.
        device: where the network is.
    """

    def __init__(
        self,
        network: Callable[..., Tensor],
        law: Mapping[str, Any],
        *,
        shape: tuple[int, int, int],
        num_classes: int,
        device: torch.device,
    ) -> None:
        self.network, self.law = network, law
        self.shape, self.num_classes, self.device = shape, num_classes, device
        self.state_dtype = torch.float32 if device.type == "mps" else torch.float64
        if law["law"] == "ve":
            # Of images in [0, 1]; here they have twice the width.
            self.sigma_min, self.sigma_max = 2 * law["sigma_min"], 2 * law["sigma_max"]
            self.process = process("ve")
        elif law["law"] == "flow":
            steps = law["num_train_timesteps"]
            # The first and the last but one of its times, as the last leaves no image.
            self.sigma_min, self.sigma_max = 1 / (steps - 1), float(steps - 1)
        else:
            self.sigma_min, self.sigma_max = law["sigma_min"], law["sigma_max"]

    def __call__(self, x: Tensor, sigma: float | Tensor, labels: Tensor | None = None) -> Tensor:
        if not isinstance(sigma, Tensor):
            sigma = torch.tensor(sigma, dtype=torch.float64)
        labels = known_labels(labels, self.num_classes)
        wide = x.dtype if x.device.type == "mps" else torch.float64
        levels = sigma.to(x.device, wide).reshape(-1).expand(len(x))
        clean = levels == 0
        skip, out, scale, shift, time = self._coefficients(
            torch.where(clean, torch.ones_like(levels), levels)
        )
        answer = self.network(
            column(scale, x) * x + shift,
            time.float(),
            None if labels is None else labels.to(x.device),
        )
        answer = checked("the network", answer, x)
        denoised = column(skip, x) * x + column(out, x) * answer
        return torch.where(clean.reshape(-1, 1, 1, 1), x, denoised)

    def _coefficients(self, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor, float, Tensor]:
        """(c_skip, c_out, c_in, shift, time) at levels [N]."""
        law, one = self.law, torch.ones_like(sigma)
        if law["law"] == "ve":
            return one, sigma.square() / 2, one / 2, 0.5, sigma / 2
        if law["law"] == "flow":
            kept = 1 / (1 + sigma)
            return kept, -sigma * kept, kept, 0.0, sigma * kept * law["num_train_timesteps"]
        data = law["sigma_data"]
        total = (sigma.square() + data**2).sqrt()
        sign = -1 if law["prediction_type"] == "v_prediction" else 1
        out = sign * sigma * data / total
        return (data / total).square(), out, 1 / total, 0.0, sigma.log() / 4
