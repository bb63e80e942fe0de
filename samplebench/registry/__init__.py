"""What can be plugged in: each registry with the folder that fills it.

Third parties add to all but the timelines by entry points of the group `samplebench.<kind>s`.
"""

from __future__ import annotations

from samplebench.registry.entry import (
    AdapterEntry,
    DiscretizationEntry,
    Entry,
    MetricEntry,
    SamplerEntry,
)
from samplebench.registry.registry import Registry, name_of

__all__ = [
    "AdapterEntry",
    "DiscretizationEntry",
    "Entry",
    "MetricEntry",
    "Registry",
    "SamplerEntry",
    "adapters",
    "discretizations",
    "extractors",
    "metrics",
    "models",
    "name_of",
    "samplers",
    "timelines",
]

samplers = Registry("sampler", ("samplebench.samplers", "samplebench.schedulers"), SamplerEntry)
discretizations = Registry("discretization", ("samplebench.discretizations",), DiscretizationEntry)
adapters = Registry("adapter", ("samplebench.adapters",), AdapterEntry)
extractors = Registry("extractor", ("samplebench.features",), Entry)
metrics = Registry("metric", ("samplebench.metrics",), MetricEntry)
# A model is named in a catalogue or by its function; no distribution adds one by an entry point.
models = Registry("model", (), Entry, public=False)
# A new kind of time reaches into planning, so it is registered by code and by no entry point.
timelines = Registry("timeline", ("samplebench.timelines",), Entry, public=False)
