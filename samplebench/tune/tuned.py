"""All that `samplebench tune` found and judged, as plain data and as rows of a table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samplebench.answers.parameters import label, word
from samplebench.results.tables import Plain, csv_text, plain_rows
from samplebench.trajectory.accumulation import Gap
from samplebench.tune.cards import FOLDER
from samplebench.tune.judged import BEST, RHO_7, GridScore, JudgedBudget, JudgedGrid


@dataclass(frozen=True)
class Tuned:
    """Searches on one model for one sampler, judged.

    Attributes:
        model, sampler: their names.
        params: of the sampler, fixed.
        search_seeds, judging_seeds: the first, and how many, of the trajectories.
        num_samples: N of the metric, from the first judging seed on; 0 where there is none.
        budgets: by increasing evaluations per sample.
        sampled: evaluations of the network by the samples of the metric.
        out: the folder of the files.
        failures: why something has no value, a line each.
    """

    model: str
    sampler: str
    params: Mapping[str, Any]
    search_seeds: tuple[int, int]
    judging_seeds: tuple[int, int]
    num_samples: int
    budgets: tuple[JudgedBudget, ...]
    sampled: int
    out: Path
    failures: tuple[str, ...] = ()

    @property
    def searched(self) -> int:
        """Evaluations of the network by all searches."""
        return sum(grid.found.evaluations for b in self.budgets for grid in b.found if grid.found)

    @property
    def followed(self) -> int:
        """Evaluations of the network by the judging trajectories."""
        return sum(budget.evaluations for budget in self.budgets)

    @property
    def methods(self) -> list[str]:
        """Names of what was found, by first appearance."""
        return list(dict.fromkeys(grid.name for b in self.budgets for grid in b.found))

    def best(self, budget: JudgedBudget) -> JudgedGrid | None:
        """Of what was found the grid with the best first metric, or with the smallest error."""
        return min(budget.found, key=_merit, default=None)

    def rows(self) -> list[dict[str, Plain]]:
        """One row per grid and metric; 12 significant digits, None where a number is not finite."""
        return plain_rows(self._rows())

    def csv(self) -> str:
        """The same as text; nothing volatile."""
        rows = list(self._rows())
        return csv_text(list(rows[0]), rows)

    def _rows(self) -> Iterator[dict[str, Plain]]:
        for budget in self.budgets:
            for grid in budget.grids:
                for score in grid.scores or (None,):
                    yield {
                        "model": self.model,
                        "sampler": self.sampler,
                        "params": label({**self.params, **grid.candidate.params}),
                        "nfe_requested": budget.nfe,
                        "nfe": budget.planned,
                        "method": grid.name,
                        "rho": grid.rho,
                        **_search(grid),
                        **_errors(grid, budget),
                        **_values(score),
                        "num_samples": self.num_samples if score else None,
                        "seed": self.judging_seeds[0],
                        "trajectories": self.judging_seeds[1],
                        "search_seed": self.search_seeds[0],
                        "search_trajectories": self.search_seeds[1],
                        "solution": budget.solution,
                        "levels": "/".join(map(word, grid.candidate.levels)),
                        "card": f"{FOLDER}/{grid.found.name}.json" if grid.found else "",
                    }


def _search(grid: JudgedGrid) -> dict[str, Plain]:
    found = grid.found
    return {
        "evaluations": found.evaluations if found else None,
        "objective": found.objective if found else "",
        "objective_before": found.before if found else None,
        "objective_after": found.after if found else None,
    }


def _errors(grid: JudgedGrid, budget: JudgedBudget) -> dict[str, Plain]:
    made = _gap("error", grid.error)
    for name, rival in (("rho_7", RHO_7), ("best_rho", BEST)):
        other = budget.rival(rival)
        same = grid.name == rival
        made |= _gap(f"error_to_{name}", None if same else grid.beyond(other))
        made |= {f"ratio_to_{name}": None if same else grid.ratio(other)}
    return made


def _values(score: GridScore | None) -> dict[str, Plain]:
    return {
        "metric": score.metric if score else "",
        "reference": score.reference if score else "",
        "value": score.value if score else None,
        "stderr": score.stderr if score else None,
        **_gap("value_to_rho_7", score.to_rho_7 if score else None),
        **_gap("value_to_best_rho", score.to_best if score else None),
    }


def _gap(name: str, gap: Gap | None) -> dict[str, Plain]:
    return {
        name: None if gap is None else gap.value,
        f"{name}_stderr": None if gap is None else gap.stderr,
    }


def _merit(grid: JudgedGrid) -> float:
    """What is smaller of the better grid: the first metric, else the error."""
    first: Sequence[GridScore] = grid.scores[:1]
    if first and first[0].better is not None:
        value = first[0].value
        sign = -1 if first[0].better == "higher" else 1
    else:
        value, sign = grid.error.value if grid.error else None, 1
    return math.inf if value is None or math.isnan(value) else sign * value
