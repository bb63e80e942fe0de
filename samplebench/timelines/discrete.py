"""The steps of a discrete process: those that a respacing keeps (Nichol & Dhariwal 2021)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from samplebench.answers.scalars import whole
from samplebench.errors import UsageError
from samplebench.models.bound import Bound
from samplebench.models.model import Model
from samplebench.models.views import DiscreteView
from samplebench.registry import timelines
from samplebench.timelines.ends import refuse_rules
from samplebench.timelines.timeline import Timeline
from samplebench.timelines.words import Counts, Sweep, Words, one_of, refuse_range, sorted_out

if TYPE_CHECKING:
    from torch import Tensor

    from samplebench.processes.discrete import DiscreteProcess


@timelines.register("discrete")
@dataclass(frozen=True)
class Discrete(Timeline):
    """Kept steps of a model's own process, from the noisiest down; latents are x_T itself.

    Attributes:
        spec: in the release's grammar, e.g. "25", "ddim25" or "10,15,20".
        process: the respaced process.
        skipped: how many of its steps, from the noisiest, are not run.
    """

    kinds = ("discrete",)
    label = "respacing"
    needs = "a discrete model"
    defaults = ("respaced", "ddim", "heun")
    words = frozenset({"steps", "nfe", "respacing"})
    instead = (
        "uses steps of the model's own process; leave out {words} and give steps=25 or "
        "respacing='ddim25'"
    )

    spec: str
    process: DiscreteProcess
    constants: Mapping[str, Any] = field(default_factory=dict)
    skipped: int = 0

    @classmethod
    def of(cls, model: Any, sampler: Counts, words: Words) -> Self:
        """Without a word, the model's own respacing if it has one.

        Raises:
            UsageError: also for a single step: the release's variance of the first step is that
                of the second.
        """
        own, _ = sorted_out(sampler, words.params, {})
        every: DiscreteProcess = model.process
        steps = None if words.steps is None else whole("steps", words.steps)
        respacing = words.respacing
        if not words.said("steps", "nfe", "respacing") and model.respacing:
            respacing = model.respacing
        else:
            one_of(words, "steps", "nfe", "respacing")
        if words.nfe is not None:
            count = sampler.steps_for(whole("nfe", words.nfe), sampler.effective(own))
            steps = min(count, every.steps)
        spec = str(steps) if respacing is None else respacing
        kept = every.respaced(spec)
        if kept.steps < cls.least:
            raise UsageError(
                f"sampler {sampler.name} with respacing '{spec}': a process of one step has no "
                "variance; keep at least 2"
            )
        return cls(spec, kept)

    @classmethod
    def places(cls, asked: Sweep, given: Mapping[str, Any]) -> Iterator[Words]:
        yield Words()

    @classmethod
    def words_of(cls, condition: Any, steps: int | None) -> Words:
        return Words(respacing=condition["spec"])

    @classmethod
    def toy(cls, steps: int) -> Self:
        from samplebench.processes.discrete import discrete_process

        flags = {"noise_schedule": "cosine", "diffusion_steps": steps, "learn_sigma": True}
        return cls(str(steps), discrete_process(flags))

    @classmethod
    def offers(cls, process: Any) -> str:
        return "knows discrete steps alone"

    @classmethod
    def refuse(cls, sampler: str, name: str) -> None:
        refuse_range(sampler, name)
        refuse_rules(sampler, name, "end rules are for samplers in noise levels")

    @classmethod
    def fits(cls, process: Any) -> bool:
        from samplebench.processes.discrete import DiscreteProcess

        return isinstance(process, DiscreteProcess)

    @classmethod
    def differs(cls, planned: Any, loaded: Any) -> str:
        if planned.steps != loaded.steps:
            return f"a process of {loaded.steps} steps, not of {planned.steps}"
        same = np.allclose(planned.alpha_bar, loaded.alpha_bar, rtol=1e-9, atol=0)
        return "" if same else "a process of other noise levels"

    @property
    def steps(self) -> int:  # type: ignore[override]
        return self.process.steps - self.skipped

    @property
    def condition(self) -> Any:
        return {"name": self.label, "spec": self.spec}

    @property
    def grid(self) -> Tensor:
        """The kept steps j, decreasing to 0."""
        import torch

        return torch.arange(self.steps).flip(0)

    def toy_model(self) -> Model:
        import torch

        from samplebench.models.discrete import DiscreteModel

        every = Discrete.toy(self.process.original_steps).process
        alpha_bar = torch.from_numpy(every.alpha_bar)

        def network(x: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
            eps = (1 - alpha_bar[t]).sqrt().reshape(-1, 1, 1, 1) * x
            return torch.cat([eps, torch.zeros_like(eps)], dim=1)

        return DiscreteModel(network, every, shape=(1, 1, 1), dtype=None)

    def start(self, latents: Tensor) -> Tensor:
        return latents

    def starts(self) -> list[float]:
        return self.process.sigmas[: self.steps][::-1].tolist()

    def tail(self, first: int) -> Self:
        return replace(self, skipped=self.skipped + first)

    def noised(self, images: Tensor, latents: Tensor) -> Tensor:
        """x_t at the first step: sqrt(alpha_bar) x0 + sqrt(1 - alpha_bar) n."""
        return self.process.noised(self.steps - 1, images, latents)

    def view(self, bound: Bound) -> DiscreteView:
        return DiscreteView(bound, self.process)
