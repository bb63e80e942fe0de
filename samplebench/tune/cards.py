"""The files of what was found: a list of noise levels, and the solver that runs on it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from samplebench.cards.levels import LevelsCard
from samplebench.cards.read import levels_card
from samplebench.cards.schema import check
from samplebench.cards.text import text_of
from samplebench.errors import SamplebenchError, UsageError
from samplebench.files.atomic import write_atomic
from samplebench.results.fields import printable
from samplebench.sampling.export import as_card
from samplebench.sampling.setting import Setting
from samplebench.tune.found import Found
from samplebench.version import VERSION

FOLDER, SOLVERS = "cards", "solvers"


def list_path(out: Path, found: Found) -> Path:
    """Of the list of noise levels."""
    return out / FOLDER / f"{found.name}.json"


def check_model(out: Path, model: str) -> None:
    """Refuses a folder with another model's cards, which would be overwritten.

    Raises:
        UsageError: it has such cards.
    """
    for path in sorted((out / FOLDER).glob("*.json")):
        try:
            other = levels_card(str(path)).facts.get("model")
        except SamplebenchError:
            continue
        if isinstance(other, str) and other != model:
            raise UsageError(
                f"--out {out}: it holds cards of {printable(other)}, which those of {model} would "
                "overwrite; choose another folder"
            )


def write_list(out: Path, found: Found, process: str | None) -> Path:
    """Writes the noise levels as a list card, for `--discretization card:FILE`."""
    path = list_path(out, found)
    content = {
        "format": "samplebench-solver-card",
        "version": 1,
        "name": found.name,
        "model": found.model,
        **({"process": process} if process else {}),
        "range": [*found.span],
        "source": f"samplebench {VERSION}, samplebench tune",
        "cost": found.cost,
        "sigmas": list(found.candidate.levels),
    }
    check(content, "levels")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, (json.dumps(content, indent=1) + "\n").encode())
    return path


def write_solver(out: Path, found: Found, setting: Setting, model: Any) -> Path | None:
    """Writes the sampler on these levels as a solver card, for `--sampler card:FILE`.

    Returns:
        None where the run is none: it is not linear in the model's answers, say.
    """
    process = getattr(getattr(model, "process", None), "name", None)
    try:
        card = as_card(setting, model, name=found.name, made_for=found.model, process=process)
    except UsageError:
        return None
    path = out / SOLVERS / f"{found.name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, text_of(replace(card, cost=found.cost)).encode())
    return path


def kept(path: Path, conditions: str) -> LevelsCard | None:
    """The list card of a search with these conditions, if it is there."""
    try:
        card = levels_card(str(path))
    except SamplebenchError:
        return None
    cost = card.facts.get("cost")
    same = isinstance(cost, dict) and cost.get("conditions") == conditions
    return card if same else None
