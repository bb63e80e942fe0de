"""What a sampler sees of a model: its labels bound, its evaluations counted, its answers judged."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from samplebench.answers.blame import Blame
from samplebench.answers.draws import torch_moved, torch_state
from samplebench.answers.rounding import model_range, rounded
from samplebench.answers.tensors import checked
from samplebench.answers.watch import Watch
from samplebench.devices import synchronize
from samplebench.errors import UsageError
from samplebench.models.chunks import Chunks
from samplebench.models.guidance import Guidance, rounded_up
from samplebench.models.model import is_foreign, name_of
from samplebench.processes.discrete import DiscreteProcess

if TYPE_CHECKING:
    from torch import Tensor


# Who wants to know of every evaluation: called with its images and its seconds.
_listeners: list[Callable[[int, float], None]] = []


@contextmanager
def listening(listen: Callable[[int, float], None]) -> Iterator[None]:
    """Within the block `listen` is told of every evaluation: its images and its seconds."""
    _listeners.append(listen)
    try:
        yield
    finally:
        _listeners.remove(listen)


class Bound:
    """A model with its labels bound and its evaluations counted: all that a sampler sees.

    What the network answers is judged here: it has the state's shape and dtype, and whether it is
    finite is noted in `watch`. One of others gets copies, and its answers are copied: it may write
    on them, or return the same memory again.

    Args:
        model: a `Model` or any callable (x, sigma, labels) -> x0 with sigma_min, sigma_max and
            round_sigma.
        labels: int64 [N] or None; an unconditional model gets none.
        batch: N, the number of samples; an evaluation of N images counts one.
        guidance: moves the answers by a further pass; or a callable (x_t, t_net, labels) ->
            gradient, already scaled, for the samplers that step on a discrete model's own time
            steps.
        blamed: whether an exception in a network of others becomes a line that names it.
        foreign: whether it is one of others; None to look.
        main: whose further passes are made by this one; they are watched together.

    Raises:
        UsageError: the model holds no numbers.

    Attributes:
        guide: who makes the further passes of the guidance, None without.
        images: that the network got in all.
        counts: int64 [N], evaluations of each sample; None once nobody can name the samples of one.
        drew: whether the network has drawn from torch's global generator, where it is looked for:
            in one of others.
    """

    def __init__(
        self,
        model: Callable[..., Any],
        labels: Tensor | None,
        batch: int,
        guidance: Guidance | Callable[..., Tensor] | None = None,
        *,
        blamed: bool = False,
        foreign: bool | None = None,
        main: Bound | None = None,
    ) -> None:
        if str(getattr(model, "device", "")) == "meta":
            raise UsageError(
                f"{name_of(model)} is on the meta device, which holds shapes and no numbers; load "
                "or make it on another, e.g. cpu"
            )
        self.model, self.batch = model, batch
        # Those of an unconditional model are its classifier's alone.
        self.labels = None if getattr(model, "num_classes", None) == 0 else labels
        self.guidance, self.main = guidance, main
        self.images = self.calls = 0
        self.counts: np.ndarray | None = np.zeros(batch, dtype=np.int64)
        self.sigma_min, self.sigma_max = model_range(model)
        self.foreign = is_foreign(model) if foreign is None else foreign
        self.name = name_of(model)
        self.watch: Watch = Watch(batch) if main is None else main.watch
        self.drew = False
        self.chunks: Chunks | None = getattr(model, "chunks", None)
        self.guide: Bound | None = None
        if isinstance(guidance, Guidance):
            self.guide = Bound(
                guidance.asked, guidance.labels(labels), batch, blamed=blamed, main=self
            )
            self.guide.name = guidance.who(model)
        elif guidance is not None:
            self.guide = Bound(guidance, labels, batch, blamed=blamed, main=self)
            self.guide.name = "the guidance"
        self.blamed = blamed and self.foreign

    def __call__(self, x: Tensor, sigma: float | Tensor, rows: Tensor | None = None) -> Tensor:
        """D(x; sigma), counted; sigma a Python float, a scalar tensor or [n].

        Args:
            rows: int64 [n] on the host, which of the N samples x are; None for all in their order.

        Raises:
            UsageError: the network returned something else than a tensor like x, or it guides and
                does not know so high a level.
        """
        import torch

        # A host scalar: no device synchronisation, and models may call tensor methods on it.
        sigma = torch.as_tensor(sigma, dtype=torch.float64)
        if self.main is not None and self.sigma_max < self.main.sigma_max:
            self._check_level(float(sigma.max()))
        answer = self.ask(
            lambda x, sigma, labels: self.model(x, sigma, labels), x, sigma, rows=rows
        )
        return self._guided(self.judge(answer, x, "sigma", sigma, rows), x, sigma, rows)

    def _check_level(self, sigma: float) -> None:
        """The steps begin within the main model's levels: a guiding one that has never seen so much
        noise may answer anything. One of discrete steps is told its last."""
        on_steps = isinstance(getattr(self.model, "process", None), DiscreteProcess)
        if on_steps or sigma <= rounded_up(self.sigma_max):
            return
        raise UsageError(
            f"{self.name} has noise levels up to {self.sigma_max:g} and cannot guide at {sigma:g}; "
            f"use guidance_interval 0/{self.sigma_max:g}"
        )

    def _guided(self, main: Tensor, x: Tensor, sigma: Tensor, rows: Tensor | None) -> Tensor:
        """Its own answer, moved where the guidance acts; of samples elsewhere no pass is made."""
        guidance, guide = self.guidance, self.guide
        if guide is None or not isinstance(guidance, Guidance):
            return main
        if guidance.everywhere or bool((inside := guidance.inside(sigma)).all()):
            return guidance.moved(main, guide(x, sigma, rows))
        if not bool(inside.any()):
            return main
        picked = inside.reshape(-1).nonzero()[:, 0]
        if rows is not None:
            who: Tensor | None = rows[picked]
        else:
            who = picked % self.batch if len(x) % self.batch == 0 else None
        here = picked.to(x.device)
        moved = guidance.moved(main[here], guide(x[here], sigma.reshape(-1)[picked], who))
        return main.index_copy(0, here, moved)

    def __getattr__(self, name: str) -> Any:
        # Asked for by what was written for another library's wrapper.
        raise AttributeError(
            f"no {name}: a sampler sees model(x, sigma), sigma_min, sigma_max and round_sigma"
        )

    def round_sigma(self, sigma: Any) -> Any:
        """The nearest level the model knows: of a number a float, of a tensor one like it."""
        return rounded(getattr(self.model, "round_sigma", float), sigma)

    def ask(
        self, question: Callable[..., Any], x: Tensor, *given: Any, rows: Tensor | None = None
    ) -> Any:
        """What the model answers to x, further tensors and the labels, counted and not yet judged.

        Raises:
            UsageError: it failed, and is to be blamed.
        """
        self._count(x.shape[0], rows)
        labels = self.labels if rows is None or self.labels is None else self.labels[rows]
        began = time.perf_counter()
        ask = question if self.chunks is None else partial(self.chunks.ask, question)
        if not self.foreign:
            answer = ask(x, *given, labels)
        else:
            x, *rest = (_copy(value) for value in (x, *given, labels))
            before = torch_state(x.device)
            with Blame(self.name) if self.blamed else nullcontext():
                answer = ask(x, *rest)
            self.drew = self.drew or torch_moved(before, x.device)
        if _listeners:
            synchronize(x.device)
            for listen in _listeners:
                listen(len(x), time.perf_counter() - began)
        return answer

    def judge(
        self, answer: Any, x: Tensor, kind: str, at: Any, rows: Tensor | None = None
    ) -> Tensor:
        """A network's answer, like x, watched.

        Args:
            kind, at: where it was asked, e.g. "sigma" and its value.
        """
        kept = checked(self.name, answer, x, copy=self.foreign)
        number = self.calls if self.main is None else self.main.calls
        # First: a sampler whose state is not finite is no fault of the network's.
        self.watch.see(x, f"what {self.name} was given", number, kind, at, rows)
        self.watch.see(kept, self.name, number, kind, at, rows)
        return kept

    def _count(self, images: int, rows: Tensor | None) -> None:
        self.calls += 1
        self.images += images
        if rows is not None and self.counts is not None:
            np.add.at(self.counts, rows.numpy(), 1)
        elif self.counts is not None:
            # Copies of the batch one after the other, or samples that nobody can name.
            copies, others = divmod(images, self.batch)
            self.counts = None if others else self.counts + copies

    def evaluated(self, count: int) -> tuple[int, int]:
        """Evaluations of the first so many samples, and their number; of all N where the samples
        of an evaluation cannot be named."""
        if self.counts is None:
            return self.images, self.batch
        return int(self.counts[:count].sum()), count

    def further(self, count: int) -> int:
        """Further passes of guidance over the samples that `evaluated` tells of."""
        if self.guide is None:
            return 0
        # Whose samples cannot be named has them of an evaluation whose samples cannot either.
        counts = None if self.counts is None else self.guide.counts
        return self.guide.images if counts is None else int(counts[:count].sum())

    @property
    def nfe(self) -> float:
        """Network evaluations per sample so far; a whole number for ordinary samplers."""
        return per_sample(self.images, self.batch)

    @property
    def guide_nfe(self) -> float:
        """Further passes of the guidance per sample so far, of whichever network."""
        return 0 if self.guide is None else self.guide.nfe


def _copy(value: Any) -> Any:
    return value.clone() if hasattr(value, "clone") else value


def per_sample(images: int, samples: int) -> float:
    """Evaluations of a sample, a whole number where they are one."""
    count = images / samples
    return int(count) if count.is_integer() else count
