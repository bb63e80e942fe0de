"""Records: what the files of a cell and of a score hold, schema 2.

In a file that is read, what is not required may be missing: older versions left it out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict


class ReferenceCondition(TypedDict, total=False):
    """The statistics that a value is a distance to."""

    id: str
    sha256: str


class ExtractorCondition(TypedDict, total=False):
    """Whose features are compared, and how many an image has.

    Attributes:
        numerics: of samplebench's own, once they gave others; 1 where nothing is said.
    """

    name: str
    weights_sha256: str
    feature_dim: int
    numerics: int


class Conditions(TypedDict, total=False):
    """All that decides a cell's images, whose hash is its name.

    Others' code adds `<name>_code`, its fingerprint.

    Attributes:
        numerics: of samplebench, raised when a change of it changes numbers.
        config, params: tables of plain values.
        seed: of the first sample.
        block: number of images evaluated at once.
        steps: None where a method chooses them.
        discretization: as a timeline writes it, a table with its `name` or explicit levels.
        dtype: what the network runs in; memory_format, compiled: where they are not the usual ones.
        noise: how noise is drawn; noise_device: where it depends on that.
        state_dtype: precision of the sampler's state.
        quantization: rule that makes uint8 of the result.
        start: where the chain begins with real images and not with noise alone: the hash of these
            as `images`, and the `step` of the whole run that is its first.
        guidance: where it moves something: name, scale, interval "low/high", and model or
            classifier.
    """

    model: str
    sampler: str
    params: Mapping[str, Any]
    discretization: Any
    steps: int | None
    seed: int
    num_samples: int
    block: int
    dtype: str
    memory_format: str
    compiled: bool
    state_dtype: str
    noise: str
    noise_device: str
    quantization: str
    guidance: Mapping[str, Any]
    start: Mapping[str, Any]
    config: Mapping[str, Any]
    checkpoint_sha256: str
    numerics: int


class ScoreConditions(TypedDict, total=False):
    """All that decides a score, whose hash is its name.

    Others' code adds `metric_code` and `extractor_code`.

    Attributes:
        cell: hash of the images.
        statistic: what of them the metric is computed on, "moments" or "features".
        against: what of the reference, where it is another kind, or "nothing".
        numerics: of samplebench's metrics and extractors.
    """

    cell: str
    metric: str
    statistic: str
    against: str
    extractor: ExtractorCondition
    reference: ReferenceCondition
    numerics: int


class Value(TypedDict):
    """What a metric came to; None where the cell has failed. A metric adds terms of its own.

    Attributes:
        deleted: the values without one block each.
        better: "lower" or "higher", where the metric says so.
        smallest_subset: number of samples, of a metric that extrapolates from subsets.
    """

    value: float | None
    stderr: float | None
    deleted: NotRequired[list[float]]
    better: NotRequired[str]
    smallest_subset: NotRequired[float]


# Of a score that failed.
NO_VALUE: Value = {"value": None, "stderr": None}


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
    """A finished cell: a set of images.

    Attributes:
        cell: its hash.
        nfe, nfe_planned: network evaluations per sample, counted and planned; nothing is planned
            where a method chooses its steps.
        guide_nfe, guide_nfe_planned: the same of the further passes of guidance, where there are.
        depth: of the evaluations those that wait for one another, where not all do.
        about: what sampler and steps say of themselves beside their names.
        remarks: what a reader must know beside the values, a line each.
        nonfinite: samples that are not finite.
        unsteady: reasons why the same seeds give other samples.
        not_reusable: what of others' code cannot be told apart from other code.
        failed: why its images are none.
        seconds: by stage.
        checksum: over all the others.
    """

    schema: int
    cell: str
    conditions: Conditions
    nfe: int | float
    nfe_planned: NotRequired[int]
    guide_nfe: NotRequired[int | float]
    guide_nfe_planned: NotRequired[int | float]
    depth: NotRequired[int]
    about: NotRequired[dict[str, Mapping[str, Any]]]
    remarks: NotRequired[list[str]]
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
    checksum: NotRequired[str]


class Score(TypedDict):
    """A metric of a cell against a reference.

    Attributes:
        score: hash of its conditions.
        unsteady: reasons why the same images give another value.
        not_reusable: as of a record.
        failed: why there is no value.
    """

    schema: int
    score: str
    conditions: ScoreConditions
    value: Value
    unsteady: NotRequired[list[str]]
    not_reusable: NotRequired[str]
    failed: NotRequired[str]
    seconds: NotRequired[float]
    provenance: NotRequired[Provenance]
    checksum: NotRequired[str]
