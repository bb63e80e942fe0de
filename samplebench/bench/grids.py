"""Where the steps of a row are: a discretization, explicit levels, or a model's own times."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from samplebench.answers.parameters import label, merge, split
from samplebench.answers.scalars import real
from samplebench.bench.request import Request
from samplebench.checkpoints.catalog import Checkpoint
from samplebench.discretizations import RANGE, grid_constants
from samplebench.errors import OutOfBudget, UsageError
from samplebench.linear import TIMES, settled, times_of
from samplebench.models.isotropic import isotropic
from samplebench.native import grid_of, kept_steps
from samplebench.sampling.sampler import Solver
from samplebench.sampling.setting import Setting, prepare, rehearse

if TYPE_CHECKING:
    from samplebench.processes.discrete import DiscreteProcess
    from samplebench.processes.linear import LinearProcess

# Names of a model's own time steps, and of those in a linear process's time, where a discretization
# has its name.
RESPACING, TIME = "respacing", "time"
# Step counts that tell a budget's fault from that of a grid or of parameters: least and EDM's.
_USUAL = (2, 18)


@dataclass(frozen=True)
class Steps:
    """The steps of one row.

    Attributes:
        grid: name of a discretization, explicit levels, `RESPACING` or `TIME`.
        steps: their number.
        nfe: planned evaluations.
        requested: the budget they were made for; None for explicit levels.
        constants: of the discretization, rho among them, or of the times.
    """

    grid: str | tuple[float, ...]
    steps: int
    nfe: int
    requested: int | None
    constants: Mapping[str, Any]

    @property
    def condition(self) -> Any:
        """What of it is in a cell's conditions."""
        if self.grid == RESPACING:
            return {"name": RESPACING, "spec": str(self.steps)}
        if isinstance(self.grid, str):
            return {"name": self.grid, **self.constants}
        return list(self.grid)


def steps_of(
    request: Request,
    entry: Checkpoint,
    solver: Solver,
    given: Mapping[str, Any],
    leave_out: Callable[[OutOfBudget], None],
) -> Iterator[Steps]:
    """All steps on which a sampler with these parameters runs.

    Args:
        leave_out: called for each budget that is too small for any.
    """
    if solver.entry.needs == "discrete":
        for nfe, count in counts_of(
            request.nfe, lambda nfe: _kept(entry, solver, nfe).steps, leave_out
        ):
            yield Steps(RESPACING, count, solver.evaluations(count), nfe, {})
        return
    if solver.entry.needs == "linear":
        constants = {**TIMES, **split(given, TIMES)[0]}
        law = planned_law(entry, constants["process"])
        params = settled(solver, split(given, solver.defaults)[0], law)
        for nfe, count in counts_of(
            request.nfe, lambda nfe: solver.steps_for(nfe, params), leave_out
        ):
            yield Steps(TIME, count, solver.evaluations(count, params), nfe, constants)
        return
    for grid in request.discretization:
        if not isinstance(grid, str):
            # Explicit levels fix their steps: NFE follows from them.
            yield Steps(grid, len(grid), solver.evaluations(len(grid)), None, {})
            continue
        known = grid_constants(grid)
        constants = merge(f"constant of discretization {grid}", known, split(given, known)[0])
        constants |= {k: real(f"{solver.name}.{k}", given[k]) for k in RANGE if k in given}
        for rho in (request.rho if "rho" in known else ()) or (known.get("rho"),):
            if rho is not None:
                constants = {**constants, "rho": rho}
            for nfe, count in counts_of(request.nfe, solver.steps_for, leave_out):
                yield Steps(grid, count, solver.evaluations(count), nfe, constants)


def possible_steps(
    request: Request,
    entry: Checkpoint,
    solver: Solver,
    given: Mapping[str, Any],
    leave_out: Callable[[OutOfBudget], None],
) -> Iterator[Steps]:
    """The steps on which a sampler can run; those that a budget makes impossible are left out."""
    own, _ = split(given, solver.defaults)
    fewest: dict[Any, int] = {}
    for where in steps_of(request, entry, solver, given, leave_out):
        tried = (where.grid, label(where.constants))
        # A method that runs at all fails with few steps, a grid with many.
        run = where.steps < fewest.get(tried, math.inf)
        if run or where.grid not in (RESPACING, TIME):
            try:
                try_out(entry, solver, own, where, run)
            except OutOfBudget as error:
                leave_out(error)
                continue
            fewest[tried] = min(where.steps, fewest.get(tried, where.steps))
        yield where


def counts_of(
    budgets: Iterable[int], count: Callable[[int], int], leave_out: Callable[[OutOfBudget], None]
) -> Iterator[tuple[int, int]]:
    """Budgets with their step counts; those without one are left out."""
    for nfe in budgets:
        try:
            found = count(nfe)
        except OutOfBudget as error:
            leave_out(error)
            continue
        yield nfe, found


def try_out(
    entry: Checkpoint, solver: Solver, own: Mapping[str, Any], where: Steps, run: bool = True
) -> None:
    """Builds the grid, so that bad values are found before anything is computed.

    Args:
        run: whether the sampler runs on one pixel, too.

    Raises:
        OutOfBudget: it cannot run there, but would with other steps.
        UsageError: it cannot run at all.
    """
    try:
        _try(entry, solver, own, where, run)
    except UsageError as error:
        if where.requested is None or not _runs_elsewhere(entry, solver, own, where):
            raise
        raise OutOfBudget(solver.name, where.requested, "out of reach", str(error)) from error


def _runs_elsewhere(
    entry: Checkpoint, solver: Solver, own: Mapping[str, Any], where: Steps
) -> bool:
    for steps in _USUAL:
        try:
            _try(entry, solver, own, replace(where, steps=steps), run=True)
        except UsageError:
            continue
        return True
    return False


def _try(
    entry: Checkpoint, solver: Solver, own: Mapping[str, Any], where: Steps, run: bool
) -> None:
    setting = _setting(entry, solver, own, where)
    if run:
        rehearse(setting)


def _setting(entry: Checkpoint, solver: Solver, own: Mapping[str, Any], where: Steps) -> Setting:
    if where.grid == RESPACING:
        kept = _kept(entry, solver, where.steps)
        return Setting(solver, solver.effective(own), grid_of(kept), kept)
    constants = where.constants
    if where.grid == TIME:
        law = planned_law(entry, constants["process"])
        times = times_of(law, where.steps, constants["ts_order"])
        return Setting(solver, settled(solver, own, law), times, law=law)
    return prepare(
        None,
        solver.entry.obj,
        steps=where.steps,
        discretization=where.grid,
        rho=constants.get("rho"),
        params={**own, **{k: v for k, v in constants.items() if k != "rho"}},
    )


def planned_law(entry: Checkpoint, given: str | None) -> LinearProcess:
    """The linear process of a model that is not here yet.

    Args:
        given: name of a process; None for the model's own. For D(x; sigma) that is known once it is
            loaded, and any isotropic one stands for it.

    Raises:
        UsageError: a process that is not the model's.
    """
    from samplebench.processes import trained_process

    if not entry.linear:
        return isotropic(given)
    if given not in (None, entry.linear):
        raise UsageError(
            f"process={given}: {entry.id} predicts the noise of process {entry.linear} and of no "
            "other"
        )
    return trained_process(entry.config, entry.shape[-1])


def _kept(entry: Checkpoint, solver: Solver, nfe: int) -> DiscreteProcess:
    """The steps of the model's own process within a budget."""
    model = SimpleNamespace(diffusion=_process(entry), respacing="")
    return kept_steps(model, solver, None, nfe, None)


def _process(entry: Checkpoint) -> DiscreteProcess:
    from samplebench.processes.discrete import discrete_process, release_flags

    return discrete_process(release_flags(entry.config))
