"""diffusers' schedulers by name, and why some of them are no samplers of images."""

from __future__ import annotations

import importlib.util
import inspect
from typing import Any

from samplebench.errors import EnvironmentError_, UsageError, unknown
from samplebench.extras import hushed
from samplebench.schedulers.package import PREFIX, home, names

# Every step is called with these; whoever asks for more cannot be called.
_STEP = ("self", "model_output", "timestep", "sample")
# What a class does not tell of itself, and what it is.
_OTHERS = {
    "PiflowScheduler": "its network outputs a policy, not one prediction",
    "SCMScheduler": "its network uses its own time variable (TrigFlow)",
    "ConsistencyDecoderScheduler": "it decodes latents",
    "DDIMInverseScheduler": "it goes from images to noise",
    "DPMSolverMultistepInverseScheduler": "it goes from images to noise",
    "HeliosDMDScheduler": "it works in stages of several sizes",
    "HeliosScheduler": "it works in stages of several sizes",
}
# What is wanted of a consistency model is the end of the ODE, which no denoiser answers.
CONSISTENCY = frozenset(
    {
        "CMStochasticIterativeScheduler",
        "FlowMatchLCMScheduler",
        "LCMScheduler",
        "TCDScheduler",
    }
)


def scheduler_class(name: str) -> type[Any]:
    """The class of a scheduler that can run as a sampler.

    Raises:
        EnvironmentError_: diffusers, or what the class needs beside it, is not installed.
        UsageError: no such class, or one whose step takes more than a model's answer.
    """
    if name not in (known := names()):
        raise unknown("scheduler of diffusers", name, known)
    with hushed():
        found = getattr(home(), name, None)
    if not isinstance(found, type) or getattr(found, "_backends", None) == ["torch"]:
        raise UsageError(f"{PREFIX}:{name}: diffusers still lists it but no longer has it")
    missing = getattr(found, "_backends", ())
    if lacking := [each for each in missing if importlib.util.find_spec(each) is None]:
        raise EnvironmentError_(
            f"{PREFIX}:{name} needs {', '.join(lacking)}: pip install {' '.join(lacking)}"
        )
    if why := _unfit(name, found):
        raise UsageError(f"{PREFIX}:{name} is not supported: {why}")
    return found


def _unfit(name: str, scheduler: type[Any]) -> str:
    """Why a class cannot run as a sampler; "" where nothing is seen."""
    if name in _OTHERS:
        return _OTHERS[name]
    for method in ("step", "set_timesteps"):
        if not callable(getattr(scheduler, method, None)):
            return f"it has no {method}"
    needs = [p.name for p in named_arguments(scheduler.__init__) if p.default is p.empty]
    if needs:
        return f"it cannot be made without {', '.join(needs)}"
    more = [p.name for p in named_arguments(scheduler.step) if p.default is p.empty]
    if beside := [each for each in more if each not in _STEP]:
        return f"its step needs {', '.join(beside)} besides the model's output"
    return ""


def named_arguments(function: Any) -> list[inspect.Parameter]:
    """What a method takes by name, without self and what stars take."""
    several = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    found = inspect.signature(function).parameters.values()
    return [p for p in found if p.name != "self" and p.kind not in several]
