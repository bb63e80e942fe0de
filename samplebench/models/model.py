"""The common denoiser interface: D(x; sigma) = E[x0 | x0 + sigma n = x], images in [-1, 1]."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from samplebench.answers.blame import ours
from samplebench.errors import UsageError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from samplebench.models.chunks import Chunks
    from samplebench.models.ingredients import Ingredients

# What a network is called of which nobody knows a name.
UNNAMED = "the network"


class Model:
    """Base of everything `sb.load` returns.

    Attributes:
        shape: (C, H, W) of one image.
        num_classes: 0 for unconditional models.
        labels_optional: whether a class-conditional model answers without labels, for all classes
            together.
        sigma_min, sigma_max: noise levels the model knows; samplers clamp their grids to them.
        network: the bare network in its native convention, None where there is none.
        kind: name of the timeline that is the model's own: "sigma" for D(x; sigma), "discrete" for
            the steps of a discrete process, "linear" for eps(u, t) on a linear process.
        draw_from: its exact draws, as `KernelDensity.draw_from`, None where it has none.
        latents: whether what it makes are latents of an autoencoder, not images.
        process: the noise law the model was trained on, None where it has none or nobody needs it.
        respacing: which of its own steps a discrete model keeps where it is not told.
        protocol: name of the protocol (see protocols.py) its published numbers follow.
        provenance: where it comes from: source, licence, hashes.
        ingredients: what a model in memory was made of, None where it was read from a file.
        threads: CPU threads the bench gives it, None for torch's own choice.
        chunks: how many images the bench evaluates at once, None for as many as are given.
        device, state_dtype: where and in which precision a sampler should hold its state.
        dtype: what its network computes in; None where that follows from the weights or the state.
        precision: what `sb.load` was told that its network is to run in, by name.
        compiled: whether `sb.load` had its network compiled.
    """

    shape: tuple[int, int, int]
    num_classes: int = 0
    labels_optional: bool = False
    sigma_min: float = 0.0
    sigma_max: float = float("inf")
    network: Any = None
    kind: str = "sigma"
    latents: bool = False
    draw_from: Any = None
    process: Any = None
    respacing: str = ""
    protocol: str | None = None
    threads: int | None = None
    chunks: Chunks | None = None
    provenance: Mapping[str, Any] = MappingProxyType({})
    ingredients: Ingredients | None = None
    device: torch.device
    state_dtype: torch.dtype
    dtype: torch.dtype | None = None
    precision: str | None = None
    compiled: bool = False

    def __call__(self, x: Tensor, sigma: float | Tensor, labels: Tensor | None = None) -> Tensor:
        """The denoised images.

        Args:
            x: noisy images [N, C, H, W].
            sigma: noise level, a scalar or [N]; D(x; 0) = x.
            labels: int64 [N] in [0, num_classes), None for unconditional models and where labels
                are optional.

        Returns:
            E[x0 | x], of x's shape, dtype and device.
        """
        raise UsageError(f"{type(self).__name__} defines no denoiser D(x; sigma)")

    def eps(self, u: Tensor, t: float, labels: Tensor | None = None) -> Tensor:
        """The noise in states of a linear process, in its basis R.

        Of D(x; sigma) on the isotropic process that the model was trained on, else "vp".

        Args:
            u: states [N, D, C, H, W].
            t: time, one for all.
            labels: as above.

        Returns:
            E[R^-1 (u - E[u | x0]) | u], of u's shape, dtype and device.
        """
        from samplebench.models.isotropic import isotropic_eps, isotropic_law

        return isotropic_eps(lambda x, sigma: self(x, sigma, labels), isotropic_law(self), u, t)

    def round_sigma(self, sigma: float) -> float:
        """The nearest noise level the model was trained on; the identity for continuous ones."""
        return sigma

    def renew(self) -> None:
        """Looks at what it is once more: a network in memory may have been trained on since."""
        if self.ingredients is not None:
            self.provenance = self.ingredients.provenance()


def known_labels(labels: Tensor | None, num_classes: int, *, needed: bool = True) -> Tensor | None:
    """A conditional model's labels; None of an unconditional one.

    Args:
        labels: int64 [N].
        needed: whether a conditional model must have them.

    Raises:
        UsageError: they are missing, or not in [0, num_classes).
    """
    if not num_classes:
        return None
    if labels is None:
        if needed:
            raise UsageError("this model is class-conditional: labels are missing")
        return None
    # On a GPU the look would wait for it at every evaluation; `sb.sample` has checked them.
    host = labels.device.type == "cpu"
    if host and bool(((labels < 0) | (labels >= num_classes)).any()):
        raise UsageError(f"labels must lie in [0, {num_classes})")
    return labels


def draws_exactly(model: Any) -> bool:
    """Whether a model, or what is known of one, has exact draws: a method `draw_from`."""
    known = getattr(model, "draws_exactly", None)
    return callable(getattr(model, "draw_from", None)) if known is None else bool(known)


def is_foreign(model: Any) -> bool:
    """Whether samplebench did not write a model, or the network within it."""
    network = getattr(model, "network", None)
    return not (ours(model) and (network is None or ours(network)))


def in_training(model: Any) -> bool:
    """Whether a torch module that a model's network is or reaches is in training mode."""
    from samplebench.models.modules import modules_of

    network = getattr(model, "network", None)
    network = model if network is None else getattr(network, "__wrapped__", network)
    return any(part.training for module in modules_of(network) for part in module.modules())


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


def name_of(model: Any) -> str:
    """What a model's network is called in a message."""
    provenance = getattr(model, "provenance", None)
    known = provenance.get("id") if isinstance(provenance, Mapping) else None
    return f"the network of {known}" if known else UNNAMED
