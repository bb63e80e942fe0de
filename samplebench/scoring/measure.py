"""What samples are measured with: metrics, each against every reference that fits it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from samplebench.errors import InputError, UsageError
from samplebench.features.judged import numerics_of
from samplebench.references.nothing import Nothing
from samplebench.references.reference import Reference, load
from samplebench.registry import MetricEntry, extractors, metrics
from samplebench.registry.entry import NOTHING
from samplebench.results.record import ExtractorCondition
from samplebench.results.requests import fault_of_metrics
from samplebench.results.row import reference_label
from samplebench.scoring.extract import fetch_extractor
from samplebench.scoring.imaged import make_together
from samplebench.scoring.references import reference_for


@dataclass(frozen=True)
class Measure:
    """A metric and what it is a distance to."""

    metric: MetricEntry
    reference: Reference

    @property
    def extractor(self) -> str:
        """Name of the extractor whose features are compared."""
        return str(self.metric.extractor)

    @property
    def known(self) -> bool:
        """Whether the hash of what it compares with is known."""
        return bool(self.reference.sha256) or not self.reference.id

    @property
    def label(self) -> str:
        """The reference as a table says it."""
        return reference_label(self.reference.id, self.reference.sha256)


def measures(
    names: Sequence[str],
    references: Sequence[str],
    default: str = "",
    home: str = "",
    *,
    model: str = "the model",
    device: Any = None,
) -> tuple[Measure, ...]:
    """Every metric against every reference that holds what it needs of its extractor's features.

    Nothing is computed or fetched; images of a reference are looked at.

    Args:
        names: of the metrics.
        references: ids or paths of statistics, or paths of images, which fit every extractor.
        default: the model's own reference, where none is given.
        home: a folder in which `default` may lie, too.
        model: whose default it is, for messages.
        device: on which features of images are computed; None for the best there is.

    Returns:
        Those of one reference together, metrics in their order.

    Raises:
        UsageError: an unknown name, a metric that no reference fits, or a reference that no metric
            is computed against.
        InputError: a file is no reference, or keeps no features where a metric needs them.
    """
    entries = [declared(name) for name in dict.fromkeys(names)]
    if fault := fault_of_metrics(entry.name for entry in entries):
        raise UsageError(f"{fault} of the table; register it by another name")
    given = tuple(references)
    if all(entry.against == NOTHING for entry in entries) and not given:
        fits = []
    elif given:
        fits = [_fitting(source, entries, "", device) for source in given]
    else:
        fits = [_by_default(default, entries, home, model, device)]
    found: dict[tuple[str, str, str], Measure] = {}
    for measure in _with_rows(each for of_source in fits for each in of_source):
        reference = measure.reference
        place = reference.sha256 or str(reference.path)
        found.setdefault((reference.id, place, measure.metric.name), measure)
    for entry in entries:
        if entry.against == NOTHING:
            found["", "", entry.name] = Measure(entry, _nothing(entry))
        elif all(measure.metric is not entry for measure in found.values()):
            raise _unfit(entry, [load(s) for s in given] or [load(default, home)])
    for source, of_source in zip(given, fits, strict=False):
        if not of_source:
            held = load(source)
            features = " and ".join(held.holds)
            used = [f"{e.name} {e.extractor}" for e in entries if e.against != NOTHING]
            compared = f"{', '.join(used)} features" if used else "they need no reference"
            raise UsageError(
                f"reference {held.id} holds {features} features, which no metric here compares "
                f"({compared}); leave it out or add a metric on them"
            )
    return tuple(found.values())


def declared(name: str) -> MetricEntry:
    """A metric whose extractor is declared and here.

    Raises:
        UsageError: no such metric, or one whose extractor is not.
    """
    entry = metrics.entry(name)
    if entry.extractor is None:
        raise UsageError(
            f"metric {entry.name} does not declare an extractor; register it with "
            "extractor=..., e.g. extractor='inception'"
        )
    try:
        extractors.entry(entry.extractor)
    except UsageError as error:
        raise UsageError(
            f"metric {entry.name} needs other features than the images have: {error}"
        ) from None
    return entry


def ready(
    found: Iterable[Measure], *, offline: bool = False, quiet: bool = False
) -> tuple[Measure, ...]:
    """The measures with their extractors and references here, equal references once.

    Raises:
        EnvironmentError_: something cannot be fetched.
        InputError: a file is not the released one, or keeps no features where a metric needs them.
    """
    found = tuple(found)
    make_together((each.reference for each in found), offline=offline, quiet=quiet)
    fetched: dict[int, Reference] = {}
    here: dict[tuple[str, str, str], Measure] = {}
    for measure in found:
        fetch_extractor(measure.extractor, offline=offline, quiet=quiet)
        known = id(measure.reference)
        if known not in fetched:
            fetched[known] = measure.reference.fetched(offline=offline, quiet=quiet)
        reference = fetched[known]
        reference.forget()
        # Rows that are missing are told before anything is computed.
        reference.statistic(measure.metric.against)
        key = (reference.id, reference.sha256, measure.metric.name)
        here.setdefault(key, replace(measure, reference=reference))
    return tuple(here.values())


def check_extractor(reference: Reference, extractor: Any) -> None:
    """Raises `InputError` where a reference was made with another extractor of that name.

    Args:
        extractor: as it was made, with weights_sha256 and feature_dim.
    """
    if not reference.id:
        return
    if reference.weights_sha256 not in ("", extractor.weights_sha256):
        raise InputError(
            f"reference {reference.id} was made with other weights of extractor "
            f"{reference.extractor}; make it again with 'samplebench reference make'"
        )
    if extractor.feature_dim != reference.feature_dim:
        raise InputError(
            f"reference {reference.id} holds {reference.feature_dim} features an image, "
            f"extractor {reference.extractor} has {extractor.feature_dim}; make it again with "
            "'samplebench reference make'"
        )


def extractor_condition(name: str, reference: Reference) -> ExtractorCondition:
    """What an extractor is, as far as its features decide a score.

    A released reference does not bind the weights: it was made with a port from elsewhere.
    """
    extractor = extractors.get(name)
    own = getattr(extractor, "weights_sha256", "")
    condition = {
        "name": name,
        "weights_sha256": reference.weights_sha256 or str(own),
        "feature_dim": reference.feature_dim,
        **numerics_of(extractor),
    }
    return cast(ExtractorCondition, condition)


def _fitting(
    source: str, entries: Sequence[MetricEntry], home: str, device: Any
) -> tuple[Measure, ...]:
    """The metrics that one reference fits, against it."""
    compared = [entry for entry in entries if entry.against != NOTHING]
    rows = {entry.extractor for entry in compared if entry.against == "features"}
    references = {
        name: reference_for(source, name, home, features=name in rows, device=device)
        for name in dict.fromkeys(str(entry.extractor) for entry in compared)
    }
    pairs = ((entry, references[str(entry.extractor)]) for entry in compared)
    return tuple(Measure(entry, reference) for entry, reference in pairs if reference)


def _with_rows(found: Iterable[Measure]) -> list[Measure]:
    """The measures but for those that lack features which another reference of theirs keeps.

    Raises:
        InputError: no reference of a metric keeps them.
    """
    found = list(found)
    lacking = [
        each
        for each in found
        if each.metric.against == "features" and each.reference.keeps_rows is False
    ]
    for each in lacking:
        if all(other in lacking for other in found if other.metric is each.metric):
            _ = each.reference.rows  # which says what to do
    return [each for each in found if each not in lacking]


def _nothing(entry: MetricEntry) -> Nothing:
    """In the place of a reference."""
    dim = getattr(extractors.get(str(entry.extractor)), "feature_dim", 0)
    return Nothing.of(str(entry.extractor), dim if isinstance(dim, int) else 0)


def _by_default(
    source: str, entries: Sequence[MetricEntry], home: str, model: str, device: Any
) -> tuple[Measure, ...]:
    """The same for the reference that a model brings."""
    try:
        return _fitting(source, entries, home, device)
    except UsageError:
        raise UsageError(
            f"the reference of {model}, {source or 'none'}, is not here; {make_one(entries[0])}"
        ) from None


def _unfit(entry: MetricEntry, held: Sequence[Reference]) -> UsageError:
    """What is said of a metric that none of the references fits."""
    texts = [f"reference {each.id} holds {' and '.join(each.holds)} features" for each in held]
    return UsageError(
        f"{', '.join(texts)}, {entry.name} compares {entry.extractor} features; {make_one(entry)}"
    )


def make_one(entry: MetricEntry) -> str:
    """How to come to a reference that fits a metric, in words."""
    keep = " --keep features" if entry.against == "features" else ""
    return (
        f"give --metric {entry.name} --reference FILE, made by 'samplebench reference make "
        f"--extractor {entry.extractor}{keep}', or a folder of images"
    )
