"""Noise laws: how much noise, on what scale, at time t. They know nothing of steps or solvers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from samplebench.answers.scalars import scalar
from samplebench.errors import UsageError, unknown

if TYPE_CHECKING:
    from samplebench.processes.discrete import DiscreteProcess
    from samplebench.processes.linear import LinearProcess

ISOTROPIC = ("vp", "ve", "flow")
LINEAR = (*ISOTROPIC, "cld", "bdm")
PROCESSES = (*LINEAR, "discrete")


def process(name: str, **constants: Any) -> LinearProcess | DiscreteProcess:
    """A noise law by name.

    Args:
        name: "vp", "ve", "flow" (x_t = (1 - t) x0 + t n), "cld" (critically damped Langevin),
            "bdm" (blurring) or "discrete".
        constants: those that differ from its paper's. vp: beta_min, beta_d, T, t_min; ve: T, t_min;
            flow: T (below 1), t_min; cld: beta_0, beta_1, m_inv, vv_gamma, numerical_eps, T, t_min;
            bdm: image_size, sigma_blur_max, d_min, noise_max, t_min; discrete: noise_schedule,
            diffusion_steps and the other flags of a release.

    Raises:
        UsageError: no such law or constant, or a value that it cannot have.
    """
    if name not in PROCESSES:
        raise unknown("process", name, PROCESSES)
    if name == "discrete":
        from samplebench.processes.discrete import discrete_process

        return discrete_process(constants)
    law = _law(name)
    known = [field.name for field in fields(law)]  # type: ignore[arg-type]
    constants = {constant: scalar(value) for constant, value in constants.items()}
    for constant, value in constants.items():
        if constant not in known:
            raise unknown(f"constant of process {name}", constant, known)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (number and 0 <= value < float("inf")):
            raise UsageError(f"process {name}: {constant}={value!r} must be a number from 0 up")
    made: LinearProcess = law(**constants)
    try:
        made.check()
    except (ArithmeticError, ValueError) as error:
        raise UsageError(f"process {name} has no times with {constants}: {error}") from None
    return made


def trained_process(config: Mapping[str, Any], image_size: int) -> LinearProcess:
    """The law of a checkpoint of another than an isotropic one, from its config.

    Args:
        config: "process" ("cld" or "bdm") and, for bdm, "sigma_blur_max" (10); other keys are
            ignored.
        image_size: of its images, H = W.

    Raises:
        UsageError: it names no such process.
    """
    from samplebench.processes.linear import LinearProcess

    name = config.get("process")
    if name not in ("cld", "bdm"):
        raise unknown("process", str(name), ("cld", "bdm"))
    constants: dict[str, Any] = {}
    if name == "bdm":
        constants = {"image_size": image_size, "sigma_blur_max": config.get("sigma_blur_max", 10.0)}
    made = process(name, **constants)
    assert isinstance(made, LinearProcess)
    return made


def _law(name: str) -> type[LinearProcess]:
    """Their modules are loaded when asked for."""
    if name == "vp":
        from samplebench.processes.vp import VP

        return VP
    if name == "ve":
        from samplebench.processes.ve import VE

        return VE
    if name == "flow":
        from samplebench.processes.flow import Flow

        return Flow
    if name == "cld":
        from samplebench.processes.cld import CLD

        return CLD
    from samplebench.processes.blurring import Blurring

    return Blurring
