"""What is known of a registered object, by kind of object."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from samplebench.answers.blame import blame, line_of, ours
from samplebench.errors import UsageError, unknown

Params = Mapping[str, Any]
# What a metric may be given of samples and reference.
STATISTICS, NOTHING = ("moments", "features"), "nothing"
# Of networks.
PRECISIONS = ("float64", "float32", "tf32", "bfloat16", "float16")


def _never(params: Params) -> bool:
    return False


@dataclass(frozen=True)
class Entry:
    """A registered object.

    Attributes:
        name: what users type.
        obj: the function or class.
        summary: one line for `samplebench list`.
        builtin: registered by samplebench itself.
    """

    name: str
    obj: Any
    summary: str = ""
    builtin: bool = False


@dataclass(frozen=True)
class SamplerEntry(Entry):
    """A sampler.

    Attributes:
        timeline: name of the timeline that the function steps on.
        on: names of other timelines -> the sampler that this name means there.
        order: of convergence on a smooth ODE, or effective parameters -> it; None where not
            declared.
        evaluations: steps -> planned network evaluations per sample, None where only a probe can
            tell; it may take parameters and the timeline's words as well, by name and with a
            default.
        final: where its grids of noise levels end unless told otherwise, "zero" or "sigma_min", or
            effective parameters -> it.
        levels: (steps, model, **parameters) -> its own noise levels, for the timelines "own" and
            "adaptive", where steps is None.
        span: (model, **parameters) -> the range of its own levels where a request says none; EDM's
            where not declared.
        least: fewest steps that it can take on the timeline "own", or effective parameters -> it.
        stochastic: effective parameters -> whether noise is drawn.
        noises: (steps, effective parameters) -> planned draws of noise where it is stochastic; None
            for one a step.
        coupled: whether the samples of a batch depend on each other, so that another batch gives
            others.
        guided: whether it follows a classifier's gradient by itself, on discrete steps.
        draws: whether it makes images from noise, and not noise from images.
        canonical: effective parameters -> (sampler, parameters) of the same algorithm.
        decisive: (effective parameters, steps) -> what of them decides the images, where several
            values are one algorithm at that many steps; None where the parameters themselves do.
        late: (effective parameters, steps, steps left) -> parameters with which the run on the last
            steps of a grid alone is that on all of them, started later; None where the same do.
        code: whose published code the defaults follow, e.g. "k-diffusion"; "" for the paper.
        depth: (steps, effective parameters) -> of the evaluations those that wait for one another;
            None where all do.
        about: what the results say of it beside its name, as plain values.
        remarks: (model or what is known of one, its name) -> what the reader of its values must
            know, a line each.
        cite: keys of citations.bib.
    """

    timeline: str = "sigma"
    on: Mapping[str, str] = field(default_factory=dict)
    order: float | Callable[[dict[str, Any]], float] | None = None
    evaluations: Callable[..., int] | None = None
    final: str | Callable[[dict[str, Any]], str] = "zero"
    levels: Callable[..., Any] | None = None
    span: Callable[..., tuple[float, float]] | None = None
    least: int | Callable[[dict[str, Any]], int] = 1
    stochastic: Callable[[dict[str, Any]], bool] = _never
    noises: Callable[[int, dict[str, Any]], int] | None = None
    coupled: bool = False
    guided: bool = False
    draws: bool = True
    canonical: Callable[[dict[str, Any]], tuple[str, dict[str, Any]]] | None = None
    decisive: Callable[[dict[str, Any], int], dict[str, Any]] | None = None
    late: Callable[[dict[str, Any], int, int], dict[str, Any]] | None = None
    code: str = ""
    depth: Callable[[int, dict[str, Any]], int] | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    remarks: Callable[[Any, str], Iterable[str]] | None = None
    cite: tuple[str, ...] = ()


@dataclass(frozen=True)
class DiscretizationEntry(Entry):
    """A time discretization.

    Attributes:
        lowest: constants -> default sigma_min, where it follows from them.
        cite: keys of citations.bib.
    """

    lowest: Callable[..., float] | None = None
    cite: tuple[str, ...] = ()


@dataclass(frozen=True)
class AdapterEntry(Entry):
    """An adapter, and what the planner must know of its models without loading one.

    Attributes:
        kind: of its models: the timeline that is their own, or a function of the config where that
            decides it.
        process: (config, shape (C, H, W)) -> the process its models were trained on; None where
            only the file says it, or none is needed.
        protocol: that of a file which no catalogue describes.
        suffixes: of its files.
        recognises: path -> whether a file of such a suffix is one of its own; None where the
            suffix says it.
        labels_optional: whether its class-conditional models answer without labels, too.
        precisions: that its networks run in, of "float64", "float32", "tf32" (as float32, on CUDA),
            "bfloat16" and "float16"; None where the adapter itself refuses what it cannot do, tf32
            apart.
        compiles: whether `model.network`, or its `trunk`, has a method `compile_body()`.
        exact: whether its models have exact draws, a method `draw_from`.
    """

    kind: str | Callable[[Mapping[str, Any]], str] = "sigma"
    process: Callable[[Mapping[str, Any], tuple[int, int, int]], Any] | None = None
    protocol: str = "edm"
    suffixes: tuple[str, ...] = ()
    recognises: Callable[[Path], bool] | None = None
    labels_optional: bool = False
    precisions: tuple[str, ...] | None = None
    compiles: bool = False
    exact: bool = False

    def __post_init__(self) -> None:
        if not (isinstance(self.kind, str) or callable(self.kind)):
            raise UsageError(f"adapter '{self.name}': kind is the name of a timeline")
        if not (self.process is None or callable(self.process)):
            raise UsageError(f"adapter '{self.name}': process is a function of (config, shape)")
        for word in self.precisions or ():
            if word not in PRECISIONS:
                raise unknown(f"precision of adapter '{self.name}'", str(word), PRECISIONS)

    def kind_of(self, config: Mapping[str, Any]) -> str:
        """The kind of a model with this config.

        Raises:
            UsageError: a declaration of others fails.
        """
        if isinstance(self.kind, str):
            return self.kind
        with blame(f"the kind that adapter {self.name} declares", self.kind):
            return self.kind(config)

    def planned(self, config: Mapping[str, Any], shape: tuple[int, int, int]) -> Any:
        """The process of its models, before one is here; None where it declares none.

        Raises:
            UsageError: a declaration of others fails.
        """
        if self.process is None:
            return None
        with blame(f"the process that adapter {self.name} declares", self.process):
            return self.process(config, shape)


@dataclass(frozen=True)
class MetricEntry(Entry):
    """A metric: a function of a statistic of the samples and that of the reference.

    Attributes:
        statistic: what it is given of the samples: "moments" (`Moments`), or "features" (rows
            [N, D]).
        against: what it is given of the reference: "moments" (an object with mean, cov and root),
            "features" (rows [M, D]), or "nothing" (None); the same as `statistic` where not said.
        extractor: whose features it is computed on; its sources are among the metric's.
        better: "lower" or "higher", None where not declared.
        blocked: (`BlockedMoments` or `BlockedRows` of the samples, the same of the reference, whose
            rows are `BlockedRows`, too) -> value and terms, and the values without one block each,
            where both together cost less than the function 21 times; no values: no error bar.
        ordered: whether the order of the samples matters to the value.
        cost: what it takes at N = 50,000, in words; "" where not measured.
        cite: keys of citations.bib.
    """

    statistic: str = "moments"
    against: str = ""
    extractor: str | None = None
    better: str | None = None
    blocked: Callable[[Any, Any], tuple[Mapping[str, float], list[float]]] | None = None
    ordered: bool = False
    cost: str = ""
    cite: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (self.blocked is None or callable(self.blocked)):
            raise UsageError(
                f"metric '{self.name}': blocked is a function of (samples, reference), not "
                f"{line_of(repr(self.blocked))}"
            )
        if self.blocked is not None and not ours(self.blocked):
            # A value that others' code computes is theirs, whosever the plain function is.
            object.__setattr__(self, "builtin", False)
        if not self.against:
            object.__setattr__(self, "against", self.statistic)
        known: Mapping[str, tuple[str | None, ...]] = {
            "statistic": STATISTICS,
            "against": (*STATISTICS, NOTHING),
            "better": ("lower", "higher", None),
        }
        for fact, words in known.items():
            if getattr(self, fact) not in words:
                names = " or ".join(f"'{name}'" for name in words if name)
                raise UsageError(
                    f"metric '{self.name}': {fact} is {names}, not {getattr(self, fact)!r}"
                )
