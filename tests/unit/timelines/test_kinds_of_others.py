"""What a model of others calls its kind, and what one lacks that its kind needs."""

from __future__ import annotations

import pytest
import torch

import samplebench as sb
from samplebench.errors import UsageError
from samplebench.models.model import Model
from samplebench.timelines.choice import of_model, timeline

_LATENTS = torch.ones(1, 1, 2, 2, dtype=torch.float64)


class Theirs:
    def __init__(self, kind):
        self.kind = kind

    def __call__(self, x, sigma, labels=None):
        return x / (1 + sigma**2)


class Lacking(Model):
    shape = (1, 2, 2)


@pytest.mark.parametrize("kind", ["unet", 3, None])
def test_a_callable_may_use_the_word_for_something_else(kind):
    assert of_model(Theirs(kind)) is timeline("sigma")
    assert sb.sample(Theirs(kind), "euler", nfe=3, latents=_LATENTS).shape == (1, 1, 2, 2)


def test_a_model_of_an_unknown_kind_is_refused():
    model = Lacking()
    model.kind = "flux"
    with pytest.raises(UsageError, match="unknown timeline 'flux'"):
        sb.sample(model, "euler", nfe=3, latents=_LATENTS)


@pytest.mark.parametrize(("kind", "sampler"), [("discrete", "respaced"), ("linear", "gddim")])
def test_a_model_without_the_process_of_its_kind_is_refused(kind, sampler):
    model = Lacking()
    model.kind = kind
    with pytest.raises(UsageError, match=f"this one is of kind '{kind}' and its process is None"):
        sb.sample(model, sampler, nfe=3, latents=_LATENTS)
