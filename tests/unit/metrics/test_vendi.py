"""The Vendi score in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from samplebench.metrics import pairs
from samplebench.metrics.vendi import vendi


def test_counts_directions():
    base = np.linalg.qr(np.random.default_rng(0).standard_normal((9, 9)))[0][:4]
    assert vendi(base) == pytest.approx(4)
    assert vendi(5 * np.repeat(base, 7, axis=0)) == pytest.approx(4)
    assert vendi(np.ones((6, 3))) == pytest.approx(1)
    assert vendi(base[:1]) == pytest.approx(1)


@pytest.mark.parametrize("dim", [3, 40])
def test_of_the_similarities_themselves(monkeypatch, dim):
    """Fewer features than rows, and more."""
    monkeypatch.setattr(pairs, "TILE", 6)
    rows = np.random.default_rng(1).standard_normal((25, dim)) + 0.3
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    values = np.linalg.eigvalsh(units @ units.T / 25)
    values = values[values > 1e-12]
    expected = np.exp(-(values * np.log(values)).sum())
    assert vendi(rows) == pytest.approx(expected, rel=1e-9)
    assert vendi(rows.astype(np.float32)) == pytest.approx(expected, rel=1e-5)


def test_rows_without_a_direction():
    for rows in (np.zeros((0, 3)), np.eye(3) - np.eye(3)[0]):
        with pytest.raises(ValueError, match=r"too few|no direction"):
            vendi(rows)
