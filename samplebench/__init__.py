"""samplebench: the reproducible benchmark for diffusion samplers over released checkpoints.

    import samplebench as sb

    model = sb.load("digits-exact")
    x = sb.sample(model, "heun", nfe=35, seeds=range(64))
    frame = sb.run(model="digits-exact", sampler=["euler", "heun"], nfe=[5, 10, 20])
    sb.plot(frame)

Importing samplebench imports neither torch nor pandas; the names below load what they need.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from samplebench.version import VERSION as __version__

if TYPE_CHECKING:
    from samplebench import registry as registry
    from samplebench.api import run as run
    from samplebench.errors import SamplebenchError as SamplebenchError
    from samplebench.loading import load as load
    from samplebench.loading import load_classifier as load_classifier
    from samplebench.models.wrap import wrap as wrap
    from samplebench.processes import process as process
    from samplebench.report.frame import plot as plot
    from samplebench.sampling.sample import sample as sample

_PUBLIC = {
    "SamplebenchError": "samplebench.errors",
    "load": "samplebench.loading",
    "load_classifier": "samplebench.loading",
    "plot": "samplebench.report.frame",
    "process": "samplebench.processes",
    "run": "samplebench.api",
    "sample": "samplebench.sampling.sample",
    "wrap": "samplebench.models.wrap",
}

__all__ = [
    "SamplebenchError",
    "__version__",
    "load",
    "load_classifier",
    "plot",
    "process",
    "registry",
    "run",
    "sample",
    "wrap",
]


def __getattr__(name: str) -> Any:
    if name == "registry":
        return import_module("samplebench.registry")
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'samplebench' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
