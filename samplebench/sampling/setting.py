"""A sampler with its parameters on its steps: all that decides a trajectory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from samplebench.answers.blame import line_of
from samplebench.answers.draws import kept_generators
from samplebench.answers.parameters import accepted, label, split
from samplebench.answers.tensors import checked
from samplebench.errors import UsageError
from samplebench.models.bound import Bound
from samplebench.noise.ahead import drawn_ahead, pays_ahead
from samplebench.samplers.step import Step
from samplebench.sampling.solver import Solver, toy_batch
from samplebench.timelines.timeline import Timeline
from samplebench.timelines.words import Words

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Setting:
    """A sampler with its effective parameters on the steps of one run.

    Attributes:
        timeline: the steps.
    """

    solver: Solver
    params: dict[str, Any]
    timeline: Timeline

    @property
    def steps(self) -> int:
        """Their number, where they are planned."""
        assert self.timeline.steps is not None
        return self.timeline.steps

    @property
    def evaluations(self) -> int:
        """Planned network evaluations per sample, where they are."""
        given = {**self.params, **self.timeline.supplies}
        return self.solver.evaluations(self.steps, given) + self.timeline.evaluations

    @property
    def planned(self) -> int | None:
        """Planned network evaluations per sample; None where the sampler chooses its steps."""
        if not self.timeline.evaluates:
            return 0
        return self.evaluations if self.timeline.budgeted else None

    @property
    def depth(self) -> int:
        """Of the planned evaluations those that wait for one another."""
        own = self.evaluations - self.timeline.evaluations
        return self.solver.depth(self.steps, self.params, own) + self.timeline.evaluations

    @property
    def about(self) -> dict[str, Mapping[str, Any]]:
        """What the results say of its parts beside their names."""
        parts = {"sampler": self.solver.entry.about, "steps": self.timeline.about}
        return {name: part for name, part in parts.items() if part}

    def remarks(self, model: Any, name: str) -> list[str]:
        """What the reader of its values must know, a line each.

        Args:
            model: or what is known of one.
            name: the model's.
        """
        with self.solver.guarded_steps():
            return [*self.solver.remarks(model, name), *self.timeline.remarks(model, name)]

    def starts(self) -> list[float]:
        """Noise levels from which it can be started, one before each step; see `Timeline.starts`.

        Raises:
            UsageError: it cannot be.
        """
        try:
            with self.solver.guarded_steps():
                return self.timeline.starts()
        except UsageError as error:
            raise UsageError(f"sampler {self.solver.name} {error}") from None

    def tail(self, first: int) -> Setting:
        """The same chain from step `first` on.

        Raises:
            UsageError: it has no such step, or a part of it is no run.
        """
        steps = len(self.starts())
        if not 0 <= first < steps:
            raise UsageError(f"sampler {self.solver.name} has steps 0 to {steps - 1}, not {first}")
        params = self.solver.late(self.params, steps, steps - first)
        return replace(self, timeline=self.timeline.tail(first), params=params)

    def _noises(self, device: torch.device) -> int:
        """Draws of noise that are worth to be made ahead."""
        if self.timeline.steps is None or not pays_ahead(device):
            return 0
        return self.solver.noises(self.timeline.steps, self.params)

    def run(
        self,
        model: Bound,
        latents: Tensor,
        noise: Callable[[Tensor], Tensor] | None,
        callback: Callable[[Step], None] | None = None,
        images: Tensor | None = None,
    ) -> Tensor:
        """From unit normal latents, in the shape of the timeline's state, to images [N, C, H, W].

        Args:
            images: [N, C, H, W], which the latents are the noise of on the first step; None to
                start from noise alone.

        Raises:
            UsageError: the sampler returned something else than a state like the one that it got,
                or divides by the length of a step that has none.
        """
        t, function = self.timeline, self.solver.function
        x = t.start(latents) if images is None else t.noised(images, latents)
        # Before the sampler, which may resize what it gets.
        like, shape = x.new_empty(0), tuple(x.shape)
        supplied = split(t.supplies, accepted(function))[0]
        view = t.view(model)
        grid = t.grid
        with drawn_ahead(noise, shape[1:], self._noises(latents.device)) as source:
            try:
                end = function(
                    view, x, grid, noise=source, callback=callback, **supplied, **self.params
                )
            except ZeroDivisionError as error:
                raise _on_equal_levels(self.solver.name, grid.tolist()) or error from error
        return t.finish(checked(f"sampler {self.solver.name}", end, like, shape), view, callback)


def _on_equal_levels(sampler: str, grid: list[float]) -> UsageError | None:
    """Why a sampler divided by 0, if it did by the length of a step."""
    twice = next((level for level, below in pairwise(grid) if level == below), None)
    if twice is None:
        return None
    return UsageError(
        f"sampler {sampler} makes no step of no length, and the nearest level that the model knows "
        f"is {twice:.6g} for two of its noise levels; ask for fewer, e.g. of euler or heun"
    )


def prepare(
    model: Any,
    sampler: str | Callable[..., Any] | Solver,
    *,
    words: Words | None = None,
    **said: Any,
) -> Setting:
    """Resolves a request for one trajectory.

    Args:
        model: or what is known of one before it is here.
        sampler: a name, a function, or one that was made ready for the model.
        words: what is asked for; or
        said: its fields, by name.

    Raises:
        OutOfBudget: the budget is too small for any steps.
        UsageError: a word that does not apply, an unknown name or an impossible value.
    """
    if isinstance(model, str):
        raise UsageError(f"model {line_of(repr(model))} is a name; load it with sb.load first")
    solver = sampler if isinstance(sampler, Solver) else Solver.on(model, sampler, "this one")
    words = Words(**said) if words is None else words
    solver.timeline.check(solver.name, words)
    own = split(words.params, solver.defaults)[0]
    with solver.guarded_steps():
        timeline = solver.timeline.of(model, solver, words)
        return Setting(solver, timeline.settled(solver.effective(own)), timeline)


def rehearse(setting: Setting) -> None:
    """Runs a setting on pixels of unit normal data, so that bad values are found at once.

    Raises:
        UsageError: the sampler cannot run with its parameters on its grid.
    """
    import torch

    try:
        with setting.solver.guarded(), torch.no_grad(), kept_generators():
            bound, latents = toy_batch(setting.timeline, setting.timeline.toy_model())
            setting.run(bound, latents, torch.randn_like)
    except (ArithmeticError, ValueError, TypeError) as error:
        params = label(setting.params) or "its defaults"
        raise UsageError(
            f"sampler {setting.solver.name} cannot run with {params} "
            f"({type(error).__name__}: {error})"
        ) from error
