"""A model that is in memory already, as a source of samples like those of the catalogue."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from samplebench.answers.blame import Blame, line_of
from samplebench.answers.scalars import plain
from samplebench.answers.tensors import described
from samplebench.checkpoints.checkpoint import Checkpoint
from samplebench.errors import UsageError
from samplebench.identity import Identity, identify
from samplebench.loading.judged import knows_levels, missing
from samplebench.models.model import in_training
from samplebench.protocols import PROTOCOLS
from samplebench.registry import models, timelines
from samplebench.timelines.choice import kind_of, of_model

if TYPE_CHECKING:
    import torch

# Of a model's attributes what decides no number: where it is from, and what the bench sets.
_IDLE = frozenset({"provenance", "protocol", "chunks", "threads", "precision", "compiled"})
_DIGITS = 8


def made_by(word: str, known: Mapping[str, Checkpoint]) -> Checkpoint:
    """What a user's function without arguments returns, its file or module read anew.

    Args:
        word: "./file.py:function" or "package.module:function".
        known: the catalogue.

    Raises:
        UsageError: it cannot be found, fails, or returns no model.
    """
    models.renew(word)
    make, who = models.get(word), f"model '{line_of(word)}'"
    if not missing(make):
        raise UsageError(f"{who} is a model already; name a function that returns it")
    with warnings.catch_warnings(record=True) as warned, Blame(who):
        # Also the second time, in whichever line.
        warnings.simplefilter("always", UserWarning)
        model = make()
    told = (line_of(str(each.message)) for each in warned if each.category is UserWarning)
    return replace(in_memory(model, known, word), caveat="; ".join(dict.fromkeys(told)))


def in_memory(model: Any, known: Mapping[str, Checkpoint], word: str = "") -> Checkpoint:
    """A model of the user's as an entry: what it is now is its identity.

    Args:
        model: from `sb.wrap` or `sb.load`, or of one's own with the same attributes.
        known: the catalogue, whose names are taken.
        word: by which the user named it, for messages.

    Raises:
        UsageError: it is no model, or one that cannot be sampled from as it is.
    """
    who = f"model '{line_of(word)}'" if word else f"model {described(model)}"
    _check(model, who)
    base: Checkpoint | None = None
    if getattr(model, "ingredients", None) is None:
        identity, base = identity_of(model), known.get(str(model.provenance.get("id")))
        called = base.id if base else type(model).__qualname__
        name = f"{called}-{identity.sha256[:_DIGITS]}"
    else:
        # Training may have gone on since it was wrapped.
        model.renew()
        name, identity = model.provenance["id"], _noted(model.provenance)
    source = model.provenance
    return Checkpoint(
        id=free(name, known),
        format="",
        location="",
        shape=tuple(model.shape),
        num_classes=model.num_classes,
        sha256=identity.sha256,
        unknown=identity.unknown,
        licence=str(source.get("licence") or "not stated"),
        dtype=_dtype(model),
        protocol=model.protocol or _protocol(model),
        reference=base.reference if base else "",
        samplers=base.samplers if base else of_model(model).defaults,
        config=plain(dict(source.get("config", {}))),
        cite=base.cite if base else (),
        model=model,
    )


def identity_of(model: Any) -> Identity:
    """The identity of a model as it is now: class, weights, buffers, code and settings; of what
    `sb.wrap` returns that of its ingredients."""
    if (made := getattr(model, "ingredients", None)) is not None:
        return _noted(made.provenance())
    state = {name: part for name, part in vars(model).items() if name not in _IDLE}
    return identify((type(model), state))


def _noted(provenance: Mapping[str, Any]) -> Identity:
    return Identity(provenance["identity"], provenance.get("identity_unknown", ""))


def changed(entry: Checkpoint) -> bool:
    """Whether a model in memory is known to be another by now than the one that was planned for."""
    if entry.model is None or entry.unknown:
        return False
    return identity_of(entry.model).sha256 != entry.sha256


def free(name: str, known: Mapping[str, Checkpoint]) -> str:
    """A name for a model of the user's, which must not pass for one of the catalogue.

    Raises:
        UsageError: it is that of one, or cannot be shown.
    """
    if name in known:
        raise UsageError(
            f"model {name} has the name of a catalogue model, so its values would be compared with "
            "published ones; rename it"
        )
    if not name.isprintable():
        raise UsageError(f"model {name!r} has a name that cannot be displayed; rename it")
    return name


def _check(model: Any, who: str) -> None:
    if lacks := missing(model):
        wrapped = "sb.wrap(network, predicts='eps', ..., shape=(C, H, W))"
        if callable(model):
            raise UsageError(f"{who} is not a model, it lacks {', '.join(lacks)}; write {wrapped}")
        raise UsageError(f"{who} is not a model; give what {wrapped} or sb.load returns")
    if not knows_levels(model):
        raise UsageError(
            f"{who} has noise levels from {described(model.sigma_min)} to "
            f"{described(model.sigma_max)}; 0 <= sigma_min < sigma_max is needed"
        )
    kind = kind_of(model)
    if kind not in timelines or not of_model(model).fits(getattr(model, "process", None)):
        raise UsageError(
            f"{who} is of kind '{kind}', whose process is {described(model.process)}; set the one "
            "that it was trained on"
        )
    if in_training(model):
        raise UsageError(
            f"{who} is in training mode, in which dropout and batch norm change its outputs; call "
            "network.eval() first"
        )


def _protocol(model: Any) -> str:
    """That of networks of one's own, on its kind of process."""
    fits = of_model(model).protocols(getattr(model, "process", None))
    own = (each for each in PROTOCOLS.values() if not each.num_samples)
    return next(each.name for each in own if each.process in fits)


def _dtype(model: Any) -> str:
    """What the model or a released network says that it computes in; else the precision of its
    weights, the widest of several, or of the state."""
    import functools

    import torch

    if told := getattr(model, "precision", None):
        return str(told)
    network: Any = getattr(model, "network", None)
    network = getattr(network, "__wrapped__", network)
    own = getattr(model, "dtype", None)
    if hasattr(network, "run_dtype"):  # whose weights may be kept narrower
        own = network.run_dtype(model.device)
    if not isinstance(own, torch.dtype):
        found = [p.dtype for p in _parameters(network) if p.is_floating_point()]
        own = functools.reduce(torch.promote_types, found) if found else model.state_dtype
    return str(own).removeprefix("torch.")


def _parameters(network: Any) -> list[torch.Tensor]:
    import torch

    return list(network.parameters()) if isinstance(network, torch.nn.Module) else []
