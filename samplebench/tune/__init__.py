"""Time grids searched for a sampler at a budget of network evaluations, and judged fairly.

from samplebench.tune import tune

result = tune(model="digits-exact", sampler="ipndm", nfe=5, method="rho", num_samples=0)
print(result.budgets[0].found[0].error)
"""

from samplebench.tune.run import tune
from samplebench.tune.tuned import Tuned

__all__ = ["Tuned", "tune"]
