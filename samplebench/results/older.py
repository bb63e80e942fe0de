"""What samplebench wrote before images and scores were apart, schema 1, as schema 2 has it.

There a cell held its values: protocol, reference, extractor and metrics were among its conditions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from samplebench.results.record import Conditions, Record, ReferenceCondition, Score
from samplebench.results.row import Columns, Row, reference_label

SCHEMA = 1
# Columns that came with schema 2.
LATER = ("depth", "guidance", "guide_nfe", "reference")
_OF_SCORES = ("protocol", "reference", "extractor", "metrics")
_OF_IMAGES = ("noise", "state_dtype", "quantization")


def images_of(conditions: Mapping[str, Any]) -> Conditions:
    """What of a cell's conditions decides its images."""
    protocol = conditions.get("protocol") or {}
    kept = {key: value for key, value in conditions.items() if key not in _OF_SCORES}
    return cast(Conditions, {**kept, **{k: protocol[k] for k in _OF_IMAGES if k in protocol}})


def reference_of(conditions: Mapping[str, Any]) -> str:
    """The column `reference` of a cell's rows; "" where the conditions do not say."""
    found = conditions.get("reference") or {}
    return reference_label(str(found["id"]), str(found.get("sha256", ""))) if "id" in found else ""


def scores_of(record: Mapping[str, Any]) -> list[Score]:
    """The values in a cell's record, one score each; without names of their own."""
    conditions, failed = record["conditions"], record.get("failed")
    reference = conditions.get("reference") or {}
    named = cast(ReferenceCondition, reference if "id" in reference else {})
    found = []
    for metric, value in record["values"].items():
        score: Score = {
            "schema": SCHEMA,
            "score": "",
            "conditions": {
                "cell": record["cell"],
                "metric": metric,
                "statistic": "moments",
                "extractor": conditions.get("extractor", {}),
                "reference": named,
            },
            "value": value,
        }
        found.append(cast(Score, {**score, **({"failed": failed} if failed else {})}))
    return found


def record_of(record: Mapping[str, Any]) -> Record:
    """A cell's record without its values; its name stays that of the file."""
    kept = {key: value for key, value in record.items() if key != "values"}
    return cast(Record, {**kept, "conditions": images_of(record["conditions"])})


def columns_of(columns: Mapping[str, Any], reference: str) -> Columns:
    """Columns of a row with those that came later: every evaluation waited for the last one, and
    nothing was guided."""
    later = {"depth": columns["nfe"], "guidance": "", "guide_nfe": 0, "reference": reference}
    return cast(Columns, {**columns, **later})


def row_of(row: Mapping[str, Any], reference: str) -> Row:
    """The same of a row with values."""
    return cast(Row, columns_of(row, reference))
