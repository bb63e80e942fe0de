"""What others got who measured a preset's value again."""

from __future__ import annotations

from samplebench.published import Remeasured, load_remeasured
from samplebench.reproduce.preset import ReproductionPreset

_METRIC = "FID"


def by_others(preset: ReproductionPreset) -> list[Remeasured]:
    """Values of the same checkpoint, sampler and NFE from another source."""
    row = preset.row
    if row is None:
        return []
    return [
        each
        for each in load_remeasured()
        if (each.checkpoint, each.nfe, each.metric) == (preset.checkpoint, preset.nfe, _METRIC)
        and each.source not in row.source
        and (each.published == preset.value or _plain(each.sampler) == _plain(row.sampler_printed))
    ]


def told(case: Remeasured) -> str:
    """In a line."""
    return f"{case.measured_text} ({case.what}, {case.source})"


def _plain(sampler: str) -> str:
    return sampler.replace(",", "").casefold()
