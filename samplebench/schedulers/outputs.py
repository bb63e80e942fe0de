"""What a scheduler expects of its network, from the denoised image."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from samplebench.errors import UsageError, unknown
from samplebench.schedulers.marginal import Marginal
from samplebench.schedulers.package import called

if TYPE_CHECKING:
    from torch import Tensor

# (state, denoised, marginal of the state) -> the network's answer.
Output = Callable[["Tensor", "Tensor", Marginal], "Tensor"]


def output_of(scheduler: Any) -> Output:
    """What the scheduler takes for its network's answer.

    Raises:
        UsageError: it says nothing of it, or another word than those of `prediction_type`.
    """
    if hasattr(scheduler, "precondition_outputs"):
        return _preconditioned(
            lambda x, output, sigma: scheduler.precondition_outputs(x, output, sigma)
        )
    if hasattr(scheduler, "get_scalings_for_boundary_condition"):
        return _preconditioned(_bounded(scheduler.get_scalings_for_boundary_condition))
    predicts = scheduler.config.get("prediction_type")
    if predicts is not None:
        if predicts not in _PREDICTIONS:
            raise unknown("prediction_type", str(predicts), _PREDICTIONS)
        return _PREDICTIONS[predicts]
    if hasattr(scheduler, "scale_noise"):
        # The state's slope in the scheduler's time, which may run up.
        return _flow if scheduler.timesteps[-1] <= scheduler.timesteps[0] else _reversed_flow
    if hasattr(scheduler, "alphas") and hasattr(scheduler, "betas"):
        return _v
    raise UsageError(
        f"{called(type(scheduler))} does not say what its network predicts; it cannot "
        "run on a denoiser"
    )


def _noise(x: Tensor, denoised: Tensor, marginal: Marginal) -> Tensor:
    return (x - marginal.a * denoised) / marginal.s


def _image(x: Tensor, denoised: Tensor, marginal: Marginal) -> Tensor:
    return denoised


def _v(x: Tensor, denoised: Tensor, marginal: Marginal) -> Tensor:
    """alpha n - sqrt(1 - alpha^2) x0 of Salimans & Ho 2022, whatever the state is scaled by."""
    size = math.hypot(marginal.a, marginal.s)
    return marginal.a / size * _noise(x, denoised, marginal) - marginal.s / size * denoised


def _flow(x: Tensor, denoised: Tensor, marginal: Marginal) -> Tensor:
    """n - x0, the slope of (1 - t) x0 + t n."""
    return _noise(x, denoised, marginal) - denoised


def _reversed_flow(x: Tensor, denoised: Tensor, marginal: Marginal) -> Tensor:
    return -_flow(x, denoised, marginal)


_PREDICTIONS: dict[str, Output] = {
    "epsilon": _noise,
    "sample": _image,
    "v_prediction": _v,
    "flow_prediction": _flow,
}


def _bounded(scalings: Callable[[Any], tuple[Any, Any]]) -> Callable[..., Any]:
    def outputs(x: Any, output: Any, sigma: Any) -> Any:
        skip, out = scalings(sigma)
        return skip * x + out * output

    return outputs


def _preconditioned(outputs: Callable[[Any, Any, Any], Any]) -> Output:
    """The inverse of D = c_skip(sigma) x + c_out(sigma) F, found by asking for both."""

    def output(x: Tensor, denoised: Tensor, marginal: Marginal) -> Tensor:
        import torch

        one, none, sigma = (torch.tensor(v, dtype=torch.float64) for v in (1.0, 0.0, marginal.s))
        skip, out = float(outputs(one, none, sigma)), float(outputs(none, one, sigma))
        # Where the answer has no weight, any will do.
        return (denoised - skip * x) / out if out else torch.zeros_like(x)

    return output
