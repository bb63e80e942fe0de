"""What is recommended, and what it rests on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from samplebench.advise.proposal import Proposal
from samplebench.advise.request import AdviseRequest
from samplebench.advise.shortlist import Shortlist
from samplebench.advise.trial import Trial
from samplebench.report.best import TIE
from samplebench.results.fields import value_text
from samplebench.tune.seeds import SEED


@dataclass(frozen=True)
class Advice:
    """A recommendation.

    Attributes:
        asked: the request.
        shortlist: what the search came to.
        confirmed: its best and the model's default, on the judging seeds.
    """

    asked: AdviseRequest
    shortlist: Shortlist
    confirmed: Trial

    @property
    def recommended(self) -> Proposal:
        """Of those that are tied with the best the simplest, of these the best."""
        return min(self.tied, key=lambda each: each.simplicity)

    @property
    def tied(self) -> list[Proposal]:
        """The best and what is tied with it, the best first; a failed one is tied with nothing."""
        best = self.confirmed.order[0]
        return [best, *(each for each in self._able if self.confirmed.tied(each, best))]

    @property
    def _able(self) -> list[Proposal]:
        """Those behind the best that have a value."""
        _, *others = self.confirmed.order
        return [each for each in others if math.isfinite(self.confirmed.value(each))]

    @property
    def reason(self) -> str:
        """Why this one, in words."""
        best, metric = self.confirmed.order[0], self.asked.metric
        if self.recommended != best:
            return (
                f"tied with {best.name}, which has the better value (at most {TIE:g} standard "
                f"errors of the difference), and simpler: {_simpler(self.recommended, best)}"
            )
        errors = [self.confirmed.behind(each, best)[1] for each in self._able]
        if errors and not any(map(math.isfinite, errors)):
            return f"the best by {metric}, which has no error bars"
        if len(self.tied) == 1:
            return f"the best by {metric}, by more than {TIE:g} standard errors of each difference"
        names = "; ".join(each.name for each in self.tied[1:])
        return f"the best value; tied with it, and not simpler: {names}"

    @property
    def command(self) -> str:
        """What runs it."""
        return self.asked.command(self.recommended)

    @property
    def evaluations(self) -> tuple[int, int]:
        """Of the network, counted, an image each: search, confirmation."""
        return self.shortlist.evaluations, sum(self.confirmed.evaluations.values())

    def rows(self) -> list[dict[str, Any]]:
        """Of each that was confirmed what it came to, the best first."""
        return [self._row(each) for each in self.confirmed.order]

    def _row(self, each: Proposal) -> dict[str, Any]:
        row = self.confirmed.rows[each]
        apart = self.confirmed.behind(each, self.recommended)
        behind, error = (None, None) if each == self.recommended else apart
        return {
            "sampler": each.sampler, "params": dict(each.params), "grid": each.grid,
            "rho": each.rho, "nfe": row["nfe"], "value": self.confirmed.value(each),
            "stderr": self.confirmed.error(each), "behind": behind, "behind_stderr": error,
            "recommended": each == self.recommended, "default": each == self.shortlist.default,
            "command": self.asked.command(each),
        }  # fmt: skip

    def text_rows(self) -> list[dict[str, str]]:
        """The same for the terminal."""
        shown = []
        for each, row in zip(self.confirmed.order, self.rows(), strict=True):
            marks = [word for word in ("recommended", "default") if row[word]]
            apart = "" if row["behind"] is None else value_text(row["behind"], row["behind_stderr"])
            shown.append(
                {
                    "": ", ".join(marks),
                    "sampler": each.name,
                    "NFE": f"{row['nfe']:g}",
                    self.asked.metric: value_text(row["value"], row["stderr"]),
                    "worse by": apart,
                }
            )
        return shown

    def plain(self) -> dict[str, Any]:
        """All of it for JSON."""
        search, confirmation = self.evaluations
        first, last = self.asked.judging
        return {
            "model": self.asked.entry.id, "nfe": self.asked.nfe, "metric": self.asked.metric,
            "num_samples": self.asked.num_samples, "seeds": [first, last],
            "search_seeds_from": SEED, "compared": self.shortlist.compared,
            "evaluations_search": search, "evaluations_confirmation": confirmation,
            "reason": self.reason, "command": self.command, "confirmed": self.rows(),
        }  # fmt: skip

    def facts(self) -> Mapping[str, str]:
        """What stands above the table, by name."""
        search, confirmation = self.evaluations
        first, last = self.asked.judging
        return {
            "model": f"{self.asked.entry.id}, NFE {self.asked.nfe}",
            "use": self.recommended.name,
            "because": self.reason,
            "judged": f"{self.asked.metric} on {self.asked.num_samples:,} samples of seeds "
            f"{first:,} to {last:,}; searched on seeds from {SEED:,}",
            "cost": f"{search:,} network evaluations to compare {self.shortlist.compared}, "
            f"{confirmation:,} to confirm {len(self.confirmed.rows)}",
            "command": self.command,
        }


def _simpler(one: Proposal, other: Proposal) -> str:
    """In what one is simpler."""
    if one.on_card < other.on_card:
        return "a registered grid, not a list of levels"
    if one.stochastic < other.stochastic:
        return "without noise"
    return "fewer parameters"
