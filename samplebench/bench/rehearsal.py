"""Code of others is tried before hours are spent: what is wrong by its type is told at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from samplebench.answers.blame import Blame, Failed, ours
from samplebench.answers.draws import watched_generators
from samplebench.bench.probe import probe
from samplebench.features.judged import features
from samplebench.models.model import is_foreign, name_of
from samplebench.noise.streams import stream

if TYPE_CHECKING:
    from samplebench.bench.loaded import LoadedExtractor
    from samplebench.models.model import Model

# Of an answer's size: by as much two evaluations of one input may differ. Kernels are chosen anew
# after the first call, and on a GPU sums have no fixed order.
_ROUNDING, _ROUNDING_OF_GPU = 1e-5, 1e-3


def try_network(model: Model, batch: int) -> str | None:
    """Asks a network of others twice about the same states.

    Returns:
        None, or how it is not a function of its input, a line.

    Raises:
        UsageError: it fails, or returns something else than a tensor like its input.
    """
    import torch

    noise = stream("portable", range(batch), model.device, model.state_dtype)
    ask = probe(model, batch, noise.start(model.shape, 0)[0], blamed=True)
    with torch.no_grad(), watched_generators(0, model.device):
        first, second = ask(), ask()
    size = float(first.abs().max())
    apart = float((first - second).abs().max())
    # What is not finite is told by the cells.
    if apart > size * (_ROUNDING if model.device.type == "cpu" else _ROUNDING_OF_GPU):
        return f"{name_of(model)} gives different outputs for the same input"
    return None


@contextmanager
def probed(model: Model) -> Iterator[None]:
    """Around looks at what a model costs: a failure names it, and nothing is drawn."""
    if not is_foreign(model):
        yield
        return
    with watched_generators(0, model.device), Blame(name_of(model)):
        yield


def try_extractors(model: Model, extractors: Iterable[LoadedExtractor], block: int) -> None:
    """Tries extractors of others on black images.

    Raises:
        UsageError: one fails, or returns something else than what is asked for.
    """
    import torch

    for one in extractors:
        if ours(one.function):
            continue
        black = torch.zeros(block, *model.shape, dtype=torch.uint8, device=model.device)
        with watched_generators(0, model.device), suppress(Failed):
            features(one.function, black, one.name, one.dim, block)
