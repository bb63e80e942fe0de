"""Searches, confirms the best, and says which to use."""

from __future__ import annotations

import math
from typing import Any

from samplebench.advise.advice import Advice
from samplebench.advise.request import AdviseRequest
from samplebench.advise.shortlist import Search
from samplebench.advise.trial import trial
from samplebench.ambient import own_settings
from samplebench.errors import UsageError
from samplebench.ticker import say

CONFIRMED = "confirmed"


def advise(*, quiet: bool = False, **words: Any) -> Advice:
    """Recommends a sampler, a grid and parameters for a model at a budget.

    Args:
        quiet: no progress, no notes.
        words: model, nfe, num_samples, seed, metric, reference, protocol, batch_size, device,
            dtype, checkpoints, file, format, model_config, offline, yes, out, as on the command
            line; one model, budget, metric and reference.

    Returns:
        The recommendation with its evidence. Whatever was computed is kept in `out`, and the same
        call goes on where it stopped.

    Raises:
        UsageError: an unknown name, or a value that cannot be meant; nothing was computed. Or all
            that was compared has failed.
        Interrupted: by Ctrl-C or SIGTERM while samples are drawn; what was computed is kept.
    """
    with own_settings():
        return advised(AdviseRequest.of(**words), quiet)


def advised(asked: AdviseRequest, quiet: bool) -> Advice:
    """The same of checked words."""
    search = Search(asked, quiet)
    found = search.shortlist()
    contenders = dict.fromkeys((*found.best, found.default))
    if not quiet:
        say(f"confirmed on {asked.num_samples:,} samples: {'; '.join(e.name for e in contenders)}")
    confirmed = trial(
        search.request, asked.entry, asked.nfe, list(contenders), quiet,
        out=str(asked.out / CONFIRMED),
    )  # fmt: skip
    if not math.isfinite(confirmed.value(confirmed.order[0])):
        raise UsageError(
            f"no confirmed candidate has a value; see {asked.out / CONFIRMED / 'report.html'}"
        )
    return Advice(asked, found, confirmed)
