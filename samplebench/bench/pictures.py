"""Images as PNG files, in the layout of EDM's sampling script, for other people's evaluators."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from samplebench.bench.block import Block
from samplebench.files.atomic import atomic
from samplebench.results.cell import Cell

# Images of a subfolder.
_EACH = 1000
_UNSAFE = re.compile(r"[^\w.+=-]+", re.ASCII)


class Pictures:
    """PNG files of cells: FOLDER/<cell>/SSSSSS/NNNNNN.png by seed, a thousand to a subfolder.

    Args:
        folder: of all cells.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def of(self, cell: Cell) -> Path:
        """Where the images of a cell are."""
        conditions = cell.conditions
        budget = "adaptive" if cell.nfe is None else f"nfe{cell.nfe}"
        words = (conditions["model"], conditions["sampler"], budget, cell.hash[:16])
        return self.folder / _UNSAFE.sub("_", "-".join(words))

    def has(self, cell: Cell, count: int) -> bool:
        """Whether the first `count` images of a cell are there."""
        return sum(1 for _ in self.of(cell).glob("*/*.png")) >= count

    def write(self, cell: Cell, block: Block) -> None:
        """Writes the images of a block; one that is there is written again."""
        self.write_images(cell, block.first, block.images)

    def write_images(self, cell: Cell, first: int, images: np.ndarray) -> None:
        """Writes uint8 images [n, H, W, C] of samples first, first + 1, ..."""
        from PIL import Image

        for index, image in enumerate(images, cell.conditions["seed"] + first):
            path = self.of(cell) / f"{index - index % _EACH:06d}" / f"{index:06d}.png"
            # Tens of thousands, each of which would wait for the disk.
            with atomic(path, sync=False) as temporary:
                picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
                picture.save(temporary, format="PNG")
