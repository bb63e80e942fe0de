"""`sb.sample`: one batch from a model, by any sampler on any time discretization."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from samplebench import discretizations, registry
from samplebench.ambient import own_settings
from samplebench.answers.blame import line_of
from samplebench.answers.doubts import doubts
from samplebench.answers.draws import kept_generators
from samplebench.answers.tensors import checked
from samplebench.discretizations import Grid, grid_constants
from samplebench.errors import UsageError, unknown
from samplebench.labels import labels_for
from samplebench.latents import start
from samplebench.linear import (
    TIMES,
    first_state,
    latent_shape,
    law_of,
    refuse_levels,
    settled,
    times_of,
)
from samplebench.model import (
    Bound,
    BoundDiscrete,
    BoundLinear,
    is_discrete,
    is_foreign,
    is_linear,
    threads_of,
)
from samplebench.native import grid_of, kept_steps, refuse_grid
from samplebench.parameters import label, split
from samplebench.samplers.step import Step
from samplebench.scalars import real, scalar, whole
from samplebench.solver import Solver, discrete_pixel, linear_pixels, pixel

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
        view: Bound | BoundDiscrete = model
        if self.diffusion is None:
            x, grid = latents * float(self.grid.levels[0]), torch.from_numpy(self.grid.levels)
        else:
            view, x = model.respaced(self.diffusion), latents
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
        return law.decode(self._solve(model.on(law), u, times, noise, callback))

    def _solve(
        self,
        view: Bound | BoundDiscrete | BoundLinear,
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


def sample(
    model: Any,
    sampler: str | Callable[..., Any],
    *,
    steps: int | None = None,
    nfe: int | None = None,
    respacing: str | None = None,
    seeds: Sequence[int] | None = None,
    latents: Tensor | None = None,
    labels: Tensor | Sequence[int] | int | None = None,
    discretization: Discretization | None = None,
    rho: float | None = None,
    sigma_min: float | None = None,
    sigma_max: float | None = None,
    guidance: Callable[..., Tensor] | None = None,
    noise: Callable[[Tensor], Tensor] | str | None = None,
    callback: Callable[[Step], None] | None = None,
    **params: Any,
) -> Tensor:
    """Draws one batch of images.

    Args:
        model: from `sb.load`, or any callable (x, sigma, labels) -> x0 with sigma_min, sigma_max
            and round_sigma.
        sampler: a registered name, "package.module:function" or a function.
        steps: number of noise levels above 0; or
        nfe: a budget of network evaluations per sample: the most steps that stay within it; or
        respacing: of a discrete model's own steps, for the samplers on them (respaced, ddim,
            ddim-reverse): "25", "ddim25" or "10,15,20"; "" for all of them.
        seeds: one integer per sample; sample i depends on seeds[i] alone. Or
        latents: unit normal [N, C, H, W], not yet scaled to the first noise level; for samplers
            on a discrete model's own steps x_T itself, for ddim-reverse the images. For samplers on
            a linear process in the shape of its state: cld [N, 2, C, H, W], bdm frequencies.
        labels: int64 [N] or one for all; None draws them from the seeds if the model has classes,
            or else the guidance.
        discretization: a registered name, a function, or explicit decreasing levels; None: "edm".
        rho: exponent of the discretization, None for its own default (edm: 7).
        sigma_min, sigma_max: range of the noise levels, clamped to the model's.
        guidance: callable (x_t, t_net, labels) -> gradient, already scaled (see guidance.py), for
            respaced and ddim on a discrete model's own steps.
        noise: None for per-sample streams (with latents: of seeds 0 .. N-1), "portable" or
            "nvlabs" for their kind, or a callable like torch.randn_like.
        callback: called with a `Step` after every step.
        params: the papers' own names: S_churn, eta, alpha, schedule, scaling, epsilon_s, M, ...;
            on a discrete model's own steps clip_x0, eta, variance. For samplers on a linear process
            also ts_order (2), the exponent of its time steps, and for a model of D(x; sigma)
            process, "vp" or "ve" (the model's own, or else "vp").

    Returns:
        Images [N, C, H, W], nominally in [-1, 1], in the dtype of the latents; those drawn from
        seeds are in the model's state dtype. A warning says where an answer of the network or a
        sample is not finite, or the network is random or in training mode.

    Raises:
        UsageError: unknown names, impossible values, words that do not apply to this sampler or
            grid, not exactly one of the alternatives, or a network or sampler that returns
            something else than a tensor like the state. What they raise themselves comes through.
    """
    import torch

    if isinstance(sampler, str):
        registry.samplers.renew(sampler)
    if isinstance(discretization, str):
        registry.discretizations.renew(discretization)
    # Autocast and the like around a network of others are meant for it.
    with nullcontext() if is_foreign(model) else own_settings():
        setting = prepare(
            model, sampler, steps=steps, nfe=nfe, respacing=respacing,
            discretization=discretization, rho=rho, sigma_min=sigma_min, sigma_max=sigma_max,
            params=params,
        )  # fmt: skip
        if guidance is not None and not setting.solver.entry.guided:
            raise UsageError(
                f"sampler {setting.solver.name} follows no guidance here; respaced and ddim do, on "
                "a discrete model's own steps"
            )
        if not (noise is None or isinstance(noise, str) or callable(noise)):
            raise UsageError(
                f"noise={noise!r} is neither a kind of noise nor a function like randn_like"
            )
        num_classes = int(getattr(model, "num_classes", 0) or getattr(guidance, "num_classes", 0))
        mode = noise if isinstance(noise, str) else "portable"
        x, drawn, streams = start(
            model,
            seeds,
            latents,
            num_classes,
            size=setting.latent_shape,
            mode=mode,
            who="this model" if setting.law is None else f"process {setting.law.name}",
        )
        n = len(x)
        given = labels_for(labels, drawn, n, num_classes, x.device, guidance is not None)
        bound = Bound(model, given, n, guidance=guidance)

        def report(step: Step) -> None:
            if callback is not None:
                callback(replace(step, nfe=bound.nfe, classifier_nfe=bound.classifier_nfe))

        source = noise if callable(noise) else streams
        with torch.no_grad(), threads_of(model):
            x = setting.run(bound, x, source, report if callback else None)
    for doubt in doubts(bound, x):
        warnings.warn(doubt, stacklevel=2)
    return x


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
