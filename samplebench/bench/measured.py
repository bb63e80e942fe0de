"""Which scores a row has: a row for each reference, with the metrics against it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import cast

from samplebench.bench.codes import Codes
from samplebench.registry import extractors
from samplebench.results.cell import PlannedRow, PlannedScore
from samplebench.results.record import ScoreConditions
from samplebench.scoring.extract import SCORING
from samplebench.scoring.measure import Measure, extractor_condition


def scored_rows(row: PlannedRow, measures: Sequence[Measure], codes: Codes) -> Iterator[PlannedRow]:
    """A row for each reference, with the scores of its metrics and of those that need none."""
    by_reference: dict[str, dict[str, tuple[PlannedScore, ...]]] = {}
    for measure in measures:
        scores = tuple(planned_score(cell.hash, measure, codes) for cell in row.cells)
        by_reference.setdefault(measure.label, {})[measure.metric.name] = scores
    if len(by_reference) > 1:
        # What is compared with nothing stands beside what is compared with each reference.
        alone = by_reference.pop("", {})
        by_reference = {label: found | alone for label, found in by_reference.items()}
    for label, scores_of in by_reference.items():
        yield replace(row, columns={**row.columns, "reference": label}, scores=scores_of)


def planned_score(cell: str, measure: Measure, codes: Codes) -> PlannedScore:
    """A metric of a cell against a reference, with all that decides its value."""
    metric, reference = measure.metric, measure.reference
    name = str(metric.extractor)
    conditions = {
        "numerics": SCORING,
        "cell": cell,
        "metric": metric.name,
        "statistic": metric.statistic,
        **({} if metric.against == metric.statistic else {"against": metric.against}),
        "extractor": extractor_condition(name, reference),
        "reference": {"id": reference.id, "sha256": reference.sha256},
        **codes.of("metric", "metric", metric),
        **codes.of("extractor", "extractor", extractors.entry(name)),
    }
    return PlannedScore(cast(ScoreConditions, conditions), codes.unknown(conditions))
