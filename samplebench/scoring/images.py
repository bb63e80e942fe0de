"""Scores of images that were made elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from samplebench.answers.blame import Failed
from samplebench.answers.draws import watched_generators
from samplebench.devices import resolve_device
from samplebench.errors import InputError, SamplebenchError, UsageError
from samplebench.features.judged import extractor_of
from samplebench.image_sets import ImageSet
from samplebench.metrics.blocks import Blocked, BlockedRows
from samplebench.metrics.moments import BlockedMoments
from samplebench.metrics.scored import scored
from samplebench.results.record import NO_VALUE, Value
from samplebench.scoring.extract import enough, extract
from samplebench.scoring.measure import Measure, check_extractor
from samplebench.scoring.rehearsal import rehearse
from samplebench.scoring.rows import Rows

# Which rule made uint8 of them is their maker's affair.
PROTOCOL = "images as given"
# How the statistics of samples keep features.
_PRECISION = {"moments": np.float64, "features": np.float32}


@dataclass(frozen=True)
class ImageScore:
    """A metric of a set of images.

    Attributes:
        measure: metric and reference.
        value: with its standard error, delete-one values and terms; of None where it failed.
        count: number of images.
        doubts: lines on what makes it irreproducible.
        failed: why there is no value; None where there is one.
    """

    measure: Measure
    value: Value
    count: int
    doubts: tuple[str, ...] = ()
    failed: SamplebenchError | None = None

    @property
    def terms(self) -> dict[str, float]:
        """What the metric says beside its value."""
        own = Value.__annotations__
        return {key: number for key, number in self.value.items() if key not in own}  # type: ignore[misc]


def score_images(
    images: ImageSet, measures: Sequence[Measure], *, device: Any = None, quiet: bool = False
) -> tuple[ImageScore, ...]:
    """Scores of images against references, one pass over the images for all extractors.

    Args:
        images: the set.
        measures: as `ready` returns them.
        device: by name; None for the best there is.
        quiet: no progress.

    Returns:
        One for each measure; some without a value, which does not keep it from the others.

    Raises:
        InputError: fewer than 2 images, some that an extractor cannot take, a reference of another
            extractor, or no value that is finite.
        UsageError: an extractor of others, or all metrics, that fail or answer wrongly.
        EnvironmentError_: no room for the features, or memory ran out.
    """
    enough(images)
    for measure in measures:
        rehearse(measure, images.count)
    statistics, doubts = _statistics(images, measures, device, quiet)
    found = tuple(
        _score(
            images,
            measure,
            statistics[measure.extractor, measure.metric.statistic],
            doubts[measure.extractor],
        )
        for measure in measures
    )
    failures = [each.failed for each in found if each.failed is not None]
    if failures and len(failures) == len(found):
        raise failures[0]
    return found


def _statistics(
    images: ImageSet, measures: Sequence[Measure], device: Any, quiet: bool
) -> tuple[dict[tuple[str, str], Blocked], dict[str, tuple[str, ...]]]:
    """By extractor and kind what the metrics are given of the images; doubts by extractor."""
    names = list(dict.fromkeys(measure.extractor for measure in measures))
    extractors = [extractor_of(name, resolve_device(device)) for name in names]
    dims = {name: each.feature_dim for name, each in zip(names, extractors, strict=True)}
    for measure in measures:
        check_extractor(measure.reference, extractors[names.index(measure.extractor)])
    kinds = dict.fromkeys((measure.extractor, measure.metric.statistic) for measure in measures)
    rows = {kind: Rows(images.count, dims[kind[0]], _PRECISION[kind[1]]) for kind in kinds}

    def take(_: np.ndarray, found: list[np.ndarray]) -> None:
        of = dict(zip(names, found, strict=True))
        for (name, _kind), each in rows.items():
            each.add(of[name])

    doubts = extract(images, extractors, take, device=device, quiet=quiet)
    statistics = {kind: _blocked(kind[1], each.whole()) for kind, each in rows.items()}
    return statistics, dict(zip(names, doubts, strict=True))


def _blocked(kind: str, rows: np.ndarray) -> Blocked:
    return BlockedRows(rows) if kind == "features" else BlockedMoments.of(rows)


def _score(
    images: ImageSet, measure: Measure, statistic: Blocked, doubts: tuple[str, ...]
) -> ImageScore:
    import torch

    entry = measure.metric
    given = measure.reference.blocked(entry.against)
    value, failed = NO_VALUE, cast("SamplebenchError | None", None)
    with watched_generators(0, torch.device("cpu")) as draws:
        try:
            value = scored(entry, statistic, given)
        except Failed as failure:
            failed = InputError(f"{images.description}: {failure}")
        except UsageError as error:
            failed = error
    if draws.of and not entry.builtin:
        again = "the same images give another value"
        doubts = (*doubts, f"metric {entry.name} draws from {draws}: {again}")
    return ImageScore(measure, value, images.count, doubts, failed)
