"""Models of a network in memory: on a table, on an isotropic process, on another linear one."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from samplebench.answers.tensors import checked, column
from samplebench.models.clock import Time, continuous, on_table
from samplebench.models.discrete import DiscreteModel, widened
from samplebench.models.model import Model
from samplebench.models.network import UserNetwork
from samplebench.models.parameterization import Parameterization, kept
from samplebench.models.trial import tried
from samplebench.processes.discrete import DiscreteProcess
from samplebench.processes.isotropic import Isotropic
from samplebench.processes.linear import LinearProcess
from samplebench.processes.table import rescaled

Shape = tuple[int, int, int]


def table_of(process: DiscreteProcess, reading: Parameterization) -> DiscreteProcess:
    """A network's table as its model has it: of images in [-1, 1]."""
    return replace(rescaled(process, reading.half), predict_xstart=not reading.of_noise)


class WrappedTable(DiscreteModel):
    """A network on the steps of a table, and D(x; sigma) of it.

    Between two entries the network receives the time of the nearest one, and a state that is scaled
    by the level itself.

    Args:
        asked: the network.
        process: of the table, in the network's units.
        reading: what its answers say.
        time: what it receives at an entry, see clock.py.
        shape: (C, H, W) of one image.
    """

    def __init__(
        self,
        asked: UserNetwork,
        process: DiscreteProcess,
        reading: Parameterization,
        time: Time,
        shape: Shape,
    ) -> None:
        super().__init__(
            asked.function,
            table_of(process, reading),
            shape=shape,
            num_classes=asked.num_classes,
            device=asked.device,
            dtype=asked.dtype,
        )
        self.asked, self.reading = asked, reading
        self.labels_optional = asked.null_label is not None
        self.times = on_table(time, torch.from_numpy(process.sigmas))
        # a and b at every entry, and the noise of the network's state over that of x_t.
        rest, own = (np.sqrt(1 - law.alpha_bar) for law in (process, self.process))
        gain = np.divide(rest, own, out=np.ones_like(own), where=own > 0)
        self.scales = torch.from_numpy(np.stack([np.sqrt(process.alpha_bar), rest, gain]))

    def try_out(self) -> None:
        """Asks the network for the first time, by which it is settled what that receives.

        Raises:
            UsageError: it fails, or answers with something else.
        """
        middle = self.time(len(self.times) // 2, 2)
        tried(
            self.asked,
            self.shape,
            middle,
            self.state_dtype,
            lambda raw, x: self._parts(raw, x)[0],
        )
        self.dtype = self.asked.dtype

    def time(self, t: int | Tensor, n: int) -> Tensor:
        times = self.times[t].expand(n).clone()
        if times.is_floating_point():
            times = times.to(self.state_dtype)
        return times.to(self.device, non_blocking=True)

    def _at(
        self, noisy: Tensor, sigma: Tensor, t: int | Tensor, labels: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        level = sigma.reshape(-1, 1, 1, 1) * self.reading.half
        a = kept(level).to(noisy)
        return self._read(self.reading.state(noisy, a), a, level.to(noisy) * a, t, labels)

    def _evaluate(
        self, x_t: Tensor, t: int | Tensor, labels: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        a, b, gain = (column(scale[t], x_t) for scale in self.scales)
        return self._read(a * self.reading.center + gain * x_t, a, b, t, labels)

    def _read(
        self, y: Tensor, a: Tensor, b: Tensor, t: int | Tensor, labels: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """The mean part and the variance channels that the network means of y_t = a y0 + b n."""
        raw = self.asked(self.reading.seen(y, a), self.time(t, len(y)), labels)
        mean, v = self._parts(raw, y)
        return self.reading.read(mean, y, a, b), v


class WrappedDenoiser(Model):
    """D(x; sigma) of a network on an isotropic process, or of a denoiser on none.

    Args:
        asked: the network.
        law: the process, in the network's units; None where the network takes any noise level.
        reading: what its answers say.
        time: what it receives at a time of the process; without one t is the level.
        shape: (C, H, W) of one image.
        sigma_min, sigma_max: range of the levels without a process.
    """

    def __init__(
        self,
        asked: UserNetwork,
        law: Isotropic | None,
        reading: Parameterization,
        time: Time,
        shape: Shape,
        *,
        sigma_min: float = 0.0,
        sigma_max: float = math.inf,
    ) -> None:
        self.network, self.shape, self.num_classes = asked.function, shape, asked.num_classes
        self.device, self.labels_optional = asked.device, asked.null_label is not None
        self.state_dtype = torch.float32 if self.device.type == "mps" else torch.float64
        self.asked, self.law, self.reading, self.words = asked, law, reading, time
        self.sigma_min, self.sigma_max = sigma_min, sigma_max
        if law is not None:
            ends = law.sigma(law.t_min), law.sigma(law.T)
            self.sigma_min, self.sigma_max = (level / reading.half for level in ends)
            self.process = law.rescaled(reading.half)

    def try_out(self) -> None:
        """As that of a table."""
        law, middle = self.law, 1.0
        if law is not None:
            middle = math.sqrt(law.sigma(law.t_min) * law.sigma(law.T))
        level = torch.full((2,), middle, dtype=torch.float64)
        at = self._time(level, self._t(level), 2)
        judge = partial(checked, self.asked.who)
        tried(self.asked, self.shape, at, self.state_dtype, judge)
        self.dtype = self.asked.dtype

    def __call__(self, x: Tensor, sigma: float | Tensor, labels: Tensor | None = None) -> Tensor:
        noisy, sigma = widened(x, sigma)
        clean = (sigma == 0).reshape(-1, 1, 1, 1).to(x.device)
        sigma = torch.where(sigma == 0, 1.0, sigma.double())
        level = sigma * self.reading.half
        t = self._t(level)
        kept = torch.ones(1) if self.law is None else self._signal(self.law, t)
        a, b = column(kept, noisy), column(kept * level, noisy)
        y = self.reading.state(noisy, a)
        raw = self.asked(self.reading.seen(y, a), self._time(level, t, len(x)), labels)
        answer = self.reading.read(checked(self.asked.who, raw, noisy), y, a, b)
        if self.reading.of_noise:
            answer = noisy - column(sigma, noisy) * answer
        return torch.where(clean, x, answer.to(x.dtype))

    def _t(self, level: Tensor) -> Tensor:
        """Times of the process at levels in the network's units, float64 on the host."""
        if self.law is None:
            return level
        return torch.tensor([self.law.time(each) for each in level.tolist()], dtype=torch.float64)

    @staticmethod
    def _signal(law: Isotropic, t: Tensor) -> Tensor:
        return torch.from_numpy(np.asarray(law.signal(t.numpy())).reshape(-1))

    def _time(self, level: Tensor, t: Tensor, n: int) -> Tensor:
        times = continuous(self.words, t, level).expand(n).clone()
        if times.is_floating_point():
            times = times.to(self.state_dtype)
        return times.to(self.device, non_blocking=True)


class WrappedNoise(Model):
    """eps(u, t) of a network on a linear process that is not isotropic.

    Args:
        asked: the network, of states [N, D, C, H, W] as the process has them.
        process: that it was trained on.
        time: what it receives at a time of the process.
        shape: (C, H, W) of one image.
    """

    kind = "linear"
    process: LinearProcess

    def __init__(
        self, asked: UserNetwork, process: LinearProcess, time: Time, shape: Shape
    ) -> None:
        self.network, self.shape, self.num_classes = asked.function, shape, asked.num_classes
        self.device, self.labels_optional = asked.device, asked.null_label is not None
        self.state_dtype = torch.float64 if self.device.type == "cpu" else torch.float32
        self.asked, self.process, self.words = asked, process, time

    def try_out(self) -> None:
        """As that of a table."""
        size = (self.process.channels, *self.shape)
        at = self._time((self.process.t_min + self.process.T) / 2, 2)
        tried(self.asked, size, at, self.state_dtype, partial(checked, self.asked.who))
        self.dtype = self.asked.dtype

    def eps(self, u: Tensor, t: float, labels: Tensor | None = None) -> Tensor:
        raw = self.asked(u.clone(), self._time(t, len(u)), labels)
        return checked(self.asked.who, raw, u)

    def _time(self, t: float, n: int) -> Tensor:
        given = torch.tensor([t], dtype=torch.float64)
        times = continuous(self.words, given, given).expand(n).clone()
        if times.is_floating_point():
            times = times.to(self.state_dtype)
        return times.to(self.device, non_blocking=True)


Wrapped = WrappedTable | WrappedDenoiser | WrappedNoise
