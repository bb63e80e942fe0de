"""Proposals as rows of one plan, each algorithm once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from samplebench.advise.proposal import Proposal
from samplebench.bench import plan as planning
from samplebench.bench.plan import Plan
from samplebench.bench.request import Request
from samplebench.checkpoints.checkpoint import Checkpoint
from samplebench.errors import UsageError
from samplebench.results.cell import PlannedRow

# Words of a request that proposals say.
_THEIRS = ("sampler", "param", "discretization", "rho", "nfe")


@dataclass(frozen=True)
class Runnable:
    """Proposals that can run.

    Attributes:
        plan: a row of each.
        proposals: by the hash of the first cell, in the order of the plan.
        left_out: those that cannot run, and why.
    """

    plan: Plan
    proposals: Mapping[str, Proposal]
    left_out: Mapping[str, str]


def planned(
    request: Request, entry: Checkpoint, nfe: int, proposals: Iterable[Proposal], **words: Any
) -> Runnable:
    """One plan of all proposals that fit into a budget; of equal algorithms the first.

    Args:
        request: what holds for all of them.
        nfe: budget of network evaluations per sample.
        words: over those of the request.

    Raises:
        UsageError: the request cannot be met, or no proposal fits.
    """
    base = {n: getattr(request, n) for n in request.given if n not in _THEIRS} | words
    first: Plan | None = None
    rows: list[PlannedRow] = []
    found, left_out = dict[str, Proposal](), dict[str, str]()
    reason: UsageError | None = None
    for proposal in proposals:
        # A list of levels is as long as it is, whatever the budget.
        budget = {} if proposal.on_card else {"nfe": nfe}
        try:
            plan = planning.make(Request.of(**base, **proposal.words(), **budget), [entry])
        except UsageError as error:
            reason = error
            left_out[proposal.name] = str(error)
            continue
        first = first or plan
        for row in plan.rows:
            if row.cells[0].hash not in found:
                found[row.cells[0].hash] = proposal
                rows.append(row)
    if first is None:
        raise reason or UsageError("no sampler fits")
    samplers = tuple(dict.fromkeys(proposal.sampler for proposal in found.values()))
    asked = replace(first.request, sampler=samplers, param={}, discretization=(), rho=())
    return Runnable(replace(first, request=asked, rows=tuple(rows)), found, left_out)
