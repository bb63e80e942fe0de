"""File names that are safe whatever a model is called."""

from __future__ import annotations

import hashlib
import re

_LONGEST = 80


def safe_name(name: str, allowed: str = ".") -> str:
    """`name` if it is safe as part of a file name, else its safe characters and a short hash.

    The hash keeps two names apart that differ in unsafe characters only.
    """
    kept = re.sub(rf"[^A-Za-z0-9_{re.escape(allowed)}-]+", "_", name).strip("._")[:_LONGEST]
    if kept == name and kept:
        return kept
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{kept or 'unnamed'}-{digest}"


def figure_stem(model: str, metric: str) -> str:
    """File name without suffix of the figure of `metric` for `model`: `<model>.<metric>`."""
    return f"{safe_name(model)}.{safe_name(metric, allowed='')}"
