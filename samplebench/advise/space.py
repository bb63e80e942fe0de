"""What there is to choose from: every registered sampler that fits, its parameters, the grids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from samplebench.advise.proposal import Proposal
from samplebench.bench.known import Known
from samplebench.board.entrants import absent
from samplebench.checkpoints.checkpoint import Checkpoint
from samplebench.registry import samplers
from samplebench.sampling.solver import Solver
from samplebench.tune.problem import RHO

# A name and its rho; None where it has none.
Grid = tuple[str, float | None]
USUAL: Grid = ("edm", RHO)
GRIDS: tuple[Grid, ...] = (
    USUAL, ("edm", 3.0), ("edm", 20.0), ("vp", None), ("time_uniform", 2.0)
)  # fmt: skip
# Beside a sampler's defaults the parameters worth trying, where these decide what it is: how much
# noise, or which formula.
PARAMS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "ddim": ({"eta": 0.5}, {"eta": 1}),
    "ddim-native": ({"eta": 0.5}, {"eta": 1}),
    "dpmpp-2m-sde": ({"eta": 0.5},),
    "edm": ({"S_churn": 5}, {"S_churn": 10, "S_noise": 1.003}),
    "ipndm": ({"order": 3},),
    "respaced": ({"variance": "fixed_small"}, {"variance": "fixed_large"}),
    "restart": ({"intervals": "2:1:0.06:0.3"},),
}


def proposals(entry: Checkpoint) -> list[Proposal]:
    """Everything that could be recommended for a model, in the order of the registry."""
    away = {each.sampler for each in absent(entry)}
    tuned = [(preset.sampler, preset.params) for preset in entry.presets.values()]
    found = dict[str, Proposal]()
    for name in (each.name for each in samplers if each.name not in away):
        own = [entry.params.get(name, {}), *(params for who, params in tuned if who == name)]
        for params in ({}, *own, *PARAMS.get(name, ())):
            found |= {each.name: each for each in _on_grids(entry, name, params, GRIDS)}
    return list(found.values())


def defaults(entry: Checkpoint) -> list[Proposal]:
    """What `run` would take of a model: its presets, else its samplers with their parameters."""
    asked = [(preset.sampler, preset.params) for preset in entry.presets.values()]
    asked = asked or [(name, entry.params.get(name, {})) for name in entry.samplers]
    return [each for one in asked for each in _on_grids(entry, *one, (USUAL,))]


def _on_grids(
    entry: Checkpoint, sampler: str, params: Mapping[str, Any], grids: Sequence[Grid]
) -> Iterator[Proposal]:
    """A sampler on each grid; once where it takes none."""
    solver = Solver.on(Known(entry), sampler, entry.id)
    own = {name: value for name, value in params.items() if name in solver.defaults}
    noisy = solver.stochastic(own)
    if "discretization" not in solver.timeline.words:
        yield Proposal(sampler, params, stochastic=noisy)
        return
    for grid, rho in grids:
        yield Proposal(sampler, params, grid, rho, noisy)
