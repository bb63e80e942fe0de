"""Truncation error of deterministic samplers against a fine reference solve, and their order.

    from samplebench.trajectory import truncation

    result = truncation(sb.load("digits-exact"), ["euler", "heun"], steps=[10, 20], seeds=range(32))
    print(result.curves[1].points[-1].order)

No network stands between a sampler and its own error here: both follow the same model.
"""

from __future__ import annotations

from samplebench.trajectory.measure import measure, truncation
from samplebench.trajectory.plan import Family, families
from samplebench.trajectory.result import Curve, Level, Order, Point, Spread, Truncation, Truth

__all__ = [
    "Curve",
    "Family",
    "Level",
    "Order",
    "Point",
    "Spread",
    "Truncation",
    "Truth",
    "families",
    "measure",
    "truncation",
]
