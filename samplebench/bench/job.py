"""What an engine is given: cells to sample, and where they are filed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from samplebench.bench.facts import BenchFacts
from samplebench.bench.filing import Filing
from samplebench.bench.pictures import Pictures
from samplebench.bench.plan import Plan
from samplebench.bench.progress import Progress
from samplebench.bench.scores import Scoring
from samplebench.bench.stop import Stop
from samplebench.bench.work import Item
from samplebench.results.store import Store

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Job:
    """Cells of a plan that are sampled.

    Attributes:
        items: the cells in their order, a model's one after the other, each with its scores.
        device: of models that are loaded here; those in memory stay on theirs.
    """

    plan: Plan
    items: tuple[Item, ...]
    store: Store
    progress: Progress
    stop: Stop
    device: torch.device

    @property
    def models(self) -> dict[str, tuple[Item, ...]]:
        """The items of each model that has some, in the plan's order."""
        named = ((name, self.of(name)) for name in self.plan.sources)
        return {name: items for name, items in named if items}

    def of(self, name: str) -> tuple[Item, ...]:
        """The items of a model."""
        return tuple(item for item in self.items if item[0].conditions["model"] == name)

    def device_of(self, name: str) -> torch.device:
        """Where a model is."""
        model = self.plan.sources[name].checkpoint.model
        return self.device if model is None else model.device

    def scoring(self, name: str) -> Scoring:
        """What the scores of a model's cells need."""
        return Scoring(self.plan.sources[name].measures, self.device_of(name))

    @property
    def pictures(self) -> Pictures | None:
        """Where images are written, None where none are asked for."""
        return Pictures(self.store.out / "images") if self.plan.request.save_images else None

    def filing(
        self, item: Item, facts: BenchFacts, changes: Callable[[], Iterable[str]] = tuple
    ) -> Filing:
        """One of its cells, under way.

        Args:
            facts: of the cell's model.
            changes: see `Filing`.
        """
        cell, scores = item
        scoring, keep = self.scoring(cell.conditions["model"]), self.plan.request.keep
        return Filing(cell, scores, facts, self.store, scoring, keep, self.pictures, changes)


# Samples all cells of a job and files them. Raises what `bench.run.execute` does.
Engine = Callable[[Job], None]
