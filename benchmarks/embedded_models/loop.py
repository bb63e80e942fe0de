"""The training loop: Muon and Adam, a cosine schedule, averaged weights, a state to resume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from embedded_models.muon import Muon, is_matrix
from embedded_models.posterior import Posterior
from embedded_models.recipes import Recipe, Settings, initialise
from samplebench.files.atomic import atomic

SAVED_EVERY = 1000  # steps


@dataclass
class Trained:
    """A network after training.

    Attributes:
        last, average: state dicts of the last weights and of their average.
        steps, decay: of the run.
    """

    last: dict[str, Tensor]
    average: dict[str, Tensor]
    steps: int
    decay: float


def train(
    recipe: Recipe,
    images: Tensor,
    labels: Tensor,
    settings: Settings,
    state: Path,
    device: torch.device,
    title: str = "",
) -> Trained:
    """Trains a recipe's network, going on from `state` where a run was broken off.

    Equal settings give equal weights on one platform, broken off or not.
    """
    rng = torch.Generator(device=device).manual_seed(settings.seed)
    network = recipe.build()
    initialise(network, torch.Generator().manual_seed(settings.seed))
    network.to(device).train()
    parameters = [p for p in network.parameters() if p.requires_grad]
    average = [p.detach().clone() for p in parameters]
    optimisers = [
        Muon(p for p in parameters if is_matrix(p)),
        torch.optim.Adam([p for p in parameters if not is_matrix(p)], betas=(0.9, 0.99)),
    ]
    done = 0
    if state.is_file():
        saved = torch.load(state, map_location=device, weights_only=True)
        done = saved["step"]
        network.load_state_dict(saved["network"])
        for optimiser, held in zip(optimisers, saved["optimisers"], strict=True):
            optimiser.load_state_dict(held)
        for mean, value in zip(average, saved["average"], strict=True):
            mean.copy_(value)
        rng.set_state(saved["rng"].cpu())
    images, labels = images.to(device), labels.to(device)
    known = Posterior(recipe.encode(images), labels if recipe.conditional else None)
    with tqdm(total=settings.steps, initial=done, desc=title, unit="step", mininterval=5) as bar:
        for step in range(done, settings.steps):
            batch = torch.randint(len(images), (settings.batch,), generator=rng, device=device)
            of_class = labels[batch] if recipe.conditional else None
            loss = recipe.objective(network, images[batch], of_class, known, rng)
            network.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            for optimiser, scale in zip(optimisers, (settings.muon, 1.0), strict=True):
                for group in optimiser.param_groups:
                    group["lr"] = scale * settings.rate_at(step)
                optimiser.step()
            torch._foreach_lerp_(average, parameters, 1 - settings.decay_at(step))
            bar.update()
            if step % 100 == 0:
                bar.set_postfix(loss=f"{loss.item():.4f}", refresh=False)
            if (step + 1) % SAVED_EVERY == 0:
                _save(state, step + 1, network, average, optimisers, rng)
    last = {k: v.detach().cpu() for k, v in network.state_dict().items()}
    names = [name for name, p in network.named_parameters() if p.requires_grad]
    averaged = last | {k: v.cpu() for k, v in zip(names, average, strict=True)}
    return Trained(last, averaged, settings.steps, settings.decay_at(settings.steps))


def _save(
    path: Path,
    step: int,
    network: nn.Module,
    average: list[Tensor],
    optimisers: Sequence[torch.optim.Optimizer],
    rng: torch.Generator,
) -> None:
    held: dict[str, Any] = {
        "step": step,
        "network": network.state_dict(),
        "average": average,
        "optimisers": [optimiser.state_dict() for optimiser in optimisers],
        "rng": rng.get_state(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as temporary:
        torch.save(held, temporary)
