"""Condition by condition: is the run here the one that was published?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from samplebench.bench.plan import Plan
from samplebench.published.notes import BEST_OF_THREE, SINGLE_RUN
from samplebench.reproduce.conditions import PORTS, of_plan, of_source
from samplebench.reproduce.preset import ReproductionPreset

MATCHES, DIFFERS, NOT_STATED = "matches", "differs", "not stated"
_USUAL = "the algorithm's usual one"


@dataclass(frozen=True)
class Check:
    """One condition.

    Attributes:
        name: e.g. "quantization".
        verdict: "matches", "differs", or "not stated" by the source.
        ours, theirs: in words; `theirs` is "" where it is not stated.
        note: who says what the source leaves open, and what else is to be known.
    """

    name: str
    verdict: str
    ours: str
    theirs: str
    note: str = ""


def checklist(preset: ReproductionPreset, plan: Plan, intended: Plan) -> list[Check]:
    """Every condition of a run.

    Args:
        plan: of the run, one row.
        intended: of the preset's own request.
    """
    ours, wanted = of_plan(plan), of_plan(intended)
    theirs = of_source(preset, wanted)
    if "weights" not in theirs:
        ours.pop("weights")
    names = dict.fromkeys((*ours, *theirs))
    found = [_check(preset, name, ours, theirs) for name in names]
    return [*found, *(Check("known difference", DIFFERS, "", "", text) for text in preset.differs)]


def _check(
    preset: ReproductionPreset, name: str, ours: Mapping[str, str], theirs: Mapping[str, str]
) -> Check:
    own, known = ours.get(name, _USUAL), theirs.get(name, _USUAL)
    deduced = name in preset.deduced
    verdict = DIFFERS if known and own != known else NOT_STATED if deduced else MATCHES
    verdict = verdict if known else NOT_STATED
    notes = [f"from {preset.completed[name]}"] if name in preset.completed else []
    notes += ["deduced, nobody states it"] if deduced else []
    if name in _SPECIAL:
        verdict, more = _SPECIAL[name](preset, verdict, own, known)
        notes += filter(None, [more])
    return Check(name, verdict, own, known, "; ".join(notes))


def _weights(preset: ReproductionPreset, verdict: str, own: str, known: str) -> tuple[str, str]:
    # A row whose weights are not the file's is no preset.
    return MATCHES, ""


def _features(preset: ReproductionPreset, verdict: str, own: str, known: str) -> tuple[str, str]:
    if verdict == DIFFERS and {own, known} <= {*PORTS.values()}:
        return MATCHES, "ports of one network, the 2015-12-05 Inception"
    return verdict, ""


def _reference(preset: ReproductionPreset, verdict: str, own: str, known: str) -> tuple[str, str]:
    if preset.images:
        return NOT_STATED, "made from your images; whether they are the source's is unknown"
    if verdict == DIFFERS and preset.row is not None and preset.row.family == "other":
        return NOT_STATED, "whose statistics of these images is not stated"
    return verdict, ""


def _number(preset: ReproductionPreset, verdict: str, own: str, known: str) -> tuple[str, str]:
    return verdict, "a value with another N is not a reproduction" if verdict == DIFFERS else ""


def _statistic(preset: ReproductionPreset, verdict: str, own: str, known: str) -> tuple[str, str]:
    said = () if preset.row is None else preset.row.measured
    return verdict, "; ".join(text for text in said if text not in (BEST_OF_THREE, SINGLE_RUN))


# Conditions that are more than equal or not.
_SPECIAL: Mapping[str, Callable[[ReproductionPreset, str, str, str], tuple[str, str]]] = {
    "weights": _weights,
    "features": _features,
    "reference": _reference,
    "N": _number,
    "statistic": _statistic,
}
