"""The search: from everything there is to the three best, on seeds of its own.

Deterministic samplers on noise levels are compared by truncation error first, as it is cheap. It
ranks them against the model's ODE, and a network's samples may be better off it; so the best of
every sampler go on to the metric, where all the others are from the start.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from samplebench.advise.planned import Runnable, planned
from samplebench.advise.proposal import Proposal
from samplebench.advise.request import SAMPLES, SETS, AdviseRequest
from samplebench.advise.space import USUAL, defaults, proposals
from samplebench.advise.trial import Trial, trial
from samplebench.advise.truncation import Errors
from samplebench.answers.parameters import label
from samplebench.cards.name import PREFIX
from samplebench.errors import UsageError
from samplebench.models.model import threads_of
from samplebench.ticker import bar, say
from samplebench.tune.cards import list_path
from samplebench.tune.found import Found
from samplebench.tune.methods import METHODS
from samplebench.tune.search import search
from samplebench.tune.seeds import SEED

BEST = 3
# Deterministic samplers that go on to the metric, and of these those whose grids are searched.
_SAMPLERS, _SEARCHED = 10, 2
_METHODS = ("dmn", "coordinate")
# Evaluations of one such search.
_BUDGET = 10_000
# Samples that take as long as the whole search, as it was counted at NFE 10.
_WORTH = 14_000
# Of the compared the share that goes on, is tried on further grids, or gets further samples.
_SHARE = 3
# Of a cell's conditions those that do not say what the model answers.
_OTHERS = frozenset({"sampler", "params", "discretization", "steps", "seed", "num_samples",
                     "block", "quantization", "noise"})  # fmt: skip
FOLDER = "search"


@dataclass(frozen=True)
class Shortlist:
    """What the search came to.

    Attributes:
        best: proposals, the best first.
        default: of what `run` would take the best.
        compared: how many there were.
        evaluations: of the network, counted, an image each.
    """

    best: tuple[Proposal, ...]
    default: Proposal
    compared: int
    evaluations: int


class Search:
    """The search of a request.

    Args:
        asked: what for.
        quiet: no progress, no notes.

    Attributes:
        defaults: what `run` would take.
        space: everything there is, the defaults first.
    """

    def __init__(self, asked: AdviseRequest, quiet: bool) -> None:
        from samplebench.bench.ready import ready

        self.asked, self.quiet = asked, quiet
        usual = self._planned(defaults(asked.entry))
        # Files that have to be fetched are, and the block is chosen.
        plan = ready(usual.plan, quiet)
        if not quiet:
            for note in plan.notes:
                say(f"note: {note}")
        self.request = asked.request
        if "batch_size" in asked.request.given:
            self.request = replace(self.request, batch_size=plan.request.batch_size)
        self.defaults = list(usual.proposals.values())
        everything = self._planned([*self.defaults, *proposals(asked.entry)])
        self.space = list(everything.proposals.values())
        self._usual = list(plan.cells.values())
        self._codes = sorted(
            {
                str(code)
                for cell in everything.plan.cells.values()
                for name, code in cell.conditions.items()
                if name.endswith("_code")
            }
        )
        self._evaluations: dict[str, int] = {}

    def shortlist(self) -> Shortlist:
        """Runs what was not run before in the same folder.

        Raises:
            UsageError: nothing fits into the budget, or all that does has failed.
            Interrupted: after everything computed was kept.
        """
        ranked, truncation = self._ranked()
        best = best_grids(ranked)[:_SAMPLERS]
        cards, searched = self._cards(best[:_SEARCHED])
        others = [each for each in self.space if each.grid is None or _coarse(each)]
        first = self._trial([*self.defaults, *others, *best, *cards], 1)
        further = self._on_further_grids(first.order)
        second = self._trial([*first.order, *further], 1)
        last = self._trial(second.order[: math.ceil(len(second.order) / _SHARE)], SETS)
        able = [each for each in last.order if math.isfinite(last.value(each))]
        if not able:
            raise UsageError(
                f"no sampler has a value at NFE {self.asked.nfe} on {self.asked.entry.id}; see "
                f"{self.asked.out / FOLDER / 'report.html'}"
            )
        return Shortlist(
            tuple(unlike(last, able)[:BEST]),
            min(self.defaults, key=second.order.index),
            len(self.space) + len(cards),
            truncation + searched + sum(self._evaluations.values()),
        )

    @cached_property
    def model(self) -> Any:
        from samplebench.bench.estimate import check, hours_of
        from samplebench.loading import load

        request = self.request
        model = load(
            self.asked.entry, device=request.device, dtype=request.dtype, offline=request.offline,
            quiet=self.quiet,
        )  # fmt: skip
        # Days are told before the search, not after it.
        with threads_of(model):
            hours = hours_of(model, self._usual) or (0.0,)
        samples = self.asked.num_samples
        check(max(hours) * (_WORTH / samples + BEST + 1), 0, request.yes)
        return model

    @cached_property
    def _identity(self) -> dict[str, Any]:
        """What decides what the model answers, and the code of samplers of others: none of what was
        computed with other code, or with such that cannot be told apart, is taken for the same."""
        cell = self._usual[0]
        found = {k: v for k, v in cell.conditions.items() if k not in _OTHERS}
        return {**found, "codes": self._codes}

    def _ranked(self) -> tuple[list[Proposal], int]:
        """Deterministic proposals on grids by truncation error, the best first; evaluations."""
        deterministic = [p for p in self.space if p.grid is not None and not p.stochastic]
        with bar(None, "truncation errors", "eval", self.quiet) as advance:
            errors = Errors(
                lambda: self.model, self._identity, self.asked.nfe,
                self.asked.out / "truncation.json",
                lambda images, what: advance(images, "truncation errors"),
            )  # fmt: skip
            ranked = errors.halved(deterministic)
        if not self.quiet and ranked:
            head = ", ".join(f"{each.name} {error:.3g}" for each, error in list(ranked.items())[:3])
            say(f"least truncation error of {len(deterministic)}: {head}")
        return list(ranked), errors.evaluations

    def _cards(self, best: Sequence[Proposal]) -> tuple[list[Proposal], int]:
        """Grids searched for samplers, of each the better one; evaluations."""
        cards, spent = [], 0
        for each in best:
            methods = (name for name in _METHODS if name in METHODS)
            made = [found for name in methods if (found := self._searched(each, name))]
            spent += sum(found.evaluations for found in made)
            if made:
                found = min(made, key=lambda one: one.after)
                params = {**each.params, **found.candidate.params}
                card = PREFIX + str(list_path(self.asked.out, found))
                cards.append(Proposal(each.sampler, params, card))
        return cards, spent

    def _searched(self, proposal: Proposal, method: str) -> Found | None:
        """What a method finds for a sampler; None where it cannot search there."""
        title = f"{method} of {proposal.sampler}"
        try:
            with threads_of(self.model), bar(_BUDGET, title, "eval", self.quiet) as advance:
                return search(
                    self.model, self.asked.entry.id, proposal.sampler, self.asked.nfe, method,
                    self.asked.out, identity=self._identity, params=proposal.params,
                    budget=_BUDGET, report=lambda images, what: advance(images, title),
                )  # fmt: skip
        except UsageError as error:
            if not self.quiet:
                say(f"note: no {method} for {proposal.sampler}: {error}")
            return None

    def _on_further_grids(self, order: Sequence[Proposal]) -> list[Proposal]:
        """Of the stochastic proposals on grids the better ones, on the grids not tried yet."""
        tried = [each for each in order if each.grid is not None and each.stochastic]
        better = tried[: math.ceil(len(tried) / _SHARE)]
        known = {(each.sampler, label(each.params)) for each in better}
        return [
            each
            for each in self.space
            if (each.sampler, label(each.params)) in known and each.grid and not _coarse(each)
        ]

    def _trial(self, some: Sequence[Proposal], sets: int) -> Trial:
        found = trial(
            self.request, self.asked.entry, self.asked.nfe, some, self.quiet,
            out=str(self.asked.out / FOLDER), num_samples=SAMPLES, repeats=sets, seed=SEED,
        )  # fmt: skip
        self._evaluations |= found.evaluations
        return found

    def _planned(self, some: Sequence[Proposal]) -> Runnable:
        return planned(self.asked.request, self.asked.entry, self.asked.nfe, some)


def best_grids(ranked: Sequence[Proposal]) -> list[Proposal]:
    """Of every sampler the first proposal, in their order."""
    found = dict[str, Proposal]()
    for each in ranked:
        found.setdefault(each.sampler, each)
    return list(found.values())


def unlike(trial: Trial, some: Sequence[Proposal]) -> list[Proposal]:
    """Without those that drew the same samples as an earlier one: no difference, no error of it."""
    found: list[Proposal] = []
    for each in some:
        if not any(trial.behind(each, other) == (0, 0) for other in found):
            found.append(each)
    return found


def _coarse(proposal: Proposal) -> bool:
    """Whether it is a stochastic one on the usual grid."""
    return proposal.stochastic and (proposal.grid, proposal.rho) == USUAL
