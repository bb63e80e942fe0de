"""What came out beside what was published: values, their difference, and the checklist."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from samplebench.bench.plan import Plan
from samplebench.reproduce.by_others import by_others, told
from samplebench.reproduce.checklist import DIFFERS, Check, checklist
from samplebench.reproduce.preset import ReproductionPreset
from samplebench.results.fields import number, value_text
from samplebench.results.view import View, caveats

SCHEMA = 1


@dataclass(frozen=True)
class OwnValue:
    """The value of one range of seeds; None where it failed."""

    seed: int
    value: float | None
    stderr: float | None


@dataclass(frozen=True)
class Reproduction:
    """A preset that was run.

    Attributes:
        values: one per range of seeds.
        caveats: what else the reader must know, a line each.
    """

    preset: ReproductionPreset
    values: tuple[OwnValue, ...]
    checks: tuple[Check, ...]
    caveats: tuple[str, ...] = ()

    @property
    def own(self) -> OwnValue | None:
        """The value to compare, of several ranges the lowest; None where one has failed."""
        if not self.values or any(each.value is None for each in self.values):
            return None
        return min(self.values, key=lambda each: each.value or 0.0)

    @property
    def difference(self) -> float | None:
        """Own value less the published one."""
        own = self.own
        return None if own is None or own.value is None else own.value - self.preset.value

    @property
    def in_errors(self) -> float | None:
        """The difference over the own value's standard error.

        The published value's own error is not in it: hardly any source states one.
        """
        own, difference = self.own, self.difference
        if own is None or difference is None or not own.stderr:
            return None
        return difference / own.stderr

    @property
    def comparable(self) -> bool:
        """Whether N is the published one: a value of another N is no reproduction."""
        return all(each.verdict != DIFFERS for each in self.checks if each.name == "N")

    def plain(self) -> dict[str, Any]:
        """As values for JSON."""
        own = self.own
        return {
            "schema": SCHEMA,
            **self.preset.plain(),
            "value": None if own is None else own.value,
            "stderr": None if own is None else own.stderr,
            "difference": self.difference,
            "difference_in_standard_errors": self.in_errors,
            "comparable": self.comparable,
            "by_others": [dict(each.plain()) for each in by_others(self.preset)],
            "values": [asdict(each) for each in self.values],
            "conditions": [asdict(each) for each in self.checks],
            "caveats": list(self.caveats),
        }

    def lines(self) -> list[tuple[str, str]]:
        """(name, text) of the comparison."""
        preset = self.preset
        found = [("published", f"{preset.metric} {preset.printed} ({preset.cite})")]
        found += [("by others", told(each)) for each in by_others(preset)]
        for each in self.values if len(self.values) > 1 else ():
            found.append((f"seed {each.seed:,}", value_text(each.value, each.stderr)))
        own = self.own
        if own is None:
            return [*found, ("own", "no value: a cell failed")]
        whose = f"lowest of {len(self.values)}" if len(self.values) > 1 else "own"
        found.append((whose, f"{preset.metric} {value_text(own.value, own.stderr)}"))
        text = f"{self.difference:+.3g}"
        if self.in_errors is not None:
            text += f", {self.in_errors:+.1f} standard errors of your value"
        if not self.comparable:
            text += "; another N: not a reproduction"
        return [*found, ("difference", text)]


def reproduction(
    preset: ReproductionPreset, plan: Plan, intended: Plan, view: View
) -> Reproduction:
    """What a finished sweep of a plan says of its preset.

    Args:
        intended: plan of the preset's own request.
    """
    (row,) = view.rows
    scores = {
        score["conditions"]["cell"]: score["value"] for score in view.scores_of(row, preset.metric)
    }
    values, said = [], dict[str, None]()
    for cell in plan.rows[0].cells:
        value = scores.get(cell.hash)
        pair = (None, None) if value is None else (value["value"], value["stderr"])
        known = [number(each) for each in pair]
        values.append(OwnValue(cell.conditions["seed"], known[0], known[1]))
        if record := view.cells.get(cell.hash):
            own = [s for s in view.scores_of(row) if s["conditions"]["cell"] == cell.hash]
            said |= dict.fromkeys(caveats(record, own))
    checks = checklist(preset, plan, intended)
    return Reproduction(preset, tuple(values), tuple(checks), tuple(said))


def agreement(checks: Sequence[Check]) -> dict[str, int]:
    """How many conditions have each verdict."""
    found: dict[str, int] = {}
    for each in checks:
        found[each.verdict] = found.get(each.verdict, 0) + 1
    return found
