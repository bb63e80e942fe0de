"""Time discretizations: where the steps are. Functions of the step count to noise levels.

A discretization is `f(steps, *, sigma_min, sigma_max, **constants) -> levels`: `steps` positive
noise levels in float64, decreasing, without the final 0, in units of images in [-1, 1]. The
defaults of sigma_min and sigma_max are those of the paper the discretization comes from.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from samplebench.answers.blame import blame
from samplebench.answers.parameters import accepted, label, merge
from samplebench.answers.rounding import clamped, model_range, rounded
from samplebench.answers.scalars import real, values
from samplebench.errors import UsageError
from samplebench.processes.karras import rho_levels
from samplebench.processes.vp import VP
from samplebench.registry import DiscretizationEntry, discretizations

# Words of every discretization; where a request leaves them out, its own hold.
RANGE = ("sigma_min", "sigma_max")
_VP_MAX = VP().sigma(1.0)


@discretizations.register("edm", cite=("karras2022edm",))
def edm(
    steps: int, *, sigma_min: float = 0.002, sigma_max: float = 80.0, rho: float = 7.0
) -> np.ndarray:
    """Uniform in sigma^(1/rho): rho=1 is uniform in sigma, rho -> inf in log sigma (EDM Eq. 5)."""
    return rho_levels(steps, sigma_min, sigma_max, rho)


# The range ends at sigma(epsilon_s) of the law with its usual constants, so it follows epsilon_s.
@discretizations.register(
    "vp",
    lowest=lambda epsilon_s=1e-3: VP().sigma(epsilon_s),
    cite=("song2021score", "karras2022edm"),
)
def vp(
    steps: int, *, sigma_min: float, sigma_max: float = _VP_MAX, epsilon_s: float = 1e-3
) -> np.ndarray:
    """Uniform in the VP time t from 1 to epsilon_s (Song et al. 2021; EDM Table 1)."""
    return time_uniform(
        steps, sigma_min=sigma_min, sigma_max=sigma_max, rho=1.0, epsilon_s=epsilon_s
    )


@discretizations.register("ve", cite=("song2021score", "karras2022edm"))
def ve(steps: int, *, sigma_min: float = 0.02, sigma_max: float = 100.0) -> np.ndarray:
    """Geometric in sigma^2 (Song et al. 2021; EDM Table 1): log-uniform over the VE range."""
    variances = sigma_max**2 * (sigma_min**2 / sigma_max**2) ** (np.arange(steps) / (steps - 1))
    return np.sqrt(variances)


@discretizations.register("iddpm", cite=("nichol2021improved", "karras2022edm"))
def iddpm(
    steps: int,
    *,
    sigma_min: float = 0.002,
    sigma_max: float = 81.0,
    M: int = 1000,
    C_1: float = 0.001,
    C_2: float = 0.008,
) -> np.ndarray:
    """Every k-th level of the improved-DDPM cosine table (Nichol & Dhariwal 2021; EDM Table 1)."""
    table = iddpm_table(M, C_1, C_2)[:-1]
    kept = table[(table >= sigma_min) & (table <= sigma_max)]
    if len(kept) < 2:
        raise UsageError(
            f"iddpm: its table of M={M} has {len(kept)} levels in [{sigma_min:g}, {sigma_max:g}]; "
            "widen the range or raise M"
        )
    # numpy rounds half to even, as the release does.
    index = np.round((len(kept) - 1) / (steps - 1) * np.arange(steps)).astype(int)
    return kept[index]


def iddpm_table(M: int = 1000, C_1: float = 0.001, C_2: float = 0.008) -> np.ndarray:
    """The decreasing levels u_0 .. u_M of improved DDPM, u_M = 0 (EDM Table 1), float64 [M + 1]."""
    alpha_bar = np.sin(np.pi / 2 * np.arange(M + 1) / (M * (1 + C_2))) ** 2
    u = np.zeros(M + 1)
    ratios = np.maximum(alpha_bar[:-1] / alpha_bar[1:], C_1).tolist()
    for j in range(M, 0, -1):
        u[j - 1] = math.sqrt((u[j] ** 2 + 1) / ratios[j - 1] - 1) if ratios[j - 1] else math.inf
    return u


@discretizations.register("logsnr", cite=("lu2022dpmsolver",))
def logsnr(steps: int, *, sigma_min: float = 0.002, sigma_max: float = 80.0) -> np.ndarray:
    """Uniform in log sigma, that is in log-SNR (Lu et al. 2022; k-diffusion's "exponential")."""
    return polyexponential(steps, sigma_min=sigma_min, sigma_max=sigma_max, rho=1.0)


@discretizations.register("polyexponential", cite=("crowson2022kdiffusion",))
def polyexponential(
    steps: int, *, sigma_min: float = 0.002, sigma_max: float = 80.0, rho: float = 1.0
) -> np.ndarray:
    """Log sigma as a power rho of a uniform ramp (k-diffusion): rho=1 is logsnr."""
    ramp = np.linspace(1, 0, steps) ** rho
    return np.exp(ramp * (math.log(sigma_max) - math.log(sigma_min)) + math.log(sigma_min))


@discretizations.register("time_uniform", cite=("zhang2023deis",))
def time_uniform(
    steps: int,
    *,
    sigma_min: float = 0.002,
    sigma_max: float = 80.0,
    rho: float = 1.0,
    epsilon_s: float = 1e-3,
) -> np.ndarray:
    """VP time uniform in t^(1/rho) over the EDM range (DEIS): rho=1 uniform, rho=2 quadratic."""
    law = VP.fit(sigma_min, sigma_max, epsilon_s)
    ramp = np.arange(steps) / (steps - 1)
    times = (1 + ramp * (epsilon_s ** (1 / rho) - 1)) ** rho
    return np.array([law.sigma(t) for t in times])


@dataclass(frozen=True)
class Grid:
    """Noise levels of a run, ready for a sampler.

    Attributes:
        levels: float64 [steps + 1], decreasing, last 0 unless it ends in sigma_min.
        sigma_min, sigma_max: the range it was built from, after clamping to the model's.
    """

    levels: np.ndarray
    sigma_min: float
    sigma_max: float


def build(
    discretization: str | Callable[..., Any] | Sequence[float],
    steps: int,
    *,
    sigma_min: float | None = None,
    sigma_max: float | None = None,
    model: Any = None,
    final: str = "zero",
    **constants: Any,
) -> Grid:
    """Levels clamped to the model's range, rounded to what it knows, with the final 0.

    Args:
        discretization: a registered name, a function of that signature, or the levels themselves.
        steps: of the sampler: number of positive levels, at least 2, or one less with `final`.
        sigma_min, sigma_max: range asked for; None for the discretization's own.
        model: anything with sigma_min, sigma_max and round_sigma.
        final: "zero", or "sigma_min" where the last positive level is the end.

    Raises:
        UsageError: unknown name or constant, fewer than two steps, or levels that are not finite,
            positive and decreasing.
    """
    if not isinstance(discretization, str) and not callable(discretization):
        levels = explicit(discretization)
        low, high = float(levels[-1]), float(levels[0])
        if model is not None and clamped(model, low, high) != (low, high):
            least, most = model_range(model)
            raise UsageError(
                f"explicit noise levels reach from {low:g} to {high:g}, but the model knows "
                f"[{least:g}, {most:g}]"
            )
        return _finish("the list", levels, low, high, model, final)
    if (count := steps + (final != "zero")) < 2:
        raise UsageError(f"steps={steps}: a time discretization needs at least 2 noise levels")
    entry = _entry(discretization)
    function, name = entry.obj, entry.name
    known = accepted(function)
    own = grid_constants(discretization)
    constants = merge(f"constant of discretization {name}", own, constants)
    if entry.lowest is not None:
        known["sigma_min"] = entry.lowest(**constants)
    span = {"sigma_min": sigma_min, "sigma_max": sigma_max}
    for end, given in span.items():
        span[end] = known.get(end) if given is None else given
        if span[end] is None:
            raise UsageError(f"discretization {name} has no default {end}; pass one")
    low, high = asked = tuple(real(end, level) for end, level in span.items())
    if model is not None:
        low, high = clamped(model, low, high)
    if not (0 < low < high < math.inf):
        low, high = (low, high) if 0 < asked[0] < asked[1] < math.inf else asked
        raise UsageError(
            f"noise range [{low:g}, {high:g}] is empty; need 0 < sigma_min < sigma_max"
        )
    with blame(f"discretization {name}", function):
        try:
            with np.errstate(all="ignore"):  # what is not finite is told below
                found = function(count, sigma_min=low, sigma_max=high, **constants)
            levels = _float64(found)
        except (ArithmeticError, ValueError, TypeError) as error:
            raise UsageError(
                f"discretization {name} has no levels for {label(constants)}: {error}"
            ) from None
    if len(levels) - (levels[-1:] == 0).sum() != count:
        raise UsageError(f"discretization {name} gave {len(levels)} levels for {count} steps")
    return _finish(f"discretization {name}", levels, low, high, model, final)


def _float64(levels: Any) -> np.ndarray:
    """Levels of any kind and precision, on any device."""
    if hasattr(levels, "detach"):
        levels = levels.detach().cpu().double().numpy()
    return np.asarray(levels, dtype=float)


def grid_constants(discretization: str | Callable[..., Any]) -> dict[str, Any]:
    """Constants of a discretization and their defaults; its range is not one of them."""
    known = accepted(_entry(discretization).obj)
    return {k: v for k, v in known.items() if k not in RANGE}


def name_of(discretization: str | Callable[..., Any]) -> str:
    """What a discretization is called."""
    return _entry(discretization).name


def _entry(discretization: str | Callable[..., Any]) -> DiscretizationEntry:
    if isinstance(discretization, str):
        return discretizations.entry(discretization)
    return discretizations.add(discretization)


def explicit(levels: Sequence[float]) -> np.ndarray:
    """The positive levels of a list written by a user, whose final 0 may be there or not."""
    try:
        array = np.asarray([real("level", level) for level in values(levels)])
    except UsageError as error:
        raise UsageError(
            "explicit noise levels must be a decreasing list of numbers, e.g. 80/20/5/1/0.1: "
            f"{error}"
        ) from None
    if len(array) and array[-1] == 0:
        array = array[:-1]
    if not (len(array) and np.all(np.diff(array) < 0) and 0 < array[-1] <= array[0] < math.inf):
        raise UsageError("explicit noise levels must be a decreasing list, e.g. 80/20/5/1/0.1")
    return array


def as_written(levels: Sequence[float], model: Any, final: str) -> Grid:
    """The levels of a card as they are, also beyond what a model knows.

    Those within its range are rounded to its own, as all levels are.

    Args:
        levels: positive and decreasing.
        model, final: as for `build`.
    """
    least, most = model_range(model)
    nearest = getattr(model, "round_sigma", float)
    found = [rounded(nearest, s) if least <= s <= most else s for s in levels]
    return Grid(np.array([*found, 0.0] if final == "zero" else found), levels[-1], levels[0])


def _finish(what: str, levels: np.ndarray, low: float, high: float, model: Any, final: str) -> Grid:
    if len(levels) and levels[-1] == 0:
        levels = levels[:-1]
    if not np.all(np.diff(levels) < 0):
        raise UsageError(
            f"{what} gave {len(levels)} levels that are not positive and decreasing in "
            f"[{low:g}, {high:g}]; check its constants, its range and the number of steps"
        )
    if model is not None:
        nearest = getattr(model, "round_sigma", float)
        levels = np.array([rounded(nearest, level) for level in levels.tolist()])
    if not (np.all(np.isfinite(levels)) and np.all(levels > 0)):
        raise UsageError(
            f"{what} gave levels that are not positive and decreasing in "
            f"[{low:g}, {high:g}] once rounded to the model's; raise sigma_min"
        )
    return Grid(np.append(levels, 0.0) if final == "zero" else levels, low, high)
