"""The best of each budget in words, for the top of the page and the end of the terminal's table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from samplebench.metrics.retraining import REMARK
from samplebench.report.best import Contest, better_words, contests, direction
from samplebench.report.curves import curves_of
from samplebench.report.layout import Column
from samplebench.results.fields import (
    HEADS,
    called,
    count_text,
    metrics_of,
    number,
    printable,
    value_texts,
)
from samplebench.results.row import STDERR, Row
from samplebench.results.view import View

_FACTS = ("model", "metric", "protocol", "num_samples", "reference")
_SHARED = tuple(fact for fact in _FACTS if fact != "metric")
# So many ties are named, the others counted: the table marks them all.
_NAMED = 3
_WORDS = {"protocol": "protocol {}", "num_samples": "N={}", "reference": "reference {}"}


@dataclass(frozen=True)
class Outcome:
    """How one contest ended.

    Attributes:
        metric: by its name.
        facts: what its rows share, by the names of `_FACTS`.
        budget: NFE asked for.
        best: the curve with the best value, or that there is none.
        value: with its standard error.
        tied: the curves that are tied with it.
        close: whether one that is not differs by less than training the network again moves.
    """

    metric: str
    facts: dict[str, str]
    budget: str
    best: str
    value: str
    tied: tuple[str, ...]
    close: bool

    @property
    def ties(self) -> str:
        """The first ties by name, the number of the others."""
        named = self.tied if len(self.tied) <= _NAMED + 1 else self.tied[:_NAMED]
        more = len(self.tied) - len(named)
        return "; ".join([*named, *([f"{more} more"] if more else [])]) or "-"


def standings(view: View, symbol: str = "ρ") -> list[Outcome]:
    """One for each budget of each model and metric at which rows compete.

    Args:
        view: what was measured.
        symbol: how to write rho.
    """
    names: dict[int, str] = {}
    # What rows share that compete stands beside their names.
    fields: dict[tuple[object, ...], list[Row]] = {}
    for row in view.rows:
        fields.setdefault(tuple(row.get(key) for key in _SHARED), []).append(row)
    for rivals in fields.values():
        for curve in curves_of(rivals, view, symbol):
            names |= {id(row): curve.label for row in curve.rows}
    found = []
    for metric in metrics_of(view.rows):
        pairs = [(row.get(metric), row.get(metric + STDERR)) for row in view.rows]
        texts = value_texts(pairs)  # as in the table
        found += [_standing(each, view, metric, names, texts) for each in contests(view, metric)]
    return found


def _standing(
    contest: Contest, view: View, metric: str, names: dict[int, str], texts: Sequence[str]
) -> Outcome:
    places = (*contest.best, *contest.tied)
    rows = [view.rows[index] for index in places]
    labels = [_label(row, contest.budget, names[id(row)]) for row in rows]
    first, facts = rows[0], {key: printable(rows[0].get(key, "")) for key in _FACTS}
    facts["model"] = called(first, "model")
    facts["metric"] = printable(metric) + better_words(direction(metric, view))
    best = labels.pop(0) if contest.best else "none, all are equal"
    value = texts[places[0]]
    budget, close = f"{contest.budget:g}", bool(contest.close)
    return Outcome(metric, facts, budget, best, value, tuple(labels), close)


def _label(row: Row, budget: float, name: str) -> str:
    """The curve, with the counted NFE where it is not the budget."""
    return (
        name if number(row.get("nfe")) == budget else f"{name} at NFE {count_text(row.get('nfe'))}"
    )


def remarks(found: Iterable[Outcome]) -> list[str]:
    """What is to be known of differences that are no ties, a line each."""
    close = dict.fromkeys(one.budget for one in found if one.close)
    return [f"NFE {', '.join(close)}: {REMARK}"] if close else []


def shared(found: Sequence[Outcome]) -> tuple[list[str], list[str]]:
    """Which facts are the same at every budget and which are not, by their names."""
    same = [key for key in _FACTS if len({one.facts[key] for one in found}) == 1]
    return [key for key in same if found[0].facts[key]], [k for k in _FACTS if k not in same]


def groups_of(
    found: Sequence[Outcome], metrics: Sequence[str]
) -> tuple[str, list[tuple[str, str, list[Outcome]]]]:
    """What holds at every budget in words, and (metric, what else, the budgets at which it holds).

    Args:
        found: `standings`.
        metrics: those of the rows; of several each has a group, and one without a contest no
            budget in it.
    """
    if not found:
        return "", []
    same, differing = shared(found)
    if len(metrics) > 1 and "metric" in same:
        same, differing = [key for key in same if key != "metric"], ["metric", *differing]
    groups: dict[tuple[str, str], list[Outcome]] = {}
    for metric in metrics:
        own = [one for one in found if one.metric == metric]
        for one in own:
            groups.setdefault((printable(metric), _said(one, differing)), []).append(one)
        if not own:
            groups[printable(metric), printable(metric)] = []
    return _said(found[0], same), [(*names, ones) for names, ones in groups.items()]


def _said(one: Outcome, keys: Sequence[str]) -> str:
    return ", ".join(_WORDS.get(key, "{}").format(one.facts[key]) for key in keys)


def best_columns(found: Sequence[Outcome]) -> tuple[list[tuple[str, str]], list[Column]]:
    """Facts that hold at every budget as (name, text), and the columns of the others.

    Args:
        found: at least one.
    """
    same, differing = shared(found)
    return [(HEADS.get(key, key), found[0].facts[key]) for key in same], [
        *(Column(key, HEADS.get(key, key), [one.facts[key] for one in found]) for key in differing),
        Column("nfe_requested", HEADS["nfe_requested"], [one.budget for one in found]),
        Column("best", "best", [one.best for one in found]),
        Column("value", "value", [one.value for one in found], metric=True),
        Column("tied", "tied with it", [one.ties for one in found]),
    ]
