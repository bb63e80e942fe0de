"""How grids and parameters are searched, one method a file: a function of the problem, and of what
it may be told beside it by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from samplebench.tune.method import METRIC, SearchMethod
from samplebench.tune.methods.churn import churn
from samplebench.tune.methods.coordinate import coordinate
from samplebench.tune.methods.dmn import dmn
from samplebench.tune.methods.gits import check_gits, gits
from samplebench.tune.methods.range import range_
from samplebench.tune.methods.rho import rho

METHODS: Mapping[str, SearchMethod] = MappingProxyType(
    {
        "rho": SearchMethod(rho, 'the best exponent of the discretization "edm"'),
        "range": SearchMethod(
            range_, 'the best range of the discretization "edm", with its exponent'
        ),
        "churn": SearchMethod(
            churn, "the best noise of a sampler with S_churn, by the metric", METRIC
        ),
        "dmn": SearchMethod(
            dmn, "levels by the bound of a multistep method, without model evaluations"
        ),
        "gits": SearchMethod(
            gits, "the cheapest path over a teacher's trajectories", check=check_gits
        ),
        "coordinate": SearchMethod(coordinate, "descent on all levels against a fine solution"),
    }
)
