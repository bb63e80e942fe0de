"""What a search found for a sampler at a budget, and what it took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from samplebench.answers.parameters import label, word
from samplebench.cards.name import LONGEST, safe
from samplebench.tune.candidate import Candidate


@dataclass(frozen=True)
class Found:
    """One search.

    Attributes:
        model: its id.
        sampler: its name.
        params: of the sampler what was fixed, as it was given.
        nfe: budget of evaluations per sample.
        method: name of the search.
        candidate: what it found.
        baseline: the grid of "edm" with rho = 7 beside it.
        before, after: what the search makes small, of the baseline and of the candidate, on the
            search's own seeds.
        objective: what that is, in words.
        seeds: the first of the search, and how many.
        evaluations: of the network, counted, an image each.
        options: what the method was told beside that.
        span: lowest and highest noise level of the baseline.
        conditions: hash of all that decides it.
    """

    model: str
    sampler: str
    params: Mapping[str, Any]
    nfe: int
    method: str
    candidate: Candidate
    baseline: Candidate
    before: float
    after: float
    objective: str
    seeds: tuple[int, int]
    evaluations: int
    options: Mapping[str, Any] = field(default_factory=dict)
    span: tuple[float, float] = (0.0, 0.0)
    conditions: str = ""

    @property
    def name(self) -> str:
        """Of its card: sampler, parameters, method and budget, in letters that it may have."""
        told = "-".join([self.method, *map(word, self.options.values()), str(self.nfe)])
        end = safe(f"-{told}")
        sampler = f"{self.sampler} {label(self.params)}".strip()
        return safe(sampler)[: LONGEST - len(end)].lstrip(".-") + end

    @property
    def told(self) -> str:
        """The method with its options."""
        return f"{self.method} {label(self.options)}".strip()

    @property
    def gain(self) -> float:
        """after / before."""
        return self.after / self.before if self.before else 1.0

    @property
    def changed(self) -> dict[str, Any]:
        """The sampler's parameters, fixed and found."""
        return {**self.params, **self.candidate.params}

    @property
    def cost(self) -> dict[str, Any]:
        """What it took and what it gained, as a card says it."""
        first, count = self.seeds
        return {
            "method": self.method,
            **({"options": label(self.options)} if self.options else {}),
            "network_evaluations": self.evaluations,
            "seeds": f"{first} to {first + count - 1}",
            "objective": self.objective,
            "objective_rho_7": self.before,
            "objective_found": self.after,
            "nfe": self.nfe,
            "sampler": self.sampler,
            **({"params": label(self.changed)} if self.changed else {}),
            "conditions": self.conditions,
        }
