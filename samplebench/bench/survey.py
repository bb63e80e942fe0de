"""What planning a sweep learns beside its rows: points left out, and words without effect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from samplebench.answers.parameters import split
from samplebench.errors import OutOfBudget, UsageError
from samplebench.sampling.setting import Setting
from samplebench.ticker import say

# Of these no sampler of a sweep may take any notice; a parameter's name always has its sampler's.
_OF_STEPS = ("nfe", "rho", "discretization")
_WORDS = (*_OF_STEPS, "steps", "preset", "guiding_model", "classifier")


@dataclass(frozen=True)
class _Point:
    error: OutOfBudget
    model: str
    params: str


@dataclass
class Survey:
    """Filled while a sweep is planned.

    Args:
        given: the words that the user wrote.

    Attributes:
        taken: words that have an effect on something.
        remarks: what the reader of the values must know, a line each.
    """

    given: frozenset[str] = frozenset()
    taken: set[str] = field(default_factory=set)
    remarks: dict[str, None] = field(default_factory=dict)
    _idle: dict[str, dict[str, dict[str, None]]] = field(default_factory=dict)
    _out: dict[str, list[_Point]] = field(default_factory=dict)

    def word(self, name: str, takes: bool, who: str, where: str = "") -> None:
        """Notes whether a word has an effect on a sampler or model, and on which of its grids."""
        if takes:
            self.taken.add(name)
        else:
            self._idle.setdefault(name, {}).setdefault(who, {})[where] = None

    def remark(self, text: str) -> None:
        """Notes what the reader of values must know."""
        self.remarks[text] = None

    def leave_out(self, error: OutOfBudget, model: str = "", params: str = "") -> None:
        """Notes a point that its budget makes impossible."""
        self._out.setdefault(error.sampler, []).append(_Point(error, model, params))

    def check(self, rows: Iterable[object]) -> None:
        """Raises `UsageError` where nothing is left, or a word that was given has no effect."""
        if not any(True for _ in rows):
            for points in self._out.values():
                raise points[0].error
        for name in _WORDS:
            if name in self.given and name in self._idle and name not in self.taken:
                flag = name.replace("_", "-")
                raise UsageError(
                    f"--{flag} has no effect on any sampler in this sweep: "
                    f"{self._untouched(name)}; leave it out"
                )

    def notes(self) -> list[str]:
        """One line per sampler that lost points, and per word that some do not take."""
        left_out = [f"{name}: {_reasons(points)}; left out" for name, points in self._out.items()]
        idle = [
            f"{name} has no effect on: {self._untouched(name)}"
            for name in self._idle
            if (name in self.given if name in _WORDS else self._told(name))
        ]
        return left_out + idle

    def _told(self, name: str) -> bool:
        """Of a parameter: that another value is as good is no news where one value is not."""
        found = self._idle[name].items()
        others = (where for who, wheres in found for where in wheres if where != _as(who))
        return name not in self.taken or any(True for _ in others)

    def show(self) -> None:
        """Prints the notes on stderr."""
        for note in self.notes():
            say(f"note: {note}")

    def _untouched(self, name: str) -> str:
        """E.g. "ddim (respacing), gddim (time)"."""
        grids = {who: ", ".join(filter(None, where)) for who, where in self._idle[name].items()}
        return ", ".join(f"{who} ({text})" if text else who for who, text in grids.items())


def _reasons(points: Iterable[_Point]) -> str:
    """E.g. "NFE 5 is too small (1 step needs 6 evaluations)"."""
    points = list(points)
    groups: dict[tuple[str, str], list[_Point]] = {}
    for point in points:
        groups.setdefault((point.error.size, point.error.reason), []).append(point)
    several = len({point.model for point in points}) > 1 and len(groups) > 1
    texts = []
    for (size, reason), group in groups.items():
        budgets = sorted({point.error.nfe for point in group})
        models = ", ".join(dict.fromkeys(point.model for point in group))
        params = " or ".join(dict.fromkeys(point.params for point in group if point.params))
        texts.append(
            f"NFE {', '.join(map(str, budgets))}"
            f"{f' with {params}' if params else ''}{f' on {models}' if several else ''} "
            f"{'is' if len(budgets) == 1 else 'are'} {size} ({reason})"
        )
    return ", ".join(texts)


def note_words(survey: Survey, setting: Setting, given: Mapping[str, Any]) -> None:
    """Notes which of the words have an effect in one setting.

    Args:
        given: the sampler's parameters and its steps' constants.
    """
    solver, steps = setting.solver, setting.timeline
    for name in _OF_STEPS:
        survey.word(name, name in steps.takes, solver.name, steps.column)
    own, _ = split(given, solver.defaults)
    idle = solver.idle(own)
    for name in given:
        if name in steps.constants or name in steps.settles or (name in own and name not in idle):
            survey.word(f"{solver.name}.{name}", True, solver.name)
        else:
            because = _as(solver.canonical(own)[0]) if name in idle else steps.column
            survey.word(f"{solver.name}.{name}", False, solver.name, because)


def _as(ran: str) -> str:
    return f"computed as {ran}"
