"""Three rows."""

from __future__ import annotations

import pytest

from tests.unit.regression.made import row


@pytest.fixture
def rows():
    """As of results.csv."""
    return [row(name, **{"fd-digits": 2.0 + i}) for i, name in enumerate(("euler", "heun", "edm"))]
