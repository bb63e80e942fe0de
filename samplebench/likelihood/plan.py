"""What is asked of a model: which of the two numbers, of which images, under which conditions."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from samplebench.bench.codes import Codes
from samplebench.bench.known import Known
from samplebench.bench.request import Request
from samplebench.checkpoints.checkpoint import Checkpoint
from samplebench.errors import UsageError, unknown
from samplebench.likelihood.bound import kept_steps
from samplebench.likelihood.data import LabelledImages
from samplebench.likelihood.divergence import DIVERGENCES, HUTCHINSON, check_divergence
from samplebench.likelihood.ode import check_rtol, path_of
from samplebench.loading.precision import running
from samplebench.registry import adapters
from samplebench.results.cell import hash_of
from samplebench.timelines.choice import denoises, steps_of_its_own

if TYPE_CHECKING:
    from samplebench.models.model import Model
    from samplebench.processes.discrete import DiscreteProcess

# Raised where values change: older ones are then not taken up.
_NUMERICS = 2
BY_BOUND, BY_ODE = "bound", "ode"
METRICS = {BY_BOUND: "bpd-bound", BY_ODE: "bpd-ode"}
LABELS = ("data", "none")
# Published codes take 1e-5 for a step, which is a tenth of it.
_RTOL, _LOW, _HIGH = 1e-4, 0.002, 80.0


@dataclass(frozen=True)
class LikelihoodWords:
    """What only this command is told; None means the default.

    Attributes:
        method: "bound" or "ode".
        steps, respacing: of the bound, not both.
        divergence, rtol: of the ODE.
        labels: "data" or "none".
    """

    method: str | None = None
    steps: int | None = None
    respacing: str | None = None
    divergence: str | None = None
    rtol: float | None = None
    labels: str | None = None

    def __post_init__(self) -> None:
        for name, known in (
            ("method", tuple(METRICS)),
            ("divergence", DIVERGENCES),
            ("labels", LABELS),
        ):
            value = getattr(self, name)
            if value is not None and value not in known:
                raise unknown(f"--{name}", value, known)
        if self.steps is not None and self.respacing is not None:
            raise UsageError("give --steps or --respacing, not both")
        if self.rtol is not None:
            check_rtol(self.rtol)

    def method_on(self, entry: Checkpoint) -> str:
        """The method on a model: as asked for, else that of its kind.

        Raises:
            UsageError: the model has no such number, or a word is of the other method.
        """
        known, method = Known(entry), self.method
        bound, ode = steps_of_its_own(known), denoises(known)
        if not (bound or ode):
            raise UsageError(
                f"model {entry.id} supports neither bpd-bound nor bpd-ode: its process "
                f"{known.process.name} has no discrete steps and no D(x; sigma)"
            )
        method = method or (BY_BOUND if bound else BY_ODE)
        if method == BY_BOUND and not bound:
            raise UsageError(
                f"--method bound: model {entry.id} has no discrete steps, which the bound needs; "
                "leave it out, or use --method ode"
            )
        others = ("divergence", "rtol") if method == BY_BOUND else ("steps", "respacing")
        for name in others:
            if getattr(self, name) is not None:
                other = BY_ODE if method == BY_BOUND else BY_BOUND
                also = f", or use --method {other}" if bound else ""
                raise UsageError(
                    f"--{name} is for --method {other}, not for {method}; leave it out{also}"
                )
        return method


@dataclass(frozen=True)
class LikelihoodPlan:
    """A model on a device, its images, and all that decides a value.

    Attributes:
        entry: the model's.
        model: itself.
        data: the images.
        method: "bound" or "ode".
        seed: image i of the set has seed + i; repeat r takes other draws of the same seeds.
        repeats: how often fresh noise is drawn.
        block: images at once.
        words: what was asked for.
        codes: what others' code is.
    """

    entry: Checkpoint
    model: Model
    data: LabelledImages
    method: str
    seed: int
    repeats: int
    block: int
    words: LikelihoodWords
    running: dict[str, Any]
    codes: Codes = field(default_factory=Codes)

    @classmethod
    def of(
        cls,
        request: Request,
        entry: Checkpoint,
        model: Model,
        data: LabelledImages,
        words: LikelihoodWords,
    ) -> LikelihoodPlan:
        """The plan of a request; raises `UsageError` where the model cannot be asked so."""
        runs = dict(running(entry, request.dtype, request.device, False))
        plan = cls(
            entry,
            model,
            data,
            words.method_on(entry),
            request.seed,
            request.repeats,
            request.block,
            words,
            runs,
        )
        if plan.method == BY_ODE:
            check_divergence(plan.divergence, data.dim)
        assert plan.conditions
        return plan

    @property
    def metric(self) -> str:
        return METRICS[self.method]

    @property
    def divergence(self) -> str:
        return self.words.divergence or HUTCHINSON

    @property
    def rtol(self) -> float:
        return _RTOL if self.words.rtol is None else self.words.rtol

    @cached_property
    def path(self) -> tuple[float, float]:
        """The noise levels that the ODE runs between."""
        return path_of(self.model, _LOW, _HIGH)

    @cached_property
    def law(self) -> DiscreteProcess:
        """The process of the bound's steps."""
        words = self.words
        return kept_steps(self.model, words.respacing if words.steps is None else str(words.steps))

    @cached_property
    def conditions(self) -> dict[str, Any]:
        """Everything that decides the value of an image, as plain JSON values.

        How many images and repeats are asked for is no part of it: more of them go on where fewer
        ended.
        """
        entry, data = self.entry, self.data
        found: dict[str, Any] = {
            "numerics": _NUMERICS,
            "metric": self.metric,
            "model": entry.id,
            "checkpoint_sha256": self._identity(),
            "config": dict(entry.config),
            "data_sha256": data.sha256,
            "labels_sha256": data.labels_sha256,
            "seed": self.seed,
            "state_dtype": str(self.model.state_dtype).removeprefix("torch."),
            "block": self.block,
            **self.running,
        }
        if entry.model is None:
            found |= self.codes.of("adapter", "adapter", adapters.entry(entry.format))
        if self.method == BY_BOUND:
            law = self.law
            steps = hash_of({"steps": law.timestep_map.tolist()})
            found |= {"steps": law.steps, "steps_sha256": steps, "variance": law.variance}
            return found | {"clip_x0": True}
        low, high = self.path
        found |= {"divergence": self.divergence, "rtol": self.rtol}
        return found | {"sigma_min": low, "sigma_max": high}

    @property
    def hash(self) -> str:
        return hash_of(self.conditions)

    @property
    def dequantization(self) -> str:
        """What is done to bytes before they are measured, in words."""
        if self.method == BY_BOUND:
            return "none: the bound is that of the bytes"
        return "uniform: 2 (b + u) / 256 - 1 with u from U[0, 1) for each entry of each image"

    def blocks(self) -> list[tuple[int, int, int]]:
        """(repeat, first image of the data's order, number of images) of each block."""
        firsts = range(0, self.data.count, self.block)
        return [
            (r, first, min(self.block, self.data.count - first))
            for r in range(self.repeats)
            for first in firsts
        ]

    def _identity(self) -> str:
        """Of the weights."""
        if self.entry.model is not None:
            return self.codes.model(self.entry)
        return str(self.model.provenance.get("sha256", ""))
