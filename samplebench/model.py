"""The common denoiser interface: D(x; sigma) = E[x0 | x0 + sigma n = x], images in [-1, 1]."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from samplebench.errors import UsageError
from samplebench.rounding import rounded

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

    from samplebench.processes.discrete import DiscreteProcess
    from samplebench.processes.linear import LinearProcess


class Model:
    """Base of everything `sb.load` returns.

    Attributes:
        shape: (C, H, W) of one image.
        num_classes: 0 for unconditional models.
        sigma_min, sigma_max: noise levels the model knows; samplers clamp their grids to them.
        network: the bare network in its native convention, None where there is none.
        process: name of the noise law the model was trained on, None where it has none.
        law: the linear process of a model that answers with eps(u, t) in place of D(x; sigma).
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
    law: LinearProcess | None = None
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

    def eps(self, u: Tensor, t: float, labels: Tensor | None = None) -> Tensor:
        """The noise in states of the model's linear process, in its basis R.

        Args:
            u: states [N, D, C, H, W].
            t: time, one for all.
            labels: as above.

        Returns:
            E[R^-1 (u - E[u | x0]) | u], of u's shape, dtype and device.
        """
        from samplebench.linear import isotropic_eps, law_of

        return isotropic_eps(lambda x, sigma: self(x, sigma, labels), law_of(self), u, t)

    def round_sigma(self, sigma: float) -> float:
        """The nearest noise level the model was trained on; the identity for continuous ones."""
        return sigma


def is_discrete(model: Any) -> bool:
    """Whether a model has the time steps of a discrete process, and its terms at them."""
    return hasattr(model, "diffusion") and hasattr(model, "predict")


def is_linear(model: Any) -> bool:
    """Whether a model knows a linear process of its own and no D(x; sigma)."""
    return getattr(model, "law", None) is not None


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
        guidance: callable (x_t, t_net, labels) -> gradient, already scaled, for the samplers that
            step on a discrete model's own time steps.
    """

    def __init__(
        self,
        model: Callable[..., Any],
        labels: Tensor | None,
        batch: int,
        clip_x0: bool = False,
        guidance: Callable[..., Tensor] | None = None,
    ) -> None:
        self.model, self.labels, self.batch, self.clip_x0 = model, labels, batch, clip_x0
        self.guidance = guidance
        self.images = self.classified = 0
        self.sigma_min, self.sigma_max = model_range(model)

    def __call__(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """D(x; sigma), counted; sigma a Python float, a scalar tensor or [N]."""
        import torch

        self.images += x.shape[0]
        # A host scalar: no device synchronisation, and models may call tensor methods on it.
        sigma = torch.as_tensor(sigma, dtype=torch.float64)
        # The state keeps its precision, whatever the network answers in.
        denoised = self.model(x, sigma, self.labels).to(x.dtype)
        return denoised.clip(-1, 1) if self.clip_x0 else denoised

    def round_sigma(self, sigma: Any) -> Any:
        """The nearest level the model knows: of a number a float, of a tensor one like it."""
        return rounded(getattr(self.model, "round_sigma", float), sigma)

    def respaced(self, diffusion: DiscreteProcess) -> BoundDiscrete:
        """The same model, labels and counts on the kept steps of its discrete process."""
        return BoundDiscrete(self, diffusion)

    def on(self, law: LinearProcess) -> BoundLinear:
        """The same model, labels and counts on a linear process."""
        return BoundLinear(self, law)

    @property
    def nfe(self) -> float:
        """Network evaluations per sample so far; a whole number for ordinary samplers."""
        return _each(self.images, self.batch)

    @property
    def classifier_nfe(self) -> float:
        """Gradients of the guidance per sample so far, which are no evaluations of the network."""
        return _each(self.classified, self.batch)


class BoundDiscrete:
    """What a sampler on a discrete process sees of a model: its terms at the kept steps j.

    Args:
        bound: the model with labels, guidance and counts.
        diffusion: the respaced process; j = 0 is the least noisy of its steps.
    """

    def __init__(self, bound: Bound, diffusion: DiscreteProcess) -> None:
        self.bound, self.diffusion = bound, diffusion

    @property
    def alpha_bar(self) -> np.ndarray:
        """float64 [S], at the kept steps."""
        return self.diffusion.alpha_bar

    def t_net(self, j: int) -> int | float:
        """The time the network receives at step j."""
        return self.diffusion.t_net(j)

    def predict(self, x_t: Tensor, j: int) -> tuple[Tensor, Tensor | None]:
        """(eps, v) at step j, counted; v are the raw variance channels, None where not learned."""
        return self._ask(self.bound.model.predict, x_t, j)  # type: ignore[attr-defined]

    def predict_x0(self, x_t: Tensor, j: int) -> tuple[Tensor, Tensor | None]:
        """(x0, v) at step j, counted."""
        return self._ask(self.bound.model.predict_x0, x_t, j)  # type: ignore[attr-defined]

    def gradient(self, x_t: Tensor, j: int) -> Tensor | None:
        """The guidance at step j in x_t's dtype, counted apart; None without guidance."""
        bound = self.bound
        if bound.guidance is None:
            return None
        bound.classified += x_t.shape[0]
        time = bound.model.time(self.diffusion.timestep_map[j], len(x_t))  # type: ignore[attr-defined]
        return bound.guidance(x_t, time, bound.labels).to(x_t.dtype)

    def _ask(
        self, method: Callable[..., tuple[Tensor, Tensor | None]], x_t: Tensor, j: int
    ) -> tuple[Tensor, Tensor | None]:
        self.bound.images += x_t.shape[0]
        return method(x_t, j, self.bound.labels, self.diffusion)


class BoundLinear:
    """What a sampler on a linear process sees of a model: the noise in a state at a time.

    Args:
        bound: the model with labels and counts; D(x; sigma) answers on isotropic processes.
        process: the linear process.
    """

    def __init__(self, bound: Bound, process: LinearProcess) -> None:
        self.bound, self.process = bound, process

    def eps(self, u: Tensor, t: float) -> Tensor:
        """The noise in states u [N, D, C, H, W] at time t, in the basis R, counted."""
        from samplebench.linear import isotropic_eps

        if not is_linear(self.bound.model):
            return isotropic_eps(self.bound, self.process, u, t)
        self.bound.images += u.shape[0]
        return self.bound.model.eps(u, t, self.bound.labels)  # type: ignore[attr-defined]


def _each(images: int, batch: int) -> float:
    count = images / batch
    return int(count) if count.is_integer() else count
