"""What makes the further passes of a model's cells: guiding models and classifiers, loaded once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from samplebench.bench.flops import gflop_of, gflop_per_evaluation
from samplebench.bench.probe import probe
from samplebench.bench.rehearsal import probed, try_network
from samplebench.checkpoints.catalog import Checkpoint
from samplebench.loading import load, load_classifier
from samplebench.loading.judged import check_planned
from samplebench.models.chunks import Chunks
from samplebench.models.guidance import EVERYWHERE, ClassifierGuidance, Guidance
from samplebench.models.model import is_foreign
from samplebench.sampling.guided import (
    check_models,
    classifier_guidance,
    interval_of,
    reference_guidance,
)

if TYPE_CHECKING:
    import torch

    from samplebench.models.model import Model
    from samplebench.results.cell import Cell
    from samplebench.results.record import Conditions


@dataclass(frozen=True)
class Guide:
    """A guiding model, or a classifier.

    Attributes:
        network: the model, or (x_t, t) -> logits.
        ask: one pass over a block.
        gflop: per pass of one image, None where it cannot be counted.
        unsteady: what makes every cell that it guides irreproducible, lines.
    """

    network: Any
    ask: Callable[[], Any]
    gflop: float | None
    unsteady: tuple[str, ...] = ()


def id_of(conditions: Conditions) -> str:
    """Of a cell's guiding model or classifier; "" where the model guides itself, or none does."""
    found = conditions.get("guidance", {})
    return str((found.get("model") or found.get("classifier") or {}).get("id", ""))


def load_guides(
    cells: Sequence[Cell],
    sources: Mapping[str, tuple[Checkpoint, Checkpoint | None]],
    model: Model,
    block: int,
    counted: int,
    device: torch.device,
) -> dict[str, Guide]:
    """Those of some cells, by their ids.

    Args:
        sources: by id the checkpoint, and of a classifier that beside which it was released.
        block, counted: images of a pass, and of one whose operations are counted.

    Raises:
        UsageError: a network of others that fails or answers wrongly.
    """
    found: dict[str, Guide] = {}
    for conditions in (cell.conditions for cell in cells):
        if (name := id_of(conditions)) and name not in found:
            entry, beside = sources[name]
            if beside is not None:
                found[name] = _classifier(beside, model, block, counted, device)
            else:
                planned = conditions["guidance"]["model"]
                compiled = planned.get("compiled", False)
                network = load(entry, device=device, dtype=planned["dtype"], compile=compiled)
                check_planned(network, entry, planned["checkpoint_sha256"])
                found[name] = _model(network, block, counted)
    return found


def _model(network: Model, block: int, counted: int) -> Guide:
    doubt = try_network(network, counted) if is_foreign(network) else None
    with probed(network):
        gflop = gflop_per_evaluation(network, counted)
    network.chunks = Chunks()
    unsteady = () if doubt is None else (doubt,)
    return Guide(network, probe(network, block), gflop, unsteady)


def _classifier(
    beside: Checkpoint, model: Model, block: int, counted: int, device: torch.device
) -> Guide:
    import torch

    network = load_classifier(beside, device=device)
    guidance = classifier_guidance(model, network, 1.0)

    def asked(images: int) -> Any:
        x = torch.zeros(images, *model.shape, device=device)
        nobody = torch.zeros(images, dtype=torch.int64, device=device)
        return guidance.asked(x, torch.tensor(1.0, dtype=torch.float64), nobody)

    gflop = gflop_of(lambda: asked(counted), counted)
    network.chunks = Chunks()  # type: ignore[assignment]
    return Guide(network, lambda: asked(block), gflop)


def guidance_of(
    conditions: Conditions, model: Model, guides: Mapping[str, Guide]
) -> Guidance | None:
    """What a cell's conditions say, of loaded models.

    Raises:
        UsageError: the models are not what was planned.
    """
    said = conditions.get("guidance")
    if not said:
        return None
    name, scale = said["name"], float(said["scale"])
    interval = interval_of(said["interval"]) if "interval" in said else EVERYWHERE
    guide: Any = guides[id_of(conditions)].network if id_of(conditions) else None
    if name == "classifier":
        return classifier_guidance(model, guide, scale, interval)
    check_models(name, model, guide, conditions["model"], id_of(conditions))
    return reference_guidance(name, model, guide, scale, interval)


def classes_of(model: Model, guidance: Guidance | None) -> int:
    """How many classes labels are drawn from; 0: none are."""
    if model.num_classes or not isinstance(guidance, ClassifierGuidance):
        return model.num_classes
    return guidance.num_classes
