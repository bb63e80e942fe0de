"""Deterministic proposals on noise levels, compared by truncation error on few trajectories."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samplebench.advise.proposal import Proposal
from samplebench.answers.parameters import label
from samplebench.errors import UsageError
from samplebench.files.sealed import write_json
from samplebench.models.model import threads_of
from samplebench.results.cell import hash_of
from samplebench.results.damage import Damaged, read_sealed
from samplebench.tune.problem import Problem
from samplebench.tune.seeds import SEED

if TYPE_CHECKING:
    from torch import Tensor

# Trajectories on which all are compared, and further ones for the better half.
FIRST = range(SEED, SEED + 16)
FURTHER = range(SEED + 16, SEED + 64)
_SCHEMA = 1
# The shortlist is as long as it is: none of its runs is left out for another.
_UNBOUNDED = 10**12


class Errors:
    """Truncation errors of proposals on a model, kept in a file.

    Args:
        load: gives the model; called when something has to be computed.
        identity: all that decides what the model answers, and the code of samplers of others.
        nfe: budget of network evaluations per sample.
        path: of the file.
        report: called after a run with its evaluations and a word for it.

    Attributes:
        evaluations: counted, an image each, those of earlier calls among them.
    """

    def __init__(
        self,
        load: Callable[[], Any],
        identity: Mapping[str, Any],
        nfe: int,
        path: Path,
        report: Callable[[int, str], None],
    ) -> None:
        self._load, self.nfe, self.path, self.report = load, nfe, path, report
        self._conditions = hash_of({"identity": dict(identity), "nfe": nfe})
        self._fine: dict[range, dict[str, Tensor]] = {FIRST: {}, FURTHER: {}}
        self._problems: dict[tuple[range, str, str], Problem] = {}
        self.evaluations, self._kept = self._read()

    @cached_property
    def model(self) -> Any:
        return self._load()

    def halved(self, proposals: Sequence[Proposal]) -> dict[Proposal, float]:
        """Mean errors over all trajectories of the better half by the first ones, the best first.

        Those that cannot run are left out.
        """
        first = {each: self._on(FIRST, each) for each in proposals}
        able = sorted((e for e in proposals if math.isfinite(first[e])), key=first.__getitem__)
        better = able[: math.ceil(len(able) / 2)]
        few, more = len(FIRST), len(FURTHER)
        means = {
            each: (few * first[each] + more * self._on(FURTHER, each)) / (few + more)
            for each in better
        }
        return dict(sorted(means.items(), key=lambda item: item[1]))

    def _on(self, seeds: range, proposal: Proposal) -> float:
        """The mean error on these trajectories; inf where it is no number or cannot run."""
        key = f"{proposal.name} on {seeds.start}+{len(seeds)}"
        if key not in self._kept:
            before = sum(problem.spent for problem in self._problems.values())
            try:
                with threads_of(self.model):
                    problem = self._problem(seeds, proposal)
                    assert proposal.grid is not None
                    found = problem.error(problem.on(proposal.grid, proposal.rho))
            except UsageError:
                found = math.inf
            spent = sum(problem.spent for problem in self._problems.values())
            self.evaluations += spent - before
            self._kept[key] = found if math.isfinite(found) else None
            self._write()
        value = self._kept[key]
        return math.inf if value is None else value

    def _problem(self, seeds: range, proposal: Proposal) -> Problem:
        key = seeds, proposal.sampler, label(proposal.params)
        if key not in self._problems:
            self._problems[key] = Problem(
                self.model, proposal.sampler, self.nfe, params=proposal.params, seeds=seeds,
                budget=_UNBOUNDED, fine=self._fine[seeds], report=self.report,
            )  # fmt: skip
        return self._problems[key]

    def _read(self) -> tuple[int, dict[str, float | None]]:
        """What an earlier call has kept; nothing of a damaged file or of another model."""
        if not self.path.exists():
            return 0, {}
        try:
            content = read_sealed(self.path, _SCHEMA)
        except Damaged:
            return 0, {}
        if content["conditions"] != self._conditions:
            return 0, {}
        return int(content["evaluations"]), dict(content["errors"])

    def _write(self) -> None:
        content = {
            "schema": _SCHEMA, "conditions": self._conditions, "evaluations": self.evaluations,
            "errors": self._kept,
        }  # fmt: skip
        write_json(self.path, content)
