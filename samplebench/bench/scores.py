"""Scores of finished cells: from what was kept of their images, without their network."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from samplebench.answers.blame import Failed
from samplebench.bench.facts import ExtractorFacts
from samplebench.bench.loaded import score_key
from samplebench.bench.provenance import score_provenance
from samplebench.bench.steady import watched_metric
from samplebench.errors import UsageError
from samplebench.metrics.blocks import Blocked, BlockedRows
from samplebench.metrics.moments import BlockedMoments
from samplebench.metrics.scored import scored
from samplebench.results.cell import PlannedScore
from samplebench.results.damage import Damaged
from samplebench.results.kept import FEATURES
from samplebench.results.record import NO_VALUE, Record, Score
from samplebench.results.store import SCHEMA, Store
from samplebench.scoring.measure import Measure

# (extractor's key, "moments" or "features").
Kind = tuple[str, str]
# So many rows are converted at a time.
_ROWS = 4096


@dataclass(frozen=True)
class Scoring:
    """What scores need beside a cell's statistics.

    Attributes:
        measures: metrics with their references.
        device: on which features are made.
    """

    measures: tuple[Measure, ...]
    device: torch.device

    def measure(self, score: PlannedScore) -> Measure:
        """The metric and the reference of a score."""
        reference = score.conditions["reference"]
        return next(
            measure
            for measure in self.measures
            if measure.metric.name == score.metric
            and (measure.reference.id, measure.reference.sha256)
            == (reference["id"], reference["sha256"])
        )


def kind_of(score: PlannedScore) -> Kind:
    """What a score is computed on."""
    return score_key(score), score.conditions["statistic"]


def scored_cell(
    record: Record,
    wanted: Iterable[PlannedScore],
    scoring: Scoring,
    statistics: Mapping[Kind, Blocked],
    failed: Mapping[str, str],
) -> list[Score]:
    """Scores of a cell; without a value where its images or features are none.

    Args:
        record: of the cell.
        statistics: of its images.
        failed: why an extractor's features are none, by its key.
    """
    return [
        score_of(
            planned,
            scoring.measure(planned),
            statistics.get(kind_of(planned)),
            str(record.get("failed") or failed.get(score_key(planned), "")),
            record["conditions"].get("seed", 0),
            scoring.device,
        )
        for planned in wanted
    ]


def score_of(
    planned: PlannedScore,
    measure: Measure,
    statistic: Blocked | None,
    failed: str,
    seed: int,
    device: torch.device,
    doubts: Iterable[str] = (),
) -> Score:
    """A score; without a value where `failed` says why, or the metric fails on these numbers.

    Args:
        doubts: reasons why the same images give another statistic, each a line.
    """
    began, doubts, value = time.perf_counter(), dict.fromkeys(doubts), NO_VALUE
    try:
        if not failed and statistic is not None:
            with watched_metric(planned.metric, seed, lambda text: doubts.setdefault(text)):
                reference = measure.reference.blocked(measure.metric.against)
                value = scored(measure.metric, statistic, reference)
    except (Failed, UsageError) as error:
        failed = str(error)
    score: Score = {
        "schema": SCHEMA,
        "score": planned.hash,
        "conditions": planned.conditions,
        "value": value,
        "seconds": round(time.perf_counter() - began, 3),
        "provenance": score_provenance(device),
    }
    if doubts:
        score["unsteady"] = list(doubts)
    if planned.not_reusable:
        score["not_reusable"] = planned.not_reusable
    if failed:
        score["failed"] = failed
    return score


def can_score(store: Store, cell: str, kind: Kind) -> bool:
    """Whether what was kept of a finished cell is enough."""
    key, statistic = kind
    return (
        store.kept.has(cell, statistic, key)
        or store.kept.has(cell, "features", key)
        or store.kept.has(cell, "images")
    )


def lacks_rows(store: Store, cell: str, kind: Kind) -> bool:
    """Whether features must be made of the images that were kept.

    Features that are there without their moments were left by a stop; kept as float32, they would
    give moments of other bits.
    """
    key, statistic = kind
    return not store.kept.has(cell, statistic, key) and store.kept.has(cell, "images")


def kept_statistic(store: Store, cell: str, kind: Kind) -> tuple[Blocked, list[str]]:
    """A statistic of a finished cell, of the features or moments that were kept.

    Returns:
        The statistic, and reasons why the same images give another one, each a line, where it was
        made of kept images; those of sampling are in the record.

    Raises:
        Damaged: what was kept is not what was written.
    """
    key, statistic = kind
    if statistic == "features":
        return BlockedRows(store.kept.features(cell, key)), store.kept.doubts(cell, statistic, key)
    if not store.kept.has(cell, "moments", key):
        doubts = store.kept.doubts(cell, "features", key)
        return BlockedMoments.of(store.kept.features(cell, key)), doubts
    doubts = store.kept.doubts(cell, statistic, key)
    try:
        found = BlockedMoments.load(store.kept.moments(cell, key))
    except (KeyError, ValueError) as error:
        path = store.kept.path(cell, "moments", key)
        raise Damaged(path, str(error), "delete it and its cell is sampled again") from None
    if found.parts or not store.kept.has(cell, "features", key):
        return found, doubts
    # Blocks too large to be kept are made of the rows.
    return found.parted(store.kept.features(cell, key)), doubts


def keep_statistics(
    store: Store,
    cell: str,
    extractor: ExtractorFacts,
    moments: BlockedMoments,
    rows: np.ndarray | None,
    doubts: Iterable[str] = (),
) -> None:
    """Keeps what an extractor makes of a cell's images.

    Args:
        rows: float64 [N, D], kept as float32; None where moments alone are kept.
        doubts: reasons why the same images give other features, each a line.
    """
    doubts = list(doubts)
    facts = {"extractor": extractor.name, **({"unsteady": doubts} if doubts else {})}
    if rows is not None:
        narrow = store.rows(cell, f"{extractor.key}.float32", (extractor.dim,), np.float32)
        try:
            for start in range(0, len(rows), _ROWS):
                narrow.write(start, rows[start : start + _ROWS])
            arrays = {FEATURES: narrow.mapped(len(rows))}
            store.kept.write(cell, "features", extractor.key, arrays, **facts)
        finally:
            narrow.drop()
    # Last: with them a score is made, and nobody makes the features that a stop left out.
    store.kept.write(cell, "moments", extractor.key, moments.state(), **facts)
