"""A registered sampler made ready to plan and to run: parameters, evaluations, steps, the call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from samplebench.answers.blame import Blame, blame
from samplebench.answers.draws import kept_generators
from samplebench.answers.parameters import accepted, merge, signature, split
from samplebench.errors import OutOfBudget, UsageError
from samplebench.models.bound import Bound
from samplebench.models.guidance import Guidance
from samplebench.registry import SamplerEntry, samplers
from samplebench.sampling.foreign import as_sampler
from samplebench.sampling.signatures import check_form
from samplebench.timelines import choice
from samplebench.timelines.timeline import Timeline
from samplebench.timelines.words import Words

MAX_STEPS = 100_000
# A method of others may need a few steps before it runs at all.
_LOOK_AHEAD = 8


@dataclass(frozen=True)
class Solver:
    """A sampler with its declared facts, on one timeline.

    Attributes:
        entry: its registration.
        function: the sampler in samplebench's own signature, adapted if it was written in another.
        timeline: what it steps on.
    """

    entry: SamplerEntry
    function: Callable[..., Any]
    timeline: type[Timeline]
    # Counted evaluations by steps. Not kept any longer: the function may change what it reaches.
    _counted: dict[tuple[int, str], int] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(
        cls,
        sampler: str | Callable[..., Any],
        *,
        timeline: type[Timeline] | None = None,
    ) -> Solver:
        """By registered name, by "package.module:function", or from the function itself.

        Args:
            sampler: the name or the function.
            timeline: on which it is to run; None for that of its registration.

        Raises:
            UsageError: there is no such sampler, it does not run there, or one of others has
                another signature.
        """
        entry = _entry(sampler)
        if timeline is None:
            return cls._ready(entry, choice.timeline(entry.timeline))
        return cls._ready(choice.meaning(entry, timeline), timeline)

    @classmethod
    def on(cls, model: Any, sampler: str | Callable[..., Any], who: str) -> Solver:
        """The same on a model, where a name like "ddim" may mean a sampler on its own steps.

        Args:
            model: or what is known of one: its `kind` and its `process`.
            who: its name, for messages.

        Raises:
            UsageError: also where the sampler needs another kind of model.
        """
        return cls._ready(*choice.chosen(_entry(sampler), model, who))

    @classmethod
    def _ready(cls, entry: SamplerEntry, on: type[Timeline]) -> Solver:
        if entry.builtin:
            return cls(entry, entry.obj, on)
        check_form(entry.name, entry.obj)
        return cls(entry, as_sampler(entry.obj), on)

    @property
    def name(self) -> str:
        return self.entry.name

    @property
    def defaults(self) -> dict[str, Any]:
        """The sampler's own parameters and their defaults; what the steps supply is none."""
        known = accepted(self.function)
        return {k: v for k, v in known.items() if k not in self.timeline.supplied}

    def effective(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Defaults overridden by `params`.

        Raises:
            UsageError: a parameter the sampler does not have, or a value of another kind.
        """
        return merge(f"parameter of sampler {self.name}", self.defaults, params)

    def stochastic(self, params: Mapping[str, Any]) -> bool:
        effective = self.effective(params)
        with self.guarded():
            return bool(self.entry.stochastic(effective))

    def quiet(
        self,
        params: Mapping[str, Any] = MappingProxyType({}),
        draws: Callable[[dict[str, Any]], bool] | None = None,
    ) -> dict[str, Any] | None:
        """What makes these parameters deterministic: nothing more, or a number at 0; None: neither.

        Args:
            draws: effective parameters -> whether noise counts, where that is not as declared.
        """
        return self._with_a_number(0, params, lambda given: not (draws or self.stochastic)(given))

    def noisy(self, params: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any] | None:
        """What makes them stochastic: nothing more, or a number at 1; None: neither."""
        return self._with_a_number(1, params, self.stochastic)

    def _with_a_number(
        self, value: int, params: Mapping[str, Any], wanted: Callable[[dict[str, Any]], bool]
    ) -> dict[str, Any] | None:
        effective = self.effective(params)
        numbers = [
            name
            for name, default in self.defaults.items()
            if isinstance(default, int | float) and not isinstance(default, bool)
        ]
        tried: list[dict[str, Any]] = [{}, *({name: value} for name in numbers)]
        return next((more for more in tried if wanted(self.effective({**effective, **more}))), None)

    def order(self, params: Mapping[str, Any] = MappingProxyType({})) -> float | None:
        """Declared order of convergence."""
        declared = self.entry.order
        if not callable(declared):
            return declared
        with self.guarded():
            return float(declared(self.effective(params)))

    def final(self, params: Mapping[str, Any] = MappingProxyType({})) -> str:
        """Where its grids end unless a request says it."""
        declared = self.entry.final
        if not callable(declared):
            return declared
        with self.guarded():
            return str(declared(self.effective(params)))

    def noises(self, steps: int, params: Mapping[str, Any] = MappingProxyType({})) -> int:
        """Planned draws of noise."""
        if not self.stochastic(params):
            return 0
        if self.entry.noises is None:
            return steps
        with self.guarded():
            return int(self.entry.noises(steps, self.effective(params)))

    def levels(self, steps: int | None, **given: Any) -> Any:
        """Its own noise levels, from what it declares of the given by name.

        Raises:
            UsageError: it declares none.
        """
        declared = self.entry.levels
        if declared is None:
            raise UsageError(
                f"sampler {self.name} sets its own noise levels but declares none; register it "
                "with levels=(steps, model, **parameters) -> noise levels"
            )
        with self.guarded():
            return declared(steps, **split(given, signature(declared).parameters)[0])

    def span(self, **given: Any) -> tuple[float, float] | None:
        """The range of its own noise levels where a request says none; None: EDM's."""
        declared = self.entry.span
        if declared is None:
            return None
        with self.guarded():
            return declared(**split(given, signature(declared).parameters)[0])

    def least(self, params: Mapping[str, Any] = MappingProxyType({})) -> int:
        """The fewest steps that it can take; arguments as for `evaluations`."""
        declared, fewest = self.entry.least, self.timeline.fewest(params)
        if not callable(declared):
            return max(fewest, declared)
        with self.guarded():
            return max(fewest, int(declared(self.effective(split(params, self.defaults)[0]))))

    def canonical(self, params: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Name and effective parameters of the algorithm that runs, shared by all its aliases."""
        full = self.effective(params)
        if self.entry.canonical is None:
            return self.name, full
        with self.guarded():
            name, kept = self.entry.canonical(full)
        return name, Solver.of(name, timeline=self.timeline).effective(kept)

    def idle(self, params: Mapping[str, Any]) -> set[str]:
        """Of these parameters those that the others leave without effect."""
        full, algorithm = self.effective(params), self.canonical(params)
        return {
            name
            for name in params
            if full[name] != self.defaults[name]
            and self._ends_as(full, {**full, name: self.defaults[name]}, algorithm)
        }

    def _ends_as(
        self, full: dict[str, Any], other: dict[str, Any], algorithm: tuple[str, dict[str, Any]]
    ) -> bool:
        """Whether other parameters are the same algorithm with the same usual end."""
        return self.canonical(other) == algorithm and self.final(other) == self.final(full)

    def decisive(self, params: Mapping[str, Any], steps: int) -> dict[str, Any]:
        """What decides the images of so many steps: equal for parameters of one algorithm."""
        if self.entry.decisive is None:
            return dict(params)
        return dict(self.entry.decisive(self.effective(params), steps))

    def late(self, params: Mapping[str, Any], steps: int, left: int) -> dict[str, Any]:
        """The parameters of the run on the last `left` of so many steps, as if it had begun above.

        Args:
            params: effective ones.
        """
        if self.entry.late is None:
            return dict(params)
        with self.guarded():
            return self.entry.late(dict(params), steps, left)

    def evaluations(self, steps: int, params: Mapping[str, Any] = MappingProxyType({})) -> int:
        """Planned network evaluations per sample; counted on a toy problem if undeclared.

        Args:
            params: of the sampler and words that the steps supply, where the number depends on
                them; others are ignored.
        """
        with self.guarded():
            # Without a word of the steps, they end where this sampler's do.
            final = str(params.get("final") or self.final(split(params, self.defaults)[0]))
            if self.entry.evaluations is not None:
                known = accepted(self.entry.evaluations)
                own = split({**params, "final": final}, known)[0]
                return int(self.entry.evaluations(steps, **own))
            if (steps, final) not in self._counted:
                self._counted[steps, final] = self._count(steps, final)
            return self._counted[steps, final]

    def _count(self, steps: int, final: str) -> int:
        """Evaluations of one run of a function that does not declare them."""
        import torch

        steps_of = self.timeline.toy(steps)
        model = steps_of.toy_model()
        if self.entry.levels is not None:
            steps_of = self.timeline.of(model, self, Words(steps=steps))
        elif final != "zero" and "final" in self.timeline.supplied:
            words = Words(steps=steps, params={"final": final})
            steps_of = self.timeline.of(model, self, words)
        bound, latents = toy_batch(steps_of, model)
        x = steps_of.start(latents)
        with kept_generators(), torch.no_grad():
            self.function(steps_of.view(bound), x, steps_of.grid, noise=torch.randn_like)
        return int(bound.nfe)

    def depth(self, steps: int, params: Mapping[str, Any], planned: int) -> int:
        """Of the planned evaluations those that wait for one another."""
        if self.entry.depth is None:
            return planned
        with self.guarded():
            return int(self.entry.depth(steps, self.effective(split(params, self.defaults)[0])))

    def remarks(self, model: Any, name: str) -> list[str]:
        """What the reader of its values on a model must know, a line each."""
        if self.entry.remarks is None:
            return []
        with self.guarded():
            return list(self.entry.remarks(model, name))

    def steps_for(
        self, nfe: int, params: Mapping[str, Any] = MappingProxyType({}), beside: int = 0
    ) -> int:
        """The largest step count whose evaluations stay within the budget `nfe`.

        Args:
            params: as for `evaluations`.
            beside: evaluations that are made beside the sampler's own.

        Raises:
            OutOfBudget: even the least number of steps needs more.
        """
        (low, needed, why), high = self._first_that_runs(params), 2 * MAX_STEPS
        needed += beside
        if needed > nfe:
            reason = f"{low} step{'s need' if low > 1 else ' needs'} {needed} evaluations"
            raise OutOfBudget(self.name, nfe, "too small", reason + (f" ({why})" if why else ""))
        while high - low > 1:
            # Doubling first: an undeclared count is found by running, which large steps make slow.
            middle = min(2 * low, (low + high) // 2)
            if self.evaluations(middle, params) + beside <= nfe:
                low = middle
            else:
                high = middle
        if low > MAX_STEPS:
            raise UsageError(
                f"nfe={nfe}: the evaluations of sampler {self.name} do not grow with its steps"
            )
        return low

    def _first_that_runs(self, params: Mapping[str, Any]) -> tuple[int, int, str]:
        """The least number of steps on which the sampler runs, its evaluations, and what it said
        to fewer."""
        least, why = self.least(params), ""
        for steps in range(least, least + _LOOK_AHEAD):
            try:
                return steps, self.evaluations(steps, params), why
            except UsageError as error:
                why = "" if error.__cause__ else str(error)
        return least, self.evaluations(least, params), ""

    def guarded_steps(self) -> AbstractContextManager[None]:
        """The same of a timeline of others."""
        return blame(f"timeline {choice.registered(self.timeline).name}", self.timeline)

    def guarded(self) -> AbstractContextManager[None]:
        """Turns any failure within the block into one line that names a sampler of others."""
        return nullcontext() if self.entry.builtin else Blame(f"sampler {self.name}")


def toy_batch(steps: Timeline, model: Any, guidance: Guidance | None = None) -> tuple[Bound, Any]:
    """A toy model for one sample, and its latents, all one."""
    import torch

    latents = torch.ones(1, *steps.latent_shape(model.shape), dtype=torch.float64)
    return Bound(model, None, 1, guidance), latents


def _entry(sampler: str | Callable[..., Any]) -> SamplerEntry:
    """Of a name, or of a function, which means itself on every timeline."""
    if isinstance(sampler, str):
        return samplers.entry(sampler)
    return replace(samplers.add(sampler), on={})
