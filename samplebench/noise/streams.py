"""Per-sample noise streams: sample i of repeat r has seed S + r*N + i and nothing else.

`portable` gives the same numbers on every device; `nvlabs` draws as NVlabs' generate.py does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from samplebench.answers.blame import line_of
from samplebench.answers.scalars import values
from samplebench.errors import UsageError, unknown

if TYPE_CHECKING:
    import torch
    from torch import Tensor

# Separate Philox keys, so that drawing labels or not leaves the images' noise unchanged.
_NORMALS, _LABELS, _UNIFORMS, _SIGNS = range(4)


class NoiseStream(Protocol):
    """The noise of one batch. `start` comes first, then one call per stochastic step."""

    def start(self, shape: Sequence[int], num_classes: int) -> tuple[Tensor, Tensor | None]:
        """Unit normal latents [N, *shape] and int64 labels [N] (None when num_classes is 0)."""
        ...

    def __call__(self, x: Tensor) -> Tensor:
        """Unit normal noise of x's shape, dtype and device: the next draw of every sample."""
        ...


class PortableNoise:
    """numpy's Philox keyed by the seed, its counter set by the draw: no state but `draw`.

    Args:
        seeds: one integer in [0, 2**64) per sample.
        device, dtype: of what is returned; the numbers are made in float64 on the host.
    """

    def __init__(
        self, seeds: Sequence[int], device: torch.device | str, dtype: torch.dtype
    ) -> None:
        import torch

        self.seeds, self.device, self.dtype = check_seeds(seeds), torch.device(device), dtype
        self.draw = 0
        self._philox = _Philox()

    def start(self, shape: Sequence[int], num_classes: int) -> tuple[Tensor, Tensor | None]:
        latents = self._normal(tuple(shape), 0)
        if not num_classes:
            return latents, None
        import torch

        of_each = self._philox.each(self.seeds, _LABELS, 0)
        labels = [int(generator.integers(num_classes)) for generator in of_each]
        return latents, torch.tensor(labels, dtype=torch.int64, device=self.device)

    def __call__(self, x: Tensor) -> Tensor:
        self.draw += 1
        return self._normal(tuple(x.shape[1:]), self.draw).to(x)

    def made(self, shape: tuple[int, ...], draw: int) -> Tensor:
        """Draw number `draw` of all samples, [N, *shape] on the host, ready to be sent."""
        import torch

        out = np.empty((len(self.seeds), *shape))
        of_each = self._philox.each(self.seeds, _NORMALS, draw)
        for row, generator in zip(out, of_each, strict=True):
            generator.standard_normal(out=row)
        host = torch.from_numpy(out).to(self.dtype)
        # Of pinned memory a copy to the device waits for nothing.
        return host.pin_memory() if self.device.type == "cuda" else host

    def sent(self, host: Tensor) -> Tensor:
        """What was made, on the device."""
        return host.to(self.device, non_blocking=True)

    def _normal(self, shape: tuple[int, ...], draw: int) -> Tensor:
        return self.sent(self.made(shape, draw))


class NvlabsNoise:
    """One torch.Generator per seed on the device, in the draw order of NVlabs' generate.py.

    Latents in float32, then one randint per sample if the model is conditional, then one float64
    normal per step (spec: EDM generate.py). Published images come from CUDA generators, whose
    numbers differ from the CPU's.
    """

    def __init__(
        self, seeds: Sequence[int], device: torch.device | str, dtype: torch.dtype
    ) -> None:
        import torch

        self.device, self.dtype = device, dtype
        self.generators = [
            torch.Generator(device).manual_seed(seed % 2**32) for seed in check_seeds(seeds)
        ]

    def start(self, shape: Sequence[int], num_classes: int) -> tuple[Tensor, Tensor | None]:
        import torch

        latents = self._stack(tuple(shape), torch.float32).to(self.dtype)
        if not num_classes:
            return latents, None
        labels = [
            torch.randint(num_classes, size=[], generator=g, device=self.device)
            for g in self.generators
        ]
        return latents, torch.stack(labels)

    def __call__(self, x: Tensor) -> Tensor:
        return self._stack(tuple(x.shape[1:]), x.dtype)

    def _stack(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        import torch

        return torch.stack(
            [
                torch.randn(shape, generator=g, device=self.device, dtype=dtype)
                for g in self.generators
            ]
        )


def uniforms(seeds: Sequence[int], shape: Sequence[int], draw: int) -> np.ndarray:
    """Draw number `draw` from U[0, 1) of each seed, float64 [N, *shape]: dequantization noise."""
    of_each = _Philox().each(check_seeds(seeds), _UNIFORMS, draw)
    return np.stack([generator.random(tuple(shape)) for generator in of_each])


def signs(seeds: Sequence[int], shape: Sequence[int], draw: int) -> np.ndarray:
    """Draw number `draw` of -1 and 1 of each seed, float64 [N, *shape] (Rademacher)."""
    of_each = _Philox().each(check_seeds(seeds), _SIGNS, draw)
    return np.stack([2.0 * generator.integers(2, size=tuple(shape)) - 1 for generator in of_each])


STREAMS: dict[str, type[PortableNoise] | type[NvlabsNoise]] = {
    "portable": PortableNoise,
    "nvlabs": NvlabsNoise,
}


def stream(
    mode: str, seeds: Sequence[int], device: torch.device | str, dtype: torch.dtype
) -> NoiseStream:
    """The noise stream of a batch of seeds in mode "portable" or "nvlabs"."""
    check_mode(mode)
    return STREAMS[mode](seeds, device, dtype)


def check_mode(mode: str) -> None:
    """Raises `UsageError` if there is no noise mode of that name."""
    if mode not in STREAMS:
        raise unknown("noise mode", mode, STREAMS)


def check_seeds(seeds: Sequence[int]) -> list[int]:
    """The seeds as a list of integers in [0, 2**64)."""
    if (
        isinstance(seeds, str)
        or getattr(seeds, "shape", None) == ()
        or not hasattr(seeds, "__iter__")
    ):
        raise UsageError(f"seeds={seeds!r} is not a sequence; write e.g. seeds=range(64)")
    given = values(seeds)
    for seed in given:
        numeric = isinstance(seed, int | float) and not isinstance(seed, bool)
        if not (numeric and seed % 1 == 0):  # of NaN and infinity that is NaN
            raise UsageError(f"seeds must be whole numbers, not {line_of(repr(seed))}")
    checked = [int(seed) for seed in given]
    if not checked:
        raise UsageError("no seeds given; pass at least one, e.g. seeds=range(64)")
    if lost := [seed for seed in checked if not 0 <= seed < 2**64]:
        raise UsageError(f"seeds must lie in [0, 2**64), not {lost[0]}")
    return checked


class _Philox:
    """numpy's Philox, set to one stream after another: making one costs more than a small image."""

    def __init__(self) -> None:
        self._bits = np.random.Philox(key=0)
        self._generator = np.random.Generator(self._bits)
        # As it is before its first draw: nothing is left in its buffer. Lists are read three times
        # as fast as arrays.
        state: dict[str, Any] = {**self._bits.state}
        words = {name: word.tolist() for name, word in state["state"].items()}
        self._state = state | {"state": words, "buffer": state["buffer"].tolist()}

    def each(self, seeds: Sequence[int], purpose: int, draw: int) -> Iterator[np.random.Generator]:
        """For each seed the generator before the first number of a stream, until the next."""
        counter, key = self._state["state"]["counter"], self._state["state"]["key"]
        # The draw sits in a high counter word: draws cannot overlap however large an image is.
        counter[2], key[1] = draw, purpose
        bits: Any = self._bits
        for seed in seeds:
            key[0] = seed
            bits.state = self._state
            yield self._generator
