"""Proposals compared by the metric on the same seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from samplebench.advise.planned import planned
from samplebench.advise.proposal import Proposal
from samplebench.api import sweep
from samplebench.bench.progress import Progress
from samplebench.bench.request import Request
from samplebench.checkpoints.checkpoint import Checkpoint
from samplebench.errors import UsageError
from samplebench.report.best import TIE, difference_error, direction
from samplebench.results.fields import hashes_of
from samplebench.results.row import STDERR, Row, entry
from samplebench.results.view import View


@dataclass(frozen=True)
class Trial:
    """Proposals with their values.

    Attributes:
        metric: by which they are compared.
        better: which way it is: 1 where lower values are, else -1.
        rows: of `results.csv`, by proposal, the best first; those without a value last.
        view: that they are rows of.
    """

    metric: str
    better: int
    rows: Mapping[Proposal, Row]
    view: View

    @property
    def order(self) -> list[Proposal]:
        return list(self.rows)

    def value(self, proposal: Proposal) -> float:
        """NaN where it has none."""
        found = entry(self.rows[proposal], self.metric)
        return math.nan if found is None else found

    def error(self, proposal: Proposal) -> float:
        """Standard error of the value; NaN where it has none."""
        found = entry(self.rows[proposal], self.metric + STDERR)
        return math.nan if found is None else found

    def behind(self, proposal: Proposal, other: Proposal) -> tuple[float, float]:
        """How much worse a proposal is than another, and the standard error of the difference."""
        apart = self.better * (self.value(proposal) - self.value(other))
        rows = self.rows[proposal], self.rows[other]
        return apart, difference_error(*rows, self.view, self.metric)

    def tied(self, proposal: Proposal, other: Proposal) -> bool:
        """Whether their values are no further apart than the error of the difference explains.

        Without an error only equal values are tied: the better one is to be preferred.
        """
        apart, error = self.behind(proposal, other)
        return apart == 0 or abs(apart) <= TIE * error

    @property
    def evaluations(self) -> dict[str, int]:
        """Of the network, counted, an image each, by the hash of the cell that took them."""
        cells = {cell for row in self.rows.values() for cell in hashes_of(row)}
        records = {cell: self.view.cells[cell] for cell in cells if cell in self.view.cells}
        return {
            cell: round(record["nfe"] * record["conditions"]["num_samples"])
            for cell, record in records.items()
        }


def trial(
    request: Request,
    checkpoint: Checkpoint,
    nfe: int,
    proposals: Sequence[Proposal],
    quiet: bool,
    **words: Any,
) -> Trial:
    """Samples and scores what is not there yet, in the results folder that the words name.

    Args:
        request, checkpoint, nfe, proposals, words: as of `planned`.
        quiet: no progress.

    Raises:
        UsageError: also where the metric does not say which way it is better.
        Interrupted: after everything computed was kept.
    """
    found = planned(request, checkpoint, nfe, proposals, **words)
    view = sweep(found.plan, Progress(quiet))
    metric = found.plan.rows[0].metrics[0]
    way = direction(metric, view)
    if way is None:
        raise UsageError(
            f"metric {metric} does not declare which direction is better; use another --metric"
        )
    sign = {"lower": 1, "higher": -1}[way]

    def rank(row: Row) -> float:
        value = entry(row, metric)
        return math.inf if value is None or math.isnan(value) else sign * value

    named = {found.proposals[hashes_of(row)[0]]: row for row in sorted(view.rows, key=rank)}
    return Trial(metric, sign, named, view)
