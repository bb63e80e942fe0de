"""What a user asks for: the words of the command line, of a TOML file or of `sb.run`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from samplebench.answers.scalars import counted, listed, scalar
from samplebench.bench.checks import AUTO, CHECKS, ENGINES
from samplebench.cards.levels import LevelsCard
from samplebench.cards.name import PREFIX
from samplebench.discretizations import RANGE
from samplebench.errors import UsageError, unknown
from samplebench.registry import name_of
from samplebench.registry.python_files import is_place, name_at
from samplebench.results.kept import LEVELS
from samplebench.sampling.solver import MAX_STEPS
from samplebench.timelines.sigma import check_rho

USUAL_BLOCK = 64
# Words that say who computes a sweep.
_HOW = ("engine", "address", "workers", "shard")


@dataclass(frozen=True)
class Request:
    """A sweep, checked word by word; None means the default of model or protocol.

    Attributes:
        model, sampler, nfe, rho, discretization: swept over; a model may be an object, a sampler a
            function, a discretization a tuple of explicit levels or a card of them. Without rho,
            each discretization's own.
        param: sampler -> parameter -> values, swept over too.
        guidance: "none", "cfg", "auto", "classifier"; swept over, as are
        guidance_scale, guidance_interval, guiding_model: as of `sb.sample`, models by their ids.
        classifier: model beside which it was released; the model's own without.
        num_samples, protocol, noise, state_dtype: overrides of the protocol.
        label: name -> what legends and tables tell readers in its place.
        seed, repeats: sample i of repeat r has seed `seed + r * num_samples + i`.
        metric: names.
        reference: ids or files of statistics, or images, to compare with; the model's own without.
        keep: what is kept of a cell's images: "moments", "features" or "images".
        save_images: whether images are written as PNG files, too.
        preset: name of the model's tuned parameters, whose sampler is added.
        batch_size: B, the fixed evaluation block; "auto" for the largest that pays.
        device, dtype: of the network.
        compile: whether the network is compiled.
        engine, address, workers: who computes the blocks: "local" or "ray", the cluster's address,
            and how many processes.
        shard: which share of the cells is computed here, "i/n" with i from 0.
        checkpoints: TOML file with further models.
        file: the model's released file, downloaded by hand.
        format, model_config: of the one model, where it is a file of the user's: its container, and
            a JSON file or a table of what that does not say.
        offline: open no connection.
        yes: start a sweep that takes more than a day.
        out: results folder; None for reports/<model>.
        given: names of the words that were written, not left to a default.
    """

    model: tuple[Any, ...] = ()
    sampler: tuple[str | Callable[..., Any], ...] = ()
    nfe: tuple[int, ...] = (5, 10, 20, 35)
    rho: tuple[float, ...] = ()
    discretization: tuple[str | tuple[float, ...] | LevelsCard, ...] = ("edm",)
    param: Mapping[str, Mapping[str, tuple[Any, ...]]] = field(default_factory=dict)
    label: Mapping[str, str] = field(default_factory=dict)
    guidance: tuple[str, ...] = ()
    guidance_scale: tuple[float, ...] = ()
    guidance_interval: tuple[tuple[float, float], ...] = ()
    guiding_model: tuple[str, ...] = ()
    classifier: str | None = None
    num_samples: int | None = None
    seed: int = 0
    repeats: int = 1
    metric: tuple[str, ...] = ()
    reference: tuple[str, ...] = ()
    keep: str = LEVELS[0]
    save_images: bool = False
    preset: str | None = None
    protocol: str | None = None
    noise: str | None = None
    state_dtype: str | None = None
    batch_size: int | str = USUAL_BLOCK
    device: str | None = None
    dtype: str | None = None
    compile: bool = False
    engine: str = ENGINES[0]
    address: str | None = None
    workers: int | None = None
    shard: str | None = None
    checkpoints: str | None = None
    file: str | None = None
    format: str | None = None
    model_config: str | Mapping[str, Any] | None = None
    offline: bool = False
    yes: bool = False
    out: str | None = None
    given: frozenset[str] = field(default=frozenset(), compare=False)

    @classmethod
    def of(cls, **words: Any) -> Request:
        """Checks and normalises words: one value or a list for what is swept, None for unset.

        Raises:
            UsageError: an unknown word or a value that cannot be meant.
        """
        known = [f.name for f in fields(cls) if f.name != "given"]
        for name in words:
            if name in RANGE:
                raise UsageError(
                    f"{name} is set per sampler; write "
                    f"--param SAMPLER.{name}=VALUE, e.g. euler.{name}=1"
                )
            if name not in known:
                raise unknown("option", name, known)
        given = {k: v for k, v in words.items() if v is not None}
        checked: dict[str, Any] = {}
        for name, value in given.items():
            checked[name] = _CHECKS[name](name, value)
        return cls(**checked, given=frozenset(checked))

    @classmethod
    def merged(cls, base: Mapping[str, Any], flags: Mapping[str, Any]) -> Request:
        """Flags over the words of a file.

        Parameters and labels are replaced one by one; a file's parameters of samplers that the
        flags leave out are dropped.
        """
        words = {**base, **flags}
        param = {name: dict(values) for name, values in cls.of(**base).param.items()}
        if "sampler" in flags:
            asked = cls.of(sampler=flags["sampler"]).sampler
            # Of a file by either of its names.
            places = [s for s in asked if isinstance(s, str) and is_place(s)]
            kept = (*asked, *map(name_at, places))
            param = {name: table for name, table in param.items() if name in kept}
        for name, table in cls.of(param=flags.get("param")).param.items():
            param[name] = {**param.get(name, {}), **table}
        labels = {**cls.of(**base).label, **cls.of(label=flags.get("label")).label}
        return cls.of(**{**words, "param": param or None, "label": labels or None})

    @property
    def block(self) -> int:
        """B; until it is chosen, the usual one."""
        return self.batch_size if isinstance(self.batch_size, int) else USUAL_BLOCK

    def asked(self) -> dict[str, Any]:
        """Its words without those that say who computes it: no value depends on these."""
        return {name: value for name, value in self.words().items() if name not in _HOW}

    def words(self) -> dict[str, Any]:
        """The request as plain values for TOML and JSON; unset words are left out."""
        plain: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name == "given" or value is None or value is False or value in ((), {}):
                continue
            if f.name == "param":
                value = {s: {k: list(v) for k, v in p.items()} for s, p in value.items()}
            elif f.name == "label":
                value = dict(value)
            elif isinstance(value, tuple):
                value = [list(v) if isinstance(v, tuple) else _name(v) for v in value]
            plain[f.name] = value
        return plain


def _name(value: Any) -> Any:
    if isinstance(value, LevelsCard):
        return PREFIX + value.path
    return name_of(value) if callable(value) else value


def _each(check: Callable[[str, Any], Any], example: str) -> Callable[[str, Any], tuple[Any, ...]]:
    """The check of a word with several values."""
    return lambda n, v: tuple(dict.fromkeys(check(n, item) for item in listed(n, v, example)))


def _is(value: Any, word: str) -> bool:
    """Whether a value, which may be an array, is a word."""
    found = scalar(value)
    return isinstance(found, str) and found == word


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    **CHECKS,
    "nfe": _each(lambda n, v: counted(n, v, 1, MAX_STEPS), "10,20,35"),
    "rho": _each(lambda n, v: check_rho(v), "3,7"),
    "num_samples": lambda n, v: counted(n, v, 2),
    "seed": lambda n, v: counted(n, v, 0),
    "repeats": lambda n, v: counted(n, v, 1, 1000),
    "batch_size": lambda n, v: AUTO if _is(v, AUTO) else counted(n, v, 1, 65536),
    "workers": lambda n, v: counted(n, v, 1, 65536),
}
