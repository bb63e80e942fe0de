"""samplebench's own values on the embedded models: presets that run at once, on digits.

own.csv holds rows of benchmarks/baselines. Their metric is fd-digits, which is not FID.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from importlib import resources

from samplebench.answers.parameters import parsed
from samplebench.registry import discretizations
from samplebench.reproduce.preset import ReproductionPreset
from samplebench.results.fields import value_text

_METRIC = "fd-digits"
SOURCE = "samplebench, benchmarks/baselines"


def own_presets() -> list[ReproductionPreset]:
    """One for each row of own.csv, in its order."""
    text = (resources.files("samplebench.reproduce") / "own.csv").read_text(encoding="utf-8")
    return list(map(_preset, csv.DictReader(io.StringIO(text, newline=""))))


def _preset(row: Mapping[str, str]) -> ReproductionPreset:
    sampler, budget = row["sampler"], int(row["nfe_requested"])
    value, stderr = float(row[_METRIC]), float(row[f"{_METRIC}_stderr"])
    words = {
        "sampler": sampler,
        "nfe": budget,
        "num_samples": int(row["num_samples"]),
        "seed": int(row["seed"]),
        "protocol": row["protocol"],
        "reference": row["reference"].partition("@")[0],
    }
    # Steps of the model's own have no name that a request could say.
    if row["discretization"] in discretizations:
        words |= {"discretization": row["discretization"]}
    if row["rho"]:
        words |= {"rho": float(row["rho"])}
    if params := parsed(row["params"]):
        words |= {"param": {sampler: params}}
    return ReproductionPreset(
        name=f"{row['model']}/{sampler}/{budget}",
        metric=_METRIC,
        value=value,
        printed=value_text(value, stderr),
        stderr=stderr,
        source=SOURCE,
        checkpoint=row["model"],
        words=words,
        nfe=int(row["nfe"]),
    )
