"""Which runs are asked for, all of them checked before anything is computed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from samplebench.answers.draws import kept_generators
from samplebench.answers.parameters import altered, label, merge, split, word
from samplebench.bench.grids import Steps, counts_of
from samplebench.bench.request import Request
from samplebench.bench.survey import Survey, note_words
from samplebench.discretizations import RANGE, grid_constants, refuse_range
from samplebench.errors import SamplebenchError, UsageError, unknown
from samplebench.models.model import is_linear
from samplebench.registry import samplers
from samplebench.sampling.sampler import Solver, pixel
from samplebench.sampling.setting import Setting, prepare, rehearse


@dataclass(frozen=True)
class Family:
    """A sampler on one time discretization, over step counts.

    Attributes:
        params: the parameters that differ from the sampler's defaults, as text.
        settings: by increasing steps.
    """

    sampler: str
    params: str
    discretization: str
    rho: float | None
    settings: tuple[Setting, ...]


def families(
    model: Any, request: Request, survey: Survey, steps: tuple[int, ...] = ()
) -> list[Family]:
    """The runs of a request on a model.

    Args:
        model: whose range clamps the grids.
        request: sampler, rho, discretization and param count, and nfe where `steps` is empty.
        survey: is told of budgets that are too small and of words without effect.
        steps: numbers of positive noise levels.

    Raises:
        UsageError: an unknown name, an impossible combination, a word that nothing takes, or a
            sampler that draws noise.
    """
    for sampler in request.sampler:
        if isinstance(sampler, str):
            samplers.renew(sampler)
    solvers = [Solver.of(sampler) for sampler in request.sampler]
    for name in request.param:
        if name not in [solver.name for solver in solvers]:
            raise unknown("sampler in --param", name, [solver.name for solver in solvers])
    made: dict[tuple[Any, ...], Family] = {}
    for solver in solvers:
        solver.check_needs("this one", linear=model.law.name if is_linear(model) else "")
        if solver.entry.needs == "linear":
            raise UsageError(
                f"sampler {solver.name} steps in a linear process's time, the reference solution "
                "in noise levels; measure e.g. euler or heun"
            )
        table = request.param.get(solver.name, {})
        _check_names(solver, table, request)
        for values in itertools.product(*table.values()):
            for family in _of_sampler(
                model, request, survey, steps, solver, dict(zip(table, values, strict=True))
            ):
                key = (family.sampler, family.params, family.discretization, family.rho)
                made.setdefault(key, family)
    survey.check(made)
    return list(made.values())


def _check_names(solver: Solver, names: Iterable[str], request: Request) -> None:
    """Every parameter must belong to the sampler or to a discretization of the request."""
    grids = [grid_constants(grid) for grid in request.discretization if isinstance(grid, str)]
    known = {*solver.defaults, *(set().union(*grids) - {"rho"}), *(RANGE if grids else ())}
    for name in names:
        if name not in known:
            refuse_range(solver.name, solver.entry.needs, name)
            raise unknown(f"parameter of sampler {solver.name}", name, known)


def _of_sampler(
    model: Any,
    request: Request,
    survey: Survey,
    steps: tuple[int, ...],
    solver: Solver,
    given: Mapping[str, Any],
) -> Iterator[Family]:
    for grid in request.discretization:
        known = grid_constants(grid) if isinstance(grid, str) else {}
        known = known | {end: None for end in RANGE if isinstance(grid, str) and end in given}
        params = {k: v for k, v in given.items() if k in known or k in solver.defaults}
        named = {"discretization": grid if isinstance(grid, str) else "/".join(map(word, grid))}
        # Explicit levels fix their steps.
        counts: list[int | None] = [None]
        if isinstance(grid, str):
            found = counts_of(request.nfe, solver.steps_for, survey.leave_out)
            counts = [*sorted(set(steps or (count for _, count in found)))]
            if not counts:
                continue
        requested = 0 if isinstance(grid, str) else None
        note_words(survey, solver, given, Steps(grid, 0, 0, requested, known))
        survey.word("steps", requested is not None, solver.name, named["discretization"])
        for rho in (request.rho if "rho" in known else ()) or (known.get("rho"),):
            settings = tuple(
                prepare(
                    model, solver.entry.obj, steps=n, discretization=grid, rho=rho, params=params
                )
                for n in counts
            )
            rehearse(settings[0])
            refuse_noise(settings[0])
            yield Family(
                solver.name, _changed(solver, params, known), **named, rho=rho, settings=settings
            )


def _changed(solver: Solver, params: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    own, _ = split(params, solver.defaults)
    changed = altered(solver.effective(own), solver.defaults)
    constants = merge("constant of the discretization", known, split(params, known)[0])
    return label({**changed, **{k: v for k, v in constants.items() if k in params}})


def refuse_noise(setting: Setting) -> None:
    """Raises `UsageError` for a sampler whose result depends on noise, naming what would help."""
    if not _noisy(setting):
        return
    name, params = setting.solver.name, setting.params
    shown = label(altered(params, setting.solver.defaults))
    helps = [
        f"{name}.{key}=0"
        for key, value in params.items()
        if isinstance(value, int | float)
        and value
        and not isinstance(value, bool)
        and not _noisy(replace(setting, params={**params, key: type(value)(0)}))
    ]
    hint = f"--param {helps[0]} makes it deterministic" if helps else "choose a deterministic one"
    raise UsageError(
        f"sampler {name}{f' with {shown}' if shown else ''} is stochastic, and only a "
        f"deterministic one has a truncation error; {hint}"
    )


def _noisy(setting: Setting) -> bool:
    """Whether the result depends on noise: as declared, or, for others' samplers, by trying."""
    if setting.solver.stochastic(setting.params):
        return True
    if setting.solver.entry.builtin:
        return False
    import torch

    def run(seed: int) -> torch.Tensor:
        draw = torch.Generator().manual_seed(seed)
        noise: Callable[[torch.Tensor], torch.Tensor] = lambda x: torch.randn(  # noqa: E731
            x.shape, generator=draw, dtype=torch.float64
        )
        # The host's alone: those of GPUs are not put back.
        torch.default_generator.manual_seed(seed)
        return setting.run(pixel(), torch.ones(1, 1, 1, 1, dtype=torch.float64), noise)

    try:
        with setting.solver.guarded(), torch.no_grad(), kept_generators():
            return not torch.allclose(run(0), run(1), rtol=0, atol=0, equal_nan=True)
    except SamplebenchError:
        return True
