"""Scores of chains that begin with real images, as plain data and as rows of a table."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from samplebench.metrics.uncertainty import spread
from samplebench.results.record import Value
from samplebench.results.tables import Plain, csv_text, plain_rows

# Levels of two models that are one, whoever computed them.
_SAME = 1e-9
# What a chain begins with.
IMAGES, DATA, NOISE = "real images", "data", "noise"


@dataclass(frozen=True)
class Gap:
    """One value less another.

    Attributes:
        stderr: of the difference, from paired delete-one values; None where these are not known.
    """

    value: float
    stderr: float | None

    @classmethod
    def between(cls, one: Value, other: Value) -> Gap | None:
        """The first less the second; None where one of them is none."""
        if one["value"] is None or other["value"] is None:
            return None
        left, right = one.get("deleted") or [], other.get("deleted") or []
        error = None
        if left and len(left) == len(right):
            error = spread([p - q for p, q in zip(left, right, strict=True)])
        return cls(one["value"] - other["value"], error)


@dataclass(frozen=True)
class Chain:
    """Samples of one chain, scored.

    Attributes:
        start: "data" for real images with noise, "noise" for the ordinary run, "real images" for
            the images themselves, without a chain.
        step: of the whole run that is its first; None without a chain.
        sigma: noise level at its start, in EDM's convention.
        steps: how many are run.
        nfe: network evaluations per sample, counted.
        value: with its standard error; of None where it failed.
        excess: over the score of the images themselves.
        difference: to the same chain of the first model.
        cell: hash of its samples; "" without a chain.
        failed: why it has no value.
    """

    start: str
    step: int | None
    sigma: float
    steps: int
    nfe: float
    value: Value
    excess: Gap | None = None
    difference: Gap | None = None
    cell: str = ""
    failed: str = ""


@dataclass(frozen=True)
class AccumulationCurve:
    """A model with a sampler: the scores of its chains by one metric, over where they begin.

    Attributes:
        model, sampler, params, discretization, rho, nfe_requested, protocol, seed, num_samples:
            as of a row of `run`.
        steps: of the whole run.
        metric, reference: what is scored, against what.
        better: "lower" or "higher", None where the metric does not say.
        chains: the images themselves, then by increasing sigma, then the ordinary run.
    """

    model: str
    sampler: str
    params: str
    discretization: str
    rho: float | None
    nfe_requested: int | None
    steps: int
    metric: str
    reference: str
    better: str | None
    protocol: str
    seed: int
    num_samples: int
    chains: tuple[Chain, ...]

    def conditions(self) -> dict[str, Plain]:
        keys = ("model", "sampler", "params", "discretization", "rho", "nfe_requested")
        return {key: getattr(self, key) for key in keys}

    @property
    def setting(self) -> tuple[object, ...]:
        """What two models share where their chains are compared."""
        own = (self.sampler, self.params, self.discretization, self.rho, self.steps)
        return (*own, self.metric, self.reference, self.seed, self.num_samples)

    @property
    def floor(self) -> Chain:
        """The images themselves."""
        return self.chains[0]

    @property
    def begun(self) -> tuple[Chain, ...]:
        """The chains that begin with real images, by increasing sigma."""
        return tuple(chain for chain in self.chains if chain.start == DATA)

    @property
    def plain(self) -> Chain:
        """The ordinary run from noise alone."""
        return self.chains[-1]


@dataclass(frozen=True)
class Accumulation:
    """All curves of one set of images.

    Attributes:
        images: in words.
        count: how many of them are started from.
        curves: in the order of the request; those of one metric and reference have one direction.
        remarks: what is to be known beside the values, a line each.
    """

    images: str
    count: int
    curves: tuple[AccumulationCurve, ...]
    remarks: tuple[str, ...] = ()

    @property
    def failures(self) -> list[str]:
        """Why chains have no value, a line each."""
        found = (
            f"{curve.model} {curve.sampler} from sigma={chain.sigma:.4g}: {chain.failed}"
            for curve in self.curves
            for chain in curve.chains
            if chain.failed
        )
        return list(dict.fromkeys(found))

    def rows(self) -> list[dict[str, Plain]]:
        """One row per chain; 12 significant digits, None where a number is not finite."""
        return plain_rows(self._rows())

    def csv(self) -> str:
        """The same as text; nothing volatile."""
        rows = list(self._rows())
        return csv_text(list(rows[0]), rows)

    def _rows(self) -> Iterator[dict[str, Plain]]:
        for curve in self.curves:
            for chain in curve.chains:
                yield {
                    **curve.conditions(),
                    "start": chain.start,
                    "step": chain.step,
                    "sigma": chain.sigma,
                    "steps_run": chain.steps,
                    "steps": curve.steps,
                    "nfe": chain.nfe,
                    "metric": curve.metric,
                    "value": chain.value["value"],
                    "stderr": chain.value["stderr"],
                    **_gap("excess", chain.excess),
                    **_gap("difference", chain.difference),
                    "images": self.images,
                    "num_images": self.count,
                    "num_samples": curve.num_samples,
                    "seed": curve.seed,
                    "protocol": curve.protocol,
                    "reference": curve.reference,
                    "cell": chain.cell,
                }


def compared(curves: list[AccumulationCurve]) -> tuple[AccumulationCurve, ...]:
    """The curves with their chains' differences to the images, and to the first model's."""
    first: dict[tuple[object, ...], AccumulationCurve] = {}
    found = []
    for curve in curves:
        base = first.setdefault(curve.setting, curve)
        own = (replace(c, excess=Gap.between(c.value, curve.floor.value)) for c in curve.chains[1:])
        if base.model != curve.model:
            own = (replace(c, difference=_difference(c, base)) for c in own)
        found.append(replace(curve, chains=(curve.floor, *own)))
    return tuple(found)


def _difference(chain: Chain, base: AccumulationCurve) -> Gap | None:
    """To the chain of another model that begins at the same step and level."""
    for other in base.chains:
        if (other.start, other.step) == (chain.start, chain.step) and math.isclose(
            other.sigma, chain.sigma, rel_tol=_SAME
        ):
            return Gap.between(chain.value, other.value)
    return None


def _gap(name: str, gap: Gap | None) -> dict[str, float | None]:
    return {
        name: None if gap is None else gap.value,
        f"{name}_stderr": None if gap is None else gap.stderr,
    }
