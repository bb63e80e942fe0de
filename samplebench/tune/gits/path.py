"""The cheapest path over stamps, by a dynamic programme with a discount (Chen et al. 2024)."""

from __future__ import annotations

import numpy as np

from samplebench.errors import UsageError


def path_of(
    costs: np.ndarray, intervals: int, coefficient: float = 1.0
) -> tuple[tuple[int, ...], float]:
    """The stamps of a grid with so many intervals, from the first stamp to the last.

    V_1(k, i) = C[k, i, M-1] and V_n(k, i) = min over i < j < M-1 of C[k, i, j] + g V_{n-1}(i, j).
    Of two that cost the same the smaller index is taken.

    Args:
        costs: [M, M], of a step from stamp i to j; or [M, M, M], of one that follows a step from k
            to i, where costs[0, 0, j] is that of the first step. Read where k < i < j alone.
        intervals: 1 to M - 1.
        coefficient: g; the costs of later steps are multiplied by g, g^2, ...

    Returns:
        The indices, intervals + 1 of them, and the cost of the path.

    Raises:
        UsageError: there are not so many intervals.
    """
    count = costs.shape[-1]
    if not 1 <= intervals < count:
        raise UsageError(f"{count} stamps have 1 to {count - 1} intervals, not {intervals}")
    steps = costs.reshape(-1, count, count)
    i, j = np.indices((count, count))
    inner = (j > i) & (j < count - 1)
    values, choices = steps[:, :, -1], []
    for _ in range(intervals - 1):
        # values[k or 0, i] of the state behind: [i, j] of the state before.
        on = coefficient * np.broadcast_to(values, (count, count))
        through = np.where(inner, steps + on, np.inf)
        choices.append(through.argmin(2))
        values = through.min(2)
    path, alike = [0, 0], len(steps) == 1
    for choice in reversed(choices):
        path.append(int(choice[0 if alike else path[-2], path[-1]]))
    return (*path[1:], count - 1), float(values[0, 0])
