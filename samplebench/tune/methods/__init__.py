"""How time grids are searched, one method a file: a function of the problem to a candidate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from samplebench.tune.candidate import Candidate
from samplebench.tune.methods.dmn import dmn
from samplebench.tune.methods.gits import gits
from samplebench.tune.methods.rho import rho

Method = Callable[..., Candidate]
METHODS: Mapping[str, Method] = MappingProxyType({"rho": rho, "gits": gits, "dmn": dmn})
