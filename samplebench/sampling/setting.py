"""A sampler with its parameters on its steps: all that decides a trajectory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from samplebench import discretizations
from samplebench.answers.blame import line_of
from samplebench.answers.draws import kept_generators
from samplebench.answers.parameters import label, split
from samplebench.answers.scalars import real, scalar, whole
from samplebench.answers.tensors import checked
from samplebench.discretizations import Grid, grid_constants
from samplebench.errors import UsageError, unknown
from samplebench.linear import TIMES, first_state, latent_shape, refuse_levels, settled, times_of
from samplebench.models.bound import Bound
from samplebench.models.isotropic import law_of
from samplebench.models.model import is_discrete, is_linear
from samplebench.models.views import DiscreteView, LinearView
from samplebench.native import grid_of, kept_steps, refuse_grid
from samplebench.samplers.step import Step
from samplebench.sampling.sampler import Solver, discrete_pixel, linear_pixels, pixel

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.processes.discrete import DiscreteProcess
    from samplebench.processes.linear import LinearProcess


Discretization = str | Callable[..., Any] | Sequence[float]


@dataclass(frozen=True)
class Setting:
    """A sampler with its effective parameters on its grid: all that decides a trajectory.

    Attributes:
        grid: noise levels; on a discrete process those of its kept steps, and 0; on a linear
            process times in place of levels, without a 0.
        diffusion: that discrete process, for a sampler on its steps.
        law: that linear process, for a sampler in its time.
    """

    solver: Solver
    params: dict[str, Any]
    grid: Grid
    diffusion: DiscreteProcess | None = None
    law: LinearProcess | None = None

    @property
    def steps(self) -> int:
        return len(self.grid.levels) - 1

    @property
    def evaluations(self) -> int:
        """Planned network evaluations per sample."""
        return self.solver.evaluations(self.steps, {} if self.law is None else self.params)

    def latent_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Of the unit normal latents of one image of a shape (C, H, W)."""
        return shape if self.law is None else latent_shape(self.law, shape)

    def run(
        self,
        model: Bound,
        latents: Tensor,
        noise: Callable[[Tensor], Tensor] | None,
        callback: Callable[[Step], None] | None = None,
    ) -> Tensor:
        """From unit normal latents [N, C, H, W] to the images in the state at the grid's end.

        On a discrete process the latents are the first state itself, on a linear one they have the
        state's shape.

        Raises:
            UsageError: the sampler returned something else than a state like the one that it got.
        """
        import torch

        if self.law is not None:
            return self._run_linear(self.law, model, latents, noise, callback)
        view: Bound | DiscreteView = model
        if self.diffusion is None:
            x, grid = latents * float(self.grid.levels[0]), torch.from_numpy(self.grid.levels)
        else:
            view, x = DiscreteView(model, self.diffusion), latents
            grid = torch.arange(self.steps).flip(0)
        return self._solve(view, x, grid, noise, callback)

    def _run_linear(
        self,
        law: LinearProcess,
        model: Bound,
        latents: Tensor,
        noise: Callable[[Tensor], Tensor] | None,
        callback: Callable[[Step], None] | None,
    ) -> Tensor:
        import torch

        u, times = first_state(law, latents), torch.from_numpy(self.grid.levels)
        return law.decode(self._solve(LinearView(model, law), u, times, noise, callback))

    def _solve(
        self,
        view: Bound | DiscreteView | LinearView,
        x: Tensor,
        grid: Tensor,
        noise: Callable[[Tensor], Tensor] | None,
        callback: Callable[[Step], None] | None,
    ) -> Tensor:
        """The state that the sampler returns, which is like the one that it got."""
        # Before the sampler, which may resize what it gets.
        like, shape = x.new_empty(0), tuple(x.shape)
        end = self.solver(
            view,
            x,
            grid,
            sigma_min=self.grid.sigma_min,
            sigma_max=self.grid.sigma_max,
            noise=noise,
            callback=callback,
            params=self.params,
        )
        return checked(f"sampler {self.solver.name}", end, like, shape)


def prepare(
    model: Any,
    sampler: str | Callable[..., Any],
    *,
    steps: int | None = None,
    nfe: int | None = None,
    respacing: str | None = None,
    discretization: Discretization | None = None,
    rho: float | None = None,
    sigma_min: float | None = None,
    sigma_max: float | None = None,
    params: dict[str, Any] | None = None,
) -> Setting:
    """Resolves a request for one trajectory: exactly one of steps, nfe, respacing or levels.

    `params` may hold the sampler's parameters and the discretization's constants and range; a name
    both know (epsilon_s) goes to both.

    Raises:
        UsageError: a word that does not apply, an unknown name or an impossible value.
    """
    if isinstance(model, str):
        raise UsageError(f"model {line_of(repr(model))} is a name; load it with sb.load first")
    discrete = is_discrete(model)
    solver = Solver.of(sampler, discrete=discrete)
    solver.check_needs(
        "this one", discrete=discrete, linear=model.law.name if is_linear(model) else ""
    )
    params = {"sigma_min": sigma_min, "sigma_max": sigma_max, **(params or {})}
    sigma_min, sigma_max = (params.pop(end) for end in discretizations.RANGE)
    words = {
        "discretization": discretization,
        "rho": rho,
        "sigma_min": sigma_min,
        "sigma_max": sigma_max,
    }
    levels = {k: v for k, v in words.items() if v is not None}
    if solver.entry.needs == "linear":
        refuse_levels(solver, levels | ({} if respacing is None else {"respacing": respacing}))
        return _in_time(model, solver, steps, nfe, params)
    if solver.entry.needs == "discrete":
        refuse_grid(solver, levels)
        steps = None if steps is None else whole("steps", steps)
        budget = None if nfe is None else whole("nfe", nfe)
        kept = kept_steps(model, solver, steps, budget, respacing)
        return Setting(solver, solver.effective(params), grid_of(kept), kept)
    if respacing is not None:
        raise UsageError(
            f"respacing={respacing} is for samplers on a discrete model's own steps; sampler "
            f"{solver.name} takes steps or nfe"
        )
    discretization = "edm" if discretization is None else discretization
    if isinstance(discretization, str) or callable(discretization):
        if (steps is None) == (nfe is None):
            raise UsageError("give exactly one of steps and nfe")
        steps = solver.steps_for(whole("nfe", nfe)) if nfe is not None else whole("steps", steps)
        known = grid_constants(discretization)
    else:
        discretization = tuple(discretizations.explicit(discretization).tolist())
        count, known = len(discretization), {}
        if nfe is not None or scalar(steps) not in (None, count):
            raise UsageError(f"explicit noise levels fix the steps to {count}; drop steps and nfe")
        steps = count
        levels.pop("discretization")
        if levels:
            raise UsageError(f"explicit noise levels are the whole grid; drop {', '.join(levels)}")
    constants, _ = split(params, known)
    own, foreign = split(params, solver.defaults)
    for name in foreign:
        if name not in known:
            raise unknown(f"parameter of sampler {solver.name}", name, {*solver.defaults, *known})
    if rho is not None:
        if "rho" not in known:
            others = ", ".join(known) or "none"
            raise UsageError(
                f"rho={rho}: discretization {_name(discretization)} has no rho; drop it "
                f"(its constants: {others})"
            )
        constants["rho"] = check_rho(rho)
    grid = discretizations.build(
        discretization, steps, sigma_min=sigma_min, sigma_max=sigma_max, model=model, **constants
    )
    return Setting(solver, solver.effective(own), grid)


def _name(discretization: Any) -> str:
    return discretization if isinstance(discretization, str) else discretization.__name__


def _in_time(
    model: Any, solver: Solver, steps: int | None, nfe: int | None, params: dict[str, Any]
) -> Setting:
    """The setting of a sampler on a linear process."""
    if (steps is None) == (nfe is None):
        raise UsageError("give exactly one of steps and nfe")
    own, foreign = split(params, solver.defaults)
    for name in foreign:
        if name not in TIMES:
            raise unknown(f"parameter of sampler {solver.name}", name, {*solver.defaults, *TIMES})
    words = {**TIMES, **foreign}
    law = law_of(model, words["process"])
    effective = settled(solver, own, law)
    count = (
        whole("steps", steps)
        if steps is not None
        else solver.steps_for(whole("nfe", nfe), effective)
    )
    return Setting(solver, effective, times_of(law, count, words["ts_order"]), law=law)


def rehearse(setting: Setting) -> None:
    """Runs a setting on one pixel of unit normal data, so that bad values are found at once.

    Raises:
        UsageError: the sampler cannot run with its parameters on its grid.
    """
    import torch

    try:
        with setting.solver.guarded(), torch.no_grad(), kept_generators():
            table, law = setting.diffusion, setting.law
            shape = (1, 1, 1) if law is None else (1, *law.size)
            model = pixel() if table is None else discrete_pixel(table.original_steps)
            model = model if law is None else linear_pixels(law)
            latents = torch.ones(1, *setting.latent_shape(shape), dtype=torch.float64)
            setting.run(model, latents, torch.randn_like)
    except (ArithmeticError, ValueError, TypeError) as error:
        params = label(setting.params) or "its defaults"
        raise UsageError(
            f"sampler {setting.solver.name} cannot run with {params} "
            f"({type(error).__name__}: {error})"
        ) from error


def check_rho(rho: Any) -> float:
    """rho as a positive finite float."""
    try:
        value = real("rho", rho)
    except UsageError:
        value = float("nan")
    if not 0 < value < float("inf"):
        raise UsageError(f"rho={line_of(str(rho))} must be a positive number, e.g. 7")
    return value
