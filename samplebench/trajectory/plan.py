"""Which runs are asked for, all of them checked before anything is computed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from samplebench.answers.draws import kept_generators
from samplebench.answers.parameters import altered, label
from samplebench.bench.expand import check_names, places
from samplebench.bench.names import look_up, params_by_name
from samplebench.bench.request import Request
from samplebench.bench.survey import Survey, note_words
from samplebench.errors import OutOfBudget, SamplebenchError, UsageError
from samplebench.sampling.setting import Setting, prepare, rehearse
from samplebench.sampling.solver import Solver, toy_batch
from samplebench.timelines.choice import check
from samplebench.timelines.sigma import Sigma


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
        steps: numbers of steps.

    Raises:
        UsageError: an unknown name, an impossible combination, a word that nothing takes, or a
            sampler that draws noise.
    """
    look_up(request)
    solvers = [on_levels(model, sampler) for sampler in request.sampler]
    params = params_by_name(request.param, request.sampler, solvers)
    made: dict[tuple[Any, ...], Family] = {}
    for solver in solvers:
        table = params.get(solver.name, {})
        check_names(solver, table, request)
        for values in itertools.product(*table.values()):
            given = dict(zip(table, values, strict=True))
            for family in _of_sampler(model, request, survey, steps, solver, given):
                key = (family.sampler, family.params, family.discretization, family.rho)
                made.setdefault(key, family)
    survey.check(made)
    return list(made.values())


def on_levels(model: Any, sampler: str | Callable[..., Any]) -> Solver:
    """The sampler on noise levels, as the reference solution is."""
    own = Solver.of(sampler)
    if own.timeline.solved:
        check(own.entry, own.timeline, model, "this one")
        return own
    if not own.timeline.evaluates:
        raise UsageError(f"sampler {own.name} makes no steps: measure e.g. euler or heun")
    # What has a range but no place for a discretization.
    if "sigma_min" in own.timeline.words and "discretization" not in own.timeline.words:
        raise UsageError(
            f"sampler {own.name} sets its own noise levels, but errors are measured on those of "
            "a time discretization; use e.g. euler or heun"
        )
    try:
        solver = Solver.of(sampler, timeline=Sigma)
    except UsageError:
        raise UsageError(
            f"sampler {own.name} needs {own.timeline.needs}, but the reference solution is in "
            "noise levels; use e.g. euler or heun"
        ) from None
    check(solver.entry, Sigma, model, "this one")
    return solver


def _of_sampler(
    model: Any,
    request: Request,
    survey: Survey,
    steps: tuple[int, ...],
    solver: Solver,
    given: Mapping[str, Any],
) -> Iterator[Family]:
    for words in places(request, solver, given):
        fixed = words.counted or solver.timeline.staged
        if steps:
            asked = [words] if fixed else [replace(words, steps=count) for count in steps]
        else:
            budgets = solver.timeline.budgets(solver, request, words)
            asked = [replace(words, nfe=nfe) for nfe in budgets]
        made: dict[int, Setting] = {}
        for each in asked:
            try:
                setting = prepare(model, solver, words=each)
            except OutOfBudget as error:
                survey.leave_out(error)
            else:
                made[setting.steps] = setting
        if not made:
            continue
        settings = tuple(made[count] for count in sorted(made))
        first = settings[0]
        note_words(survey, first, given)
        survey.word("steps", not fixed, solver.name, first.timeline.column)
        if first.timeline.constants.get("thresholding"):
            raise UsageError(
                f"{solver.name}.thresholding: it changes the denoiser, so there is no reference "
                "solution; leave it out"
            )
        rehearse(first)
        refuse_noise(first)
        yield Family(
            solver.name,
            _changed(first, given),
            discretization=first.timeline.column,
            rho=first.timeline.constants.get("rho"),
            settings=settings,
        )


def _changed(setting: Setting, given: Mapping[str, Any]) -> str:
    written = {k: v for k, v in setting.timeline.written.items() if k in given}
    return label({**altered(setting.params, setting.solver.defaults), **written})


def refuse_noise(setting: Setting) -> None:
    """Raises `UsageError` for a sampler whose result depends on noise, naming what would help."""
    if not _noisy(setting):
        return
    name, params = setting.solver.name, setting.params
    shown = label(altered(params, setting.solver.defaults))
    helps = setting.solver.quiet(params, lambda given: _noisy(replace(setting, params=given)))
    hint = (
        f"--param {name}.{label(helps)} makes it deterministic"
        if helps
        else "choose a deterministic one"
    )
    raise UsageError(
        f"sampler {name}{f' with {shown}' if shown else ''} is stochastic, but truncation "
        f"error needs a deterministic one; {hint}"
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
        return setting.run(*toy_batch(setting.timeline, setting.timeline.toy_model()), noise)

    try:
        with setting.solver.guarded(), torch.no_grad(), kept_generators():
            return not torch.allclose(run(0), run(1), rtol=0, atol=0, equal_nan=True)
    except SamplebenchError:
        return True
