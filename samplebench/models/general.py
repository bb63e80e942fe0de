"""The general form of `sb.wrap`: which words go together, and the model that they mean."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Self

from samplebench.answers.blame import ours
from samplebench.answers.scalars import plain, real, scalar, values
from samplebench.answers.tensors import described
from samplebench.errors import UsageError, unknown
from samplebench.models import clock
from samplebench.models.network import UserNetwork
from samplebench.models.parameterization import PREDICTS, Parameterization
from samplebench.models.wrapped import (
    Shape,
    Wrapped,
    WrappedDenoiser,
    WrappedNoise,
    WrappedTable,
    table_of,
)
from samplebench.processes import PROCESSES
from samplebench.processes import process as named
from samplebench.processes.discrete import DiscreteProcess
from samplebench.processes.flow import Flow
from samplebench.processes.isotropic import Isotropic
from samplebench.processes.linear import LinearProcess
from samplebench.processes.table import of_alpha_bar, of_betas
from samplebench.processes.vp import VP

Law = DiscreteProcess | LinearProcess | None
# Of a discrete process the flags that no other word of `wrap` says.
_FLAGS = ("noise_schedule", "diffusion_steps", "sigma_small")
# Those that another word says.
_ELSEWHERE = {
    "rescale_timesteps": "time=lambda j: j * (1000 / steps)",
    "predict_xstart": "predicts='x0'",
    "learn_sigma": "learn_sigma=True",
}
_LEVELS = ("sigma_min", "sigma_max")


@dataclass(frozen=True)
class Form:
    """What a network is asked, and what it means by its answer.

    Attributes:
        law: the process that it was trained on, in its own units; None for a denoiser on none.
        reading: its prediction and range of images.
        time: what it receives, a word or a function.
        ends: sigma_min and sigma_max of a denoiser on none.
    """

    law: Law
    reading: Parameterization
    time: clock.Time
    ends: Mapping[str, float]

    @classmethod
    def of(
        cls,
        predicts: str,
        time: Any,
        data_range: Any,
        learn_sigma: bool,
        constants: Mapping[str, Any],
        shape: Shape,
        **laws: Any,
    ) -> Self:
        """From the words of `sb.wrap`.

        Args:
            laws: process, alpha_bar and betas, those that are not said None.

        Raises:
            UsageError: a word that does not exist, or that does not go with another.
        """
        if predicts not in PREDICTS:
            raise unknown("prediction", predicts, PREDICTS)
        law, ends = _law(predicts, laws, constants, shape)
        _admits(predicts, law)
        if learn_sigma:
            if predicts != "eps" or not isinstance(law, DiscreteProcess):
                raise UsageError("learn_sigma is for predicts='eps' on a table: variance channels "
                                 "belong to its steps")  # fmt: skip
            law = replace(law, variance="learned")
        low, high = _range(data_range)
        if isinstance(law, LinearProcess) and not isinstance(law, Isotropic):
            if (low, high) != (-1, 1):
                raise UsageError(f"process {law.name} has images in [-1, 1]; leave out data_range")
            if law.size not in ((1, 1), shape[1:]):
                size = "x".join(map(str, law.size))
                raise UsageError(f"process {law.name} is of images {size}, not of {shape}")
        return cls(law, Parameterization(predicts, low, high), _time(time, predicts, law), ends)

    @property
    def process(self) -> Law:
        """The law as the model has it: of images in [-1, 1]."""
        if isinstance(self.law, DiscreteProcess):
            return table_of(self.law, self.reading)
        return self.law.rescaled(self.reading.half) if isinstance(self.law, Isotropic) else self.law

    def model(self, asked: UserNetwork, shape: Shape) -> Wrapped:
        """The model of a network, which is not asked yet."""
        if isinstance(self.law, DiscreteProcess):
            return WrappedTable(asked, self.law, self.reading, self.time, shape)
        if self.law is None or isinstance(self.law, Isotropic):
            return WrappedDenoiser(asked, self.law, self.reading, self.time, shape, **self.ends)
        return WrappedNoise(asked, self.law, self.time, shape)

    @property
    def code(self) -> tuple[Any, ...]:
        """What of it is the user's own."""
        own = (self.time, self.law)
        return tuple(thing for thing in own if not (isinstance(thing, str) or ours(thing)))

    @property
    def words(self) -> dict[str, Any]:
        """What decides a number, as plain values, without `code`."""
        law, said = self.law, dict[str, Any](self.ends)
        if isinstance(law, DiscreteProcess):
            table = hashlib.sha256(law.betas.tobytes()).hexdigest()
            said = {"table": table, "steps": law.steps, "variance": law.variance}
        elif law is not None:
            held: list[str] = [field.name for field in fields(law)] if is_dataclass(law) else []
            said = {"process": law.name, **{each: plain(getattr(law, each)) for each in held}}
        return {
            "predicts": self.reading.predicts,
            **said,
            "time": self.time if isinstance(self.time, str) else "a function",
            "data_range": [self.reading.low, self.reading.high],
        }


def _law(
    predicts: str, laws: Mapping[str, Any], constants: Mapping[str, Any], shape: Shape
) -> tuple[Law, dict[str, float]]:
    """The process of a network, and the levels of a denoiser on none."""
    said = [word for word, value in laws.items() if value is not None]
    if len(said) > 1:
        raise UsageError(f"wrap: {' and '.join(said)} mean the same; give one of them")
    if not said and predicts != "D":
        raise UsageError(
            f"predicts='{predicts}' needs the process: process='vp' or another name, or a table as "
            "alpha_bar or betas"
        )
    name = laws["process"]
    if not said:
        return None, _ends(constants)
    if isinstance(name, str):
        return _named(name, constants, shape), {}
    if constants:
        where = "with a table" if name is None else "with a process that is made"
        raise UsageError(f"wrap: {where} leave out {', '.join(constants)}")
    if laws["alpha_bar"] is not None:
        return of_alpha_bar(laws["alpha_bar"]), {}
    if laws["betas"] is not None:
        return of_betas(laws["betas"]), {}
    if not isinstance(name, DiscreteProcess | LinearProcess):
        raise UsageError(
            f"process is {described(name)}; it must be a name ({', '.join(PROCESSES)}) or "
            "what sb.process returns"
        )
    return (_bare(name) if isinstance(name, DiscreteProcess) else name), {}


def _named(name: str, constants: Mapping[str, Any], shape: Shape) -> Law:
    constants = {word: plain(value) for word, value in constants.items()}
    if name == "bdm":
        constants = {"image_size": shape[1], **constants}
    law = named(name, **constants)
    if not isinstance(law, DiscreteProcess):
        return law
    for flag in constants:
        if flag not in (*_FLAGS, *_ELSEWHERE):
            raise unknown("constant of process discrete", flag, _FLAGS)
    return _bare(law)


def _bare(process: DiscreteProcess) -> DiscreteProcess:
    """A discrete process that says nothing but its table and which fixed variance."""
    held = (process.rescale, process.predict_xstart, process.variance == "learned")
    for (flag, instead), is_set in zip(_ELSEWHERE.items(), held, strict=True):
        if is_set:
            raise UsageError(f"process with {flag}: make it without, and give wrap {instead}")
    if process.steps != process.original_steps:
        raise UsageError(
            f"process keeps {process.steps} of {process.original_steps} steps; pass the full "
            "process and choose a respacing when you sample"
        )
    return process


def _ends(constants: Mapping[str, Any]) -> dict[str, float]:
    for word in constants:
        if word not in _LEVELS:
            raise unknown("word of wrap for predicts='D' without a process", word, _LEVELS)
    ends = {word: real(word, value) for word, value in constants.items()}
    low, high = ends.get("sigma_min", 0.0), ends.get("sigma_max", math.inf)
    if not 0 <= low < high:
        raise UsageError(
            f"sigma_min={low:g} and sigma_max={high:g}; need 0 <= sigma_min < sigma_max"
        )
    return ends


def _admits(predicts: str, law: Law) -> None:
    """Raises where no network of a process predicts that."""
    name = "a table" if isinstance(law, DiscreteProcess) else getattr(law, "name", "none")
    if predicts == "v" and not isinstance(law, DiscreteProcess | VP):
        raise UsageError(
            "predicts='v' is a n - b y0 of a process that keeps the variance, a table or vp, not "
            f"{name}; for flow use 'flow'"
        )
    if predicts == "flow" and not isinstance(law, Flow):
        raise UsageError(f"predicts='flow' is n - y0 of process flow, not of {name}")
    if isinstance(law, LinearProcess) and not isinstance(law, Isotropic) and predicts != "eps":
        raise UsageError(f"predicts='{predicts}': a network of process {name} predicts 'eps'")


def _range(data_range: Any) -> tuple[float, float]:
    found = values(data_range)
    if len(found) != 2:
        raise UsageError(f"data_range={data_range!r} must be two numbers, e.g. (0, 1)")
    low, high = (real("data_range", value) for value in found)
    if not -math.inf < low < high < math.inf:
        raise UsageError(f"data_range=({low:g}, {high:g}): the first must be below the second")
    return low, high


def _time(time: Any, predicts: str, law: Law) -> clock.Time:
    """What the network receives, where nothing is said what is usual."""
    table = isinstance(law, DiscreteProcess)
    if time is None:
        return "sigma" if predicts == "D" else "index" if table else "t"
    if callable(time):
        return time
    words: tuple[str, ...] = clock.CONTINUOUS
    where = f"process {getattr(law, 'name', '')}"
    if table:
        words, where = clock.TABLE, "a table"
    elif law is None:
        words, where = ("sigma", "log-snr"), "a denoiser without a process"
    elif not isinstance(law, Isotropic):
        words = ("t",)
    every = sorted({*clock.TABLE, *clock.CONTINUOUS})
    if scalar(time) not in every:
        raise unknown("time", str(time), every)
    if time not in words:
        known = ", ".join(repr(word) for word in words)
        raise UsageError(f"time='{time}' does not exist for {where}; use {known} or a function")
    return str(time)
