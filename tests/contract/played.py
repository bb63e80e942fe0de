"""A solver card carried out, number by number: what its formula says and nothing more."""

from __future__ import annotations

import torch


def played(card, model, latents):
    """The last state of a card in sigma from unit normal latents, and how often it asked."""
    states, answers, asked = [latents * card.times[0]], {}, set(card.evaluated)
    for i, (a, c) in enumerate(zip(card.a, card.c, strict=True)):
        if i in asked:
            x, sigma = states[i], card.times[i] + card.shifts[i]
            denoised = model(x, torch.tensor(sigma, dtype=torch.float64))
            answers[i] = {"x0": denoised, "eps": (x - denoised) / sigma}[card.predicts]
        new = torch.zeros_like(latents)
        for j in range(i + 1):
            if a[j]:
                new = new + a[j] * states[j]
            if c[j]:
                new = new + c[j] * answers[j]
        states.append(new)
    return states[-1], len(answers)
