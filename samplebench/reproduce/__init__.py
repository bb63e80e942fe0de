"""Published values, each with the run that should give it: what is the same, and what came out."""

from samplebench.reproduce.preset import NoPreset, ReproductionPreset
from samplebench.reproduce.presets import preset, presets, refused

__all__ = ["NoPreset", "ReproductionPreset", "preset", "presets", "refused"]
