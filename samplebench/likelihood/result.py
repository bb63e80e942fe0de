"""What a model's likelihood of images came to: mean, error, parts; as JSON, CSV and facts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from samplebench.likelihood.block import PARTS, STEPS, Values
from samplebench.likelihood.divergence import EXACT
from samplebench.likelihood.plan import BY_BOUND, LikelihoodPlan
from samplebench.results.fields import value_text
from samplebench.results.tables import csv_text

_SPELLED = {"L_0": "L_0, the last step", "rest": "rest, the other steps"}


@dataclass(frozen=True)
class Mean:
    """Of an amount over images.

    Attributes:
        value: the mean over images and repeats.
        stderr: standard error over images, of the mean over an image's repeats.
    """

    value: float
    stderr: float

    @classmethod
    def of(cls, values: np.ndarray) -> Mean:
        """Of values [repeats, N], N from 2 up."""
        images = values.mean(0)
        return cls(float(images.mean()), float(images.std(ddof=1) / math.sqrt(len(images))))

    def __str__(self) -> str:
        return value_text(self.value, self.stderr)


@dataclass(frozen=True)
class Likelihood:
    """Bits per dimension of images, each with its values.

    Attributes:
        plan: what was asked.
        values: float64 [repeats, N] by name in the set's order, see `values_of`.
        steps: of the bound, by name the mean over images and repeats [S] of each step's terms, the
            noisiest first.
    """

    plan: LikelihoodPlan
    values: Mapping[str, np.ndarray]
    steps: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, plan: LikelihoodPlan, blocks: Sequence[Values]) -> Likelihood:
        """Of all blocks, which are in the data's order."""
        by_step = STEPS if plan.method == BY_BOUND else ()
        names = [name for name in blocks[0] if name not in by_step]
        shape = plan.repeats, plan.data.count
        back = np.argsort(plan.data.order)
        values = {n: np.concatenate([b[n] for b in blocks]).reshape(shape)[:, back] for n in names}
        steps = {n: np.sum([b[n] for b in blocks], 0) / math.prod(shape) for n in by_step}
        return cls(plan, values, steps)

    @property
    def bits(self) -> Mean:
        return Mean.of(self.values["bits"])

    @property
    def parts(self) -> dict[str, Mean]:
        """Of the bound its parts, whose values add up to it."""
        return {name: Mean.of(self.values[name]) for name in PARTS if name in self.values}

    @property
    def forward(self) -> float:
        """Evaluations of an image, counted, the mean."""
        return float(self.values["evaluations"].mean())

    @property
    def backward(self) -> float:
        """Backward passes of an image: one an evaluation, of the exact divergence `dim`."""
        if self.plan.method == BY_BOUND:
            return 0.0
        return self.forward * (self.plan.data.dim if self.plan.divergence == EXACT else 1)

    @property
    def levels(self) -> list[tuple[int, float]]:
        """(t, sigma) of the bound's steps, the noisiest first."""
        law = self.plan.law
        pairs = zip(law.timestep_map.tolist(), law.sigmas.tolist(), strict=True)
        return list(pairs)[::-1]

    def facts(self) -> dict[str, str]:
        """What is told of it, in words."""
        plan, data = self.plan, self.plan.data
        found = {
            plan.metric: f"{self.bits} bits/dim",
            "model": plan.entry.id,
            "images": f"{data.said}, repeats {plan.repeats}, seed {plan.seed}",
            "labels": data.classes,
            "dequantized": plan.dequantization,
            "precision": f"{plan.running['dtype']}, state {plan.conditions['state_dtype']}",
        }
        if plan.method == BY_BOUND:
            law = plan.law
            found["steps"] = (
                f"{law.steps} of {law.original_steps}, variance {law.variance}, x0 clipped"
            )
            for name, part in self.parts.items():
                found[_SPELLED.get(name, name)] = f"{part}, {self._share(name):.2%}"
        else:
            low, high = plan.path
            found["ODE"] = (
                f"sigma from {low:.4g} to {high:.4g}, divergence {plan.divergence}, "
                f"rtol {plan.rtol:g}"
            )
        passes = f" and {self.backward:,.4g} backward" if self.backward else ""
        found["passes"] = f"{self.forward:,.4g} forward{passes} an image, counted"
        return found

    def content(self) -> dict[str, Any]:
        """All but the values of each image, as plain values for JSON."""
        plan, data, bits = self.plan, self.plan.data, self.bits
        found: dict[str, Any] = {
            "metric": plan.metric,
            "value": bits.value,
            "stderr": bits.stderr,
            "num_images": data.count,
            "repeats": plan.repeats,
            "dim": data.dim,
            "data": data.said,
            "labels": data.classes,
            "dequantization": plan.dequantization,
            "evaluations": {"forward": self.forward, "backward": self.backward},
            "conditions": plan.conditions,
        }
        if plan.method == BY_BOUND:
            found["parts"] = {
                name: {"value": p.value, "stderr": p.stderr, "share": self._share(name)}
                for name, p in self.parts.items()
            }
            columns = {name: self.steps[name].tolist() for name in STEPS}
            found["steps"] = [
                {"t": t, "sigma": s if math.isfinite(s) else None}
                | {name: column[i] for name, column in columns.items()}
                for i, (t, s) in enumerate(self.levels)
            ]
        return found

    def csv(self) -> str:
        """A row for each image, by its place in the set, and repeat; floats with 12 digits."""
        plan, labels = self.plan, self.plan.data.labels
        names = {plan.metric: "bits"} | {name: name for name in self.values if name != "bits"}
        rows = [
            {"image": place, "repeat": repeat, "label": None if labels is None else int(labels[i])}
            | {column: float(self.values[name][repeat, i]) for column, name in names.items()}
            for repeat in range(plan.repeats)
            for i, place in enumerate(plan.data.places.tolist())
        ]
        return csv_text(["image", "repeat", "label", *names], rows)

    def _share(self, name: str) -> float:
        return self.parts[name].value / self.bits.value
