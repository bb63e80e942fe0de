"""What is wrong with a file of a results folder: read it, or say why it cannot be used."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from samplebench.errors import EnvironmentError_, InputError
from samplebench.files import texts
from samplebench.files.archives import Arrays
from samplebench.files.atomic import regular
from samplebench.results import shape
from samplebench.results.record import Record

_AGAIN = "run its sweep again, and only this cell is computed anew"


class Damaged(InputError):
    """A file that is there but is not what was written.

    Attributes:
        path: of the file.
        reason: in a few words.
    """

    def __init__(self, path: Path, reason: str, mend: str) -> None:
        super().__init__(f"{path} is damaged ({reason}); {mend}")
        self.path, self.reason = path, reason


def read_json(path: Path, mend: str = _AGAIN) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        Damaged: it holds something else; `mend` is the next step.
        EnvironmentError_: it cannot be read at all, which says nothing of what is in it.
    """
    try:
        content = texts.json_value(texts.read_bytes(path, texts.MOST_TEXT), lenient=True)
    except OSError as error:
        raise EnvironmentError_(
            f"{path} cannot be read ({error.strerror}); make it readable and try again"
        ) from None
    except InputError as error:
        raise EnvironmentError_(f"{path} cannot be read ({error}); move it away") from None
    except ValueError:
        raise Damaged(path, "not JSON", mend) from None
    if not isinstance(content, dict):
        raise Damaged(path, "not a JSON object", mend)
    return content


def read_cell(path: Path, schema: int, metrics: Sequence[str] = ()) -> Record:
    """The record in `<hash>.json`, which must hold these metrics and all that it was asked for.

    Raises:
        Damaged: cut off, of another schema, or of conditions that do not have this hash.
        EnvironmentError_: it cannot be read.
    """
    from samplebench.results.cell import Cell

    record = read_json(path)
    if record.get("schema") != schema:
        reason = f"schema {record.get('schema')}, this samplebench reads {schema}"
        raise Damaged(path, reason, _AGAIN)
    try:
        name, conditions = record["cell"], record["conditions"]
        if name != path.stem or Cell(conditions, 0).hash != path.stem:
            raise Damaged(path, "its name is not the hash of its conditions", _AGAIN)
        whole = record["nfe"] > 0 and bool(record["values"])
        for metric in {*metrics, *conditions["metrics"]}:
            found = record["values"][metric]
            whole &= all(_is_number(found[key]) for key in ("value", "stderr"))
            # Missing in records of older versions.
            whole &= _all_finite(found.get("deleted", []))
    except (KeyError, TypeError, AttributeError, IndexError):
        whole = False
    if not whole:
        raise Damaged(path, "values are missing", _AGAIN)
    if found := shape.fault(record):
        raise Damaged(path, f"{found} is not what a run writes", _AGAIN)
    return cast(Record, record)


def _all_finite(values: Any) -> bool:
    """Whether it is a list of finite numbers."""
    return isinstance(values, list) and all(v is not None and _is_number(v) for v in values)


def _is_number(value: Any) -> bool:
    """A finite number, or None where a cell has failed."""
    if value is None:
        return True
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and abs(value) <= sys.float_info.max


def check_sheet(path: Path) -> None:
    """Raises `Damaged` where a contact sheet is no whole PNG."""
    from PIL import Image

    try:
        with Image.open(regular(path), formats=["PNG"]) as picture:
            picture.verify()
    except Exception:  # Pillow raises a dozen things for broken files
        raise Damaged(path, "not a whole PNG", "delete it, and the page leaves it out") from None


def read_partial(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a cell under way.

    Raises:
        Damaged: they cannot be read, or are not finite.
    """
    anew = "delete it, and its cell starts anew"
    try:
        arrays = Arrays(path)
        found = {key: arrays[key].whole() for key in arrays.keys}
    except ValueError:
        raise Damaged(path, "not a whole archive", anew) from None
    numbers = (array for array in found.values() if array.dtype.kind == "f")
    if not all(np.isfinite(array).all() for array in numbers):
        # Older versions kept features that were not finite.
        raise Damaged(path, "numbers that are not finite", anew)
    return found
