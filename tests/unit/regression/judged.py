"""Rows against rows at equal seeds: one of them changed, their verdicts, their statuses."""

from __future__ import annotations

from samplebench.regression import Gate, Table, compare
from samplebench.regression.tolerance import parse


def changed(rows, **changes):
    """The rows with the first one changed."""
    return [{**rows[0], **changes}, *rows[1:]]


def judged(current, baseline, tolerance="1e-6", **gate):
    current, baseline = (t if isinstance(t, Table) else Table(t) for t in (current, baseline))
    rules = parse([tolerance] if tolerance else [], ["fd-digits"])
    return compare(current, baseline, Gate(rules, **gate)).verdicts


def statuses(*words, **gate):
    return [verdict.status for verdict in judged(*words, **gate)]
