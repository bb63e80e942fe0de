"""A sampler at a budget on a model, and the few trajectories by which its grids are searched."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from samplebench.cards.levels import LevelsCard
from samplebench.errors import SamplebenchError, UsageError
from samplebench.models.bound import Bound
from samplebench.noise.latents import start
from samplebench.noise.streams import stream
from samplebench.sampling.setting import Setting, prepare, rehearse
from samplebench.sampling.solver import Solver
from samplebench.timelines.words import Words
from samplebench.trajectory.plan import on_levels, refuse_noise
from samplebench.tune.candidate import Candidate

if TYPE_CHECKING:
    from torch import Tensor

RHO = 7.0
OBJECTIVE = "mean over trajectories of the root mean square distance to the fine solution's end"
# What the fine solution is made with. On the embedded models it is 1e-4 to 2e-3 away from DOP853,
# or from Heun's method in 1,000 steps, where the best rho at 10 evaluations is 0.01 or more away.
# Of the samplers that come so near this is the one that divides by no step's length: the levels of
# a discrete table may coincide.
FINE, FINE_NFE = "ipndm", 80
# A budget near that is compared with so many times its own evaluations.
_FINER = 2
# Levels nearer than that are one.
_SAME = 1e-9


class Spent(Exception):
    """The next run of a search does not fit into its budget."""


class Problem:
    """A deterministic sampler at a budget, on trajectories whose fine solution is known.

    Every evaluation is counted by the model's `Bound`, an image each. Candidates that were tried
    are remembered and not run again.

    Args:
        model: loaded.
        sampler: a name, a function, or one that was made ready.
        nfe: budget of network evaluations per sample.
        params: of the sampler, fixed; with the words of its steps, e.g. final.
        seeds: of the trajectories.
        budget: evaluations of the whole search.
        fine: fine solutions by their ends, kept for further problems on this model and these
            trajectories.
        report: called after a run with its evaluations and a word for it.

    Raises:
        UsageError: a sampler that draws noise or does not step in noise levels, an impossible
            parameter, or a budget too small for any steps.

    Attributes:
        spent: evaluations so far.
        tried: errors by candidate, in the order in which they were tried.
    """

    def __init__(
        self,
        model: Any,
        sampler: str | Callable[..., Any] | Solver,
        nfe: int,
        *,
        params: Mapping[str, Any] | None = None,
        seeds: Sequence[int],
        budget: int = 25_000,
        fine: dict[str, Tensor] | None = None,
        report: Callable[[int, str], None] = lambda images, what: None,
    ) -> None:
        self.model, self.nfe, self.params = model, nfe, dict(params or {})
        self.solver = sampler if isinstance(sampler, Solver) else on_levels(model, sampler)
        self.seeds, self.budget, self.report = seeds, budget, report
        self.spent = 0
        self.fine = {} if fine is None else fine
        self.tried: dict[tuple[Any, ...], tuple[Candidate, np.ndarray]] = {}
        first = self._at(nfe, {"rho": RHO})
        rehearse(first)
        self.first = first
        self._check()
        classes = int(getattr(model, "num_classes", 0))
        self.latents, self.labels, _ = start(model, seeds, None, classes)

    @cached_property
    def baseline(self) -> Candidate:
        """The grid of the discretization "edm" with rho = 7."""
        return self._of(self.first)

    @property
    def span(self) -> tuple[float, float]:
        """The lowest and the highest noise level of the baseline."""
        positive = self.baseline.positive
        return positive[-1], positive[0]

    @property
    def ends_at_zero(self) -> bool:
        """Whether its runs end at noise level 0, by their grid or by a last evaluation."""
        return self.baseline.to_zero or bool(self.first.timeline.constants.get("denoise_to_zero"))

    @property
    def solved(self) -> tuple[float, float]:
        """The lowest and the highest positive level of the fine solution.

        It begins where the baseline does, and ends where that does; but a run that goes on to 0 is
        compared with the solution down to the model's own lowest level, whatever its last one is.
        """
        low, high = self.span
        own = self._of(self._whole).positive[-1]
        return (own if self.ends_at_zero and own < low * (1 - _SAME) else low), high

    @cached_property
    def _whole(self) -> Setting:
        """The fine solution over the model's range."""
        final = "zero" if self.ends_at_zero else "sigma_min"
        return prepare(self.model, FINE, words=self._fine_words(final))

    @property
    def objective(self) -> str:
        """What is made small, in words."""
        return OBJECTIVE

    @property
    def left(self) -> int:
        """Evaluations that may still be made."""
        return self.budget - self.spent

    @property
    def run_cost(self) -> int:
        """Evaluations of one candidate on all trajectories."""
        return self.first.evaluations * len(self.seeds)

    @property
    def fine_nfe(self) -> int:
        """Evaluations of the fine solution, per trajectory."""
        return max(FINE_NFE, _FINER * self.nfe)

    @property
    def first_cost(self) -> int:
        """Evaluations of the fine solution and of one candidate."""
        return self.fine_nfe * len(self.seeds) + self.run_cost

    def at_rho(self, rho: float, **span: float) -> Candidate:
        """The grid of "edm" with another rho, and another range where it is said."""
        return self._of(self._at(self.nfe, {"rho": rho, **span}))

    def on(self, discretization: str, rho: float | None = None) -> Candidate:
        """The grid of any discretization."""
        words = Words(nfe=self.nfe, discretization=discretization, rho=rho, params=self.params)
        return self._of(prepare(self.model, self.solver, words=words))

    def candidate(self, levels: Iterable[float], **params: Any) -> Candidate:
        """Levels as the model knows them; the last 0 where the baseline's is.

        Args:
            levels: positive, decreasing.

        Raises:
            UsageError: two of them are one to the model, or they are none.
        """
        listed = [*levels, *([0.0] if self.baseline.to_zero else [])]
        card = LevelsCard("tuned", tuple(map(float, listed)))
        found = Candidate(tuple(self._on(card, params).timeline.grid.tolist()), dict(params))
        if not all(a > b for a, b in zip(found.levels, found.levels[1:], strict=False)):
            raise UsageError("the model rounds two of these noise levels to one")
        return found

    def setting(self, candidate: Candidate) -> Setting:
        """What runs a candidate."""
        return self._on(LevelsCard("tuned", candidate.levels), candidate.params)

    def errors(self, candidate: Candidate) -> np.ndarray:
        """Of each trajectory the root mean square over elements of what it is away from the fine
        solution's end, [W]; inf where that is no number.

        Raises:
            Spent: the run does not fit into the budget.
        """
        if candidate.key not in self.tried:
            self.away(candidate)
        return self.tried[candidate.key][1]

    def away(self, candidate: Candidate) -> np.ndarray:
        """Of each trajectory what it is away from the fine solution's end, [W, P]; run anew.

        float64, for the P elements of an image. inf where the sampler cannot run on these levels:
        the model tells fewer of them apart. The errors are remembered.

        Raises:
            Spent: the run does not fit into the budget.
        """
        truth = self.truth
        try:
            end = self.end(self.setting(candidate), "candidate")
        except UsageError:
            if candidate == self.baseline:
                raise
            end = truth + np.inf
        found: np.ndarray = (end - truth).flatten(1).numpy()
        errors = np.sqrt(np.square(found).mean(1))
        self.tried[candidate.key] = candidate, np.where(np.isfinite(errors), errors, np.inf)
        return found

    def error(self, candidate: Candidate) -> float:
        """The mean of the errors: what searches make small."""
        return float(self.errors(candidate).mean())

    @property
    def best(self) -> Candidate:
        """Of the candidates tried the one with the smallest error."""
        if not self.tried:
            return self.baseline
        return min(self.tried.values(), key=lambda one: float(one[1].mean()))[0]

    @cached_property
    def truth(self) -> Tensor:
        """Where the fine solution ends from these latents, float64 [W, C, H, W].

        Raises:
            Spent: it does not fit into the budget.
        """
        low, high = self.solved
        final = "zero" if self.ends_at_zero else "sigma_min"
        # Grids that differ in the last bits have the same ends.
        key = f"{final} {low:.9g} {high:.9g}"
        if key not in self.fine:
            fine = self._whole
            own = self._of(fine).positive
            if not np.allclose([own[-1], own[0]], [low, high], rtol=_SAME, atol=0):
                fine = prepare(self.model, FINE, words=self._fine_words(final, low, high))
            self.fine[key] = self.end(fine, "fine solution")
        return self.fine[key]

    def end(self, setting: Setting, what: str, latents: Tensor | None = None) -> Tensor:
        """Where a run ends, float64 on the host, its evaluations counted.

        Args:
            what: a word for the progress.
            latents: to start from, instead of the trajectories' own.

        Raises:
            Spent: it does not fit into the budget.
        """
        import torch

        with self.counted(setting.evaluations * len(self.seeds), what) as bound:
            own = self.latents if latents is None else latents.to(self.latents)
            noise = stream("portable", self.seeds, own.device, own.dtype)
            with torch.no_grad(), setting.solver.guarded():
                return setting.run(bound, own, noise).cpu().double()

    @contextmanager
    def counted(self, planned: int, what: str) -> Iterator[Bound]:
        """The model with the trajectories' labels; its evaluations within the block are counted.

        Args:
            planned: how many evaluations will be made.
            what: a word for the progress.

        Raises:
            Spent: they do not fit into the budget.
        """
        if planned > self.left:
            raise Spent
        bound = Bound(self.model, self.labels, len(self.seeds), blamed=True)
        try:
            yield bound
        finally:
            self.spent += bound.images
            self.report(bound.images, what)

    def _fine_words(self, final: str, low: float | None = None, high: float | None = None) -> Words:
        """Of the fine solution, over a range where it is said."""
        return Words(
            nfe=self.fine_nfe, rho=RHO, sigma_min=low, sigma_max=high, params={"final": final}
        )

    def _check(self) -> None:
        """Raises `UsageError` for a sampler without a truncation error."""
        try:
            refuse_noise(self.first)
        except UsageError as error:
            if "S_churn" not in self.solver.defaults:
                raise
            raise UsageError(f"{error}, or search its noise: --method churn") from None
        if self.first.timeline.constants.get("thresholding"):
            raise UsageError(
                f"{self.solver.name}.thresholding: it changes the denoiser, so there is no fine "
                "solution; leave it out"
            )

    def _at(self, nfe: int, given: Mapping[str, Any]) -> Setting:
        """The sampler on the discretization "edm"."""
        words = {k: v for k, v in given.items() if k == "rho"}
        params = {**self.params, **{k: v for k, v in given.items() if k != "rho"}}
        return prepare(self.model, self.solver, words=Words(nfe=nfe, **words, params=params))

    def _on(self, card: LevelsCard, params: Mapping[str, Any]) -> Setting:
        fixed = {
            k: v for k, v in self.params.items() if k not in ("final", "sigma_min", "sigma_max")
        }
        words = Words(discretization=card, params={**fixed, **params})
        return prepare(self.model, self.solver, words=words)

    @staticmethod
    def _of(setting: Setting) -> Candidate:
        return Candidate(tuple(setting.timeline.grid.tolist()))


def distances(one: Tensor, other: Tensor) -> np.ndarray:
    """Of each trajectory the root mean square over elements of a difference, [W]; inf where that
    is no number.

    Args:
        one, other: float64 [W, C, H, W].
    """
    away: np.ndarray = (one - other).square().flatten(1).mean(1).sqrt().numpy()
    return np.where(np.isfinite(away), away, np.inf)


def valid(problem: Problem, levels: Iterable[float], **params: Any) -> Candidate | None:
    """A candidate, or None where the model does not tell its levels apart."""
    try:
        return problem.candidate(levels, **params)
    except SamplebenchError:
        return None
