"""The classes of real images, where their file or folder says them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from samplebench.errors import InputError
from samplebench.files import texts
from samplebench.files.archives import Arrays, Unreadable, opened
from samplebench.image_sets.folder import Folder
from samplebench.image_sets.zipped import Zipped

# The labels that go with the images of an archive of arrays.
_BESIDE = {"images": "labels", "arr_0": "arr_1"}
# EDM's table of labels, and how long its names of folders are, which are no classes.
_TABLE, _SHARD = "dataset.json", 5

# Their labels int64 [N], and where they are from; or None, and why there are none.
Classes = tuple[np.ndarray | None, str]


def classes_at(path: Path, count: int, num_classes: int) -> Classes:
    """The class of each image of a set, in the set's order.

    In an .npz those in `arr_1` beside `arr_0`, or in `labels` beside `images`. In a folder or a zip
    those of a dataset.json in EDM's form; else the first folder is the class: its number, where
    all are called by one, or its place in sorted order, where there is one for every class.

    Args:
        path: of the set, which can be read.
        count: of its images.
        num_classes: of the model.

    Raises:
        InputError: there are labels, and they are no classes of so many images.
    """
    if os.path.isdir(path):
        return _of_files(path, Folder(path).listing.images, num_classes)
    arrays = Arrays(path)
    if not arrays.keys:
        return _of_files(path, Zipped(path).listing.images, num_classes)
    key = next((_BESIDE[name] for name in _BESIDE if name in arrays.keys), "")
    if key not in arrays.keys or not key:
        return None, f"{path.name} holds {arrays.named()} and no labels"
    stored = arrays[key]
    if stored.dtype.kind not in "iu" or stored.shape != (count,):
        raise InputError(f"{path}: {key} is {stored.text}; labels are whole numbers [{count}]")
    return checked_classes(stored.whole(), num_classes, f"{key} of {path.name}")


def checked_classes(labels: np.ndarray, num_classes: int, where: str) -> Classes:
    """Labels, each of a class that the model has.

    Raises:
        InputError: one is not.
    """
    found = labels.astype(np.int64)
    if len(found) and not (found.min() >= 0 and found.max() < num_classes):
        raise InputError(
            f"{where} are classes from {found.min()} to {found.max()}, and the model has "
            f"{num_classes}, from 0; give --labels none, or images of its classes"
        )
    return found, where


def _of_files(path: Path, names: Sequence[tuple[str, ...]], num_classes: int) -> Classes:
    """Of image files, by their names below the set's."""
    table = _table_of(path)
    if table is not None:
        return _of_table(table, path, names, num_classes)
    folders = [parts[0] if len(parts) > 1 else "" for parts in names]
    kinds = sorted(set(folders))
    if "" in kinds:
        return None, f"not all images of {path.name} are in a folder of their class"
    numbers = all(kind.isdecimal() and kind.isascii() for kind in kinds)
    if numbers and max(map(len, kinds)) < _SHARD:
        labels = np.array([int(folder) for folder in folders])
        return checked_classes(labels, num_classes, f"the folders of {path.name}, by number,")
    if numbers or len(kinds) != num_classes:
        return None, (
            f"{path.name} has {len(kinds)} folders ({', '.join(kinds[:2])}, ...), which name no "
            f"class of {num_classes}"
        )
    place = {kind: i for i, kind in enumerate(kinds)}
    labels = np.array([place[folder] for folder in folders])
    return checked_classes(labels, num_classes, f"the folders of {path.name}, in sorted order,")


def _table_of(path: Path) -> Any:
    """The content of a folder's or a zip's table of labels; None where it has none."""
    try:
        if os.path.isdir(path):
            table = path / _TABLE
            return texts.read_json(table, str(table)) if table.is_file() else None
        with opened(path) as archive:
            if _TABLE not in archive.namelist():
                return None
            if archive.getinfo(_TABLE).file_size > texts.MOST_TEXT:
                raise Unreadable(f"its {_TABLE} is larger than {texts.MOST_TEXT:,} bytes")
            return texts.json_value(archive.read(_TABLE))
    except ValueError as error:
        raise InputError(f"{path}: {_TABLE} cannot be read: {error}") from None


def _of_table(
    content: Any, path: Path, names: Sequence[tuple[str, ...]], num_classes: int
) -> Classes:
    """Of EDM's table: {"labels": [[name, class], ...]}, or null where there are none."""
    pairs = content.get("labels") if isinstance(content, Mapping) else None
    if pairs is None:
        return None, f"{_TABLE} of {path.name} has no labels"
    try:
        table = {str(name): label for name, label in pairs}
        labels = [table["/".join(parts)] for parts in names]
        if not all(type(label) is int for label in labels):
            raise ValueError
    except (TypeError, ValueError, KeyError):
        raise InputError(
            f"{path}: its {_TABLE} does not say the class of every image; its labels are pairs of "
            "a name and a whole number"
        ) from None
    return checked_classes(np.array(labels), num_classes, f"{_TABLE} of {path.name}")
