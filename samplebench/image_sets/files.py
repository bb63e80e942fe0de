"""Image files as one set: their headers first, so that nothing is refused after hours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from samplebench.errors import InputError
from samplebench.files.archives import Unreadable
from samplebench.image_sets.folder import Folder
from samplebench.image_sets.image_set import ImageSet, batch_size
from samplebench.image_sets.listing import printable, refuse, suffix_of
from samplebench.image_sets.picture import Header, header, pixels
from samplebench.image_sets.zipped import Zipped
from samplebench.ticker import bar

_SHOWN = 3


def images_of(source: Folder | Zipped, path: Path, quiet: bool) -> ImageSet:
    """The set of the images that were found.

    Args:
        source: where they are.
        path: what the user named.
        quiet: no progress.

    Raises:
        InputError: there are none, one cannot be read, or their sizes differ.
    """
    names = source.listing.images
    refused = list(source.listing.refused)
    if not names and not refused:
        text = f"{path} holds no images (.bmp, .gif, .jpg, .png, .tif, .webp and others)"
        raise InputError("; ".join([text, *source.listing.note()]))
    heads = _headers(source, refused, quiet)
    refuse(refused)
    shape = _shape(source, heads)
    notes = (*source.listing.note(), *_notes(heads))
    name = (path if path.name not in ("", "..") else path.resolve()).name
    return ImageSet(
        f"{len(names)} images of {printable(name)}",
        len(names),
        lambda: _batches(source, shape),
        notes,
    )


def _headers(
    source: Folder | Zipped, refused: list[tuple[str, str]], quiet: bool
) -> list[tuple[tuple[str, ...], Header]]:
    """The headers of all images; those that have none are added to `refused`."""
    heads, names = [], source.listing.images
    with source.reading() as data, bar(len(names), "headers", "image", quiet) as advance:
        for parts in names:
            try:
                heads.append((parts, header(data(parts), suffix_of(parts))))
            except (Unreadable, InputError) as error:
                refused.append((source.shown(parts), str(error)))
            advance(1)
    return heads


def _shape(
    source: Folder | Zipped, heads: list[tuple[tuple[str, ...], Header]]
) -> tuple[int, int, int]:
    """[C, H, W] of all images; grey ones among those in colour count as three equal channels.

    Raises:
        InputError: one has another size than the first.
    """
    first = heads[0][1]
    channels = max(head.channels for _, head in heads)
    others = [(p, h) for p, h in heads if (h.height, h.width) != (first.height, first.width)]
    if others:
        parts, odd = others[0]
        text = (
            f"{printable(source.shown(parts))} has shape {(odd.channels, odd.height, odd.width)}, "
            f"the images before it {(first.channels, first.height, first.width)}"
        )
        if more := [printable(source.shown(parts)) for parts, _ in others[1 : 1 + _SHOWN]]:
            text += f"; {len(others):,} of {len(heads):,} differ from the first: {', '.join(more)}"
        raise InputError(f"{text}; resize them to one size")
    return channels, first.height, first.width


def _notes(heads: list[tuple[tuple[str, ...], Header]]) -> Iterator[str]:
    """What is done to some of the images to make them alike."""
    total = len(heads)
    grey = sum(head.channels == 1 for _, head in heads)
    if 0 < grey < total:
        yield f"{grey:,} of {total:,} images are grey and count as three equal channels"
    done = Counter(head.done for _, head in heads if head.done)
    yield from (f"{count:,} of {total:,} images are {text}" for text, count in done.items())


def _batches(source: Folder | Zipped, shape: tuple[int, int, int]) -> Iterator[np.ndarray]:
    """The images as uint8 [n, C, H, W]."""
    names, size = source.listing.images, batch_size(shape)
    with source.reading() as data:
        for start in range(0, len(names), size):
            batch = np.empty((len(names[start : start + size]), *shape), np.uint8)
            for row, parts in zip(batch, names[start : start + size], strict=True):
                try:
                    found = pixels(data(parts), suffix_of(parts))
                except (Unreadable, InputError) as error:
                    refuse([(source.shown(parts), str(error))])
                if found.shape[1:] != shape[1:] or found.shape[0] not in (1, shape[0]):
                    raise InputError(
                        f"{printable(source.shown(parts))} has shape {found.shape}, its header "
                        f"said {shape}; it is damaged, or changed meanwhile"
                    )
                row[...] = found
            yield batch
