"""Errors along a trajectory: a solver's own, and how those of a network add up.

Truncation error of deterministic samplers against a fine reference solve, and their order:

    from samplebench.trajectory import truncation

    result = truncation(sb.load("digits-exact"), ["euler", "heun"], steps=[10, 20], seeds=range(32))
    print(result.curves[1].points[-1].order)

No network stands between a sampler and its own error there: both follow the same model. The errors
of a network, in chains that begin with real images at several noise levels:

    exposure("digits", model="digits-vp", sampler="heun", nfe=9).curves[0].begun
"""

from __future__ import annotations

from samplebench.trajectory.accumulation import Accumulation, AccumulationCurve, Chain
from samplebench.trajectory.exposure import exposure
from samplebench.trajectory.measure import measure, truncation
from samplebench.trajectory.plan import Family, families
from samplebench.trajectory.result import Curve, Level, Order, Point, Spread, Truncation, Truth

__all__ = [
    "Accumulation",
    "AccumulationCurve",
    "Chain",
    "Curve",
    "Family",
    "Level",
    "Order",
    "Point",
    "Spread",
    "Truncation",
    "Truth",
    "exposure",
    "families",
    "measure",
    "truncation",
]
