"""What a report is made from: rows, records of cells, scores and sample sheets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from samplebench.results.fields import hashes_of, metrics_of
from samplebench.results.labels import Labels
from samplebench.results.record import Record, Score
from samplebench.results.row import Row, reference_label

# A subset that a metric extrapolates from has so many samples for each feature at least.
_SUBSET = 2

# (cell, metric, reference as the rows' column says it).
ScoreKey = tuple[str, str, str]


@dataclass(frozen=True)
class View:
    """The state of one sweep, ready to be shown.

    Attributes:
        title: name of the sweep, e.g. of its output folder.
        rows: one per curve point and reference.
        cells: records by cell hash.
        sheets: cell hash -> lossless PNG of its first 64 samples, 8 x 8 tiles of H x W pixels with
            gutters between them (`images.gutter`; older ones have none).
        pending: number of planned cells that have no result yet.
        scores: of the rows' cells.
        labels: what readers are told in place of names.
    """

    title: str
    rows: list[Row]
    cells: Mapping[str, Record]
    sheets: Mapping[str, Path]
    pending: int = 0
    scores: Mapping[ScoreKey, Score] = field(default_factory=dict)
    labels: Labels = field(default_factory=dict)

    @property
    def missing(self) -> str:
        """What has no result yet, in words; "" if nothing is missing."""
        if not self.pending:
            return ""
        one = self.pending == 1
        sets = "set of images has" if one else "sets of images have"
        return f"{self.pending} planned {sets} no result yet"

    def records_of(self, row: Row) -> list[Record]:
        """Records of the cells behind a row, as far as they are there."""
        return [self.cells[key] for key in hashes_of(row) if key in self.cells]

    def scores_of(self, row: Row, metric: str = "") -> list[Score]:
        """Scores behind a row, cell by cell; of one metric, or of all that it has."""
        metrics = [metric] if metric else metrics_of([row])
        # What is compared with nothing stands beside what is compared with the row's reference.
        labels = (row.get("reference", ""), "")
        pairs = ((c, m) for c in hashes_of(row) for m in metrics)
        keys = (next((k for r in labels if (k := (*p, r)) in self.scores), None) for p in pairs)
        return [self.scores[key] for key in keys if key is not None]


def key_of(score: Score) -> ScoreKey:
    """Under which a view has a score."""
    conditions, reference = score["conditions"], score["conditions"].get("reference", {})
    known = "id" in reference  # an older version may not have written it
    label = reference_label(reference["id"], reference.get("sha256", "")) if known else ""
    return conditions["cell"], conditions["metric"], label


def failure(record: Record, scores: Iterable[Score] = ()) -> str:
    """Why a cell, or these scores of it, have no value, a line; "" where they have one."""
    if record.get("failed"):
        return str(record["failed"])
    if record.get("nonfinite"):  # a record of an older version
        n = record["conditions"].get("num_samples", 0)
        return f"{record['nonfinite']} of {n} samples are not finite"
    return "; ".join(dict.fromkeys(str(s["failed"]) for s in scores if s.get("failed")))


def caveats(record: Record, scores: Iterable[Score] = ()) -> list[str]:
    """What a reader must know beside a cell's values, in words."""
    scores, found = list(scores), []
    if reason := failure(record, scores):
        found.append(f"{reason}: no value")
    for key, what in (("nfe", "evaluations"), ("guide_nfe", "passes of guidance")):
        counted, planned = record.get(key), record.get(f"{key}_planned", record.get(key))
        if planned != counted:
            found.append(f"{counted} {what} counted, {planned} planned")
    found += record.get("remarks", [])
    doubts = record.get("unsteady", [])
    if not (doubts or record.get("seed_reproducible", True)):  # a record of an older version
        doubts = ["the sampler draws from torch's global generator"]
    doubts = [*doubts, *(doubt for score in scores for doubt in score.get("unsteady", []))]
    found += [f"not seed-reproducible: {doubt}" for doubt in dict.fromkeys(doubts)]
    unknown = [str(part["not_reusable"]) for part in (record, *scores) if part.get("not_reusable")]
    found += [f"computed again in every run: {text}" for text in dict.fromkeys(unknown)]
    found += dict.fromkeys(filter(None, (few_samples(record, s) for s in scores)))
    return found + [text for text in map(_without_error, scores) if text]


def _without_error(score: Score) -> str:
    """Why a value has no error bar, a line; "" where it has one."""
    value = score["value"]
    if value["value"] is None or value["stderr"] is not None:
        return ""
    metric = score["conditions"]["metric"]
    return (
        f"{metric} has no standard error: the metric has none, there are too few samples, or only "
        "totals were stored"
    )


def few_samples(record: Record, score: Score) -> str:
    """That a value needs the covariance of more samples than there are, a line; "" where not."""
    dim = score["conditions"].get("extractor", {}).get("feature_dim", 0)
    least = score["value"].get("smallest_subset")
    if least is not None:
        return few_in_subset(score["conditions"]["metric"], int(least), dim)
    n = record["conditions"].get("num_samples", 0)
    if score["conditions"].get("statistic", "moments") != "moments" or not 0 < n <= dim:
        return ""
    return f"N = {n} is not above the {dim} features: the value means little"


def few_in_subset(metric: str, least: int, dim: int) -> str:
    """That a metric extrapolates from subsets with too few samples, a line; "" where not."""
    if least >= _SUBSET * dim:
        return ""
    return (
        f"{metric} extrapolates from subsets of {least} samples and more, which are few for {dim} "
        "features: the value means little"
    )
