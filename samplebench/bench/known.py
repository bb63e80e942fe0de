"""What is known of a model before its file is here: enough to plan its steps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from samplebench.checkpoints.catalog import Checkpoint
from samplebench.errors import UsageError
from samplebench.models.model import draws_exactly
from samplebench.registry import adapters, timelines
from samplebench.timelines.choice import kind_of, of_model
from samplebench.timelines.timeline import Timeline


@dataclass(frozen=True)
class Known:
    """Stands in for a model of the catalogue where steps are planned.

    Attributes:
        entry: of the catalogue.
        respacing: none; a sweep's steps follow from its budgets.
    """

    entry: Checkpoint
    respacing: str = ""

    @property
    def id(self) -> str:
        return self.entry.id

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.entry.shape

    @property
    def num_classes(self) -> int | None:
        """None where only the file says it: tables of others may leave it out."""
        unsaid = not self.entry.num_classes and (self.entry.home or not all(self.entry.shape))
        return None if unsaid else self.entry.num_classes

    @property
    def labels_optional(self) -> bool:
        """As the adapter declares it; that of a model which is here."""
        if self.entry.model is not None:
            return bool(getattr(self.entry.model, "labels_optional", False))
        return adapters.entry(self.entry.format).labels_optional

    @property
    def draws_exactly(self) -> bool:
        """Likewise, whether it has exact draws."""
        if self.entry.model is not None:
            return draws_exactly(self.entry.model)
        return adapters.entry(self.entry.format).exact

    @property
    def kind(self) -> str:
        """As the adapter declares it; that of a model which is here."""
        if self.entry.model is not None:
            return kind_of(self.entry.model)
        return timelines.entry(adapters.entry(self.entry.format).kind_of(self.entry.config)).name

    @cached_property
    def process(self) -> Any:
        """As the adapter makes it from the catalogue's config; None where none is needed.

        That of a model which is here.

        Raises:
            UsageError: the declaration fails, or makes none on which steps can be planned.
        """
        if self.entry.model is not None:
            return getattr(self.entry.model, "process", None)
        found = adapters.entry(self.entry.format).planned(self.entry.config, self.entry.shape)
        if not self.timeline.fits(found):
            raise UsageError(
                f"adapter {self.entry.format} declares models of kind '{self.kind}' with no "
                f"process that such models have ({type(found).__name__}); register it with "
                "process=f, where f(config, shape) is the process of its models"
            )
        return found

    @property
    def timeline(self) -> type[Timeline]:
        """The model's own."""
        return of_model(self)
