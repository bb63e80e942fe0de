"""The noise law that a scheduler of diffusers was trained with, from its scheduler_config.json.

Only what the network saw counts; spacing, order and clipping are of samplers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from samplebench.errors import InputError, unknown
from samplebench.processes.discrete import DiscreteProcess, beta_schedule

if TYPE_CHECKING:
    from torch import Tensor

# The betas that a class has where its file says none: start, end, schedule.
_DDPM, _LATENT = (1e-4, 0.02, "linear"), (0.00085, 0.012, "linear")
TABLES = {
    **dict.fromkeys(("DDPM", "DDPMParallel", "DDIM", "DDIMParallel", "PNDM"), _DDPM),
    **dict.fromkeys(("DPMSolverMultistep", "DPMSolverSinglestep", "DEISMultistep"), _DDPM),
    **dict.fromkeys(("UniPCMultistep", "SASolver", "LMSDiscrete"), _DDPM),
    **dict.fromkeys(("EulerDiscrete", "EulerAncestralDiscrete"), _DDPM),
    **dict.fromkeys(("HeunDiscrete", "KDPM2Discrete", "KDPM2AncestralDiscrete"), _LATENT),
    "DPMSolverSDE": _LATENT,
}
FLOWS = ("FlowMatchEulerDiscrete", "FlowMatchHeunDiscrete")
EDMS = ("EDMEuler", "EDMDPMSolverMultistep")
SCORES = ("ScoreSdeVe",)
# Where a class asks its network in another time, or of another state, the same file says it.
_OTHERWISE = {
    "timestep_type": ("discrete",),
    "use_flow_sigmas": (False,),
    "invert_sigmas": (False,),
    "snr_shift_scale": (1.0,),
}
_PREDICTIONS = ("epsilon", "sample", "v_prediction")
_VARIANCES = {
    "fixed_small": "fixed_small",
    "fixed_small_log": "fixed_small",
    "fixed_large": "fixed_large",
    "fixed_large_log": "fixed_large",
    "learned_range": "learned",
}
# Far more than any network was trained on; a table has a number for each.
_MOST_STEPS = 100_000
_SUFFIX = "Scheduler"
FILE = "scheduler_config.json"


def law_of(content: Any) -> dict[str, Any]:
    """What of a scheduler_config.json decides the law, as plain values.

    Args:
        content: the file's JSON value.

    Returns:
        "law" and what it needs: "table" (num_train_timesteps, prediction_type, variance, the
        betas' words), "ve" (sigma_min, sigma_max of images in [0, 1]), "flow"
        (num_train_timesteps) or "edm" (sigma_min, sigma_max, sigma_data, prediction_type).

    Raises:
        InputError: another scheduler, or words that say nothing which is known here.
    """
    if not isinstance(content, Mapping):
        raise InputError(f"{FILE} is not a JSON object; write {{...}}")
    name = content.get("_class_name")
    if not isinstance(name, str) or not name:
        raise InputError(f"{FILE} lacks _class_name, the name of a scheduler of diffusers")
    short = name.removesuffix(_SUFFIX)
    if short not in (known := (*TABLES, *FLOWS, *EDMS, *SCORES)):
        names = [f"{each}{_SUFFIX}" for each in known]
        raise InputError(
            f"{FILE}: {unknown('scheduler of a trained network', name[:80], names)}"
            + f" (all: {', '.join(sorted(names))})"
        )
    if short in FLOWS or _is_flow(content):
        _plain(content, but="use_flow_sigmas")
        return {"law": "flow", "num_train_timesteps": _steps(content)}
    _plain(content)
    if short in SCORES:
        low, high = _span(content, 0.01, 1348.0)
        return {"law": "ve", "sigma_min": low, "sigma_max": high}
    if short in EDMS:
        low, high = _span(content, 0.002, 80.0)
        own = {"sigma_min": low, "sigma_max": high}
        own["sigma_data"] = _number(content, "sigma_data", 0.5, above=0.0)
        word = _word(content, "prediction_type", ("epsilon", "v_prediction"), "epsilon")
        return {"law": "edm", **own, "prediction_type": word}
    return _table(content, TABLES[short])


def table_process(law: Mapping[str, Any]) -> DiscreteProcess:
    """The process of a law that is a table.

    Its numbers are float32's, in which diffusers trains. `predict_xstart`: all but noise means x0.

    Raises:
        InputError: betas of which float32 leaves no decreasing alpha_bar.
    """
    import torch

    betas = torch.as_tensor(_betas(law), dtype=torch.float32)
    if law["rescale_betas_zero_snr"]:
        betas = _rescaled(betas)
    alpha_bar = (1 - betas).cumprod(0).numpy().astype(np.float64)
    before = np.append(1.0, alpha_bar[:-1])
    inner = alpha_bar if alpha_bar[-1] or not law["rescale_betas_zero_snr"] else alpha_bar[:-1]
    if not ((inner > 0).all() and (alpha_bar < before).all()):
        raise InputError(
            f"{FILE}: of its betas float32 leaves no alpha_bar that decreases between 1 and 0"
        )
    steps = len(alpha_bar)
    return DiscreteProcess(
        betas=1 - alpha_bar / before,
        timestep_map=np.arange(steps, dtype=np.int64),
        original_steps=steps,
        variance=law["variance"],
        predict_xstart=law["prediction_type"] != "epsilon",
    )


def _table(content: Mapping[str, Any], default: tuple[float, float, str]) -> dict[str, Any]:
    own: dict[str, Any] = {"law": "table", "num_train_timesteps": _steps(content)}
    own["prediction_type"] = _word(content, "prediction_type", _PREDICTIONS, "epsilon")
    rescale = _flag(content, "rescale_betas_zero_snr")
    own["rescale_betas_zero_snr"] = rescale
    if rescale and own["prediction_type"] == "epsilon":
        raise InputError(
            f"{FILE}: rescale_betas_zero_snr makes the last step pure noise, where prediction_type "
            "epsilon carries no information; use v_prediction or sample"
        )
    variance = content.get("variance_type")
    if variance == "learned":
        raise InputError(
            f"{FILE}: variance_type learned is not supported by any sampler; supported: "
            f"{', '.join(_VARIANCES)}"
        )
    kind = None if variance is None else _word(content, "variance_type", tuple(_VARIANCES), "")
    own["variance"] = _VARIANCES[kind or "fixed_small"]
    if content.get("trained_betas") is not None:
        own["trained_betas"] = _trained(content["trained_betas"], own["num_train_timesteps"])
        return own
    own["beta_schedule"] = _word(content, "beta_schedule", tuple(_SCHEDULES), default[2])
    if own["beta_schedule"] != "squaredcos_cap_v2":  # which has no ends
        own["beta_start"] = _number(content, "beta_start", default[0], above=0.0, below=1.0)
        own["beta_end"] = _number(content, "beta_end", default[1], above=0.0, below=1.0)
    return own


def _betas(law: Mapping[str, Any]) -> Any:
    """As diffusers has them: in float32 from the first operation on."""
    if "trained_betas" in law:
        return law["trained_betas"]
    made = _SCHEDULES[law["beta_schedule"]]
    return made(law["num_train_timesteps"], law.get("beta_start", 0.0), law.get("beta_end", 0.0))


def _linear(steps: int, start: float, end: float) -> Any:
    import torch

    return torch.linspace(start, end, steps)


def _scaled_linear(steps: int, start: float, end: float) -> Any:
    return _linear(steps, start**0.5, end**0.5) ** 2


def _cosine(steps: int, start: float, end: float) -> Any:
    return beta_schedule("cosine", steps)


def _sigmoid(steps: int, start: float, end: float) -> Any:
    return _linear(steps, -6, 6).sigmoid() * (end - start) + start


# By the names of diffusers: (steps, start, end) -> betas.
_SCHEDULES: dict[str, Callable[[int, float, float], Any]] = {
    "linear": _linear,
    "scaled_linear": _scaled_linear,
    "squaredcos_cap_v2": _cosine,
    "sigmoid": _sigmoid,
}


def _rescaled(betas: Tensor) -> Tensor:
    """Betas whose last alpha_bar is 0 and whose first stays (Lin et al. 2024, Algorithm 1)."""
    import torch

    root = (1 - betas).cumprod(0).sqrt()
    first, last = root[0].clone(), root[-1].clone()
    bar = ((root - last) * (first / (first - last))).square()
    return 1 - torch.cat([bar[:1], bar[1:] / bar[:-1]])


def _is_flow(content: Mapping[str, Any]) -> bool:
    """A scheduler of tables that was set to flow matching."""
    return (
        content.get("use_flow_sigmas") is True
        and content.get("prediction_type") == "flow_prediction"
    )


def _plain(content: Mapping[str, Any], but: str = "") -> None:
    """Raises `InputError` where a network is asked in a time of which nothing is known here."""
    for name, usual in _OTHERWISE.items():
        value = content.get(name)
        if name != but and value is not None and value not in usual:
            raise InputError(
                f"{FILE}: {name}={_shown(value)} is not supported; only "
                f"{name}={_shown(usual[0])} is"
            )


def _steps(content: Mapping[str, Any]) -> int:
    value = content.get("num_train_timesteps", 1000)
    if type(value) is not int or not 2 <= value <= _MOST_STEPS:
        raise InputError(
            f"{FILE}: num_train_timesteps={_shown(value)} must be a whole number from 2 to "
            f"{_MOST_STEPS}"
        )
    return value


def _span(content: Mapping[str, Any], low: float, high: float) -> tuple[float, float]:
    found = _number(content, "sigma_min", low, above=0.0), _number(content, "sigma_max", high)
    if not found[0] < found[1]:
        raise InputError(f"{FILE}: sigma_min={found[0]} is not below sigma_max={found[1]}")
    return found


def _number(
    content: Mapping[str, Any], name: str, default: float, *, above: float = 0.0, below: float = 1e6
) -> float:
    value = content.get(name, default)
    if type(value) not in (int, float) or not above < value < below:
        raise InputError(
            f"{FILE}: {name}={_shown(value)} must be a number above {above:g} and below {below:g}"
        )
    return float(value)


def _word(content: Mapping[str, Any], name: str, known: tuple[str, ...], default: str) -> str:
    value = content.get(name, default)
    if not isinstance(value, str) or value not in known:
        raise InputError(f"{FILE}: {unknown(name, _shown(value), known)}")
    return value


def _flag(content: Mapping[str, Any], name: str) -> bool:
    value = content.get(name, False)
    if not isinstance(value, bool):
        raise InputError(f"{FILE}: {name}={_shown(value)} must be true or false")
    return value


def _trained(betas: Any, steps: int) -> list[float]:
    if not isinstance(betas, list) or len(betas) != steps:
        raise InputError(f"{FILE}: trained_betas must be {steps} numbers (num_train_timesteps)")
    if not all(type(beta) in (int, float) and 0 < beta < 1 for beta in betas):
        raise InputError(f"{FILE}: trained_betas must lie between 0 and 1")
    return [float(beta) for beta in betas]


def _shown(value: Any) -> str:
    return str(value)[:80] if isinstance(value, str | int | float) else f"a {type(value).__name__}"
