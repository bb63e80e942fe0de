"""What the word of a model means: an id of the catalogue, a file, a function, a network."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from samplebench.answers.blame import line_of
from samplebench.answers.scalars import plain
from samplebench.checkpoints.catalog import Checkpoint, catalog, checkpoint, resolved
from samplebench.checkpoints.diffusers_folder import folder_entry, hub_entry, is_diffusers
from samplebench.download.hub import PREFIX
from samplebench.errors import InputError, UsageError
from samplebench.files import texts
from samplebench.files.atomic import expanded, regular
from samplebench.loading.memory import free, in_memory, made_by
from samplebench.registry import adapters, python_files
from samplebench.timelines.choice import timeline


def source_of(
    word: Any,
    known: Mapping[str, Checkpoint] | None = None,
    *,
    format: str | None = None,
    config: Mapping[str, Any] | str | Path | None = None,
    offline: bool = False,
) -> Checkpoint:
    """What the word of a model means, with what must be known of it before it is loaded.

    Args:
        word: an id of the catalogue or its spelling in published tables, the path of a file or of a
            folder of diffusers, "hf:org/name" of one on the hub, "./file.py:function" or
            "package.module:function" of a function without arguments that returns a model, or the
            model itself.
        known: the catalogue; None for the shipped one.
        format: of a file; None for that of its suffix.
        config: what a file does not say, a mapping or the path of a JSON file; over that of the
            catalogue.
        offline: open no connection.

    Raises:
        UsageError: it names nothing, or what it names is no model.
        InputError: a file cannot be looked at.
        EnvironmentError_: the hub cannot be reached.
    """
    known = catalog() if known is None else known
    if isinstance(word, Checkpoint):
        return _told(word, format, config)
    if not isinstance(word, str | os.PathLike):
        _refuse_words(format, config, "a model in memory")
        return in_memory(word, known)
    text = os.fspath(word)
    if text in known and isinstance(word, str):
        return _told(known[text], format, config)
    if text.startswith(PREFIX):
        return _told(_of_folder(hub_entry(text, offline), known), format, config)
    path = expanded(text)
    if _is_folder(path):
        return _told(_of_folder(folder_entry(path), known), format, config)
    if not is_file(path):
        if _is_function(text):
            _refuse_words(format, config, f"what {line_of(text)} returns")
            return made_by(text, known)
        if resolved(text, known) in known or (not path.suffix and "/" not in text):
            # Says what it may have meant.
            return _told(checkpoint(text, known), format, config)
        raise InputError(f"{path} does not exist; give a file or an id of the catalogue")
    if path.suffix == ".py":
        raise UsageError(
            f"{path} is a Python file; name its function that returns a model: {path}:make_model"
        )
    return _told(_of_file(path, known, format), format, config)


def _is_function(text: str) -> bool:
    """Whether a word names a function in a file or a module."""
    module, colon, name = text.partition(":")
    dotted = all(part.isidentifier() for part in (*module.split("."), *name.split(".")))
    return python_files.is_place(text) if ".py" in text else bool(colon) and dotted


def _of_file(path: Path, known: Mapping[str, Checkpoint], format: str | None) -> Checkpoint:
    """A file that no catalogue describes, under its name."""
    given = format or format_of(path)
    if given is None:
        raise UsageError(f"{path}: name its format, one of {', '.join(adapters.names())}")
    declared = adapters.entry(given)
    return Checkpoint(
        free(path.name, known),
        given,
        str(path),
        (0, 0, 0),
        protocol=declared.protocol,
        samplers=timeline(declared.kind_of({})).defaults,
    )


def _is_folder(path: Path) -> bool:
    """Whether a folder of diffusers is there."""
    try:
        return is_diffusers(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from None


def _of_folder(entry: Checkpoint, known: Mapping[str, Checkpoint]) -> Checkpoint:
    """A folder of diffusers, under its name."""
    declared = adapters.entry(entry.format)
    return replace(
        entry,
        id=free(entry.id, known),
        protocol=declared.protocol,
        samplers=timeline(declared.kind_of(entry.config)).defaults,
    )


def format_of(path: Path) -> str | None:
    """The adapter that a file is for, by its suffix and, where several claim it, its content.

    A file that none of these recognises, being damaged perhaps, is left to the first of them.
    None: no adapter claims the suffix.
    """
    claiming = [entry for entry in adapters if path.suffix in entry.suffixes]
    if len(claiming) > 1:
        own = [entry for entry in claiming if entry.recognises and entry.recognises(path)]
        claiming = own or claiming
    return claiming[0].name if claiming else None


def _told(
    entry: Checkpoint, format: str | None, config: Mapping[str, Any] | str | Path | None
) -> Checkpoint:
    """An entry with what the user says of it."""
    if format is not None and format != entry.format:
        raise UsageError(f"{entry.id} has format {entry.format}, not {format}; leave format out")
    given = {} if config is None else config_of(config)
    return replace(entry, config=plain({**entry.config, **given}))


def _refuse_words(format: Any, config: Any, what: str) -> None:
    for name, value in (("format", format), ("model-config", config)):
        if value is not None:
            raise UsageError(f"--{name} describes a model file, not {what}; leave it out")


def is_file(path: Path) -> bool:
    """Whether a file is there; False: nothing is.

    Raises:
        InputError: something else is there, or the path cannot be looked at.
    """
    try:
        if not path.exists():
            return False
        regular(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from None
    return True


def config_of(given: Mapping[str, Any] | str | Path) -> Mapping[str, Any]:
    if isinstance(given, Mapping):
        return dict(plain(given))
    content = texts.read_json(expanded(str(given)), f"config {given}")
    if not isinstance(content, dict):
        raise InputError(f"config {given} is not a JSON object; write {{...}}")
    return content
