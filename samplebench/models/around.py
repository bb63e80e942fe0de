"""A model that answers through another one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from samplebench.models.model import Model

if TYPE_CHECKING:
    from torch import Tensor

_FIELDS = ("shape", "num_classes", "sigma_min", "sigma_max", "network", "kind", "process",
           "respacing", "protocol", "threads", "provenance", "device", "state_dtype")  # fmt: skip


class Around(Model):
    """Has the fields of a model and hands every question on; what changes is overridden.

    Args:
        model: any, a plain callable too.
    """

    def __init__(self, model: Any) -> None:
        self.inner = model
        for name in _FIELDS:
            if hasattr(model, name):
                setattr(self, name, getattr(model, name))

    def __call__(self, x: Tensor, sigma: float | Tensor, labels: Tensor | None = None) -> Tensor:
        answer: Tensor = self.inner(x, sigma, labels)
        return answer

    def eps(self, u: Tensor, t: float, labels: Tensor | None = None) -> Tensor:
        answer: Tensor = self.inner.eps(u, t, labels)
        return answer

    def predict(
        self, x_t: Tensor, j: int, labels: Tensor | None = None, process: Any = None
    ) -> tuple[Tensor, Tensor | None]:
        """Of a discrete model: (eps, v) at step j of a process."""
        answer: tuple[Tensor, Tensor | None] = self.inner.predict(x_t, j, labels, process)
        return answer

    def predict_x0(
        self, x_t: Tensor, j: int, labels: Tensor | None = None, process: Any = None
    ) -> tuple[Tensor, Tensor | None]:
        """Of a discrete model: (x0, v) at step j of a process."""
        answer: tuple[Tensor, Tensor | None] = self.inner.predict_x0(x_t, j, labels, process)
        return answer

    def time(self, t: Any, n: int) -> Tensor:
        """Of a discrete model: what the network receives at the original steps t."""
        answer: Tensor = self.inner.time(t, n)
        return answer

    def round_sigma(self, sigma: Any) -> Any:
        return getattr(self.inner, "round_sigma", float)(sigma)
