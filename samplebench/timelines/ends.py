"""End rules: what is done at the first and the last noise level, whatever the sampler."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Self

from samplebench.answers.parameters import merge
from samplebench.answers.tensors import column
from samplebench.errors import UsageError, unknown
from samplebench.models.bound import Bound
from samplebench.samplers.step import Step

if TYPE_CHECKING:
    from torch import Tensor

FINAL = ("zero", "sigma_min")
# Dynamic thresholding's quantile of |x0| (Saharia et al. 2022, section 2.3).
_QUANTILE = 0.995


@dataclass(frozen=True)
class Ends:
    """End rules of one run; diff-sampler's words.

    Attributes:
        final: "zero", or "sigma_min" where the last positive level is the end.
        afs: the first slope is x / sqrt(1 + sigma^2), the noise in x where there is nothing else,
            and costs no evaluation (Dockhorn et al. 2022).
        denoise_to_zero: one more evaluation at the end: the result is D(x; sigma_min).
        thresholding: each D is clipped to its 99.5% quantile where that is above 1, and divided
            by it (dynamic thresholding, Saharia et al. 2022).
    """

    final: str = "zero"
    afs: bool = False
    denoise_to_zero: bool = False
    thresholding: bool = False

    @classmethod
    def of(cls, sampler: str, usual: str, given: Mapping[str, Any]) -> Self:
        """From the words of a request.

        Args:
            sampler: its name, for messages.
            usual: where the sampler's grids end if nothing is said.
            given: what was said; None is nothing.

        Raises:
            UsageError: an impossible value or combination.
        """
        said = {name: value for name, value in given.items() if value is not None}
        found = cls(**merge(f"parameter of sampler {sampler}", {**asdict(cls(usual))}, said))
        if found.final not in FINAL:
            raise unknown("final", found.final, FINAL)
        if found.denoise_to_zero and found.final == "zero":
            raise UsageError(
                f"{sampler}.denoise_to_zero: its grid ends in 0 already; add final=sigma_min"
            )
        return found

    @property
    def said(self) -> dict[str, Any]:
        """Those that are not off, so that older conditions stay what they are."""
        return self.beside(OFF)

    def beside(self, others: Ends) -> dict[str, Any]:
        """Those that are not as in `others`."""
        was = asdict(others)
        return {name: value for name, value in asdict(self).items() if value != was[name]}

    @property
    def evaluations(self) -> int:
        """Network evaluations more than the sampler's own."""
        return self.denoise_to_zero - self.afs

    def view(self, bound: Bound) -> Bound | EndView:
        """What the sampler sees of a model."""
        return EndView(bound, self) if self.afs or self.thresholding else bound

    def finish(
        self,
        x: Tensor,
        view: Callable[..., Tensor],
        levels: list[float],
        callback: Callable[[Step], None] | None,
    ) -> Tensor:
        """The result from the state at the last level."""
        if not self.denoise_to_zero:
            return x
        x = view(x, levels[-1])
        if callback:
            callback(Step(len(levels) - 1, x, 0.0, x))
        return x


OFF = Ends()
# Names of a sampler's own parameters come before these.
RULES = tuple(field.name for field in fields(Ends) if field.name != "final")


def refuse_rules(sampler: str, name: str, why: str) -> None:
    """Raises `UsageError` for an end rule where there is none to say, for a reason."""
    if name in ("final", *RULES):
        raise UsageError(f"{sampler}.{name}: {why}; leave it out")


class EndView:
    """A model whose first answer is analytic, whose answers are thresholded, or both."""

    def __init__(self, bound: Bound, ends: Ends) -> None:
        self.bound, self.ends, self.first = bound, ends, ends.afs

    def __getattr__(self, name: str) -> Any:
        # Its range, its rounding, and what it says of anything else.
        return getattr(self.bound, name)

    def __call__(self, x: Tensor, sigma: float | Tensor, rows: Tensor | None = None) -> Tensor:
        """D(x; sigma) after the rules; arguments as of the model."""
        if self.first:
            self.first = False
            return without_noise(x, sigma)
        answer = self.bound(x, sigma, rows)
        return thresholded(answer) if self.ends.thresholding else answer


def without_noise(x: Tensor, sigma: float | Tensor) -> Tensor:
    """x - sigma x / sqrt(1 + sigma^2): D where x is unit normal data and noise."""
    level = column(sigma, x)
    return x * (1 - level / (1 + level**2).sqrt())


def thresholded(x0: Tensor) -> Tensor:
    """Dynamic thresholding per sample (Saharia et al. 2022): within [-1, 1]."""
    import torch

    # torch has no quantile in half precision.
    sizes = x0.flatten(1).abs().to(torch.promote_types(x0.dtype, torch.float32))
    most = sizes.quantile(_QUANTILE, dim=1).clamp(min=1).to(x0)
    most = most.reshape(-1, *(1,) * (x0.ndim - 1))
    return x0.clamp(-most, most) / most
