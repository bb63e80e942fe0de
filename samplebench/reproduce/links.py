"""Which checkpoint of the catalogue a published value is of."""

from __future__ import annotations

from functools import cache

from samplebench.checkpoints.catalog import catalog, resolved


@cache
def _same_weights() -> dict[str, str]:
    """Published ids of weights that the catalogue has in another file -> its id."""
    found: dict[str, str] = {}
    for entry in catalog().values():
        for name in entry.same_weights:
            found.setdefault(name, entry.id)
    return found


def checkpoint_of(model: str) -> str:
    """The id of the catalogue that a published id means; "" for none.

    The same file comes before the same weights in another one. Values that something guides have
    the guided file's id and "+guidance" or the like.
    """
    for name in (model, model.partition("+")[0]):
        found = resolved(name)
        if found in catalog():
            return found
        if name in _same_weights():
            return _same_weights()[name]
    return ""
