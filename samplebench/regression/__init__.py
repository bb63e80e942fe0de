"""The gate: whether a curve moved between a baseline and the current results."""

from samplebench.regression.baseline import update
from samplebench.regression.committed import load_committed
from samplebench.regression.compare import Gate, compare
from samplebench.regression.rows import Table, load_rows
from samplebench.regression.summary import Summary
from samplebench.regression.verdict import Change, Verdict

__all__ = [
    "Change", "Gate", "Summary", "Table", "Verdict", "compare", "load_committed", "load_rows",
    "update",
]  # fmt: skip
