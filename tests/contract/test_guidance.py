"""Every sampler is guided without knowing it: what it costs, and where."""

from __future__ import annotations

import pytest
import torch

import samplebench as sb
from samplebench.errors import UsageError
from samplebench.sampling.passes import passes
from samplebench.sampling.setting import prepare
from tests.contract.registered import adaptive, evaluates, pace, usual

LABELS = torch.tensor([3, 8, 0])


@pytest.fixture(scope="module")
def unconditional():
    return sb.load("digits-exact-uncond", device="cpu")


def guided(model, solver, latents, words, **more):
    """The result of a guided run, its evaluations and its further passes."""
    taken, draw = [], torch.Generator().manual_seed(1)
    x = sb.sample(
        model,
        solver.name,
        latents=latents,
        labels=LABELS,
        noise=lambda x: torch.randn(x.shape, generator=draw, dtype=torch.float64).to(x),
        callback=taken.append,
        **words,
        **more,
    )
    return x, taken[-1].nfe, taken[-1].guide_nfe


def test_what_guidance_costs(solver, exact, latents, unconditional):
    words = {**usual(solver), **pace(solver, 3, usual(solver), exact)}
    latents = latents[: len(LABELS)]
    cfg = {"guidance": "cfg", "guidance_scale": 3}
    if not exact.labels_optional:
        cfg["guiding_model"] = unconditional
    if not (solver.entry.draws and evaluates(solver)):
        why = "it never evaluates" if solver.entry.draws else "it encodes"
        with pytest.raises(UsageError, match=f"{solver.name} does not support guidance: {why}"):
            guided(exact, solver, latents, words, **cfg)
        return
    alone, nfe, none = guided(exact, solver, latents, words)
    moved, same, further = guided(exact, solver, latents, words, **cfg)
    assert none == 0 and not torch.equal(moved, alone)
    assert further == same and (adaptive(solver) or same == nfe)
    # Above every noise level, and below.
    far = {**cfg, "guidance_interval": "1e6/inf"}
    left, same, further = guided(exact, solver, latents, words, **far)
    assert torch.equal(left, alone) and (same, further) == (nfe, 0)
    # In between, where an interval has some of the levels.
    some = {**cfg, "guidance_interval": "0.3/5"}
    part, same, further = guided(exact, solver, latents, words, **some)
    assert 0 < further < same and not torch.equal(part, alone)
    if not adaptive(solver):
        params = {name: value for name, value in words.items() if name != "steps"}
        setting = prepare(exact, solver.name, steps=words["steps"], params=params)
        assert same == nfe and further == passes(setting, (0.3, 5.0))


def test_a_classifier_guides_every_sampler_of_a_denoiser(solver, exact, latents):
    if not (solver.entry.draws and evaluates(solver)) or exact.kind == "linear":
        return
    process = sb.process("discrete", noise_schedule="cosine")

    def classifier(x, t):
        # Brighter images are of a higher class.
        return x.flatten(1).mean(1, keepdim=True) * torch.arange(10.0, dtype=x.dtype)

    classifier.process = process
    words = {**usual(solver), **pace(solver, 3, usual(solver), exact)}
    latents = latents[: len(LABELS)]
    alone, *_ = guided(exact, solver, latents, words)
    how = {"guidance": "classifier", "guidance_scale": 5, "classifier": classifier}
    moved, same, further = guided(exact, solver, latents, words, **how)
    assert further == same and not torch.equal(moved, alone)
    assert moved.isfinite().all()
