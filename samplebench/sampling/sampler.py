"""A registered sampler made ready to plan and to run: parameters, evaluations, steps, the call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from samplebench.answers.blame import Blame
from samplebench.answers.draws import kept_generators
from samplebench.answers.parameters import accepted, merge, split
from samplebench.errors import OutOfBudget, UsageError
from samplebench.models.bound import Bound
from samplebench.models.views import DiscreteView, LinearView
from samplebench.registry import Entry, samplers
from samplebench.samplers.step import Step
from samplebench.sampling.foreign import as_sampler, check_form, is_k_diffusion

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.processes.linear import LinearProcess

# Filled in by the engine from the grid, not by the user as a sampler's parameter.
_FROM_GRID = ("sigma_min", "sigma_max")
_MAX_STEPS = 100_000
# A method of others may need a few steps before it runs at all.
_LOOK_AHEAD = 8


@dataclass(frozen=True)
class Solver:
    """A sampler with its declared facts.

    Attributes:
        entry: its registration.
        function: the sampler in samplebench's own signature, adapted if it was written in another.
    """

    entry: Entry
    function: Callable[..., Any]
    # Counted evaluations by steps. Not kept any longer: the function may change what it reaches.
    _counted: dict[int, int] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, sampler: str | Callable[..., Any], *, discrete: bool = False) -> Solver:
        """By registered name, by "package.module:function", or from the function itself.

        Args:
            sampler: the name or the function.
            discrete: whether it is for a discrete model, on whose own time steps a name like
                "ddim" means the native sampler.

        Raises:
            UsageError: there is no such sampler, or one of others has another signature.
        """
        entry = samplers.entry(sampler) if isinstance(sampler, str) else samplers.add(sampler)
        if discrete and isinstance(sampler, str) and entry.native is not None:
            entry = replace(samplers.entry(entry.native), name=entry.name)
        if not entry.builtin:
            check_form(entry.name, entry.obj)
        function = as_sampler(entry.obj) if is_k_diffusion(entry.obj) else entry.obj
        return cls(entry, function)

    @property
    def name(self) -> str:
        return self.entry.name

    def check_needs(self, model: str, *, discrete: bool = False, linear: str = "") -> None:
        """Raises `UsageError` where the sampler needs another kind of model.

        Args:
            model: its name, for the message.
            discrete: whether it has the steps of a discrete process beside D(x; sigma).
            linear: name of its linear process, if it has that in place of D(x; sigma).
        """
        needs = self.entry.needs
        if linear and needs != "linear":
            kind = "D(x; sigma)" if needs == "sigma" else f"a {needs} model"
            others = ", ".join(entry.name for entry in samplers if entry.needs == "linear")
            raise UsageError(
                f"sampler {self.name} needs {kind}; {model} predicts the noise of process "
                f"{linear}: take {others}"
            )
        if needs == "linear" and discrete:
            raise UsageError(
                f"sampler {self.name} needs a linear process in continuous time; {model} knows "
                "discrete steps alone: take ddim or respaced"
            )
        if not (needs in ("sigma", "linear") or (discrete and needs == "discrete")):
            raise UsageError(f"sampler {self.name} needs a {needs} model; {model} is D(x; sigma)")

    @property
    def defaults(self) -> dict[str, Any]:
        """The sampler's own parameters and their defaults."""
        known = accepted(self.function)
        return {name: value for name, value in known.items() if name not in _FROM_GRID}

    def effective(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Defaults overridden by `params`.

        Raises:
            UsageError: a parameter the sampler does not have, or a value of another kind.
        """
        return merge(f"parameter of sampler {self.name}", self.defaults, params)

    def stochastic(self, params: Mapping[str, Any]) -> bool:
        effective = self.effective(params)
        with self.guarded():
            return bool(self.entry.stochastic(effective))

    def canonical(self, params: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Name and effective parameters of the algorithm that runs, shared by all its aliases."""
        full = self.effective(params)
        if self.entry.canonical is None:
            return self.name, full
        with self.guarded():
            name, kept = self.entry.canonical(full)
        return name, Solver.of(name).effective(kept)

    def idle(self, params: Mapping[str, Any]) -> set[str]:
        """Of these parameters those that the others leave without effect."""
        full, algorithm = self.effective(params), self.canonical(params)
        return {
            name
            for name in params
            if full[name] != self.defaults[name]
            and self.canonical({**full, name: self.defaults[name]}) == algorithm
        }

    def decisive(self, params: Mapping[str, Any], steps: int) -> dict[str, Any]:
        """What decides the images of so many steps: equal for parameters of one algorithm."""
        if self.entry.decisive is None:
            return dict(params)
        return dict(self.entry.decisive(self.effective(params), steps))

    @property
    def least_steps(self) -> int:
        """A time discretization has two noise levels at least, a linear process's time one step."""
        return 1 if self.entry.needs == "linear" else 2

    def evaluations(self, steps: int, params: Mapping[str, Any] = MappingProxyType({})) -> int:
        """Planned network evaluations per sample; counted on a one-pixel model if undeclared.

        Args:
            params: those that differ from the sampler's defaults, if the number depends on them.
        """
        with self.guarded():
            if self.entry.evaluations is not None:
                own = split(params, accepted(self.entry.evaluations))[0] if params else {}
                return int(self.entry.evaluations(steps, **own))
            if steps not in self._counted:
                probe = _PROBES.get(self.entry.needs, _probe)
                self._counted[steps] = probe(self.function, steps)
            return self._counted[steps]

    def steps_for(self, nfe: int, params: Mapping[str, Any] = MappingProxyType({})) -> int:
        """The largest step count whose evaluations stay within the budget `nfe`.

        Args:
            params: as for `evaluations`.

        Raises:
            OutOfBudget: even the least number of steps needs more.
        """
        (low, needed, why), high = self._least(params), 2 * _MAX_STEPS
        if needed > nfe:
            reason = f"{low} step{'s need' if low > 1 else ' needs'} {needed} evaluations"
            raise OutOfBudget(self.name, nfe, "too small", reason + (f" ({why})" if why else ""))
        while high - low > 1:
            # Doubling first: an undeclared count is found by running, which large steps make slow.
            middle = min(2 * low, (low + high) // 2)
            if self.evaluations(middle, params) <= nfe:
                low = middle
            else:
                high = middle
        if low > _MAX_STEPS:
            raise UsageError(
                f"nfe={nfe}: the evaluations of sampler {self.name} do not grow with its steps"
            )
        return low

    def _least(self, params: Mapping[str, Any]) -> tuple[int, int, str]:
        """The least number of steps on which the sampler runs, its evaluations, and what it said
        to fewer."""
        least, why = self.least_steps, ""
        for steps in range(least, least + _LOOK_AHEAD):
            try:
                return steps, self.evaluations(steps, params), why
            except UsageError as error:
                why = "" if error.__cause__ else str(error)
        return least, self.evaluations(least, params), ""

    def __call__(
        self,
        model: Bound | DiscreteView | LinearView,
        x: Tensor,
        grid: Tensor,
        *,
        sigma_min: float,
        sigma_max: float,
        noise: Callable[[Tensor], Tensor] | None = None,
        callback: Callable[[Step], None] | None = None,
        params: Mapping[str, Any],
    ) -> Tensor:
        """Runs the sampler; the range goes to samplers that declare it."""
        known = accepted(self.function)
        span = {"sigma_min": sigma_min, "sigma_max": sigma_max}
        extra = {name: span[name] for name in _FROM_GRID if name in known}
        return self.function(
            model, x, grid, noise=noise, callback=callback, **extra, **dict(params)
        )

    def guarded(self) -> AbstractContextManager[None]:
        """Turns any failure within the block into one line that names a sampler of others."""
        return nullcontext() if self.entry.builtin else Blame(f"sampler {self.name}")


def pixel() -> Bound:
    """The exact denoiser of one pixel of unit normal data, to try a sampler on."""
    return Bound(lambda x, sigma, labels: x / (1 + sigma.reshape(-1, 1, 1, 1) ** 2), None, 1)


def discrete_pixel(steps: int) -> Bound:
    """The same with a discrete process of so many steps and a learned variance."""
    import torch

    from samplebench.models.discrete import DiscreteModel
    from samplebench.processes.discrete import discrete_process

    diffusion = discrete_process(
        {"noise_schedule": "cosine", "diffusion_steps": steps, "learn_sigma": True}
    )
    alpha_bar = torch.from_numpy(diffusion.alpha_bar)

    def network(x: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        eps = (1 - alpha_bar[t]).sqrt().reshape(-1, 1, 1, 1) * x
        return torch.cat([eps, torch.zeros_like(eps)], dim=1)

    return Bound(DiscreteModel(network, diffusion, shape=(1, 1, 1), dtype=None), None, 1)


class GaussianPixels:
    """The exact eps of independent unit normal pixels on a linear process, to try a sampler on."""

    num_classes = 0

    def __init__(self, law: LinearProcess) -> None:
        self.law = law

    def eps(self, u: Tensor, t: float, labels: Tensor | None = None) -> Tensor:
        import numpy as np

        from samplebench.processes.linear import apply

        signal, root = self.law.signal(t)[..., :1], self.law.R(t)
        whole = signal @ np.swapaxes(signal, -1, -2) + self.law.cov(t)
        return apply(np.swapaxes(root, -1, -2) @ np.linalg.inv(whole), u)


def linear_pixels(law: LinearProcess) -> Bound:
    """As few as the process has matrices."""
    return Bound(GaussianPixels(law), None, 1)  # type: ignore[arg-type]


def _probe(function: Callable[..., Any], steps: int) -> int:
    """Evaluations of one run on the exact denoiser of a unit normal pixel."""
    import torch

    model = pixel()
    grid = torch.zeros(steps + 1, dtype=torch.float64)
    grid[:-1] = torch.logspace(1, -2, steps, dtype=torch.float64)
    with kept_generators(), torch.no_grad():
        function(model, torch.full((1, 1, 1, 1), 10.0).double(), grid, noise=torch.randn_like)
    return int(model.nfe)


def _probe_discrete(function: Callable[..., Any], steps: int) -> int:
    """Evaluations of one run on the steps of a discrete process."""
    import torch

    model = discrete_pixel(steps)
    view = DiscreteView(model, model.model.diffusion)  # type: ignore[attr-defined]
    x, grid = torch.ones(1, 1, 1, 1, dtype=torch.float64), torch.arange(steps).flip(0)
    with kept_generators(), torch.no_grad():
        function(view, x, grid, noise=torch.randn_like)
    return int(model.nfe)


def _probe_linear(function: Callable[..., Any], steps: int) -> int:
    """Evaluations of one run in the time of the variance-preserving process."""
    import torch

    from samplebench.processes.vp import VP

    law = VP()
    model, grid = linear_pixels(law), torch.from_numpy(law.grid(steps))
    u = torch.ones(1, 1, 1, 1, 1, dtype=torch.float64)
    with kept_generators(), torch.no_grad():
        function(LinearView(model, law), u, grid, noise=torch.randn_like)
    return int(model.nfe)


_PROBES = {"linear": _probe_linear, "discrete": _probe_discrete}
