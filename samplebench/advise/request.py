"""What `samplebench advise` is asked for, checked word by word before anything is loaded."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from samplebench.advise.proposal import Proposal
from samplebench.bench.choices import measuring_of
from samplebench.bench.names import look_up
from samplebench.bench.request import Request
from samplebench.bench.sources import checkpoints_of
from samplebench.checkpoints.catalog import DEFAULT_MODEL
from samplebench.checkpoints.checkpoint import Checkpoint
from samplebench.errors import UsageError
from samplebench.metrics.direction import declared
from samplebench.tune.seeds import check_judging

NFE = 10
# Of the search by the metric: samples of a set, and sets of the better ones.
SAMPLES, SETS = 128, 2
# Of the request those that `run` would need to say again.
_SAID = ("num_samples", "seed", "metric", "reference", "protocol", "batch_size", "device", "dtype",
         "checkpoints", "file", "format", "model_config")  # fmt: skip


@dataclass(frozen=True)
class AdviseRequest:
    """A model at a budget.

    Attributes:
        request: model, N, seed, metric and the like, as `run` takes them; no sampler.
        entry: the model.
        nfe: budget of network evaluations per sample.
        metric: that decides.
        num_samples: of the confirmation.
    """

    request: Request
    entry: Checkpoint
    nfe: int
    metric: str
    num_samples: int

    @classmethod
    def of(cls, **words: Any) -> AdviseRequest:
        """Checks words; None means not said.

        Raises:
            UsageError: an unknown name, several models, budgets, metrics or references, a metric
                that is not better either way, or seeds that the search keeps.
        """
        said = {name: value for name, value in words.items() if value is not None}
        request = Request.of(**{"model": DEFAULT_MODEL, "nfe": NFE, **said})
        for name in ("model", "nfe", "metric", "reference"):
            if len(getattr(request, name)) > 1:
                raise UsageError(f"--{name} {_text(words[name])}: one {name} at a time")
        look_up(request)
        (entry,) = checkpoints_of(request)
        measuring = measuring_of(request, entry)
        metric = measuring.measures[0].metric.name
        if declared(metric) is None:
            raise UsageError(
                f"metric {metric} does not declare which direction is better; use another --metric"
            )
        # One decides; a model's further ones are left out.
        request = replace(request, metric=(metric,), given=request.given | {"metric"})
        found = cls(request, entry, request.nfe[0], metric, measuring.protocol.num_samples)
        check_judging(request.seed, found.num_samples)
        return found

    @property
    def out(self) -> Path:
        """Where the files go."""
        return Path(self.request.out or f"reports/{self.entry.folder_name}-advise")

    @property
    def judging(self) -> tuple[int, int]:
        """First and last seed of the confirmation."""
        return self.request.seed, self.request.seed + self.num_samples - 1

    def command(self, proposal: Proposal) -> str:
        """The run of a proposal as it was confirmed: of a model in memory a line of Python."""
        words = self.request.words()
        said: Mapping[str, Any] = {
            name: words[name] for name in _SAID if name in self.request.given and name in words
        }
        flags = [part for k, v in said.items() for part in (f"--{k.replace('_', '-')}", _text(v))]
        if self.entry.model is not None:
            own = {**proposal.words(), **({} if proposal.on_card else {"nfe": self.nfe}), **said}
            pairs = (f"{name}={_single(value)!r}" for name, value in own.items())
            return f"sb.run(model=model, {', '.join(pairs)})"
        budget = [] if proposal.on_card else ["--nfe", str(self.nfe)]
        model = ["--model", _text(words["model"])]
        return shlex.join(["samplebench", "run", *model, *proposal.flags(), *budget, *flags])


def _single(value: Any) -> Any:
    """What a list of one holds."""
    return value[0] if isinstance(value, list | tuple) and len(value) == 1 else value


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
