"""Judged errors on disk, so that a budget that was judged is not computed again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from samplebench.errors import SamplebenchError
from samplebench.files.places import file_at
from samplebench.files.sealed import CHECKSUM, json_checksum, write_json
from samplebench.files.texts import read_json
from samplebench.tune.candidate import Candidate
from samplebench.tune.found import Found
from samplebench.tune.judged import JudgedBudget, JudgedGrid, StepError

FOLDER = "trajectories"


def path_of(out: Path, conditions: str) -> Path:
    """Of what was judged under these conditions, a hash of all that decides it."""
    return out / FOLDER / f"{conditions}.json"


def keep(path: Path, budget: JudgedBudget) -> None:
    """Writes what was judged."""
    content = {
        "nfe": budget.nfe,
        "planned": budget.planned,
        "solution": budget.solution,
        "local": budget.local,
        "evaluations": budget.evaluations,
        "grids": [_plain(grid) for grid in budget.grids],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, content)


def kept(path: Path, found: Sequence[Found]) -> JudgedBudget | None:
    """What was judged, if it is there and as it was written.

    Args:
        found: of the searches, in the order of the grids.
    """
    try:
        content = read_json(path, str(path)) if file_at(path) else None
        if not isinstance(content, dict) or content.get(CHECKSUM) != json_checksum(content):
            return None
    except (SamplebenchError, ValueError):
        return None
    rivals = len(content["grids"]) - len(found)
    of: list[Found | None] = [*[None] * rivals, *found]
    grids = tuple(_grid(part, one) for part, one in zip(content["grids"], of, strict=True))
    facts = {k: content[k] for k in ("nfe", "planned", "solution", "local", "evaluations")}
    return JudgedBudget(**facts, grids=grids)


def _plain(grid: JudgedGrid) -> dict[str, Any]:
    return {
        "name": grid.name,
        "levels": list(grid.candidate.levels),
        "params": dict(grid.candidate.params),
        "rho": grid.rho,
        # JSON has no infinity.
        "errors": [error if math.isfinite(error) else None for error in grid.errors],
        "steps": [
            [step.sigma, step.error if math.isfinite(step.error) else None] for step in grid.steps
        ],
    }


def _grid(part: Mapping[str, Any], found: Found | None) -> JudgedGrid:
    return JudgedGrid(
        part["name"],
        Candidate(tuple(part["levels"]), part["params"]),
        part["rho"],
        found,
        tuple(math.inf if error is None else error for error in part["errors"]),
        tuple(StepError(sigma, math.inf if e is None else e) for sigma, e in part["steps"]),
    )
