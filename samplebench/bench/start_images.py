"""Real images from which chains are started, and which of them a sample has."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from samplebench.errors import UsageError
from samplebench.image_sets.classes import Classes
from samplebench.image_sets.image_set import batch_size

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class StartImages:
    """Images, of which sample i of a cell has number i mod M.

    Attributes:
        description: in words, e.g. "360 digits that no network was trained on".
        pixels: uint8 [M, C, H, W], which may be mapped from a file.
        classes: of each; None where no model is told one.
    """

    description: str
    pixels: np.ndarray
    classes: Classes | None = None

    @property
    def labels(self) -> np.ndarray | None:
        """int64 [M]; None where they are not known."""
        return None if self.classes is None else self.classes.labels

    @property
    def count(self) -> int:
        """M."""
        return len(self.pixels)

    @cached_property
    def content(self) -> str:
        """SHA-256 over shape, values and labels, in hex."""
        found = hashlib.sha256(f"uint8 {list(self.pixels.shape)}\n".encode())
        for image in self.pixels:
            found.update(np.ascontiguousarray(image).data)
        if self.labels is not None:
            found.update(np.ascontiguousarray(self.labels, np.int64).data)
        return found.hexdigest()

    def check(self, model: str, shape: Sequence[int], num_classes: int | None) -> None:
        """Looks whether the images and their classes are those of a model.

        Args:
            model: its name, for messages.
            shape: of its images, zeros where not known.
            num_classes: None where not known.

        Raises:
            UsageError: it makes other images, or needs labels that are not here.
            InputError: a label is none of its classes.
        """
        own = self.pixels.shape[1:]
        if all(shape) and tuple(shape) != own:
            raise UsageError(f"{self.description} are {_size(own)}, {model} makes {_size(shape)}")
        if not num_classes:
            return
        found = None if self.classes is None else self.classes.of(num_classes)
        if found is None or found.labels is None:
            why = "no labels are known" if found is None else found.said
            raise UsageError(
                f"{model} is class-conditional, and {self.description} have no labels: {why}; "
                "give an .npz with `images` and `labels`, or use an unconditional model"
            )

    def of(
        self, samples: range, like: Tensor, shape: Sequence[int], num_classes: int
    ) -> tuple[Tensor, Tensor | None]:
        """Images [N, C, H, W] in [-1, 1] and labels [N] of samples; no labels without classes.

        Args:
            samples: their numbers in the cell, from 0.
            like: whose precision and device they get.
            shape, num_classes: of the model.

        Raises:
            UsageError, InputError: as `check` does.
        """
        import torch

        self.check("this model", shape, num_classes)
        places = np.array(samples) % self.count
        images = torch.from_numpy(np.array(self.pixels[places])).to(like) / 127.5 - 1
        if not num_classes or self.labels is None:
            return images, None
        return images, torch.from_numpy(self.labels[places]).to(like.device)

    def batches(self, number: int) -> Iterator[np.ndarray]:
        """The images of so many samples in order, uint8 [n, C, H, W]."""
        size = batch_size(self.pixels.shape[1:])
        for first in range(0, number, size):
            yield self.pixels[np.arange(first, min(first + size, number)) % self.count]


def _size(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))
