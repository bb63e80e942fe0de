"""What a request says of the steps, and what a timeline asks of a sampler and of a sweep."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Protocol

from samplebench.answers.parameters import split
from samplebench.cards.levels import LevelsCard
from samplebench.errors import UsageError, unknown


@dataclass(frozen=True)
class Words:
    """What a request says of where the steps are; None: nothing.

    Attributes:
        params: parameters of the sampler and constants of the timeline, by name.
    """

    steps: Any = None
    nfe: Any = None
    respacing: str | None = None
    discretization: str | Callable[..., Any] | Sequence[float] | LevelsCard | None = None
    rho: Any = None
    sigma_min: Any = None
    sigma_max: Any = None
    params: Mapping[str, Any] = field(default_factory=dict)

    def refused(self, taken: frozenset[str]) -> list[str]:
        """Those that were said and are none of `taken`; parameters are looked at elsewhere."""
        names = [f.name for f in fields(self) if f.name not in taken | {"params"}]
        return self.said(*names)

    @property
    def counted(self) -> bool:
        """Whether the steps are listed, so that no budget decides their number."""
        where = self.discretization
        return not (where is None or isinstance(where, str) or callable(where))

    def said(self, *names: str) -> list[str]:
        """Those of the words that were said."""
        return [name for name in names if getattr(self, name) is not None]


class Sweep(Protocol):
    """What a sweep asks for, of which a timeline takes what it knows."""

    @property
    def discretization(self) -> tuple[str | tuple[float, ...] | LevelsCard, ...]: ...

    @property
    def rho(self) -> tuple[float, ...]: ...

    @property
    def nfe(self) -> tuple[int, ...]: ...

    @property
    def given(self) -> frozenset[str]: ...


class Counts(Protocol):
    """What a timeline must know of a sampler: what it is and takes, its evaluations."""

    @property
    def function(self) -> Callable[..., Any]: ...

    @property
    def name(self) -> str: ...

    @property
    def defaults(self) -> dict[str, Any]: ...

    def effective(self, params: Mapping[str, Any]) -> dict[str, Any]: ...

    def final(self, params: Mapping[str, Any]) -> str: ...

    def levels(self, steps: int | None, **given: Any) -> Any: ...

    def span(self, **given: Any) -> tuple[float, float] | None: ...

    def least(self, params: Mapping[str, Any]) -> int: ...

    def steps_for(self, nfe: int, params: Mapping[str, Any], beside: int = 0) -> int: ...


def refuse_range(sampler: str, name: str) -> None:
    """Raises `UsageError` for an end of a range of noise levels, where there are none."""
    if name in ("sigma_min", "sigma_max"):
        raise UsageError(
            f"{sampler}.{name}: it steps in the times of the model's own process, which have no "
            "range of noise levels; leave it out, or use a sampler on noise levels, e.g. heun"
        )


def sorted_out(
    sampler: Counts, params: Mapping[str, Any], known: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """A sampler's parameters and the steps' constants; a name both know goes to both.

    Raises:
        UsageError: a name that neither knows.
    """
    own, foreign = split(params, sampler.defaults)
    for name in foreign:
        if name not in known:
            raise unknown(f"parameter of sampler {sampler.name}", name, {*sampler.defaults, *known})
    return own, split(params, known)[0]


def one_of(words: Words, *names: str) -> None:
    """Raises `UsageError` unless exactly one of these words was said."""
    if len(words.said(*names)) != 1:
        *first, last = names
        raise UsageError(f"give exactly one of {', '.join(first)} and {last}")
