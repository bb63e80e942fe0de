"""What is wrong with a file of a results folder: read it, or say why it cannot be used."""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from samplebench.errors import InputError
from samplebench.files import texts
from samplebench.files.places import file_at, folder_at, unreadable
from samplebench.files.sealed import CHECKSUM, json_checksum
from samplebench.results import shape
from samplebench.results.cell import hash_of
from samplebench.results.columns import HASH, shown
from samplebench.results.record import Record, Score, Value

# The last chunk of a PNG, with its checksum.
_END = b"\0\0\0\0IEND\xaeB`\x82"
_AGAIN = "run its sweep again, and only this cell is computed again"


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

    Args:
        path: of the file.
        mend: the next step where it is damaged.

    Raises:
        Damaged: it holds something else.
        InputError: a folder, pipe, socket, device or a link to nothing is there.
        EnvironmentError_: it cannot be read at all, which says nothing of what is in it.
    """
    file_at(path)
    try:
        content = texts.json_value(texts.read_bytes(path, texts.MOST_TEXT), lenient=True)
    except OSError as error:
        raise unreadable(path, error) from None
    except ValueError:
        raise Damaged(path, "not JSON", mend) from None
    if not isinstance(content, dict):
        raise Damaged(path, "not a JSON object", mend)
    return content


def check_folders(out: Path, names: Iterable[str]) -> None:
    """Looks at the sub-folders of a results folder, as what cannot be listed reads as empty.

    Raises:
        InputError: something else is in the place of one.
        EnvironmentError_: it cannot be read.
    """
    for folder in (out / name for name in names):
        if folder_at(folder):
            try:
                os.scandir(folder).close()
            except OSError as error:
                raise unreadable(folder, error) from None


def check_schema(path: Path, found: Any, schema: int, mend: str = _AGAIN) -> None:
    """What a file says of its schema.

    Raises:
        InputError: a newer samplebench wrote it.
        Damaged: it is no schema, or an older one.
    """
    if type(found) is int and found > schema:
        raise InputError(
            f"{path} has schema {found}, this samplebench reads {schema}; update samplebench"
        )
    if type(found) is not int or found != schema:
        raise Damaged(path, f"schema {shown(found)}, this samplebench reads {schema}", mend)


def _check_sum(path: Path, content: Mapping[str, Any], mend: str) -> None:
    if CHECKSUM not in content:
        raise Damaged(path, "it has no checksum", mend)
    try:
        found = json_checksum(content)
    except ValueError:  # a NaN, which JSON does not have
        found = ""
    if content[CHECKSUM] != found:
        raise Damaged(path, "its checksum does not match its content", mend)


def read_sealed(path: Path, schema: int, mend: str = _AGAIN) -> dict[str, Any]:
    """The object in a JSON file of this schema that carries a checksum.

    Raises:
        Damaged: it is not what was written.
        InputError: a newer samplebench wrote it, or it is no file.
        EnvironmentError_: it cannot be read.
    """
    content = read_json(path, mend)
    check_schema(path, content.get("schema"), schema, mend)
    _check_sum(path, content, mend)
    return content


def read_cell(path: Path, schema: int) -> Record:
    """The record in `cells/HASH.json`.

    Raises:
        Damaged: cut off, changed, of another schema, or of conditions that do not have this hash.
        EnvironmentError_: it cannot be read.
        InputError: a newer samplebench wrote it, or it is no file.
    """
    record = read_sealed(path, schema)
    _check_name(path, record, "cell")
    if not _is_count(record.get("nfe")):
        raise Damaged(path, "nfe is missing", _AGAIN)
    if found := shape.fault_of_record(record):
        raise Damaged(path, f"{found} is not what a run writes", _AGAIN)
    # Whoever makes a step evaluates the network.
    if record["nfe"] == 0 != record["conditions"].get("steps"):
        raise Damaged(path, "nfe is 0", _AGAIN)
    return cast(Record, record)


def read_score(path: Path, schema: int) -> Score:
    """The score in `scores/HASH.json`; raises as `read_cell` does."""
    score = read_sealed(path, schema)
    _check_name(path, score, "score")
    try:
        value = score["value"]
        whole = is_measured(value)
        whole &= all(is_number(value[key]) for key in value.keys() - Value.__annotations__.keys())
        whole &= value.get("better", "lower") in ("lower", "higher")
        whole &= (value["value"] is None) == bool(score.get("failed"))
        whole &= HASH.fullmatch(score["conditions"]["cell"]) is not None
        whole &= isinstance(score["conditions"]["metric"], str)
        whole &= isinstance(score["conditions"]["reference"]["id"], str)
        whole &= isinstance(score["conditions"]["extractor"]["name"], str)
    except (KeyError, TypeError, AttributeError, IndexError):
        whole = False
    if not whole:
        raise Damaged(path, "its value is missing", _AGAIN)
    if found := shape.fault_of_score(score):
        raise Damaged(path, f"{found} is not what a run writes", _AGAIN)
    return cast(Score, score)


def _check_name(path: Path, record: Mapping[str, Any], key: str) -> None:
    """Raises `Damaged` where a file's name is not the hash of the conditions in it."""
    conditions = record.get("conditions")
    named = isinstance(conditions, Mapping) and hash_of(conditions) == path.stem
    if record.get(key) != path.stem or not named:
        raise Damaged(path, "its name is not the hash of its conditions", _AGAIN)


def _is_count(value: Any) -> bool:
    return is_number(value) and value >= 0


def is_measured(value: Any) -> bool:
    """Whether a value has an error bar and delete-one values that it can have.

    Raises:
        KeyError, TypeError, AttributeError: it is no value at all.
    """
    both = all(value[key] is None or is_number(value[key]) for key in ("value", "stderr"))
    # Missing in records of older versions.
    deleted = value.get("deleted", [])
    if not (both and isinstance(deleted, list) and all(map(is_number, deleted))):
        return False
    return value["stderr"] is None or bool(value["stderr"] >= 0)


def is_number(value: Any) -> bool:
    """A finite number."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and abs(value) <= sys.float_info.max


def check_sheet(path: Path) -> None:
    """Looks at a contact sheet.

    Raises:
        Damaged: it is no whole PNG.
        InputError: it is no file.
        EnvironmentError_: it cannot be read.
    """
    file_at(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from None
    if not _is_png(data):
        raise Damaged(path, "not a whole PNG", "delete it and the page omits it")


def _is_png(data: bytes) -> bool:
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of one with more pixels than any
            with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
                picture.verify()
    except Exception:  # Pillow raises a dozen things for broken files
        return False
    return data.endswith(_END)
