"""Cards as their makers write them: documents, and files of them."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

LEVELS = (80.0, 20.0, 5.0, 1.0, 0.0)


def vp_time(sigma: float) -> float:
    """The t of the VP process with beta from 0.1 to 20: of 0.1 t + 9.95 t^2 = log(1 + sigma^2)."""
    return (math.sqrt(0.01 + 39.8 * math.log1p(sigma**2)) - 0.1) / 19.9


# By kind of time: sigma -> t, and by what x0 + sigma n is multiplied there.
TIMES = {
    "sigma": (lambda sigma: sigma, lambda sigma: 1.0),
    "vp": (vp_time, lambda sigma: 1 / math.sqrt(1 + sigma**2)),
    "flow": (lambda sigma: sigma / (1 + sigma), lambda sigma: 1 / (1 + sigma)),
}


def euler_weights(predicts: str, s: float, s_next: float, sigma: float, down: float):
    """(a, c) of x' / s' = x / s + (sigma' - sigma) eps, by what v is of D and eps."""
    ratio = s_next / s
    if predicts == "eps":
        return ratio, s_next * (down - sigma)
    if predicts == "x0":  # eps = (x / s - v) / sigma
        return ratio * down / sigma, s_next * (1 - down / sigma)
    # x / s = D + sigma eps and v = eps - D.
    inner = (down - sigma) / (1 + sigma)
    return ratio * (1 + inner), s_next * inner


def euler(levels=LEVELS, time="sigma", predicts="eps", **more: Any) -> dict[str, Any]:
    """Euler's method on noise levels, whatever its time and its prediction are."""
    clock, scale = TIMES[time]
    a, c = [], []
    for i, (sigma, down) in enumerate(pairwise(levels)):
        kept, asked = euler_weights(predicts, scale(sigma), scale(down), sigma, down)
        a.append([0.0] * i + [kept])
        c.append([0.0] * i + [asked])
    return {
        "format": "samplebench-solver-card",
        "version": 1,
        "predicts": predicts,
        "time": time,
        "times": [clock(sigma) for sigma in levels],
        "a": a,
        "c": c,
        **more,
    }


def heun(levels=LEVELS) -> dict[str, Any]:
    """Heun's method with its stages as states; the step into 0 is Euler's."""
    times, a, c = [levels[0]], [], []

    def state(t: float, kept: dict[int, float], asked: dict[int, float]) -> int:
        """A further state, of earlier ones and slopes at them."""
        i = len(a)
        a.append([kept.get(j, 0.0) for j in range(i + 1)])
        c.append([asked.get(j, 0.0) for j in range(i + 1)])
        times.append(t)
        return i + 1

    at = 0
    for sigma, down in pairwise(levels):
        h = down - sigma
        stage = state(down, {at: 1}, {at: h})
        at = state(down, {at: 1}, {at: h / 2, stage: h / 2}) if down else stage
    return {**euler(), "times": times, "a": a, "c": c}


def parallel() -> dict[str, Any]:
    """Two points between the ends of each of two steps, which need nothing of each other."""
    times, a, c = [80.0], [], []
    for step, (sigma, down) in enumerate(((80.0, 5.0), (5.0, 0.1))):
        first, h = 3 * step, down - sigma
        for part in (0.3, 0.7):
            row = len(a)
            a.append([float(j == first) for j in range(row + 1)])
            c.append([part * h * (j == first) for j in range(row + 1)])
            times.append(sigma + part * h)
        a.append([float(j == first) for j in range(first + 3)])
        c.append([0.5 * h * (j > first) for j in range(first + 3)])
        times.append(down)
    return {**euler(), "times": times, "a": a, "c": c}


def write(path: Path, content: Any) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path
