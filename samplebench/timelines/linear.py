"""The times of a linear process du = F_t u dt + G_t dw (Zhang, Tao & Chen 2023, gDDIM)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from samplebench.answers.parameters import split
from samplebench.answers.scalars import scalar, whole
from samplebench.errors import UsageError
from samplebench.models.bound import Bound
from samplebench.models.isotropic import isotropic_law
from samplebench.models.model import Model
from samplebench.models.views import IsotropicView, LinearView
from samplebench.processes.levels import level, time
from samplebench.processes.linear import LinearProcess, apply
from samplebench.registry import timelines
from samplebench.samplers.step import Step
from samplebench.timelines.choice import kind_of, timeline
from samplebench.timelines.ends import refuse_rules
from samplebench.timelines.timeline import Timeline
from samplebench.timelines.words import Counts, Sweep, Words, one_of, refuse_range, sorted_out

if TYPE_CHECKING:
    from torch import Tensor

# What a request may say of the times, and what holds where it does not; no process is the model's.
_TIMES: Mapping[str, Any] = {"ts_order": 2.0, "process": None}


@timelines.register("linear")
@dataclass(frozen=True)
class Linear(Timeline):
    """Decreasing times of a process, from T to t_min; states are [N, D, C, H, W].

    Attributes:
        process: on which the states lie.
        times: float64 [steps + 1].
        constants: ts_order, the exponent of the times, and the name of the process asked for.
    """

    kinds = ("linear", "sigma")
    label = "time"
    needs = "a linear process in continuous time"
    least = 1
    usual = "gddim"
    instead = (
        "steps in its process's own time; leave out {words} and give steps or nfe, with "
        "ts_order=2 for their spacing"
    )

    process: LinearProcess
    times: np.ndarray
    constants: Mapping[str, Any]

    @classmethod
    def of(cls, model: Any, sampler: Counts, words: Words) -> Self:
        one_of(words, "steps", "nfe")
        params, constants = sorted_out(sampler, words.params, _TIMES)
        constants = {**_TIMES, **constants}
        process = cls.process_of(model, constants["process"])
        if words.nfe is None:
            steps = whole("steps", words.steps)
        else:
            effective = _settled(process, sampler.effective(params))
            steps = sampler.steps_for(whole("nfe", words.nfe), effective)
        ts_order = scalar(constants["ts_order"])
        number = isinstance(ts_order, int | float) and not isinstance(ts_order, bool)
        if not (number and 0 < ts_order <= 100):
            raise UsageError(f"ts_order={ts_order} must be a number above 0, e.g. 2")
        times = process.grid(steps, float(ts_order))
        return cls(process, times, constants)

    @classmethod
    def process_of(cls, model: Any, given: str | LinearProcess | None = None) -> LinearProcess:
        """The process on which a model is sampled.

        Args:
            model: trained on a linear process; or D(x; sigma), which answers on isotropic ones.
            given: name of a process or the process itself; None for the model's own, and "vp"
                where it has none.

        Raises:
            UsageError: another process than that of the model.
        """
        if not _trained(model):
            return isotropic_law(model, given)
        own: LinearProcess = model.process
        if given not in (None, own.name, own):
            raise UsageError(
                f"process={given if isinstance(given, str) else given.name}: "
                f"{getattr(model, 'id', 'the model')} predicts the noise of process {own.name} "
                "only"
            )
        return own

    @classmethod
    def places(cls, asked: Sweep, given: Mapping[str, Any]) -> Iterator[Words]:
        yield Words(params=split(given, _TIMES)[0])

    @classmethod
    def words_of(cls, condition: Any, steps: int | None) -> Words:
        return Words(steps=steps, params={k: v for k, v in condition.items() if k != "name"})

    @classmethod
    def toy(cls, steps: int) -> Self:
        process = isotropic_law(None)
        return cls(process, process.grid(steps), _TIMES)

    @classmethod
    def offers(cls, process: Any) -> str:
        return f"predicts the noise of process {process.name}"

    @classmethod
    def names(cls, asked: Sweep) -> set[str]:
        return {*_TIMES}

    @classmethod
    def refuse(cls, sampler: str, name: str) -> None:
        refuse_range(sampler, name)
        refuse_rules(sampler, name, "end rules are for samplers in noise levels")

    @classmethod
    def protocols(cls, process: Any) -> tuple[str, ...]:
        return ("linear", process.name)

    @classmethod
    def fits(cls, process: Any) -> bool:
        return isinstance(process, LinearProcess)

    @classmethod
    def differs(cls, planned: Any, loaded: Any) -> str:
        return "" if planned == loaded else f"process {loaded}, not {planned}"

    @classmethod
    def once(cls, bound: Bound, images: Tensor) -> Tensor:
        process = cls.process_of(bound.model)
        return LinearView(bound, process).eps(process.encode(images), process.T / 2)

    @classmethod
    def span(cls, model: Any) -> tuple[float, float]:
        """The noise levels at the lowest frequency."""
        process = cls.process_of(model)
        return level(process, process.t_min), level(process, process.T)

    @classmethod
    def scaled(cls, scale: float) -> dict[str, Any]:
        return {}

    @classmethod
    def channels(cls, model: Any) -> int:
        return cls.process_of(model).channels

    @classmethod
    def left(cls, bound: Bound, images: Tensor, noise: Tensor, sigma: float, told: float) -> Tensor:
        process = cls.process_of(bound.model)
        t = time(process, sigma)
        u = apply(process.signal(t), process.encode(images)) + apply(process.R(t), noise)
        return noise - LinearView(bound, process).eps(u, time(process, told))

    @property
    def steps(self) -> int:  # type: ignore[override]
        return len(self.times) - 1

    @property
    def condition(self) -> Any:
        return {"name": self.label, **self.constants}

    @property
    def grid(self) -> Tensor:
        """Times in float64, [steps + 1]."""
        import torch

        return torch.from_numpy(self.times)

    @property
    def who(self) -> str:
        return f"process {self.process.name}"

    def toy_model(self) -> Model:
        """As few pixels as the process has matrices."""
        import torch

        from samplebench.models.exact_linear import ExactLinearModel

        image = torch.zeros(1, 1, *self.process.size, dtype=torch.float64)
        return ExactLinearModel(image, None, 1.0, self.process)

    def settled(self, effective: dict[str, Any]) -> dict[str, Any]:
        return _settled(self.process, effective)

    def latent_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return shape if self.process.channels == 1 else (self.process.channels, *shape)

    def starts(self) -> list[float]:
        """The noise levels at the lowest frequency."""
        return [level(self.process, t) for t in self.times[:-1].tolist()]

    def tail(self, first: int) -> Self:
        return replace(self, times=self.times[first:])

    def noised(self, images: Tensor, latents: Tensor) -> Tensor:
        """u_t at the first time: signal u_0 + R n, with the covariance that u_t has given x0."""
        process, t = self.process, float(self.times[0])
        noise = latents if process.channels > 1 else latents[:, None]
        return apply(process.signal(t), process.encode(images)) + apply(process.R(t), noise)

    def start(self, latents: Tensor) -> Tensor:
        """The state [N, D, C, H, W] at T.

        Args:
            latents: [N, C, H, W], on a process whose channels couple [N, D, C, H, W].
        """
        process = self.process
        u = latents if process.channels > 1 else latents[:, None]
        fits = u.ndim == 5 and u.shape[1] == process.channels
        if not fits or process.size not in ((1, 1), tuple(u.shape[3:])):
            inner = "C, H, W" if process.size == (1, 1) else "C, {}, {}".format(*process.size)
            channels = "" if process.channels == 1 else f"{process.channels}, "
            raise UsageError(
                f"latents {list(latents.shape)}: {self.who} needs [N, {channels}{inner}]"
            )
        return u * u.new_tensor(process.prior_factor).reshape(-1, 1, 1, 1)

    def view(self, bound: Bound) -> LinearView:
        return (LinearView if _trained(bound.model) else IsotropicView)(bound, self.process)

    def finish(self, x: Tensor, view: Any, callback: Callable[[Step], None] | None) -> Tensor:
        return self.process.decode(x)


def _settled(process: LinearProcess, effective: dict[str, Any]) -> dict[str, Any]:
    """Parameters with the process's own default of `denoise` filled in."""
    if effective.get("denoise", False) is None:
        return {**effective, "denoise": process.denoise}
    return effective


def _trained(model: Any) -> bool:
    """Whether a model answers with eps(u, t) on a process of its own, and not with D(x; sigma)."""
    return timeline(kind_of(model)) is Linear
