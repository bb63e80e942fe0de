"""What the words of a request may be that are no numbers, as text or as values of Python."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from types import MethodType
from typing import Any

from samplebench.answers.blame import line_of
from samplebench.answers.scalars import items, listed, precision, scalar, values
from samplebench.bench.labels import labels_said
from samplebench.cards.levels import LevelsCard
from samplebench.cards.name import PREFIX, is_card, path_of
from samplebench.cards.read import levels_card
from samplebench.discretizations import explicit
from samplebench.errors import UsageError, unknown
from samplebench.files.atomic import expanded
from samplebench.models.guidance import NAMES
from samplebench.registry.python_files import is_place
from samplebench.results.kept import LEVELS
from samplebench.sampling.guided import NONE, interval_of, scale_of

# Who may compute the blocks of a sweep.
ENGINES = ("local", "ray")
# A block that is chosen by a probe.
AUTO = "auto"
# Words whose values may be objects of Python.
_OBJECTS = ("model", "sampler", "guiding_model")


def _lists(name: str, value: Any) -> list[Any]:
    """Items that may be lists of numbers: a flat list of numbers is one of them."""
    found = items(value)
    flat = all(isinstance(item, int | float) for item in found)
    return listed(name, [found] if flat else found, _EXAMPLES[name])


def _texts(name: str, value: Any) -> tuple[Any, ...]:
    words = listed(name, value, _EXAMPLES[name])
    words = [os.fspath(item) if isinstance(item, os.PathLike) else item for item in words]
    for item in words:
        if not (isinstance(item, str) or (name in _OBJECTS and callable(item))):
            raise UsageError(f"--{name} {item!r} is not a name; write e.g. {_EXAMPLES[name]}")
    found: list[Any] = []
    for item in words:
        if not any(_same(item, each) for each in found):
            found.append(item)
    return tuple(found)


def _same(one: Any, other: Any) -> bool:
    """Callables by identity: not every one has a hash, or says what its equality is."""
    if isinstance(one, MethodType) and isinstance(other, MethodType):
        # Bound anew whenever it is named.
        return one.__self__ is other.__self__ and one.__func__ is other.__func__
    return one is other or (isinstance(one, str) and isinstance(other, str) and one == other)


def _levels(item: Any) -> str | tuple[float, ...] | LevelsCard:
    if is_card(item):
        return levels_card(path_of(item))
    if isinstance(item, str) and item.endswith(".json"):
        raise UsageError(f"--discretization {item} is not a name; write {PREFIX}{item}")
    # A file may lie in a folder.
    if isinstance(item, str) and ("/" not in item or ":" in item or is_place(item)):
        return item
    parts = item.split("/") if isinstance(item, str) else item
    try:
        written = [float(part) for part in values(parts)]
        # A final 0 that is written says where the grid ends, whatever its sampler's usual end is.
        return tuple(explicit(written).tolist()) + (0.0,) * (written[-1] == 0)
    except (TypeError, ValueError):
        raise UsageError(
            f"--discretization {item}: explicit levels are numbers, e.g. 80/20/5/1/0.1"
        ) from None


def _discretizations(name: str, value: Any) -> tuple[Any, ...]:
    if isinstance(scalar(value), int | float):
        raise UsageError(f"--discretization {value} is neither a name nor a list of levels")
    found = tuple(dict.fromkeys(_levels(item) for item in _lists(name, value)))
    named: dict[str, LevelsCard] = {}
    for card in (each for each in found if isinstance(each, LevelsCard)):
        if named.setdefault(card.name, card) is not card:
            raise UsageError(
                f"two cards are called {card.name}: {named[card.name].path} and {card.path}; "
                "change "
                '"name" in one of them'
            )
    return found


def parse_params(text: str) -> dict[str, dict[str, list[Any]]]:
    """ "edm.S_churn=10,40,ddim.eta=1" as sampler -> parameter -> values.

    An item without "=" is one more value of the parameter before it.
    """
    table: dict[str, dict[str, list[Any]]] = {}
    values: list[Any] | None = None
    for item in text.split(","):
        left, equals, right = item.strip().partition("=")
        if equals:
            sampler, dot, param = left.rpartition(".")
            if not (dot and sampler and param and right):
                raise UsageError(f"--param {item!r}: write SAMPLER.NAME=VALUE, e.g. edm.S_churn=10")
            values = table.setdefault(sampler, {}).setdefault(param, [])
            values.append(_value(right))
        elif values is None or not left:
            raise UsageError(f"--param {item!r}: write SAMPLER.NAME=VALUE, e.g. edm.S_churn=10")
        else:
            values.append(_value(left))
    return table


def _value(text: str) -> Any:
    for convert in (int, float):
        try:
            return convert(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text, text)


def _params(name: str, value: Any) -> dict[str, dict[str, tuple[Any, ...]]]:
    table: Any = parse_params(value) if isinstance(value, str) else value
    if not isinstance(table, Mapping):
        raise UsageError("param must be a table: param.SAMPLER.NAME = VALUE")
    result: dict[str, dict[str, tuple[Any, ...]]] = {}
    for key, inner in table.items():
        if not isinstance(key, str):
            raise UsageError(f"param {key!r} is not the name of a sampler; write edm.S_churn")
        if not isinstance(inner, Mapping):  # {"edm.S_churn": 10}
            sampler, _, param = key.rpartition(".")
            inner = {param: inner}
            key = sampler
        for param, found in inner.items():
            items = values(found)
            if not key or not items:
                raise UsageError(f"param {key}.{param}: name a sampler and at least one value")
            for item in items:
                if not isinstance(item, str | int | float):
                    raise UsageError(f"param {key}.{param}={item} is not a number or a word")
                if isinstance(item, float) and item != item:
                    raise UsageError(f"param {key}.{param}=nan is not a number")
            result.setdefault(key, {})[param] = tuple(dict.fromkeys(items))
    return result


def _text(name: str, value: Any) -> str:
    if isinstance(value, list | tuple) and len(value) == 1:
        (value,) = value
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else ""
    if not text or not isinstance(text, str):
        raise UsageError(f"--{name.replace('_', '-')} {line_of(repr(value))} is not a name")
    return str(text)


def _device(name: str, value: Any) -> str:
    """Torch's own object or its name."""
    return _text(name, str(value) if type(value).__module__ == "torch" else value)


def _precision(name: str, value: Any) -> str:
    """Torch's or NumPy's own object or its name."""
    return _text(name, value if isinstance(value, os.PathLike) else precision(value))


def _path(name: str, value: Any) -> str:
    text = _text(name, value)
    try:
        if b"\0" in os.fsencode(text):
            raise ValueError
    except ValueError:  # letters, too, that no name can be written with
        raise UsageError(f"--{name} {line_of(repr(text))} is not a path") from None
    return str(expanded(text)) if text.startswith("~") else text


def _paths(name: str, value: Any) -> tuple[str, ...]:
    """One path or several; a text may list them, unless it is a path as it stands."""
    from samplebench.scoring.references import sources_of

    items = [_path(name, item) for item in ([value] if isinstance(value, str) else values(value))]
    return sources_of(items)


def _guidances(name: str, value: Any) -> tuple[str, ...]:
    found: tuple[str, ...] = _texts(name, value)
    for guidance in found:
        if guidance not in (NONE, *NAMES):
            raise unknown("guidance", guidance, (NONE, *NAMES))
    return found


def _intervals(name: str, value: Any) -> tuple[tuple[float, float], ...]:
    # A pair of numbers is one interval.
    return tuple(dict.fromkeys(interval_of(item) for item in _lists(name, value)))


def _level(name: str, value: Any) -> str:
    text = _text(name, value)
    if text not in LEVELS:
        raise unknown(f"--{name}", text, LEVELS)
    return text


def _engine(name: str, value: Any) -> str:
    text = _text(name, value)
    if text not in ENGINES:
        raise unknown("engine", text, ENGINES)
    return text


def _shard(name: str, value: Any) -> str:
    text = _text(name, value)
    place, slash, count = text.partition("/")
    # Python reads no number of thousands of digits.
    whole = slash and place.isdecimal() and count.isdecimal() and len(text) < 1000
    if not (whole and int(place) < int(count)):
        raise UsageError(
            f"--shard {line_of(text)}: write i/n with i from 0 to n - 1, e.g. 0/4 for the first "
            "of four"
        )
    return f"{int(place)}/{int(count)}"


def _flag(name: str, value: Any) -> bool:
    flag = scalar(value)
    if not isinstance(flag, bool):
        raise UsageError(f"{name} {value!r} is not true or false")
    return flag


_EXAMPLES = {
    "model": "digits-exact",
    "sampler": "euler,heun",
    "discretization": "edm,logsnr",
    "metric": "fd-digits",
    "guidance": "none,cfg",
    "guidance_scale": "1,2,4",
    "guidance_interval": "0.19/1.61",
    "guiding_model": "digits-exact",
}

CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "model": _texts,
    "sampler": _texts,
    "discretization": _discretizations,
    "param": _params,
    "label": lambda n, v: labels_said(v),
    "guidance": _guidances,
    "guidance_scale": lambda n, v: tuple(
        dict.fromkeys(scale_of(i) for i in listed(n, v, _EXAMPLES[n]))
    ),
    "guidance_interval": _intervals,
    "guiding_model": _texts,
    "classifier": _text,
    "metric": _texts,
    "reference": _paths,
    "keep": _level,
    "save_images": _flag,
    "preset": _text,
    "protocol": _text,
    "noise": _text,
    "state_dtype": _precision,
    "device": _device,
    "dtype": _precision,
    "compile": _flag,
    "engine": _engine,
    "address": _text,
    "shard": _shard,
    "checkpoints": _path,
    "file": _path,
    "format": _text,
    "model_config": lambda n, v: dict(v) if isinstance(v, Mapping) else _path(n, v),
    "offline": _flag,
    "yes": _flag,
    "out": _path,
}
