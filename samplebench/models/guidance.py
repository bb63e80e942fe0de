"""Guidance: how a further pass moves a model's answer, and at which noise levels."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from samplebench.answers.tensors import column
from samplebench.errors import UsageError
from samplebench.models.model import UNNAMED, name_of
from samplebench.models.steps import nearest, network_time

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from samplebench.models.chunks import Chunks
    from samplebench.processes.discrete import DiscreteProcess

# Each with the keys in citations.bib of its papers.
CITE: Mapping[str, tuple[str, ...]] = {
    "cfg": ("ho2022classifierfree",),
    "auto": ("karras2024autoguidance",),
    "classifier": ("dhariwal2021adm",),
}
NAMES = tuple(CITE)
# Of an interval, whatever guides within it.
CITE_INTERVAL = ("kynkaanniemi2024interval",)
# Relative, of a level that a schedule computes: edm's last is 0.002000000000000003.
_ROUNDING = 1e-6
# Of an interval: every noise level.
EVERYWHERE = (0.0, math.inf)


def rounded_up(level: float) -> float:
    """Above every level that is this one but for its rounding."""
    return level * (1 + _ROUNDING)


class Guidance(ABC):
    """What all kinds share.

    Attributes:
        scale: g.
        interval: (low, high) in units of images in [-1, 1]: the answer is moved where
            low < sigma <= high (Kynkaanniemi et al. 2024, "Applying Guidance in a Limited Interval
            Improves Sample and Distribution Quality in Diffusion Models"), and left as it is
            elsewhere, where no pass is made.
    """

    scale: float
    interval: tuple[float, float]

    @property
    def everywhere(self) -> bool:
        """Whether no noise level is outside."""
        return self.interval == EVERYWHERE

    def inside(self, sigma: float | Tensor) -> Any:
        """Whether noise levels are in the interval: bool of sigma's shape, of a tensor's on the
        host. One that is an end but for its rounding, in float32 too, is that end."""
        low, high = map(rounded_up, self.interval)
        found = (sigma > low) & (sigma <= high)
        return found if isinstance(found, bool) else found.cpu()

    @property
    @abstractmethod
    def asked(self) -> Any:
        """Who makes the further passes: (x, sigma, labels) -> a tensor like x."""

    @abstractmethod
    def who(self, model: Any) -> str:
        """What they are called in a message, beside a main model."""

    def labels(self, labels: Tensor | None) -> Tensor | None:
        """The labels of a further pass, of the main one's."""
        return labels

    @abstractmethod
    def moved(self, main: Tensor, other: Tensor) -> Tensor:
        """The guided answer, of the main one and that of the further pass."""


@dataclass(frozen=True)
class ReferenceGuidance(Guidance):
    """D = D_ref + g (D_main - D_ref), and so for all that is affine in D, like eps.

    Classifier-free guidance (Ho & Salimans 2022) where D_ref has no labels, autoguidance (Karras et
    al. 2024) where a weaker model has the same.

    Attributes:
        model: which answers D_ref: the main one itself, or a guiding one.
        labelled: whether it is given the main one's labels.
        scale, interval: as of all.
    """

    model: Any
    labelled: bool
    scale: float
    interval: tuple[float, float] = EVERYWHERE

    @property
    def asked(self) -> Any:
        return self.model

    def who(self, model: Any) -> str:
        name = name_of(self.model)
        return name if self.model is model or name != UNNAMED else "the guiding network"

    def labels(self, labels: Tensor | None) -> Tensor | None:
        return labels if self.labelled else None

    def moved(self, main: Tensor, other: Tensor) -> Tensor:
        return other + self.scale * (main - other)


@dataclass(frozen=True)
class ClassifierGuidance(Guidance):
    """D = D_main + g sigma^2 d/dx log p(y | x; sigma) (Dhariwal & Nichol 2021).

    Called with (x_t, t, labels) it is g d/dx_t log p(y | x_t), as the samplers on a discrete
    model's own steps follow it.

    Attributes:
        classifier: classifier(x_t, t) -> logits [N, K] of x_t = x / sqrt(1 + sigma^2); t as the
            network of its process receives it.
        num_classes: K, the range that labels are drawn from for an unconditional model; 0: they
            have to be given.
        process: the discrete one that it was trained on; None on a discrete model's own steps for
            that model's.
        scale, interval: as of all.
    """

    classifier: Callable[[Tensor, Tensor], Tensor]
    scale: float = 1.0
    num_classes: int = 0
    process: DiscreteProcess | None = None
    interval: tuple[float, float] = EVERYWHERE

    @property
    def asked(self) -> Any:
        return ClassifierPull(self)

    def who(self, model: Any) -> str:
        return "the classifier"

    def moved(self, main: Tensor, other: Tensor) -> Tensor:
        return main + other

    def time(self, sigma: Tensor, n: int, device: torch.device) -> Tensor:
        """What the classifier is told [n] of levels, one or [n] on the host: the nearest steps of
        its process."""
        import torch

        assert self.process is not None
        t = nearest(torch.from_numpy(self.process.sigmas), sigma.reshape(-1))
        return network_time(self.process, t, n, device)

    def __call__(self, x_t: Tensor, t: Tensor, labels: Tensor | None) -> Tensor:
        """The gradient [N, C, H, W] at x_t, in the precision of the classifier's weights; of a
        function in x_t's.

        Raises:
            UsageError: no labels.
        """
        import torch

        if labels is None:
            raise UsageError("classifier guidance needs labels; pass labels=")
        weights = getattr(self.classifier, "parameters", None)
        like = next(iter(weights()), x_t) if callable(weights) else x_t
        with torch.enable_grad():
            x = x_t.detach().to(like.dtype).requires_grad_()
            # No leaf: torch's counter of operations cannot see a module that is given one.
            log_p = torch.log_softmax(self.classifier(x.view_as(x), t), dim=-1)
            chosen = log_p.gather(1, labels.to(log_p.device).reshape(-1, 1)).sum()
            return torch.autograd.grad(chosen, x)[0] * self.scale


class ClassifierPull:
    """g sigma^2 d/dx log p(y | x; sigma): by how much a classifier moves D(x; sigma).

    The classifier is asked at the step of its process whose level is nearest.
    """

    def __init__(self, guidance: ClassifierGuidance) -> None:
        self.guidance, self.network = guidance, guidance.classifier
        self.chunks: Chunks | None = getattr(guidance.classifier, "chunks", None)

    def __call__(self, x: Tensor, sigma: Tensor, labels: Tensor | None) -> Tensor:
        """Like x.

        Args:
            sigma: a scalar or [N], on any device.
        """
        time = self.guidance.time(sigma.cpu(), len(x), x.device)
        # A level's square is beyond float16 where the level is not.
        level = sigma.cpu().double()
        scale = (level.square() + 1).sqrt()
        gradient = self.guidance(x / column(scale, x), time, labels).to(x.dtype)
        return gradient * column(level.square() / scale, x)
