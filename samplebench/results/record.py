"""A record: what a cell file holds, schema 1.

In a file that is read, what is not required may be missing: older versions left it out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NotRequired, Required, TypedDict


class ReferenceCondition(TypedDict, total=False):
    """The statistics that a value is a distance to."""

    id: str
    sha256: str


class ExtractorCondition(TypedDict, total=False):
    """Whose features are compared, and how many an image has."""

    name: str
    weights_sha256: str
    feature_dim: int


class Conditions(TypedDict, total=False):
    """All that decides a cell's values, whose hash is its name.

    Others' code adds `<name>_code`, its fingerprint.

    Attributes:
        numerics: of samplebench, raised when a change of it changes numbers.
        config, protocol, params: tables of plain values.
        seed: of the first sample.
        block: number of images evaluated at once.
        discretization: as a timeline writes it, a table with its `name` or explicit levels.
        noise_device: where noise depends on it.
    """

    metrics: Required[list[str]]
    model: str
    sampler: str
    params: Mapping[str, Any]
    discretization: Any
    steps: int
    seed: int
    num_samples: int
    block: int
    dtype: str
    protocol: Mapping[str, Any]
    reference: ReferenceCondition
    extractor: ExtractorCondition
    config: Mapping[str, Any]
    checkpoint_sha256: str
    numerics: int
    noise_device: str


class Value(TypedDict):
    """What a metric came to; None where the cell has failed. A metric adds terms of its own.

    Attributes:
        deleted: the values without one block each.
        better: "lower" or "higher", of a metric of others.
    """

    value: float | None
    stderr: float | None
    deleted: NotRequired[list[float]]
    better: NotRequired[str]


class Provenance(TypedDict, total=False):
    """Where and with what a cell was computed.

    Attributes:
        platform: what must be equal for values to be equal to 1e-6.
        hardware: processor or GPU, in words.
        git_commit: of samplebench's checkout; None for an installed package.
        created: ISO 8601, UTC.
        checkpoint: what the model says of itself.
    """

    versions: dict[str, str]
    platform: str
    hardware: str
    git_commit: str | None
    created: str
    checkpoint: Mapping[str, Any]


class Record(TypedDict):
    """A finished cell.

    Attributes:
        cell: its hash.
        nfe, nfe_planned: network evaluations per sample, counted and planned.
        values: by metric.
        nonfinite: samples that are not finite.
        unsteady: reasons why the same seeds give other samples.
        not_reusable: what of others' code cannot be told apart from other code.
        failed: why there is no value.
        seconds: by stage.
    """

    schema: int
    cell: str
    conditions: Conditions
    nfe: int | float
    values: dict[str, Value]
    nfe_planned: NotRequired[int]
    gflop_per_evaluation: NotRequired[float | None]
    gflop_per_image: NotRequired[float | None]
    nonfinite: NotRequired[int]
    seed_reproducible: NotRequired[bool]
    unsteady: NotRequired[list[str]]
    reusable: NotRequired[bool]
    not_reusable: NotRequired[str]
    failed: NotRequired[str]
    seconds: NotRequired[dict[str, float]]
    provenance: NotRequired[Provenance]
