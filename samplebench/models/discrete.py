"""The denoiser of a network trained on a discrete process, and its own terms: eps at step j."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from samplebench.answers.tensors import checked
from samplebench.errors import InputError, unknown
from samplebench.models.model import Model, known_labels
from samplebench.models.steps import nearest, network_time
from samplebench.networks.preconditioning import noise_levels
from samplebench.processes.discrete import DiscreteProcess

_TABLES = ("exact", "edm")


class DiscreteModel(Model):
    """D(x; sigma) and eps(x_t, t) of a network and its process.

    D takes the nearest step of the process, t = 0 below the least level, and the unrounded sigma:
    D = x - sigma eps(x / sqrt(1 + sigma^2), t) (spec: EDM's wrapper of improved-DDPM networks).

    Args:
        network: network(x_t, t, y) -> eps (or x0) [N, C, H, W], with the variance channels behind
            it where the process learns them; t int64 [N], float32 where it is rescaled; y int64
            [N], None for unconditional networks.
        process: of all steps.
        shape: (C, H, W) of one image.
        num_classes: 0 for an unconditional network.
        device: where the network is.
        dtype: of the network's input; None leaves the state's.
        respacing: which steps `sb.sample` keeps where it is not told.
        sigma_table: "exact", or "edm" for the levels of EDM's wrapper on a cosine schedule, in
            float32 and with a level 0 that maps to t = -1.

    Raises:
        InputError: an unknown table, or EDM's on another schedule than the cosine one.
    """

    kind = "discrete"
    process: DiscreteProcess

    def __init__(
        self,
        network: Callable[..., Tensor],
        process: DiscreteProcess,
        *,
        shape: tuple[int, int, int],
        num_classes: int = 0,
        device: torch.device | str = "cpu",
        dtype: torch.dtype | None = torch.float32,
        respacing: str = "",
        sigma_table: str = "exact",
    ) -> None:
        self.network, self.process, self.dtype = network, process, dtype
        self.shape, self.num_classes, self.respacing = shape, num_classes, respacing
        self.device = torch.device(device)
        self.state_dtype = torch.float64 if self.device.type == "cpu" else torch.float32
        self.levels, self.first = _levels(process, sigma_table)
        self.sigma_min = float(self.levels[-self.first])
        self.sigma_max = float(self.levels[-1])

    def __call__(self, x: Tensor, sigma: float | Tensor, labels: Tensor | None = None) -> Tensor:
        noisy, sigma = widened(x, sigma)
        answer, _ = self._at(noisy, sigma, self._nearest(sigma), labels)
        sigma = sigma.to(x.device, non_blocking=True).reshape(-1, 1, 1, 1)
        denoised = answer if self.process.predict_xstart else noisy - sigma * answer
        return torch.where(sigma == 0, x, denoised.to(x.dtype))

    def predict(
        self,
        x_t: Tensor,
        j: int,
        labels: Tensor | None = None,
        process: DiscreteProcess | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """(eps, v) at step j, both of x_t's shape and dtype.

        Args:
            x_t: the state sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) n [N, C, H, W].
            j: step of `process`.
            labels: int64 [N], None for unconditional networks.
            process: a respacing of the model's own; None for all its steps.

        Returns:
            The noise, and where the process learns its variance the raw channels v, not clamped:
            (v + 1) / 2 is the fraction of the larger log-variance.
        """
        law = process or self.process
        answer, v = self._evaluate(x_t, law.timestep_map[j], labels)
        if law.predict_xstart:
            answer = law.eps(j, x_t, answer)
        return answer, v

    def predict_x0(
        self,
        x_t: Tensor,
        j: int,
        labels: Tensor | None = None,
        process: DiscreteProcess | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """(x0, v) at step j: as `predict`, without the detour over eps where the network has x0."""
        law = process or self.process
        answer, v = self._evaluate(x_t, law.timestep_map[j], labels)
        if not law.predict_xstart:
            answer = law.x0(j, x_t, answer)
        return answer, v

    def round_sigma(self, sigma: Any) -> Any:
        given = torch.as_tensor(sigma, dtype=None if isinstance(sigma, Tensor) else torch.float64)
        rounded = self.levels[self._nearest(given.cpu()) - self.first]
        return rounded.to(given) if isinstance(sigma, Tensor) else float(rounded)

    def _nearest(self, sigma: Tensor) -> Tensor:
        """The step t whose level is nearest, the first of two equally near; of sigma's shape."""
        return nearest(self.levels, sigma) + self.first

    def time(self, t: int | Tensor, n: int) -> Tensor:
        """What the network receives [n] at the original steps t, one or [n], on its device."""
        return network_time(self.process, t, n, self.device)

    def _at(
        self, noisy: Tensor, sigma: Tensor, t: Tensor, labels: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """`_evaluate` for x0 + sigma n: sigma on the host, one or [N], and t its nearest steps."""
        scale = (sigma.square() + 1).sqrt().to(noisy.device).reshape(-1, 1, 1, 1)
        return self._evaluate(noisy / scale, t, labels)

    def _evaluate(
        self, x_t: Tensor, t: int | Tensor, labels: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """The network's mean part and variance channels, in x_t's dtype."""
        labels = known_labels(labels, self.num_classes)
        if labels is not None and labels.device != x_t.device:
            labels = labels.to(x_t.device)
        raw = self.network(x_t.to(self.dtype or x_t.dtype), self.time(t, len(x_t)), labels)
        return self._parts(raw, x_t)

    def _parts(self, raw: Any, like: Tensor) -> tuple[Tensor, Tensor | None]:
        """A network's answer to a state, judged: its mean part and its variance channels."""
        learned, channels = self.process.variance == "learned", like.shape[1]
        wanted = [len(like), (1 + learned) * channels, *like.shape[2:]]
        if isinstance(raw, Tensor) and raw.ndim == like.ndim and raw.shape[1] != wanted[1]:
            raise InputError(
                f"the network returns {raw.shape[1]} channels for images of {channels}; with "
                f"learn_sigma={str(learned).lower()} it must be {(1 + learned) * channels}"
            )
        raw = checked("the network", raw, like, wanted)
        return raw[:, :channels], raw[:, channels:] if learned else None


def widened(x: Tensor, sigma: float | Tensor) -> tuple[Tensor, Tensor]:
    """(x, sigma [1] or [N]) in float64 where either is, else in float32; sigma on the host.

    There a sampler has its grid, and levels are looked up without waiting for a device.
    """
    if not isinstance(sigma, Tensor):
        sigma = torch.tensor(sigma, dtype=torch.float64)
    # Metal has no float64.
    wide = torch.float64 in (x.dtype, sigma.dtype) and x.device.type != "mps"
    dtype = torch.float64 if wide else torch.float32
    return x.to(dtype), sigma.cpu().to(dtype).reshape(-1)


def _levels(process: DiscreteProcess, table: str) -> tuple[Tensor, int]:
    """Increasing levels on the host, and the step t of the first: 0, or -1 in EDM's table."""
    if table not in _TABLES:
        raise InputError(f"config: {unknown('sigma_table', table, _TABLES)}")
    # D has no infinite level; a run on the process's own steps begins there all the same.
    exact = torch.from_numpy(process.sigmas[np.isfinite(process.sigmas)])
    if table == "exact":
        return exact, 0
    edm = noise_levels(0.001, 0.008, process.steps).to(torch.float64).flip(0)
    if not torch.allclose(edm[1:], exact, rtol=0.01):
        raise InputError("config: sigma_table 'edm' is that of the cosine schedule only")
    return edm, -1
