"""What the metrics over all pairs cost at the size that papers use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "metric_costs.py"


@pytest.fixture
def costs(tmp_path):
    """`costs(count, *metrics)`: the script's table by metric, on all cores."""

    def run(count, *metrics):
        words = [word for metric in metrics for word in ("--metric", metric)]
        command = [sys.executable, SCRIPT, "--num-samples", str(count), "--out", "costs.csv"]
        env = {key: text for key, text in os.environ.items() if key != "OMP_NUM_THREADS"}
        subprocess.run([*command, *words], check=True, cwd=tmp_path, env=env)
        return pd.read_csv(tmp_path / "costs.csv").set_index("metric")

    return run


@pytest.mark.slow
def test_the_script_measures_every_kind(costs):
    found = costs(500, "kid", "recall", "mind")
    assert list(found.index) == ["kid", "recall", "mind"]
    assert (found["num_samples"] == 500).all() and (found["features"] == 2048).all()
    assert (found[["seconds", "cpu_seconds", "peak_gb", "stderr"]] > 0).all(axis=None)


@pytest.mark.slow
def test_50_000_by_2048_features_take_less_than_3_gb_and_10_minutes(costs):
    """Precision comes with recall, density and coverage."""
    found = costs(50_000, "kid", "precision")
    print(f"\n{found.to_string()}")
    assert (found["peak_gb"] < 3).all()
    assert (found["seconds"] < 600).all()
