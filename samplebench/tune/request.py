"""What `samplebench tune` is asked for, checked word by word before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from samplebench.answers.parameters import accepted
from samplebench.answers.scalars import counted, listed
from samplebench.bench.choices import samplers_of
from samplebench.bench.known import Known
from samplebench.bench.names import look_up, params_by_name
from samplebench.bench.request import Request
from samplebench.bench.sources import checkpoints_of
from samplebench.checkpoints.catalog import DEFAULT_MODEL
from samplebench.checkpoints.checkpoint import Checkpoint
from samplebench.errors import UsageError, unknown
from samplebench.results.fields import counted as number_of
from samplebench.sampling.solver import Solver
from samplebench.tune.methods import METHODS
from samplebench.tune.search import BUDGET

# Budgets per sample, and the method that found the best grids.
NFE, METHOD = (5, 8, 10), "coordinate"
# The first where nothing is said.
COSTS = ("own", "euler")
_MEASURED = (
    "model", "metric", "reference", "device", "checkpoints", "file", "format", "model_config",
    "offline", "yes",
)  # fmt: skip
# N of a plan of whose samples none is drawn.
_UNDRAWN = 50_000


@dataclass(frozen=True)
class TuneRequest:
    """Searches for one sampler on one model, and how they are judged.

    Attributes:
        request: of the model, the sampler, the budgets, N, seed and metrics, as `run` takes them.
        entry: the model.
        methods: names.
        options: what methods are told, by their names.
        params: of the sampler, fixed.
        budget: evaluations of each search.
        scored: whether the metric judges, too.
    """

    request: Request
    entry: Checkpoint
    methods: tuple[str, ...]
    options: Mapping[str, Mapping[str, Any]]
    params: Mapping[str, Any]
    budget: int
    scored: bool

    @classmethod
    def of(
        cls,
        *,
        method: Any = None,
        budget_evaluations: Any = None,
        cost: Any = None,
        num_samples: Any = None,
        **words: Any,
    ) -> TuneRequest:
        """Checks words.

        Args:
            method: names, METHOD where not said.
            budget_evaluations: of each search.
            cost: of the method gits, "own" or "euler".
            num_samples: N of the metric; 0: judged without one.
            words: of a request.

        Raises:
            UsageError: an unknown name, several models or samplers, a value that cannot be meant.
        """
        methods = _methods(METHOD if method is None else method)
        options = _options(methods, cost)
        budget = BUDGET
        if budget_evaluations is not None:
            budget = counted("budget-evaluations", budget_evaluations, 1)
        scored = num_samples is None or counted("num-samples", num_samples, 0) > 0
        words["num_samples"] = num_samples if scored else _UNDRAWN
        request = Request.of(**{"model": DEFAULT_MODEL, "nfe": NFE, **_said(words)})
        for name in ("model", "sampler"):
            if len(getattr(request, name)) > 1:
                raise UsageError(f"--{name} {words[name]}: one {name} at a time")
        look_up(request)
        (entry,) = checkpoints_of(request)
        sampler = request.sampler[0] if request.sampler else _deterministic(request, entry)
        _check_grid(sampler, entry)
        request = replace(request, sampler=(sampler,))
        params = _fixed(request)
        if "churn" in methods and "S_churn" in params:
            name = Solver.of(sampler).name
            raise UsageError(f"--param {name}.S_churn: the method churn searches it; leave it out")
        return cls(request, entry, methods, options, params, budget, scored)

    @property
    def out(self) -> Path:
        """Where the files go."""
        return Path(self.request.out or f"reports/{self.entry.folder_name}-tune")

    @property
    def measured(self) -> dict[str, Any]:
        """The words of a request that say the model, and by what it is measured."""
        given = self.request.given
        return {name: getattr(self.request, name) for name in _MEASURED if name in given}


def _said(words: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in words.items() if value is not None}


def _methods(given: Any) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(map(str, listed("method", given, "rho"))))
    for name in names:
        if name not in METHODS:
            raise unknown("method", name, METHODS)
    return names


def _options(methods: tuple[str, ...], cost: Any) -> dict[str, dict[str, Any]]:
    """By method what it is told."""
    if cost is None:
        return {}
    if cost not in COSTS:
        raise unknown("cost", str(cost), COSTS)
    taking = [name for name in methods if "cost" in accepted(METHODS[name].search)]
    if not taking:
        raise UsageError(f"--cost {cost}: is for the method gits, not for {', '.join(methods)}")
    # What is told anyway makes no other search.
    return {} if cost == COSTS[0] else {name: {"cost": cost} for name in taking}


def _deterministic(request: Request, entry: Checkpoint) -> Any:
    """Of the model's own samplers the first that draws no noise and steps on a discretization."""
    samplers, params = samplers_of(request, entry)
    for sampler in samplers:
        solver = Solver.on(Known(entry), sampler, entry.id)
        own = {name: values[0] for name, values in params.get(solver.name, {}).items()}
        own = {name: value for name, value in own.items() if name in solver.defaults}
        if "discretization" in solver.timeline.words and not solver.stochastic(own):
            return sampler
    raise UsageError(
        f"none of the default samplers of {entry.id} is deterministic and has a time "
        "discretization to search; name one, e.g. --sampler heun"
    )


def _check_grid(sampler: Any, entry: Checkpoint) -> None:
    """Raises `UsageError` where a sampler's steps on a model are not where a grid says."""
    solver = Solver.on(Known(entry), sampler, entry.id)
    if "discretization" not in solver.timeline.words:
        raise UsageError(
            f"sampler {solver.name} has no time discretization to search on {entry.id}; use e.g. "
            "--sampler heun"
        )


def _fixed(request: Request) -> dict[str, Any]:
    """The sampler's parameters, one value each."""
    solver = Solver.of(request.sampler[0])
    table = params_by_name(request.param, request.sampler, [solver]).get(solver.name, {})
    for name, values in table.items():
        if len(values) > 1:
            raise UsageError(
                f"--param {solver.name}.{name}: {number_of(len(values), 'value')}; give one, "
                "because each needs its own search"
            )
    return {name: values[0] for name, values in table.items()}
