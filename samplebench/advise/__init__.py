"""One sampler, grid and parameters for a model at a budget, recommended with its evidence.

from samplebench.advise import advise

advice = advise(model="digits-exact", nfe=10)
print(advice.recommended.name, advice.command)
"""

from samplebench.advise.advice import Advice
from samplebench.advise.run import advise

__all__ = ["Advice", "advise"]
