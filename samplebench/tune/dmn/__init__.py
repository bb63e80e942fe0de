"""DMN: noise levels without a model, by a bound of a multistep solver's error (Xue et al. 2024)."""

from samplebench.tune.dmn.objective import objective
from samplebench.tune.dmn.search import levels

__all__ = ["levels", "objective"]
