"""Features: one row of real, finite numbers for each image, whatever kind of array they came in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from samplebench.answers.blame import Blame, Failed, blame, line_of, ours
from samplebench.answers.draws import watched_generators
from samplebench.answers.tensors import described
from samplebench.errors import UsageError
from samplebench.registry import extractors

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_DECLARED = {"name": str, "weights_sha256": str, "feature_dim": int}
# The squares of larger ones, summed, are no float64.
_LARGEST = 1e150


def numerics_of(extractor: Any) -> Mapping[str, int]:
    """An extractor's numerics as a condition: nothing for 1, which is raised when the same images
    and weights give other features than before."""
    number = getattr(extractor, "numerics", 1)
    return {"numerics": number} if isinstance(number, int) and number != 1 else {}


def extractor_of(name: str, device: torch.device) -> Any:
    """The extractor called `name`, made for a device.

    Raises:
        UsageError: one of others that cannot be made, or declares less than it must.
    """
    entry = extractors.entry(name)
    with blame(f"extractor {name}", entry.obj):
        made = entry.obj(device=device)
    for key, kind in _DECLARED.items():
        value = getattr(made, key, None)
        if not isinstance(value, kind) or value is True or value == 0:
            raise UsageError(
                f"extractor {name} has {key} {described(value)}; it must declare name, "
                "weights_sha256 and feature_dim, e.g. 64"
            )
    if not callable(made):
        raise UsageError(f"extractor {name} made {described(made)}, which cannot be called")
    return made


def features(extractor: Any, images: Tensor, name: str, dim: int, count: int) -> np.ndarray:
    """Features of the first images.

    Args:
        extractor: callable on uint8 [N, C, H, W].
        images: uint8 [N, C, H, W].
        name: of the extractor, for messages.
        dim: D, how many features an image has.
        count: n, how many images count; the others fill a batch up.

    Returns:
        float64 [n, D].

    Raises:
        UsageError: it fails, or returns something else than N rows of D real numbers.
        Failed: a feature of the n images is not finite.
    """
    import torch

    who = f"extractor {name}"
    try:
        # It may write on what it gets.
        given = images if ours(extractor) else images.clone()
        with torch.no_grad(), blame(who, extractor):
            answer = extractor(given)
    except ValueError as error:  # samplebench's own name themselves and the images they take
        raise UsageError(line_of(str(error))) from error
    rows = _rows(who, answer, (len(images), dim))[:count]
    lost = int((~(np.abs(rows) <= _LARGEST)).any(1).sum())
    if lost:
        raise Failed(f"{who}: the features of {lost} of {count} images are not finite")
    return rows


@contextmanager
def watched_extractor(
    name: str, extractor: Any, seed: int, device: torch.device, doubt: Callable[[str], None]
) -> Iterator[None]:
    """Tells when an extractor of others is random."""
    if ours(extractor):
        yield
        return
    with watched_generators(seed, device) as draws:
        yield
    if draws.of:
        doubt(f"extractor {name} draws from {draws}")


def _rows(who: str, answer: Any, shape: tuple[int, int]) -> np.ndarray:
    """An answer as float64 of that shape."""
    import torch

    array = answer
    if isinstance(answer, torch.Tensor) and answer.layout == torch.strided:
        with Blame(who):  # a tensor without data, as on the device "meta"
            host = answer.detach().cpu()
            array = (host.double() if host.dtype.is_floating_point else host).numpy()
    numeric = isinstance(array, np.ndarray) and array.dtype.kind in "fiu"
    # What is masked would count.
    numeric = numeric and not isinstance(array, np.ma.MaskedArray)
    if not numeric or array.shape != shape:
        raise UsageError(
            f"{who} returned {described(answer)} where {list(shape)} real numbers were expected, "
            "a row of features for each image"
        )
    return np.asarray(array, dtype=np.float64)
