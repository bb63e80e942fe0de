"""A network's weights within what training code wraps around them: prefixes and entries.

DistributedDataParallel writes "module." before each name, torch.compile "_orig_mod.", a class that
holds the network its attribute's name; trainers save {"model": ..., "step": ...}. Only an exact
match of all names counts, so nothing is taken for what it is not.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samplebench.errors import InputError
from samplebench.files.shown import shown

_KNOWN = frozenset(
    """_forward_module averaged_model backbone denoise_fn
    denoise_model denoiser diffusion diffusion_model ema ema_denoise_fn ema_model ema_net
    ema_network ema_unet eps_model eps_theta generator inner_model model model_ema module net
    net_ema netG network noise_model online_model score_model state_dict unet velocity_model
    """.split()
)
# What compiling, sharding and recomputing put between the words of a name.
_WRAPPERS = frozenset({"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
_AVERAGE = re.compile(r"(?<![a-z])ema|model_?ema|averag|shadow|polyak|(?<![a-z])swa(?![a-z])", re.I)
_ALONE = "save the state dict that you want in a separate file and use that"
_MOST_PREFIXES = 4
_MOST_PLACES = 16  # prefixes of one entry that are tried
_DEEPEST = 4
_MOST_ENTRIES = 2000  # of all dictionaries that are no state dicts


@dataclass(frozen=True)
class NamedTensors:
    """A dictionary of tensors in a file.

    Attributes:
        where: its keys from the outermost one on; () the file's content itself.
        tensors: by name.
        prefix: what its names begin with before the network's, "" for nothing.
        known: whether that is a prefix that is stripped.
    """

    where: tuple[str, ...]
    tensors: Mapping[str, Any]
    prefix: str = ""
    known: bool = True

    def __str__(self) -> str:
        place = "".join(f"['{shown(key)}']" for key in self.where)
        inside = f" under '{shown(self.prefix)}'" if self.prefix else ""
        return f"{place or 'its content'}{inside}"


def undressed(
    path: Path, content: Any, wanted: Collection[str], optional: Collection[str] = ()
) -> dict[str, Any]:
    """The entry of a file whose names are the network's, with those names.

    Args:
        path: for messages.
        content: what the file holds: dictionaries, lists, tensors.
        wanted: the network's names.
        optional: names that may be there too.

    Returns:
        The tensors by the network's names. A flat state dict of other names is returned as it is:
        what is missing there is for `weights.assign` to say.

    Raises:
        InputError: it is an optimizer's or another state, holds no such entry, or several.
    """
    if other := other_state(content):
        raise InputError(f"{path} holds {other}, not a network's weights; give the file of those")
    entries = list(_entries(content))
    found = [match for entry in entries for match in _matches(entry, wanted, optional)]
    exact = [entry for entry in found if entry.known]
    if len(exact) > 1:
        places = _few([str(entry) for entry in exact])
        raise InputError(
            f"{path} holds the network's weights {len(exact)} times: {places}; {_ALONE}"
        )
    if not exact:
        if not _dressed(content, entries, wanted) and not found:
            return dict(content)
        raise InputError(f"{path}: {_found(content, entries, found, wanted)}")
    (match,) = exact
    # A single number beside the network is a counter of its average.
    if rest := [
        name
        for name, value in match.tensors.items()
        if not name.startswith(match.prefix) and value.numel() != 1
    ]:
        raise InputError(
            f"{path}: {match} is the network, but beside it are {_few(rest)}; {_ALONE}"
        )
    if texts := [str(entry) for entry in _averages(content, match.where)]:
        raise InputError(
            f"{path}: {match} is the network, but its average may be in {_few(texts)}; {_ALONE}"
        )
    start = match.prefix
    tensors = match.tensors.items()
    return {name.removeprefix(start): value for name, value in tensors if name.startswith(start)}


def bare(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Tensors by names without wrappers and without the known prefix that all have."""
    found = _unwrapped(tensors)
    prefix = prefix_of(found)
    return {name.removeprefix(prefix): tensor for name, tensor in found.items()}


def prefix_of(names: Collection[str]) -> str:
    """The chain of known prefixes that all names begin with, e.g. "module._orig_mod."; or ""."""
    prefix = ""
    for _ in range(_MOST_PREFIXES):
        word = next(iter(names), "")[len(prefix) :].partition(".")[0]
        longer = f"{prefix}{word}."
        if word not in _KNOWN or not all(name.startswith(longer) for name in names):
            break
        prefix = longer
    return prefix


def other_state(content: Any) -> str | None:
    """What torch calls the state that this is, where it is none of a network."""
    if not isinstance(content, dict):
        return None
    if {"state", "param_groups"} <= content.keys():
        return "an optimizer's state"
    if "last_epoch" in content and {"_step_count", "base_lrs", "_last_lr"} & content.keys():
        return "a learning rate scheduler's state"
    if {"scale", "growth_factor", "growth_interval"} <= content.keys():
        return "a gradient scaler's state"
    return None


def containers(content: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(keys, container) of every dictionary and list; each once, though the content be endless."""
    seen: set[int] = set()
    count = 0
    rest: list[tuple[tuple[str, ...], Any]] = [((), content)]
    while rest:
        where, value = rest.pop(0)
        if id(value) in seen or len(where) > _DEEPEST or other_state(value):
            continue
        seen.add(id(value))
        yield where, value
        for key, item in _inner(value):
            count += 1
            if count > _MOST_ENTRIES:
                return
            rest.append(((*where, key), item))


def _entries(content: Any) -> Iterator[NamedTensors]:
    """Every dictionary that holds tensors by name."""
    for where, value in containers(content):
        if isinstance(value, dict):
            tensors = {k: v for k, v in value.items() if isinstance(k, str) and _is_tensor(v)}
            if tensors:
                yield NamedTensors(where, _unwrapped(tensors))


def _unwrapped(tensors: Mapping[str, Any]) -> Mapping[str, Any]:
    """The tensors by names without wrappers, where these are names of their own."""
    found = {
        ".".join(word for word in name.split(".") if word not in _WRAPPERS): value
        for name, value in tensors.items()
    }
    return found if len(found) == len(tensors) else tensors


def _inner(value: Any) -> list[tuple[str, Any]]:
    """The containers in a container, by key or position."""
    if isinstance(value, dict):
        pairs = [(key, item) for key, item in value.items() if isinstance(key, str)]
    elif isinstance(value, list | tuple):
        pairs = [(str(i), item) for i, item in enumerate(value[:_MOST_ENTRIES])]
    else:
        return []
    return [(key, item) for key, item in pairs if isinstance(item, dict | list | tuple)]


def _matches(
    entry: NamedTensors, wanted: Collection[str], optional: Collection[str]
) -> Iterator[NamedTensors]:
    """The prefixes under which an entry holds exactly the wanted names."""
    first = next(iter(wanted), None)
    if first is None:
        return
    names, others = entry.tensors.keys(), set(optional)
    places = [name.removesuffix(first) for name in names if name.endswith(first)]
    for prefix in places[:_MOST_PLACES]:
        if prefix and not prefix.endswith("."):
            continue
        inside = {name.removeprefix(prefix) for name in names if name.startswith(prefix)}
        # Without a prefix there is nothing outside it.
        if inside - others == set(wanted) - others:
            known = all(word in _KNOWN for word in prefix.split(".")[:-1])
            yield NamedTensors(entry.where, entry.tensors, prefix, known)


def _averages(content: Any, taken: tuple[str, ...]) -> Iterator[NamedTensors]:
    """Where other tensors than the taken ones may be averages of them."""
    for where, value in containers(content):
        items = value.values() if isinstance(value, dict) else value
        if where != taken and any(_AVERAGE.search(key) for key in where):
            if any(_is_tensor(item) for item in items):
                yield NamedTensors(where, {})


def _dressed(content: Any, entries: list[NamedTensors], wanted: Collection[str]) -> bool:
    """Whether a content is something else than a state dict without a prefix."""
    if not isinstance(content, dict) or not content or not entries:
        return True
    top = entries[0]
    if top.where or any(not isinstance(key, str) for key in content):
        return True
    prefix = prefix_of(top.tensors)
    return bool(prefix) and not any(name in wanted for name in top.tensors)


def _found(
    content: Any, entries: list[NamedTensors], found: list[NamedTensors], wanted: Collection[str]
) -> str:
    """What the file has instead of the network's names."""
    if found:
        return (
            f"{found[0]} are the network's names; that prefix is not one that is known, so save "
            "the state dict without it"
        )
    need = f"expected are {len(wanted)} tensors: {_few(wanted)}"
    if not entries:
        return f"it holds {_kind(content)} and no state dict; {need}"
    told = []
    for entry in entries[:3]:
        prefix = prefix_of(entry.tensors)
        names = [name.removeprefix(prefix) for name in entry.tensors]
        told.append(
            f"{NamedTensors(entry.where, {}, prefix)} has {len(names)} tensors ({_few(names, 2)})"
        )
    more = f" and {len(entries) - 3} more" if len(entries) > 3 else ""
    return f"not the file of such a network: {', '.join(told)}{more}; {need}"


def _kind(content: Any) -> str:
    if isinstance(content, dict):
        version = "pytorch-lightning_version" in content
        return f"{'a Lightning checkpoint: ' if version else ''}{_few(list(content)) or 'nothing'}"
    if isinstance(content, list | tuple):
        return f"a list of {len(content)}"
    return shown(content)


def _few(names: Collection[Any], most: int = 3) -> str:
    listed = [shown(name) for name in list(names)[:most]]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(listed) + more


def _is_tensor(value: Any) -> bool:
    import torch

    return isinstance(value, torch.Tensor)
