"""The common denoiser interface: D(x; sigma) = E[x0 | x0 + sigma n = x], images in [-1, 1]."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from samplebench.answers.blame import Blame, blame, ours
from samplebench.answers.draws import torch_moved, torch_state
from samplebench.answers.tensors import checked, described
from samplebench.answers.watch import Watch
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


def is_foreign(model: Any) -> bool:
    """Whether samplebench did not write a model, or the network within it."""
    network = getattr(model, "network", None)
    return not (ours(model) and (network is None or ours(network)))


def in_training(model: Any) -> bool:
    """Whether a part of a model's network is in training mode, as far as it is a torch module."""
    network = getattr(model, "network", None)
    network = model if network is None else getattr(network, "__wrapped__", network)
    modules = getattr(network, "modules", None)
    return callable(modules) and any(getattr(part, "training", False) for part in modules())


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

    What the network answers is judged here: it has the state's shape and dtype, and whether it is
    finite is noted in `watch`. One of others gets copies, and its answers are copied: it may write
    on them, or return the same memory again.

    Args:
        model: a `Model` or any callable (x, sigma, labels) -> x0 with sigma_min, sigma_max and
            round_sigma.
        labels: int64 [N] or None.
        batch: N, the number of samples; an evaluation of N images counts one.
        clip_x0: whether the denoised images are clipped to [-1, 1].
        guidance: callable (x_t, t_net, labels) -> gradient, already scaled, for the samplers that
            step on a discrete model's own time steps.
        blamed: whether an exception in a network of others becomes a line that names it.
        foreign: whether it is one of others; None to look.

    Attributes:
        drew: whether the network has drawn from torch's global generator, where it is looked for:
            in one of others.
    """

    def __init__(
        self,
        model: Callable[..., Any],
        labels: Tensor | None,
        batch: int,
        clip_x0: bool = False,
        guidance: Callable[..., Tensor] | None = None,
        *,
        blamed: bool = False,
        foreign: bool | None = None,
    ) -> None:
        self.model, self.labels, self.batch, self.clip_x0 = model, labels, batch, clip_x0
        self.guidance, self.blamed = guidance, blamed
        self.images = self.classified = self.calls = 0
        self.sigma_min, self.sigma_max = model_range(model)
        self.foreign = is_foreign(model) if foreign is None else foreign
        self.name = name_of(model)
        self.blame = Blame(self.name) if blamed and self.foreign else nullcontext()
        self.watch, self.drew = Watch(batch), False

    def __call__(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        """D(x; sigma), counted; sigma a Python float, a scalar tensor or [N].

        Raises:
            UsageError: the network returned something else than a tensor like x.
        """
        import torch

        # A host scalar: no device synchronisation, and models may call tensor methods on it.
        sigma = torch.as_tensor(sigma, dtype=torch.float64)
        answer = self.ask(lambda x, sigma, labels: self.model(x, sigma, labels), x, sigma)
        denoised = self.judge(answer, x, "sigma", sigma)
        return denoised.clip(-1, 1) if self.clip_x0 else denoised

    def __getattr__(self, name: str) -> Any:
        # Asked for by what was written for another library's wrapper.
        raise AttributeError(
            f"no {name}: a sampler sees model(x, sigma), sigma_min, sigma_max and round_sigma"
        )

    def round_sigma(self, sigma: Any) -> Any:
        """The nearest level the model knows: of a number a float, of a tensor one like it."""
        return rounded(getattr(self.model, "round_sigma", float), sigma)

    def ask(self, question: Callable[..., Any], x: Tensor, *given: Any) -> Any:
        """What the model answers to x, further tensors and the labels, counted and not yet judged.

        Raises:
            UsageError: it failed, and is to be blamed.
        """
        self.images += x.shape[0]
        self.calls += 1
        if not self.foreign:
            return question(x, *given, self.labels)
        x, *rest = (_copy(value) for value in (x, *given, self.labels))
        before = torch_state(x.device)
        with self.blame:
            answer = question(x, *rest)
        self.drew = self.drew or torch_moved(before, x.device)
        return answer

    def judge(self, answer: Any, x: Tensor, kind: str, at: Any) -> Tensor:
        """A network's answer, like x, watched.

        Args:
            kind, at: where it was asked, e.g. "sigma" and its value.
        """
        kept = checked(self.name, answer, x, copy=self.foreign)
        self.watch.see(kept, self.name, self.calls, kind, at)
        return kept

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
        """The guidance at step j in x_t's dtype, counted apart; None without guidance.

        Raises:
            UsageError: it returned something else than a tensor like x_t.
        """
        bound = self.bound
        if bound.guidance is None:
            return None
        bound.classified += x_t.shape[0]
        time = bound.model.time(self.diffusion.timestep_map[j], len(x_t))  # type: ignore[attr-defined]
        with blame("the guidance", bound.guidance) if bound.blamed else nullcontext():
            answer = bound.guidance(x_t.clone(), time, bound.labels)
        gradient = checked("the guidance", answer, x_t)
        bound.watch.see(gradient, "the guidance", bound.calls, "step", j)
        return gradient

    def _ask(
        self, method: Callable[..., tuple[Tensor, Tensor | None]], x_t: Tensor, j: int
    ) -> tuple[Tensor, Tensor | None]:
        bound = self.bound
        answer = bound.ask(lambda x_t, labels: method(x_t, j, labels, self.diffusion), x_t)
        if not (isinstance(answer, tuple) and len(answer) == 2):
            raise UsageError(
                f"{bound.name} returned {described(answer)} where a pair was expected: the mean's "
                "part and the variance channels, or None"
            )
        mean, v = answer
        return (
            bound.judge(mean, x_t, "step", j),
            None if v is None else bound.judge(v, x_t, "step", j),
        )


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
        bound = self.bound
        answer = bound.ask(lambda u, labels: bound.model.eps(u, t, labels), u)  # type: ignore[attr-defined]
        return bound.judge(answer, u, "t", t)


def name_of(model: Any) -> str:
    """What a model's network is called in a message."""
    provenance = getattr(model, "provenance", None)
    known = provenance.get("id") if isinstance(provenance, Mapping) else None
    return f"the network of {known}" if known else "the network"


def _copy(value: Any) -> Any:
    return value.clone() if hasattr(value, "clone") else value


def _each(images: int, batch: int) -> float:
    count = images / batch
    return int(count) if count.is_integer() else count
