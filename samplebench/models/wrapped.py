"""Models of a network in memory: on a table, on an isotropic process, on another linear one."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from samplebench.answers.tensors import checked
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
        own = replace(rescaled(process, reading.half), predict_xstart=not reading.of_noise)
        super().__init__(
            asked.function,
            own,
            shape=shape,
            num_classes=asked.num_classes,
            device=asked.device,
        )
        self.asked, self.reading = asked, reading
        self.labels_optional = asked.null_label is not None
        self.times = on_table(time, torch.from_numpy(process.sigmas))
        middle = self.time(len(self.times) // 2, 2)
        tried(asked, shape, middle, self.state_dtype, lambda raw, x: self._parts(raw, x)[0])
        self.dtype = asked.dtype

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
        b = level.to(noisy) * a
        raw = self.asked(self.reading.state(noisy, a), self.time(t, len(noisy)), labels)
        mean, v = self._parts(raw, noisy)
        return self.reading.read(mean, noisy, a, b), v

    def _evaluate(
        self, x_t: Tensor, t: int | Tensor, labels: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        level = self.levels[t].to(x_t.dtype)
        scale = (level.square() + 1).sqrt().to(x_t.device).reshape(-1, 1, 1, 1)
        return self._at(x_t * scale, level, t, labels)


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
        middle = 1.0
        if law is not None:
            ends = law.sigma(law.t_min), law.sigma(law.T)
            middle = math.sqrt(ends[0] * ends[1])
            self.sigma_min, self.sigma_max = (level / reading.half for level in ends)
            self.process = law
            if reading.half != 1:
                # The times at which images in [-1, 1] have the same noise.
                low, high = law.time(self.sigma_min), law.time(self.sigma_max)
                self.process = replace(law, T=high, t_min=low)  # type: ignore[type-var]
        level = torch.full((2,), middle, dtype=torch.float64)
        at = self._time(level, self._t(level), 2)
        tried(asked, shape, at, self.state_dtype, lambda raw, x: checked(asked.who, raw, x))

    def __call__(self, x: Tensor, sigma: float | Tensor, labels: Tensor | None = None) -> Tensor:
        noisy, sigma = widened(x, sigma)
        clean = (sigma == 0).reshape(-1, 1, 1, 1).to(x.device)
        sigma = torch.where(sigma == 0, 1.0, sigma.double())
        level = sigma * self.reading.half
        t = self._t(level)
        a = torch.ones(1) if self.law is None else self._signal(self.law, t)
        column = (-1, 1, 1, 1)
        a, b = (v.reshape(column).to(noisy) for v in (a, a * level))
        state = self.reading.state(noisy, a)
        raw = self.asked(state, self._time(level, t, len(x)), labels)
        answer = self.reading.read(checked(self.asked.who, raw, noisy), noisy, a, b)
        if self.reading.of_noise:
            answer = noisy - sigma.reshape(column).to(noisy) * answer
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
        size = (process.channels, *shape)
        at = self._time((process.t_min + process.T) / 2, 2)
        tried(asked, size, at, self.state_dtype, lambda raw, u: checked(asked.who, raw, u))

    def eps(self, u: Tensor, t: float, labels: Tensor | None = None) -> Tensor:
        raw = self.asked(u.clone(), self._time(t, len(u)), labels)
        return checked(self.asked.who, raw, u)

    def _time(self, t: float, n: int) -> Tensor:
        given = torch.tensor([t], dtype=torch.float64)
        times = continuous(self.words, given, given).expand(n).clone()
        if times.is_floating_point():
            times = times.to(self.state_dtype)
        return times.to(self.device, non_blocking=True)
