"""What stands in the place of a reference where a metric compares with nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from samplebench.references.reference import Reference


@dataclass(frozen=True)
class Nothing(Reference):
    """No reference: without an id, a hash or statistics."""

    @classmethod
    def of(cls, extractor: str, feature_dim: int) -> Nothing:
        """Of a metric on these features."""
        return cls(
            id="",
            path=Path(),
            sha256="",
            feature_dim=feature_dim,
            num_images=None,
            extractor=extractor,
            weights_sha256="",
            made_from="nothing",
        )

    def fetched(self, *, offline: bool, quiet: bool) -> Reference:
        """Itself."""
        return self
