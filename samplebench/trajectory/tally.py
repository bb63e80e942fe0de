"""Adds up errors over blocks of samples, and makes curves of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import numpy as np

from samplebench.models.bound import per_sample
from samplebench.sampling.setting import Setting
from samplebench.trajectory.plan import Family
from samplebench.trajectory.result import Curve, Level, Point, Spread, Truth, measured_order


class Tally:
    """What the blocks of samples add up to.

    Attributes:
        truths: facts of the reference solutions by their start.
    """

    def __init__(self) -> None:
        self.truths: dict[float, Truth] = {}
        # By id(setting): mean square errors by step, block after block; (images, samples).
        self._squares: dict[int, dict[int, list[np.ndarray]]] = {}
        self._evaluated: dict[int, np.ndarray] = defaultdict(lambda: np.zeros(2, dtype=np.int64))

    def add_truth(self, truth: Truth) -> None:
        known = self.truths.setdefault(truth.sigma_max, truth)
        self.truths[truth.sigma_max] = replace(
            known,
            evaluations=max(known.evaluations, truth.evaluations),
            error=max(known.error, truth.error),
        )

    def add(self, setting: Setting, squares: Mapping[int, np.ndarray], images: int) -> None:
        """The mean square errors [N] of one block by step, the end among them."""
        known = self._squares.setdefault(id(setting), defaultdict(list))
        for step, values in squares.items():
            known[step].append(values)
        self._evaluated[id(setting)] += (images, len(squares[max(squares)]))

    def curve(self, family: Family) -> Curve:
        truth = self.truths[start_of(family.settings[0])]
        points = [self._point(setting) for setting in family.settings]
        for i, (coarse, fine) in enumerate(pairwise(points), 1):
            points[i] = replace(
                fine,
                order=measured_order(coarse, fine, lambda point: point.last, truth.error),
                order_end=measured_order(coarse, fine, lambda point: point.levels[-1], truth.error),
            )
        return Curve(
            family.sampler, family.params, family.discretization, family.rho, truth, tuple(points)
        )

    def _point(self, setting: Setting) -> Point:
        squares = self._squares[id(setting)]
        levels = tuple(
            Level(step, sigma, _spread(np.concatenate(squares[step])))
            for step, sigma in enumerate(levels_of(setting)[1:])
            if step in squares
        )
        images, samples = self._evaluated[id(setting)].tolist()
        return Point(setting.steps, per_sample(images, samples), levels)


def levels_of(setting: Setting) -> list[float]:
    """Of its states, the start first: the grid, and 0 where a last evaluation denoises to it."""
    levels: list[float] = setting.timeline.grid.tolist()
    return [*levels, 0.0] if setting.timeline.constants.get("denoise_to_zero") else levels


def start_of(setting: Setting) -> float:
    """The first noise level; grids that differ in the last bits have the same start."""
    return float(f"{setting.timeline.grid.tolist()[0]:.12g}")


def _spread(squares: np.ndarray) -> Spread:
    low, median, high = np.quantile(np.sqrt(squares), (0.25, 0.5, 0.75)).tolist()
    return Spread(float(np.sqrt(squares.mean())), median, low, high)
