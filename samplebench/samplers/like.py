"""`like`: whose end rules a method follows that is published with two."""

from __future__ import annotations

from typing import Any

from samplebench.errors import UsageError, unknown

# Published code -> where the grid ends, and whether the last steps are of lower order.
LIKE = {"k-diffusion": ("zero", False), "diff-sampler": ("sigma_min", True)}


def ends_like(like: str) -> tuple[str, bool]:
    """`final` and `lower_order_final` of a published code.

    Raises:
        UsageError: another code.
    """
    if like not in LIKE:
        raise unknown("like", like, LIKE)
    return LIKE[like]


def final(params: dict[str, Any]) -> str:
    """Where the grids of such a method end."""
    return ends_like(params["like"])[0]


def lowered(lower_order_final: bool | None, like: str) -> bool:
    """Whether the last steps are of lower order.

    Raises:
        UsageError: an unknown code, or a word that is neither true nor false.
    """
    usual = ends_like(like)[1]
    if lower_order_final is None:
        return usual
    if not isinstance(lower_order_final, bool):
        raise UsageError(f"lower_order_final={lower_order_final} is neither true nor false")
    return lower_order_final


def resolved(params: dict[str, Any]) -> dict[str, Any]:
    """Without `like`: the grid and `lower_order_final` say what it means."""
    found = {name: value for name, value in params.items() if name != "like"}
    if "lower_order_final" in found:
        found["lower_order_final"] = lowered(found["lower_order_final"], params["like"])
    return found
