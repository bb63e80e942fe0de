"""References that keep no features, but have images to make them of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import numpy as np

from samplebench.references.reference import Reference
from samplebench.scoring.made import OfImages, make


@dataclass(frozen=True)
class Imaged(Reference):
    """A reference whose features are made of its images when they are needed, and cached.

    Of OpenAI's files these are 10,000 of the images that its statistics are made of, with which
    their evaluator computes precision and recall.

    Attributes:
        device: to compute them on, by name; None for the best there is.
    """

    device: Any = field(default=None, compare=False)

    @classmethod
    def of(cls, reference: Reference, device: Any) -> Imaged:
        """The same reference; it has `images`."""
        facts = {f.name: getattr(reference, f.name) for f in fields(Reference)}
        return cls(**facts, device=device)

    @property
    def keeps_rows(self) -> bool | None:
        """As they are made when they are needed."""
        return True

    @cached_property
    def rows(self) -> np.ndarray:
        """The features [M, D] of its images, read-only."""
        return self.planned().fetched(offline=False, quiet=True).rows

    def fetched(self, *, offline: bool, quiet: bool) -> Reference:
        """The same with its file here and its features made."""
        found = super().fetched(offline=offline, quiet=quiet)
        here = Imaged.of(found, self.device)
        here.planned().fetched(offline=offline, quiet=quiet)
        return here

    def planned(self) -> Reference:
        """Its images as a reference; the file is here."""
        assert self.images is not None
        return OfImages.at(self.images, self.extractor, rows=True, device=self.device)


def make_together(wanted: Iterable[Reference], *, offline: bool, quiet: bool) -> None:
    """Makes what is missing of references that are images or have some, one pass over each set.

    Raises:
        InputError, EnvironmentError_, UsageError: as `Reference.fetched` does.
    """
    found = list[OfImages]()
    for each in wanted:
        if isinstance(each, Imaged):
            each.fetch(offline=offline, quiet=quiet)
            each = each.planned()
        if isinstance(each, OfImages):
            found.append(each)
    make(found, offline=offline, quiet=quiet)
