"""Noise levels: x = x0 + sigma n from a time discretization or a list (Karras et al. 2022)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from samplebench.answers.blame import line_of
from samplebench.answers.parameters import label, merge, split, word
from samplebench.answers.scalars import real, scalar, values, whole
from samplebench.cards.levels import LevelsCard
from samplebench.cards.name import is_card, path_of
from samplebench.cards.read import levels_card
from samplebench.discretizations import (
    RANGE,
    Grid,
    as_written,
    build,
    explicit,
    grid_constants,
    name_of,
)
from samplebench.errors import UsageError
from samplebench.registry import Entry, discretizations, timelines
from samplebench.timelines.ends import RULES, Ends
from samplebench.timelines.levels import Levels
from samplebench.timelines.mismatch import mismatches
from samplebench.timelines.words import Counts, Sweep, Words, one_of, sorted_out

_EXPLICIT, _LIST = "explicit levels", "list"
# Of a condition what is no word of a request.
_NO_CONSTANTS = ("name", "rho", "levels", "sha256", "about")


@timelines.register("sigma")
@dataclass(frozen=True)
class Sigma(Levels):
    """Noise levels from a time discretization or a list.

    Attributes:
        discretization: a name, a function, the levels themselves, or the card that holds them.
        constants: of the discretization, rho among them, its range where it was given, and the end
            rules that are not off.
    """

    needs = "D(x; sigma)"
    words = frozenset({"steps", "nfe", "discretization", "rho", *RANGE})
    instead = (
        "steps in noise levels; {words} is for a discrete model's own steps; give steps or nfe"
    )

    discretization: Any = "edm"

    @classmethod
    def of(cls, model: Any, sampler: Counts, words: Words) -> Self:
        params = {**{end: getattr(words, end) for end in RANGE}, **words.params}
        rules = {"final": params.pop("final", None)}
        rules |= {n: params.pop(n, None) for n in RULES if n not in sampler.defaults}
        common = {end: params.pop(end) for end in RANGE}
        common = {end: level for end, level in common.items() if level is not None}
        where = "edm" if words.discretization is None else words.discretization
        if is_card(where):
            where = levels_card(path_of(where))
        if not (isinstance(where, str) or callable(where)):
            own, _ = sorted_out(sampler, params, {})
            return cls._listed(model, where, sampler, own, words, common, rules)
        _check_name(where)
        known = grid_constants(where)
        own, constants = sorted_out(sampler, params, known)
        usual = sampler.final(own)
        ends = Ends.of(sampler.name, usual, rules)
        one_of(words, "steps", "nfe")
        if words.nfe is None:
            steps = whole("steps", words.steps)
        else:
            given = {**sampler.effective(own), "final": ends.final}
            steps = sampler.steps_for(whole("nfe", words.nfe), given, ends.evaluations)
        if words.rho is not None and "rho" not in known:
            raise UsageError(
                f"rho={words.rho}: discretization {getattr(where, '__name__', where)} has no "
                f"rho; leave it out (its constants: {', '.join(known) or 'none'})"
            )
        constants = merge(f"constant of discretization {name_of(where)}", known, constants)
        if words.rho is not None:
            constants["rho"] = check_rho(words.rho)
        common = {end: real(f"{sampler.name}.{end}", level) for end, level in common.items()}
        grid = build(where, steps, model=model, final=ends.final, **constants, **common)
        return cls._on(grid, where, {**constants, **common}, ends, Ends(usual))

    @classmethod
    def _listed(
        cls,
        model: Any,
        given: Any,
        sampler: Counts,
        own: Mapping[str, Any],
        words: Words,
        common: Mapping[str, Any],
        rules: Mapping[str, Any],
    ) -> Self:
        """The timeline of explicit levels, the whole grid; a final 0 says where it ends.

        A card's list ends where it ends, whatever the sampler's usual end is.
        """
        card = given if isinstance(given, LevelsCard) else None
        written = values(card.levels if card else given)
        listed = tuple(explicit(written).tolist())
        usual = "sigma_min" if card else sampler.final(own)
        to_zero = real("level", written[-1]) == 0
        ends = Ends.of(sampler.name, "zero" if to_zero else usual, rules)
        count = len(listed) - (ends.final != "zero")
        who = f"the levels of {card.called}" if card else "explicit noise levels"
        if count < 1:
            raise UsageError(
                f"discretization {word(listed[0])}: a single level gives no step; add a lower "
                "one, or 0, after it"
            )
        if words.nfe is not None or scalar(words.steps) not in (None, count):
            raise UsageError(f"{who} fix the steps to {count}; leave out steps and nfe")
        if drop := [*words.said("rho"), *common]:
            raise UsageError(f"{who} are the whole grid; leave out {', '.join(drop)}")
        if card:
            grid = as_written(listed, model, ends.final)
            return cls._on(grid, card, {}, ends, Ends("zero" if to_zero else usual))
        grid = build(listed, count, model=model, final=ends.final)
        return cls._on(grid, listed, {}, ends, Ends(usual))

    @classmethod
    def _on(
        cls, grid: Grid, where: Any, constants: Mapping[str, Any], ends: Ends, usual: Ends
    ) -> Self:
        said = {**constants, **ends.said}
        return cls(grid.levels, grid.sigma_min, grid.sigma_max, said, ends, usual, where)

    @classmethod
    def places(cls, asked: Sweep, given: Mapping[str, Any]) -> Iterator[Words]:
        for where in asked.discretization:
            known = grid_constants(where) if isinstance(where, str) else {}
            common = RANGE if isinstance(where, str) else ()
            taken = split(given, {**known, **dict.fromkeys((*common, "final", *RULES))})[0]
            words = Words(discretization=where, params=taken)
            for rho in (asked.rho if "rho" in known else ()) or (None,):
                yield replace(words, rho=rho)

    @classmethod
    def words_of(cls, condition: Any, steps: int | None) -> Words:
        if not isinstance(condition, Mapping):
            return Words(discretization=tuple(condition), params={"final": "zero"})
        constants = {k: v for k, v in condition.items() if k not in _NO_CONSTANTS}
        # What is not there was zero when the cell was made, whatever its sampler's usual end is.
        constants = {"final": "zero", **constants}
        if "sha256" in condition:
            levels = tuple(map(float, condition["levels"]))
            name, facts = path_of(condition["name"]), condition["about"]
            card = LevelsCard(name, levels, facts, condition["sha256"])
            return Words(discretization=card, params=constants)
        if "levels" in condition:
            return Words(discretization=tuple(condition["levels"]), params=constants)
        where, rho = condition["name"], condition.get("rho")
        return Words(steps=steps, discretization=where, rho=rho, params=constants)

    @classmethod
    def toy(cls, steps: int) -> Self:
        # Down from well above the data to well below, whatever the number of steps.
        levels = np.append(np.geomspace(10.0, 0.01, steps), 0.0)
        return cls(levels, 0.01, 10.0, {}, discretization="logsnr")

    @classmethod
    def fewest(cls, given: Mapping[str, Any]) -> int:
        # A discretization needs two levels, of which the second may be the end.
        return cls.least - (given.get("final") == "sigma_min")

    @classmethod
    def names(cls, asked: Sweep) -> set[str]:
        named = [grid for grid in asked.discretization if isinstance(grid, str)]
        constants = {name for grid in named for name in grid_constants(grid)} - {"rho"}
        return constants | {"final", *RULES, *(RANGE if named else ())}

    @classmethod
    def refuse(cls, sampler: str, name: str) -> None:
        if name in RANGE:
            raise UsageError(
                f"{sampler}.{name}: explicit noise levels are the whole grid; write all of them, "
                "e.g. 40/10/2/0.5/0.1, or name a discretization"
            )

    @classmethod
    def shown(cls, condition: Any) -> str:
        if "sha256" in condition:
            # Where its own list ends is no news.
            own = "sigma_min" if condition["levels"][-1] else "zero"
            end = condition.get("final", "zero")
            rules = {k: v for k, v in condition.items() if k in RULES}
            rules |= {"final": end} if end != own else {}
            return f"{condition['name']} {label(rules)}".strip()
        listed = not isinstance(condition, Mapping)
        rules = {} if listed else {k: v for k, v in condition.items() if k in cls.settles}
        levels = listed or "levels" in condition
        return f"{_EXPLICIT if levels else super().shown(condition)} {label(rules)}".strip()

    @property
    def steps(self) -> int:  # type: ignore[override]
        return len(self.levels) - 1

    @property
    def condition(self) -> Any:
        if isinstance(self.discretization, LevelsCard):
            card = self.discretization
            about = {"sha256": card.sha256, "about": dict(card.facts)}
            return {"name": card.called, "levels": [*card.levels], **about, **self.constants}
        if isinstance(self.discretization, tuple):
            listed = list(self.discretization)
            return {"name": _LIST, "levels": listed, **self.constants} if self.constants else listed
        return {"name": name_of(self.discretization), **self.constants}

    @property
    def column(self) -> str:
        if isinstance(self.discretization, LevelsCard):
            return self.discretization.called
        if isinstance(self.discretization, tuple):
            # A 0 is written where the sampler would not go to it otherwise.
            to_zero = self.ends.final == "zero" != self.usual_ends.final
            return "/".join([*map(word, self.discretization), *["0"] * to_zero])
        return name_of(self.discretization)

    @property
    def uses(self) -> tuple[tuple[str, Entry], ...]:
        named = isinstance(self.discretization, str)
        return (("discretization", discretizations.entry(self.discretization)),) if named else ()

    @property
    def takes(self) -> frozenset[str]:
        if isinstance(self.discretization, tuple | LevelsCard):
            return frozenset({"discretization"})
        return frozenset({"nfe", "discretization", *(self.constants.keys() & {"rho"})})

    @property
    def about(self) -> Mapping[str, Any]:
        return self.discretization.about if isinstance(self.discretization, LevelsCard) else {}

    def remarks(self, model: Any, name: str) -> Iterator[str]:
        if isinstance(card := self.discretization, LevelsCard):
            yield from mismatches(card, card.levels, model, name)


def _check_name(where: Any) -> None:
    """Raises `UsageError` where a discretization has the name that conditions have for other steps.

    They would be taken for those when a cell is run or read.
    """
    name = name_of(where)
    if name in {entry.obj.label for entry in timelines}:
        raise UsageError(
            f"discretization '{name}' has the name of the steps of timeline "
            f"{next(e.name for e in timelines if e.obj.label == name)}; register it by another"
        )


def check_rho(rho: Any) -> float:
    """rho as a positive finite float."""
    try:
        value = real("rho", rho)
    except UsageError:
        value = float("nan")
    if not 0 < value < float("inf"):
        raise UsageError(f"rho={line_of(str(rho))} must be a positive number, e.g. 7")
    return value
