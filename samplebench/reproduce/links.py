"""Which checkpoint of the catalogue a published value is of."""

from __future__ import annotations

from functools import cache

from samplebench.checkpoints.catalog import catalog


@cache
def _by_published() -> dict[str, str]:
    """Ids of the catalogue by published ones; the same file comes before the same weights."""
    known = catalog()
    found: dict[str, str] = {}
    for field in ("published", "same_weights"):
        for entry in known.values():
            for name in getattr(entry, field):
                found.setdefault(name, entry.id)
    return found


def checkpoint_of(model: str) -> str:
    """The id of the catalogue that a published id means; "" for none.

    Values that something guides have the guided file's id and "+guidance" or the like.
    """
    for name in (model, model.partition("+")[0]):
        if name in catalog():
            return name
        if name in _by_published():
            return _by_published()[name]
    return ""
