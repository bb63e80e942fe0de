"""Scores of the real images themselves: what no chain that begins with them can be below."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from samplebench.bench.plan import Plan
from samplebench.bench.start_images import StartImages
from samplebench.image_sets import ImageSet
from samplebench.results.cell import PlannedScore, hash_of
from samplebench.results.record import Score
from samplebench.results.store import SCHEMA, Store
from samplebench.trajectory.chains import Chains, of_other


class Floor:
    """The images of so many samples, scored as those of a cell are.

    Args:
        starts: the images.
        number: N of samples.
    """

    def __init__(self, starts: StartImages, number: int) -> None:
        self._starts, self._number = starts, number
        self._hash = hash_of({"images": starts.content, "num_samples": number})

    def planned(self, score: PlannedScore) -> PlannedScore:
        """Of the images what is planned of a cell."""
        return of_other(score, self._hash)

    def scored(
        self, plan: Plan, chains: Iterable[Chains], store: Store, quiet: bool
    ) -> Mapping[str, Score]:
        """All scores by their hash; those that the store lacks are computed in one pass and filed.

        Raises:
            InputError, UsageError, EnvironmentError_: as `score_images` does.
        """
        from samplebench.bench.provenance import score_provenance
        from samplebench.bench.run import plan_device
        from samplebench.bench.scores import Scoring
        from samplebench.scoring.images import score_images

        device, wanted = plan_device(plan), {}
        for row in (each.whole for each in chains):
            scoring = Scoring(plan.sources[row.columns["model"]].measures, device)
            for score in (self.planned(own) for own, *_ in row.scores.values()):
                wanted[score.hash] = score, scoring.measure(score)
        found = {name: store.score(name) for name in wanted if store.has_score(name)}
        lacking = [each for name, each in wanted.items() if name not in found]
        if not lacking:
            return found
        images = ImageSet(
            self._starts.description, self._number, lambda: self._starts.batches(self._number)
        )
        values = score_images(images, [m for _, m in lacking], device=str(device), quiet=quiet)
        for (score, _), one in zip(lacking, values, strict=True):
            filed: Score = {
                "schema": SCHEMA,
                "score": score.hash,
                "conditions": score.conditions,
                "value": one.value,
                "provenance": score_provenance(device),
            }
            if one.failed is not None:
                filed["failed"] = str(one.failed)
            store.write_score(filed)
            found[score.hash] = filed
        return found
