"""The common denoiser interface: D(x; sigma) = E[x0 | x0 + sigma n = x], images in [-1, 1]."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from samplebench.errors import UsageError

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Model:
    """Base of everything `sb.load` returns.

    Attributes:
        shape: (C, H, W) of one image.
        num_classes: 0 for unconditional models.
        sigma_min, sigma_max: noise levels the model knows; samplers clamp their grids to them.
        network: the bare network in its native convention, None where there is none.
        process: name of the noise law the model was trained on, None where it has none.
        protocol: name of the protocol (see protocols.py) its published numbers follow.
        provenance: where it comes from: source, licence, hashes.
        threads: CPU threads the bench gives it, None for torch's own choice.
        device, state_dtype: where and in which precision a sampler should hold its state.
    """

    shape: tuple[int, int, int]
    num_classes: int = 0
    sigma_min: float = 0.0
    sigma_max: float = float("inf")
    network: Any = None
    process: str | None = None
    protocol: str | None = None
    threads: int | None = None
    provenance: Mapping[str, Any] = MappingProxyType({})
    device: torch.device
    state_dtype: torch.dtype

    def __call__(self, x: Tensor, sigma: float | Tensor, labels: Tensor | None = None) -> Tensor:
        """The denoised images.

        Args:
            x: noisy images [N, C, H, W].
            sigma: noise level, a scalar or [N]; D(x; 0) = x.
            labels: int64 [N] in [0, num_classes), None for unconditional models.

        Returns:
            E[x0 | x], of x's shape, dtype and device.
        """
        raise UsageError(f"{type(self).__name__} defines no denoiser D(x; sigma)")

    def round_sigma(self, sigma: float) -> float:
        """The nearest noise level the model was trained on; the identity for continuous ones."""
        return sigma


def model_range(model: Any) -> tuple[float, float]:
    """(sigma_min, sigma_max) of a model; a plain callable may leave them out."""
    return float(getattr(model, "sigma_min", 0)), float(getattr(model, "sigma_max", float("inf")))


@contextmanager
def threads_of(model: Any) -> Iterator[None]:
    """Within the block torch uses as many CPU threads as the model asks for."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(getattr(model, "threads", None) or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Bound:
    """A model with its labels bound and its evaluations counted: all that a sampler sees.

    Args:
        model: a `Model` or any callable (x, sigma, labels) -> x0 with sigma_min, sigma_max and
            round_sigma.
        labels: int64 [N] or None.
        batch: N, the number of samples; an evaluation of N images counts one.
        clip_x0: whether the denoised images are clipped to [-1, 1].
    """

    def __init__(
        self,
        model: Callable[..., Any],
        labels: Tensor | None,
        batch: int,
        clip_x0: bool = False,
    ) -> None:
        self.model, self.labels, self.batch, self.clip_x0 = model, labels, batch, clip_x0
        self.images = 0
        self.sigma_min, self.sigma_max = model_range(model)
        self.round_sigma = getattr(model, "round_sigma", float)

    def __call__(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """D(x; sigma), counted; sigma a Python float, a scalar tensor or [N]."""
        import torch

        self.images += x.shape[0]
        # A host scalar: no device synchronisation, and models may call tensor methods on it.
        sigma = torch.as_tensor(sigma, dtype=torch.float64)
        denoised = self.model(x, sigma, self.labels)
        return denoised.clip(-1, 1) if self.clip_x0 else denoised

    @property
    def nfe(self) -> float:
        """Network evaluations per sample so far; a whole number for ordinary samplers."""
        nfe = self.images / self.batch
        return int(nfe) if nfe.is_integer() else nfe
