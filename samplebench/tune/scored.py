"""A sampler at a budget whose noise is searched: by the metric, on the same seeds for all."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from samplebench.answers.parameters import accepted
from samplebench.bench import plan as planning
from samplebench.bench.ready import ready
from samplebench.bench.request import Request
from samplebench.errors import UsageError
from samplebench.metrics.direction import declared
from samplebench.registry import samplers
from samplebench.results.fields import metrics_of, number
from samplebench.tune.candidate import Candidate
from samplebench.tune.execution import executed
from samplebench.tune.problem import RHO, Problem, Spent

# N of a value that counts, and of a first look.
SAMPLES, FEWER = 256, 128


class Scored(Problem):
    """A sampler with churn at a budget, judged by a metric on samples of the search's seeds.

    Values of one N have the same latents, labels and noise. Samples are cells of an ordinary run,
    kept in a folder; their evaluations are counted by it.

    Args:
        words: of `samplebench.run`: which model it is, and by what it is measured, if not by the
            model's own metric. Of several the first decides.
        folder: where the cells are kept.

    Raises:
        UsageError: a sampler without churn.

    Attributes:
        metric: by which it is judged; "" before the first value.
    """

    def __init__(
        self,
        model: Any,
        sampler: str | Callable[..., Any],
        nfe: int,
        *,
        words: Mapping[str, Any],
        folder: Path,
        **problem: Any,
    ) -> None:
        super().__init__(model, sampler, nfe, **problem)
        self.sampler, self.words, self.folder, self.metric = sampler, dict(words), folder, ""
        self.values: dict[tuple[Any, ...], float] = {}

    @property
    def run_cost(self) -> int:
        return self.cost(SAMPLES)

    @property
    def first_cost(self) -> int:
        return self.run_cost

    def cost(self, samples: int) -> int:
        """Evaluations of so many samples."""
        return self.first.evaluations * samples

    @property
    def objective(self) -> str:
        return f"{self.metric} of {SAMPLES} samples"

    @property
    def best(self) -> Candidate:
        """Of the candidates with a value of all samples the best, the first of equal ones."""
        full = [one for one, _ in self.tried.values()]
        return min(full, key=self.signed) if full else self.baseline

    def churned(self, **params: float) -> Candidate:
        """The baseline's grid with other parameters."""
        return Candidate(self.baseline.levels, params)

    def errors(self, candidate: Candidate) -> np.ndarray:
        """The metric's value of all samples, [1]; inf or -inf, whichever is worse, without one.

        Raises:
            Spent: the run does not fit into the budget.
        """
        if candidate.key not in self.tried:
            value = self.value(candidate, SAMPLES)
            self.tried[candidate.key] = candidate, np.array([value])
        return self.tried[candidate.key][1]

    def signed(self, candidate: Candidate, samples: int = SAMPLES) -> float:
        """The value so that less is better."""
        value = self.error(candidate) if samples == SAMPLES else self.value(candidate, samples)
        return value if declared(self.metric) != "higher" else -value

    def value(self, candidate: Candidate, samples: int) -> float:
        """The metric's value of the first so many samples.

        Raises:
            Spent: the run does not fit into the budget.
        """
        key = (candidate.key, samples)
        if key not in self.values:
            if self.cost(samples) > self.left:
                raise Spent
            self.values[key] = self._measured(candidate, samples)
        return self.values[key]

    def _measured(self, candidate: Candidate, samples: int) -> float:
        name = self.solver.name
        given = {**self.params, **candidate.params}
        words = {
            **self.words, "sampler": self.sampler, "nfe": self.nfe, "rho": RHO,
            "num_samples": samples, "seed": self.seeds[0], "out": str(self.folder),
            **({"param": {name: {key: [value] for key, value in given.items()}}} if given else {}),
        }  # fmt: skip
        plan = ready(planning.make(Request.of(**words)), quiet=True)
        row = executed([plan], quiet=True, report=False).rows[0]
        self.metric = metrics_of([row])[0]
        images = round((row["nfe"] or 0) * samples)
        self.spent += images
        self.report(images, "candidate")
        value = number(row.get(self.metric))
        if value is None:
            return -math.inf if declared(self.metric) == "higher" else math.inf
        return value

    def _check(self) -> None:
        """Raises `UsageError` for a sampler that adds no noise by S_churn."""
        if "S_churn" not in self.solver.defaults:
            having = [entry.name for entry in samplers if "S_churn" in accepted(entry.obj)]
            raise UsageError(
                f"sampler {self.solver.name} has no S_churn for the method churn to search; take "
                f"{', '.join(having[:-1])} or {having[-1]}"
            )
