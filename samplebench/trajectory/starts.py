"""The real images from which the chains of a plan begin."""

from __future__ import annotations

import numpy as np

from samplebench.bench.known import Known
from samplebench.bench.plan import Plan
from samplebench.bench.start_images import StartImages
from samplebench.scoring.real_images import RealImages, spread


def starts_of(plan: Plan, real: RealImages, number: int) -> StartImages:
    """Those from which so many samples start: all, or as many of them, in the set's order.

    Raises:
        InputError: an image cannot be read, their sizes differ, or labels that are needed are
            damaged.
        EnvironmentError_: there is no room for them.
    """
    places = np.sort(spread(real.count)[:number])
    told = any(Known(entry).num_classes != 0 for entry in plan.models)
    classes = real.classes().at(places) if told else None
    return StartImages(real.images.description, real.at(places), classes)


def notes_of(real: RealImages, number: int) -> tuple[str, ...]:
    """What is to be known where there are more or fewer samples than images, a line each."""
    count, called = real.count, real.images.description
    if number > count:
        return (
            f"N = {number:,} samples start from {called}: sample i from image i mod {count:,}, "
            "so that error bars are of their noise and too small for other images",
        )
    if number < count:
        return (f"{number:,} of {called}, spread over the set, are started from",)
    return ()
