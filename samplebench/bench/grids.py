"""Where the steps of a row are: a discretization, explicit levels, or a model's own times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from samplebench.bench.request import Request
from samplebench.checkpoints.catalog import Checkpoint
from samplebench.discretizations import grid_constants
from samplebench.errors import UsageError
from samplebench.linear import TIMES, isotropic, settled, times_of
from samplebench.native import grid_of, kept_steps
from samplebench.parameters import merge, split
from samplebench.sampling import Setting, prepare, rehearse
from samplebench.solver import Solver

if TYPE_CHECKING:
    from samplebench.processes.discrete import DiscreteProcess
    from samplebench.processes.linear import LinearProcess

# Names of a model's own time steps, and of those in a linear process's time, where a discretization
# has its name.
RESPACING, TIME = "respacing", "time"


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
    request: Request, entry: Checkpoint, solver: Solver, given: Mapping[str, Any]
) -> Iterator[Steps]:
    """All steps on which a sampler with these parameters runs."""
    if solver.entry.needs == "discrete":
        for nfe in request.nfe:
            count = _kept(entry, solver, nfe).steps
            yield Steps(RESPACING, count, solver.evaluations(count), nfe, {})
        return
    if solver.entry.needs == "linear":
        constants = {**TIMES, **split(given, TIMES)[0]}
        law = planned_law(entry, constants["process"])
        params = settled(solver, split(given, solver.defaults)[0], law)
        for nfe in request.nfe:
            count = solver.steps_for(nfe, params)
            yield Steps(TIME, count, solver.evaluations(count, params), nfe, constants)
        return
    for grid in request.discretization:
        if not isinstance(grid, str):
            # Explicit levels fix their steps: NFE follows from them.
            yield Steps(grid, len(grid), solver.evaluations(len(grid)), None, {})
            continue
        known = grid_constants(grid)
        constants = merge(f"constant of discretization {grid}", known, split(given, known)[0])
        for rho in (request.rho if "rho" in known else ()) or (known.get("rho"),):
            if rho is not None:
                constants = {**constants, "rho": rho}
            for nfe in request.nfe:
                count = solver.steps_for(nfe)
                yield Steps(grid, count, solver.evaluations(count), nfe, constants)


def try_out(entry: Checkpoint, solver: Solver, own: Mapping[str, Any], where: Steps) -> None:
    """Runs the sampler on one pixel, so that bad values are found before anything is computed.

    Raises:
        UsageError: it cannot run there.
    """
    if where.grid == RESPACING:
        kept = _kept(entry, solver, where.steps)
        rehearse(Setting(solver, solver.effective(own), grid_of(kept), kept))
        return
    constants = where.constants
    if where.grid == TIME:
        law = planned_law(entry, constants["process"])
        times = times_of(law, where.steps, constants["ts_order"])
        rehearse(Setting(solver, settled(solver, own, law), times, law=law))
        return
    setting = prepare(
        None,
        solver.entry.obj,
        steps=where.steps,
        discretization=where.grid,
        rho=constants.get("rho"),
        params={**own, **{k: v for k, v in constants.items() if k != "rho"}},
    )
    rehearse(setting)


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
